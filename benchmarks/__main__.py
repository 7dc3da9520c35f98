"""Measure everything, print one table, and write it as JSON and as a picture.

Usage::

    python -m benchmarks                       # all of it, some minutes
    python -m benchmarks --only stepping peers
    python -m benchmarks --only huge memory    # 1000 units, only when named: half an hour
    python -m benchmarks --quick               # ratios only, fails if one is far from what is wanted
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import ensemble, huge, kernel, large, machine, memory, peers, startup, stepping, trajectory
from benchmarks.rows import Row, as_json, lines
from ntkcont.pathfollowing.provenance import versions

#: The parts in the order of the table.
PARTS: dict[str, Callable[[], list[Row]]] = {
    "machine": machine.rows,
    "stepping": stepping.rows,
    "growth": stepping.growth,
    "shares": lambda: stepping.shares() + stepping.kernel_adds(),
    "kernel": kernel.rows,
    "trajectory": trajectory.rows,
    "large": large.rows,
    "ensemble": ensemble.rows,
    "startup": startup.rows,
    "peers": peers.rows,
    "huge": huge.rows,
    "memory": memory.rows,
}
#: Parts that run only when they are named.
LONG = ("huge", "memory")
QUICK: dict[str, Callable[[], list[Row]]] = {
    "stepping": lambda: stepping.rows(quick=True),
    "kernel": lambda: kernel.rows(quick=True),
    "trajectory": lambda: trajectory.rows(quick=True),
}
#: A quick run is on a machine that does other things: only numbers this many times worse than wanted are regressions.
SLACK = 2.0


def loose(row: Row) -> Row:
    """Return a row of which less is wanted."""
    return dataclasses.replace(
        row,
        at_most=None if row.at_most is None else row.at_most * SLACK,
        at_least=None if row.at_least is None else row.at_least / SLACK,
    )


def main() -> int:
    """Run; the status is 1 if a number is not what is wanted."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure ntkcont.")
    parser.add_argument("--only", nargs="+", choices=tuple(PARTS), metavar="PART", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--quick", action="store_true", help="a minute; ratios that are twice as bad as wanted fail")
    parser.add_argument("--out", default="benchmark-results", metavar="DIR", help="folder of the JSON and the picture")
    options = parser.parse_args()
    rows: list[Row] = []
    start = time.perf_counter()
    for part, measure in (QUICK if options.quick else PARTS).items():
        if part not in options.only if options.only else part in LONG:
            continue
        found = measure()
        rows += map(loose, found) if options.quick else found
        print("\n".join(lines(rows[-len(found) :])), flush=True)
        print()
    failed = [row for row in rows if not row.ok]
    folder = Path(options.out)
    folder.mkdir(parents=True, exist_ok=True)
    about = {
        "date": time.strftime("%Y-%m-%d %H:%M"), "seconds": time.perf_counter() - start, "quick": options.quick,
        "machine": platform.platform(), "cores": os.cpu_count(), "versions": dict(versions()),
    }  # fmt: skip
    (folder / "benchmarks.json").write_text(json.dumps({**about, "rows": as_json(rows)}, indent=1) + "\n")
    from benchmarks import picture

    picture.draw(rows, folder / "benchmarks.png")
    print(f"{len(rows)} numbers, {len(failed)} not as wanted; {folder}/benchmarks.json, {folder}/benchmarks.png")
    for row in failed:
        print(f"  {row.part}: {row.name}, wanted {row.wanted}")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
