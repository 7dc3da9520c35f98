"""Branches beside what is known of them from elsewhere: nothing missed, nothing invented, nothing unexplained.

510 right-hand sides in one state whose parameter is a function of the state, so that folds, ends and stability are
known; 180 planar cubic flows and maps beside a tracer of the tests' own.  Thousands of them:
``python -m tests.many_problems folds 3000``, and ``flows``, ``maps``.  Those that are still wrong stand in
``tests.known_faults``.
"""

from __future__ import annotations

import pytest

from tests import fold_problems, planar_problems
from tests.known_faults import FOLDS as KNOWN_FOLDS

pytestmark = pytest.mark.slow

FOLDS, PLANAR = 10, 15  # problems a test
#: At most so many of the planar problems of a class are left out because the tracer contradicts itself.
AMBIGUOUS = {"unit": 0.05, "mid": 0.1, "wide": 0.25}


def _faults(module, problems):
    """Return the faults by seed, and how many problems do not count."""
    found, ambiguous = {}, 0
    for seed, problem in problems:
        counts, faults = module.examine(problem)
        ambiguous += not counts
        if counts and faults:
            found[seed] = faults
    return found, ambiguous


@pytest.mark.parametrize("block", range(17))
@pytest.mark.parametrize("group", list(fold_problems.CLASSES))
def test_folds_and_ends_of_a_graph(group, block):
    seeds = range(block * FOLDS, (block + 1) * FOLDS)
    drawn = [(seed, fold_problems.drawn(group, seed)) for seed in seeds if (group, seed) not in KNOWN_FOLDS]
    found, ambiguous = _faults(fold_problems, drawn)
    assert found == {}
    assert ambiguous <= 3


@pytest.mark.parametrize("block", range(2))
@pytest.mark.parametrize("kind", ["flow", "map"])
@pytest.mark.parametrize("group", list(planar_problems.CLASSES))
def test_planar_cubics_beside_a_fine_tracer(group, kind, block):
    seeds = range(block * PLANAR, (block + 1) * PLANAR)
    found, ambiguous = _faults(planar_problems, [(seed, planar_problems.drawn(kind, group, seed)) for seed in seeds])
    assert found == {}
    assert ambiguous <= 1 + AMBIGUOUS[group] * PLANAR
