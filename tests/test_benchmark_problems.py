"""Every special point of the truth table is found where it is, under its label, and none is invented."""

from __future__ import annotations

import numpy as np
import pytest
from invariants import check_branch
from truth import PROBLEMS, Problem, matched


@pytest.fixture(scope="module", params=list(PROBLEMS))
def case(request):
    problem: Problem = PROBLEMS[request.param]
    return problem, problem.continuation()


def test_special_points(case):
    problem, branch = case
    pairs, missing, invented = matched(branch, problem)
    where = "\n".join(f"  {point.label} at {problem.free} = {point.p!r}, x = {point.x[:4]}" for point in invented)
    assert not missing, f"not found: {[(e.label, e.p) for e in missing]}; unmatched reports:\n{where}"
    assert not invented, f"invented:\n{where}"
    assert len(pairs) == len(problem.expected)
    for _, point in pairs:
        assert point.converged
        assert point.bracket[0] <= point.s <= point.bracket[1]


def test_frequencies(case):
    problem, branch = case
    for expected, point in matched(branch, problem)[0]:
        if expected.omega is None:
            assert point.omega is None
        else:
            assert point.omega == pytest.approx(expected.omega, rel=1e-8)


def test_branch_is_a_branch(case):
    problem, branch = case
    check_branch(branch, problem.model, p_span=problem.span)


def test_reaches_both_ends(case):
    """A branch that stopped early would pass the comparison by having nothing to report."""
    problem, branch = case
    ends = {"+": [1], "-": [0], "both": [0, 1]}[problem.direction]
    for end in ends:
        assert branch.ends[end].ok, branch.ends
        p = branch.p[-1 if end else 0]
        assert np.min(np.abs(p - np.array(problem.span))) <= 1e-12 * (problem.span[1] - problem.span[0])


def test_table_is_consistent():
    """The listed points solve their equations: the table itself is checked, without any continuation."""
    assert len(PROBLEMS) == 32
    for problem in PROBLEMS.values():
        for expected in problem.expected:
            params = {problem.free: expected.p}
            f = problem.model.rhs(expected.x, params) - (expected.x if problem.kind == "map" else 0.0)
            scale = np.abs(problem.model.jac(expected.x, params)) @ np.maximum(1.0, np.abs(expected.x))
            assert np.all(np.abs(f) <= 1e-12 * np.maximum(scale, 1.0)), (problem.name, expected)
            assert problem.span[0] <= expected.p <= problem.span[1]


def test_network_points_are_exact():
    """Branch points at g = 1/l, neutral saddles at g = 2/(l_i + l_j), from the eigenvalues of W alone."""
    problem = PROBLEMS["random_tanh_rnn_N20"]
    eigenvalues = np.linalg.eigvals(problem.weights)
    real = eigenvalues[eigenvalues.imag == 0].real
    low, high = problem.span
    branch_points = sorted(g for g in 1 / real if low <= g <= high)
    sums = np.array([a + b for i, a in enumerate(real) for b in real[:i]])
    saddles = sorted(g for g in 2 / sums if low <= g <= high)
    hopf = 1 / eigenvalues[eigenvalues.imag > 0].real
    assert not np.any((hopf >= low) & (hopf <= high))
    for label, values in (("BP", branch_points), ("NSad", saddles)):
        listed = [e.p for e in problem.expected if e.label == label]
        np.testing.assert_allclose(listed, values, rtol=1e-12)
