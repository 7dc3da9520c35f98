"""Thousands of random problems by hand: ``python -m tests.many_problems KIND COUNT [FIRST] [-j 2] [--out FILE]``.

KIND is ``metamorphic``, ``folds``, ``flows`` or ``maps``.  Prints a tally of what is wrong, with the seeds, and exits
with 1 if anything is; FILE gets one line of JSON for each problem with a fault.
"""

from __future__ import annotations

import argparse
import collections
import importlib
import json
import logging
import multiprocessing
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

#: For each kind a module with a function that takes a seed and returns (class, faults); None as class: does not count.
KINDS = {
    "metamorphic": ("tests.metamorphic", "by_seed"),
    "folds": ("tests.fold_problems", "by_seed"),
    "flows": ("tests.planar_problems", "flow_by_seed"),
    "maps": ("tests.planar_problems", "map_by_seed"),
}
LIMIT = 600  # seconds a problem; the first ones compile


def _alarm(*_: Any) -> None:
    raise TimeoutError


def one(job: tuple[str, int]) -> tuple[int, str, list[tuple[str, str]], float]:
    """Run one problem; whatever is raised is a fault."""
    kind, seed = job
    logging.getLogger("ntkcont").setLevel(logging.ERROR)
    module, name = KINDS[kind]
    function: Callable[[int], tuple[str, list[tuple[str, str]]]] = getattr(importlib.import_module(module), name)
    signal.signal(signal.SIGALRM, _alarm)
    signal.alarm(LIMIT)
    begun = time.perf_counter()
    try:
        group, found = function(seed)
    except TimeoutError:
        group, found = "hangs", [("hangs", f"more than {LIMIT} s")]
    except Exception as error:
        group, found = "raises", [("raises", f"{type(error).__name__}: {str(error)[:300]}")]
    finally:
        signal.alarm(0)
    return seed, group, found, time.perf_counter() - begun


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("count", type=int)
    parser.add_argument("first", type=int, nargs="?", default=0)
    parser.add_argument("-j", type=int, default=1, help="processes")
    parser.add_argument("--out", help="file for the faults, a line of JSON each")
    chosen = parser.parse_args(arguments)
    jobs = [(chosen.kind, seed) for seed in range(chosen.first, chosen.first + chosen.count)]
    groups, faulty, kinds = collections.Counter(), collections.Counter(), collections.defaultdict(list)
    seconds = 0.0
    with multiprocessing.get_context("spawn").Pool(chosen.j) as pool:
        results = pool.imap_unordered(one, jobs, chunksize=4) if chosen.j > 1 else map(one, jobs)
        with open(chosen.out or "/dev/null", "w", encoding="utf-8") as file:
            for seed, group, found, took in results:
                seconds += took
                groups[group] += 1
                faulty[group] += bool(found)
                for kind in sorted({kind for kind, _ in found}):
                    kinds[kind].append(seed)
                if found:
                    file.write(json.dumps({"seed": seed, "class": group, "faults": found}) + "\n")
                    file.flush()
    total = sum(faulty.values())
    write = sys.stdout.write
    write(f"{chosen.kind}: {len(jobs)} problems, {total} with faults, {seconds:.0f} s\n")
    for group in sorted(groups):
        write(f"  {group}: {groups[group]}, {faulty[group]} with faults\n")
    for kind, seeds in sorted(kinds.items(), key=lambda item: -len(item[1])):
        write(f"  {kind}: {len(seeds)}, seeds {' '.join(map(str, seeds[:8]))}{' ...' if len(seeds) > 8 else ''}\n")
    return int(total > 0)


if __name__ == "__main__":
    sys.exit(main())
