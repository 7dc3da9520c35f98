"""Exceptions, and the few helpers that word their messages.

Bad input raises :class:`InputError` at once, with one sentence: which argument, what it was, what it may be.
Failed numerics raise only where nothing has been computed yet; otherwise the partial result carries a status.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_MOST_LISTED = 20


class InputError(ValueError):
    """An argument is not what it may be; the message names it and says what to do."""


class ConvergenceError(RuntimeError):
    """A Newton iteration did not converge at the start, before there was anything to return."""


class PeerError(RuntimeError):
    """A program to compare with is missing, cannot run on this Python, or failed; the message says what to do."""


class FileFormatError(InputError):
    """A file is not one of ours, or was written by a newer version."""


def nearest(name: str, allowed: Iterable[str], count: int = 3) -> str:
    """Return a clause that names the closest spellings among `allowed`, or lists what exists if that is not much.

    Examples
    --------
    >>> nearest("gNA", ["gNa", "gK"])
    "did you mean 'gNa'?"
    """
    names = [str(a) for a in allowed]
    close = difflib.get_close_matches(name, names, n=count, cutoff=0.6)
    if not close:  # case differences score low for short names
        close = [a for a in names if a.lower() == name.lower()]
    if close:
        return "did you mean " + " or ".join(repr(a) for a in close) + "?"
    if len(names) > _MOST_LISTED:
        far = difflib.get_close_matches(name, names, n=count, cutoff=0.0)
        return f"of the {len(names)} that exist, the nearest {'is' if len(far) == 1 else 'are'} " + ", ".join(
            map(repr, far)
        )
    return "it may be " + ", ".join(repr(a) for a in names)


def unknown_name(argument: str, got: object, allowed: Iterable[str]) -> InputError:
    """Build the error for a name that is not among `allowed`."""
    return InputError(f"{argument}: {got!r} is unknown; {nearest(str(got), allowed)}")
