"""``python -m ntkcont`` is the command ``ntkcont``."""

import sys

from ntkcont.cli import main

if __name__ == "__main__":
    sys.exit(main())
