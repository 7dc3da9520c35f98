"""A fixed point on a known branch is recognised, also where the weights turn sharply: none counts twice."""

import numpy as np
import pytest
from scipy.optimize import brentq

from tests.training import recorded, scalar


def roots(path, s):
    """Return the fixed points at s: sign changes of z - w tanh z - b on a fine grid, refined."""
    weights = path.weights(s)
    z = np.linspace(-6.0, 6.0, 6002)

    def rhs(x):
        return -x + float(weights["W"][0, 0]) * np.tanh(x) + weights["b"][0]

    f = rhs(z)
    return np.array([brentq(rhs, z[i], z[i + 1]) for i in np.flatnonzero(f[:-1] * f[1:] < 0)])


def compare(path, starts):
    """The numbers of fixed points at the checkpoints and between them are those of the grid."""
    record = recorded(path, starts=starts)
    steps = np.sort(np.concatenate([path.steps, 0.5 * (path.steps[1:] + path.steps[:-1])]))
    expected = [len(roots(path, s)) for s in steps]
    np.testing.assert_array_equal(record.fixed_points(steps), expected)


def test_cubic_path_through_sharp_turns_is_one_branch():
    w = [0.834, -0.176, -0.292, -0.725, 0.937, 1.049, 0.873]
    b = [-0.861, -0.478, -0.558, -0.548, 0.07, 0.288, 0.086]
    path = scalar(w, b, steps=100 * np.arange(7), interpolation="cubic")
    record = recorded(path, starts=[[-2.0], [0.0], [2.0]])
    assert len(record.diagrams[0]) == 1
    np.testing.assert_array_equal(record.attractors(), 1)


@pytest.mark.parametrize("interpolation", ["linear", "cubic"])
@pytest.mark.parametrize("count", [7, 12])
@pytest.mark.parametrize("seed", [0, 3])
def test_numbers_of_fixed_points_are_those_of_brute_force(seed, count, interpolation):
    rng = np.random.default_rng(seed)
    w, b = rng.uniform(-1.0, 2.5, count), rng.uniform(-0.7, 0.7, count)
    path = scalar(w, b, steps=100 * np.arange(count), interpolation=interpolation)
    compare(path, np.linspace(-3.5, 3.5, 15)[:, None])
