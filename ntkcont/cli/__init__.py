"""The command ``ntkcont``: a demo, problem files, and a look at saved branches.

Exit status: 0, all went well; 1, a branch was saved that ended early (its status says why); 2, bad input
(or the program to compare with is missing), with one line on standard error; 130, interrupted.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from ntkcont.errors import ConvergenceError, InputError, PeerError, nearest

COMMANDS = {
    "demo": (
        "a neuron model and a 64-unit network: diagrams, kernels, scaling exponents",
        """\
examples:
  ntkcont demo
  ntkcont demo --out pictures

Follows the Morris-Lecar neuron in its input current and a 64-unit rate network in its gain, evaluates the
neural tangent kernel at every point, and compares how it grows near the bifurcations with theory.
The first run on a machine compiles the numerical kernels; they are kept for later runs.""",
    ),
    "run": (
        "solve a problem file (TOML)",
        """\
examples:
  ntkcont run fold.toml
  ntkcont run fold.toml --out results
  ntkcont run fold.toml --checkpoint fold.checkpoint

a complete problem file:
  [model.equations]
  x = "mu - x**2"
  [model.params]
  mu = 1.0

  [continuation]
  x0 = { x = 1.0 }
  free = "mu"
  p_span = [-1.0, 2.0]

  [kernel]
  theta = ["mu"]
  theta_scale = "none"
  state_scale = "none"

  [outputs]
  npz = "fold.npz"
  csv = "fold.csv"
  diagram = "fold.png"
  panels = "fold-kernel.png"

Weights instead of equations: weights = "weights.npz" under [model]. docs/problem-files.md lists every key.
exit status: 0 both ends as wanted; 1 the branch ended early and is saved; 2 bad input.""",
    ),
    "compare": (
        "solve a problem file with another program too, and report both",
        """\
examples:
  ntkcont compare morris_lecar.toml
  ntkcont compare morris_lecar.toml --against xpplab --out report

Prints which special points both find, which only one of them finds (with evidence), stability along the branch and
time per step, and writes the report as text, JSON and a picture, named after the problem file.
The other program is an extra: pip install 'ntkcont[pydstool]' (Python 3.11 or 3.12) or 'ntkcont[xpplab]'.
Options of it stand in the tables [compare.pydstool] and [compare.xpplab]; docs/problem-files.md lists them.
exit status: 0 the report is written; 2 bad input, or the other program is missing or failed.""",
    ),
    "warmup": (
        "compile everything now that later runs would compile first",
        """\
examples:
  ntkcont warmup
  ntkcont warmup fold.toml network.toml

Compiles the numerical kernels, once for an installation and a kind of processor, and runs one small problem of each
kind; then a few steps of each problem file, which also compiles its own model and its kernel.  Prints a line and the
seconds for each.  Do this once on a node of a cluster before many processes start there.  Compiled code is kept in the
user's cache folder; the environment variable NTKCONT_CACHE_DIR moves it.""",
    ),
    "info": (
        "what a file of results or a problem file holds",
        """\
examples:
  ntkcont info fold.npz
  ntkcont info fold.toml""",
    ),
    "plot": (
        "draw a branch, a diagram, a curve in two parameters or a training record",
        """\
examples:
  ntkcont plot fold.npz
  ntkcont plot fold.npz --y x --color participation_ratio -o fold.pdf
  ntkcont plot fold.npz --panels""",
    ),
}


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    from ntkcont import __version__

    parser = _Parser(
        prog="ntkcont",
        description="Bifurcation diagrams annotated with the neural tangent kernel.",
        epilog="ntkcont COMMAND --help shows examples.",
    )
    parser.add_argument("--version", action="version", version=f"ntkcont {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    added = {}
    for name, (summary, epilog) in COMMANDS.items():
        added[name] = commands.add_parser(
            name,
            help=summary,
            description=summary[0].upper() + summary[1:] + ".",
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
    added["demo"].add_argument("--out", default="ntkcont-demo", metavar="DIR", help="folder for pictures and branches")
    added["run"].add_argument("file", metavar="FILE.toml", help="the problem file")
    added["run"].add_argument(
        "--out", default=".", metavar="DIR", help="folder for the outputs; default: the current one"
    )
    added["run"].add_argument(
        "--checkpoint", metavar="FILE", help="write the run down as it goes; run again to go on after it was killed"
    )
    compare = added["compare"]
    compare.add_argument("file", metavar="FILE.toml", help="the problem file")
    compare.add_argument(
        "--against", choices=("pydstool", "xpplab"), help="the other program; default: the file's, else pydstool"
    )
    compare.add_argument("--out", default=".", metavar="DIR", help="folder for the report; default: the current one")
    added["warmup"].add_argument("files", metavar="FILE.toml", nargs="*", help="problem files to prepare as well")
    added["info"].add_argument("file", metavar="FILE", help="a file of results (.npz) or a problem file (.toml)")
    plot = added["plot"]
    plot.add_argument("file", metavar="FILE", help="a file of results (.npz)")
    plot.add_argument("--y", metavar="NAME", help="state or other column on the vertical axis")
    plot.add_argument("--color", metavar="NAME", help="kernel signature that colours the branch")
    plot.add_argument("--panels", action="store_true", help="diagram and kernel signatures below each other")
    plot.add_argument("-o", "--output", metavar="PICTURE", help="file to write (default: FILE with .png)")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments; default: those of the process.

    Returns
    -------
    int
        0, 1 (a branch was saved that ended early), 2 (bad input) or 130 (interrupted).

    Examples
    --------
    >>> from ntkcont.cli import main
    >>> main(["info", "no-such-file.npz"])
    2
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    parser = build_parser()
    if arguments and not arguments[0].startswith("-") and arguments[0] not in COMMANDS:
        parser.error(f"there is no command {arguments[0]!r}; {nearest(arguments[0], COMMANDS)}")
    options = parser.parse_args(arguments)
    try:
        return _run(options)
    except (InputError, ConvergenceError, PeerError, OSError) as error:
        if isinstance(error, BrokenPipeError):  # the reader of our output, such as head, has gone
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        print(f"ntkcont: {_one_line(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("ntkcont: interrupted", file=sys.stderr)
        return 130


def _run(options: argparse.Namespace) -> int:
    if options.command == "demo":
        from ntkcont.cli.demo import demo

        return demo(options.out)
    if options.command == "run":
        from ntkcont.cli.run import run

        return run(options.file, options.out, options.checkpoint)
    if options.command == "compare":
        from ntkcont.cli.compare import compare

        return compare(options.file, options.against, options.out)
    if options.command == "warmup":
        from ntkcont.cli.warmup import warmup

        return warmup(options.files)
    from ntkcont.cli import look

    if options.command == "info":
        return look.info(options.file)
    return look.plot(options.file, y=options.y, color=options.color, panels=options.panels, output=options.output)


def _one_line(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename}: {error.strerror.lower()}"
    return " ".join(str(error).split())
