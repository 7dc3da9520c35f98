"""Far out on a branch entries of the Jacobian are the rounding of their terms: nothing is concluded from their signs.

Two planar cubics whose branches run to infinity with the parameter at a standstill.  There terms of 1e33 cancel in an
entry, and the sign of the smaller eigenvalue is that of what is left.
"""

from __future__ import annotations

import numpy as np
import pytest

from ntkcont import Status
from ntkcont.kernels.algebra import library
from ntkcont.kernels.spectrum import N_COUNTS, N_UNSTABLE, UNSURE, counts_of
from tests.equation_truth import Problem, followed

FLOW = Problem(
    {
        "x": "1.272 + 0.2599*y - 1.375*y^2 + 1.4*p*y^2 + 1.222*y^3 - 0.9135*p*y^3 + 0.729*p*x + 0.4649*x*y"
        " + 0.27*p*x*y - 0.5249*p*x*y^2 + 1.214*x^2 + 1.189*p*x^2 + 1.69*p*x^2*y + 0.03421*x^3 + 0.4336*p*x^3",
        "y": "1.799 - 0.2414*y + 1.062*p*y^2 + 0.3419*y^3 + 0.8005*p*x - 0.09566*x*y + 0.8365*x*y^2 + 0.1463*p*x^2"
        " + 0.7038*x^2*y",
    },
    {"p": 0.0},
)
STEEP = Problem(
    {
        "x": "18.74 - 0.1076*p - 0.1063*p*y - 12.49*p*y^2 + 0.0323*y^3 + 0.01068*p*y^3 - 0.03674*p*x*y^2"
        " + 0.03501*p*x^2 - 0.2735*x^2*y + 25.46*p*x^2*y",
        "y": "0.3873*p - 59.34*y^2 - 0.02344*y^3 + 0.3609*p*x + 0.1773*x*y - 17.79*x*y^2 - 66.61*x^2 - 0.09726*p*x^2"
        " + 0.01151*x^2*y + 12.13*p*x^2*y + 0.4077*x^3",
    },
    {"p": 0.0},
)


@pytest.mark.parametrize(
    ("problem", "start", "p", "span"),
    [
        (FLOW, [1.78957657717, -0.182573817329], -0.78008463295, (-4.753028264802084, 3.1427982343948644)),
        (STEEP, [-3.7341892625, 27.3403744817], -0.834653795976, (-1.4934404235499392, 5.961145750181659)),
    ],
)
def test_a_flow_far_out(problem, start, p, span):
    """It ends where it is known to go to infinity, and listed points explain all changes."""
    branch = followed(problem, start, free="p", span=span, params={"p": p}, invariants=False)
    assert Status.UNBOUNDED in branch.ends
    assert 1e5 < np.max(np.abs(branch.x)) < 1e9
    assert np.all(np.isfinite(branch.eigenvalues))
    listed = [point for point in branch.special_points if point.label in ("LP", "H", "BP", "PD", "NS")]
    assert np.count_nonzero(np.diff(branch.n_unstable)) == len(listed)
    assert branch.doubtful == ()


def test_a_multiplier_of_zero_whose_rounding_is_larger_than_the_circle():
    """The multipliers of [[0, b], [0, d]] are 0 and d; with b = d = 1e33 rounding moves the first by 1e17."""
    wr, wi, counts = np.array([0.0, 1e33]), np.zeros(2), np.zeros(N_COUNTS, dtype=np.int64)
    counts_of(library(), np.array([[-1.0, 1e33], [0.0, 1e33]]), wr, wi, True, counts)
    assert wr[0] ** 2 + wi[0] ** 2 == 1.0
    assert wr[1] == 1e33
    assert (counts[UNSURE], counts[N_UNSTABLE]) == (1, 1)
