"""Counts of eigenvalues of matrices whose numbers span up to sixty decades, beside eigenvalues in 300 digits."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from ntkcont.kernels.algebra import library
from ntkcont.kernels.critical_vectors import workspace
from ntkcont.kernels.lapack import eigenvalues
from ntkcont.kernels.spectrum import N_COUNTS, N_UNSTABLE, PAIRS, REAL_PLUS, UNSURE, real_to_rounding, spectrum

#: A sign that changes with relative errors of this size in the numbers of the matrix is not known.
KNOWN = 1e-12
#: Smaller than this beside the largest is zero by structure.
ZERO = 1e-200


def judged(a):
    """Return the eigenvalues that the package makes of `a`, and their counts."""
    n = len(a)
    wr, wi, counts = np.empty(n), np.empty(n), np.zeros(N_COUNTS, np.int64)
    floats, integers = workspace(n)
    spectrum(
        library(), np.ascontiguousarray(a), False, np.empty((n, n)), np.empty(floats), wr, wi, np.empty(n),
        np.empty((0, 0)), counts, np.empty(integers, np.int32),
    )  # fmt: skip
    return wr + 1j * wi, counts


def truth(a):
    """Return the eigenvalues, and the relative error of the numbers of `a` that changes the sign of one of them."""
    n = len(a)
    with mpmath.workdps(300):
        values, left, right = mpmath.eig(mpmath.matrix(a.tolist()), left=True, right=True)
        most, least = max(abs(value) for value in values), np.inf
        for k in range(n):
            over = abs(sum(left[k, i] * right[i, k] for i in range(n)))
            terms = sum(abs(left[k, i] * right[j, k]) * abs(float(a[i, j])) for i in range(n) for j in range(n))
            if abs(values[k]) <= ZERO * most or over == 0:
                return values, 0.0
            least = min(least, float(abs(mpmath.re(values[k])) * over / terms))
        return values, least


def numbers_of_any_size(rng, n, k):
    return rng.choice([-1.0, 1.0], (n, n)) * 10.0 ** rng.uniform(-k, k, (n, n))


def scaled_from_both_sides(rng, n, k):
    return 10.0 ** rng.uniform(-k, k, (n, 1)) * rng.normal(size=(n, n)) * 10.0 ** rng.uniform(-k, k, n)


def rates_with_couplings(rng, n, k):
    coupled = numbers_of_any_size(rng, n, k) * (rng.random((n, n)) < 0.5)
    rates = rng.choice([-1.0, 1.0], n) * 10.0 ** rng.uniform(-k, k, n)
    return np.where(np.eye(n) > 0.0, np.diag(rates), coupled)


def fast_and_slow_in_other_units(rng, n, k):
    units = 10.0 ** rng.uniform(-k / 3.0, k / 3.0, n)
    return 10.0 ** rng.uniform(-k, k, (n, 1)) * rng.normal(size=(n, n)) * units[:, None] / units


def polynomial_terms_far_out(rng, n, k):
    return rng.normal(size=(n, n)) * (10.0 ** rng.uniform(0.0, k / 2.0, n)) ** rng.integers(0, 4, (n, n))


FAMILIES = [
    numbers_of_any_size, scaled_from_both_sides, rates_with_couplings, fast_and_slow_in_other_units,
    polynomial_terms_far_out,
]  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("family", FAMILIES)
def test_counts_are_those_that_the_numbers_determine(family, seed):
    rng = np.random.default_rng([seed, FAMILIES.index(family)])
    known = given_up = 0
    for _ in range(15):
        n = int(rng.integers(2, 7))
        a = family(rng, n, rng.uniform(2.0, 30.0)) * (rng.random((n, n)) < rng.choice([1.0, 0.8, 0.6]))
        values, least = truth(a)
        found, counts = judged(a)
        if least < 1e-15:
            # only real ones: of a pair the numbers may determine the modulus but for rounding, and the sign well
            is_real = all(abs(mpmath.im(value)) <= 1e-100 * abs(value) for value in values)
            assert not is_real or least > 1e-17 or counts[UNSURE] > 0, a
            continue
        if counts[UNSURE] > 0:
            given_up += least > KNOWN
            continue
        known += 1
        assert counts[N_UNSTABLE] == sum(mpmath.re(value) > 0 for value in values), a
        real = [value for value in values if abs(mpmath.im(value)) <= 1e-100 * abs(value)]
        assert counts[REAL_PLUS] == sum(mpmath.re(value) > 0 for value in real), a
        if least > KNOWN:
            apart = [min(abs(complex(value) - each) / abs(complex(value)) for each in found) for value in values]
            assert max(apart) < 1e-6 + 1e-13 / least, a
    assert known > 6
    assert given_up <= 1


#: Jacobians at points far out of polynomial equations, and how many of their eigenvalues are positive.
FAR_OUT = [
    ([[1.884227e02, 4.931437e02, -9.298021e39], [-7.799156e01, 4.653405e01, -1.633394e37],
      [-2.136478e02, 1.274740e02, -8.560025e36]], 1),
    ([[-2.67670e22, 0.0, 0.0, 2.98496, 140.245], [-8.74181e20, 0.0, 0.0, 0.0, 0.0], [0.0, 0.0, -0.370785, 0.0, 0.0],
      [0.0, -7.08087e-05, -2.85555, 2.41690e-09, 2.02675e-08], [0.0, 0.0, 141.756, 1.04757e-06, -1.36357e-06]], 1),
    ([[-6.1633e-18, -5.9781e-23, 2.0324e22], [1.3510e-25, 6.5704e-31, 5.0885e14], [1780.1, 7.4503e-03, -1.8842e42]], 2),
]  # fmt: skip


@pytest.mark.parametrize(("rows", "unstable"), FAR_OUT)
def test_in_every_order_of_the_states(rows, unstable):
    a = np.array(rows)
    values, least = truth(a)
    assert least > KNOWN
    assert unstable == sum(mpmath.re(value) > 0 for value in values)
    rng = np.random.default_rng(0)
    for _ in range(10):
        order = rng.permutation(len(a))
        units = 2.0 ** rng.integers(-40, 40, len(a))
        _, counts = judged((units[:, None] * a / units)[np.ix_(order, order)])
        assert (counts[N_UNSTABLE], counts[UNSURE]) == (unstable, 0)


def test_neutral_saddles_of_slow_states():
    """Two slow rates r and -r (1 + d) beside a fast one: the parity of the pairs is that of d > 0."""
    for d, pairs in ((1e-3, 0), (-1e-3, 1)):
        slow = np.array([[1e-8, 1e20], [0.0, -1e-8 * (1.0 + d)]])
        a = np.zeros((3, 3))
        a[:2, :2] = slow
        a[2] = [3.0, 1e25, -1e40]
        _, counts = judged(a)
        assert counts[UNSURE] == 0
        assert counts[N_UNSTABLE] == 1
        # the pairs of the fast one with each slow one are negative as well: two of them do not change the parity
        assert counts[PAIRS] == 1 - pairs


def test_ordinary_matrices_keep_their_eigenvalues_to_the_last_bit():
    rng = np.random.default_rng(0)
    near = 0
    for _ in range(400):
        n = int(rng.integers(3, 9))
        a = rng.normal(size=(n, n))
        if rng.random() < 0.5:  # nearly singular
            a -= np.eye(n) * np.linalg.eigvals(a).real[rng.integers(n)] * (1.0 - 10.0 ** rng.uniform(-12, -7))
        wr, wi = np.empty(n), np.empty(n)
        eigenvalues(library(), a.copy(), wr, wi, np.empty(34 * n + 16), np.empty(64, np.int32))
        found, counts = judged(a)
        if counts[UNSURE] == 0:
            near += bool(np.min(np.abs(wr)) < 1e-7)
            assert np.array_equal(found, wr + 1j * wi)
    assert near > 20


@pytest.mark.parametrize("is_map", [False, True])
def test_a_matrix_that_is_not_finite_has_no_eigenvalues_and_no_message(is_map, capfd):
    a = np.array([[1.0, np.nan, 0.0], [0.0, 1.0, np.inf], [2.0, 0.0, 1.0]])
    wr, wi = np.zeros(3), np.zeros(3)
    real_to_rounding(library(), a, wr, wi, is_map)
    assert np.all(np.isnan(wr) & np.isnan(wi))
    assert capfd.readouterr().err == ""  # LAPACK's complaints go there
