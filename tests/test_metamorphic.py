"""The special points of a branch do not depend on how it was run.

300 random problems, each run ten times: as it is, in a wider span, until infinity, from elsewhere, backwards, with half
the steps, with states permuted, in other units, beside a stiff stable state, and with the parameter in another unit.
Thousands of them: ``python -m tests.many_problems metamorphic 5000``.

The problems are always the same ones, since some are still wrong: ``tests.known_faults`` lists those, with what is
wrong, and nothing else may be.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.branch_faults import arc, places, unmatched, within
from tests.known_faults import METAMORPHIC
from tests.metamorphic import drawn, examine
from tests.random_problems import FUNCTIONS, problem
from tests.transformations import TRANSFORMATIONS, plain

pytestmark = pytest.mark.slow

BLOCK = 20  # problems a test


@pytest.mark.parametrize("block", range(15))
def test_transformations_change_no_special_point(block):
    seeds = range(block * BLOCK, (block + 1) * BLOCK)
    wrong = {seed: faults for seed in seeds if seed not in METAMORPHIC and (faults := examine(drawn(seed)))}
    assert wrong == {}


# where a span ends, how long steps are and which way they go is what users change most: here any problem will do
@settings(max_examples=40, deadline=None, print_blob=False, derandomize=True)
@given(
    states=st.sampled_from([1, 2]),
    functions=st.sampled_from(FUNCTIONS),
    seed=st.integers(0, 2**31),
    name=st.sampled_from(["halved_steps", "permuted", "affine"]),
)
def test_steps_order_and_units_change_no_special_point(states, functions, seed, name):
    chosen = problem(states, functions, 0, seed)
    jac = chosen.coefficients.jacobian(chosen.x0[None], np.array([chosen.p0]))[0][0]
    # of a state that moves nothing, as where every tanh is saturated, the run says that nothing can be decided
    assume(np.all(np.any(jac != 0.0, axis=0)))
    assert examine(chosen, [name]) == []


# ------------------------------------------------------------------------------------------------ the tests' own side


@pytest.mark.parametrize("states", [1, 2, 3, 4])
@pytest.mark.parametrize("functions", FUNCTIONS)
def test_terms_and_jacobians_are_those_of_the_model(states, functions):
    """Complex steps of the terms are the Jacobian to rounding; the start is a fixed point to rounding."""
    chosen = problem(states, functions, 0, 3)
    run, c = plain(chosen), chosen.coefficients
    x, p = chosen.x0 + 0.1, np.array([chosen.p0 + 0.2])
    params = {**run.params, "p": float(p[0])}
    terms = c.terms(x[None], p)
    size = np.sum(np.abs(terms), axis=(0, 1))
    np.testing.assert_array_less(np.abs(run.model.rhs(x, params) - np.sum(terms, axis=0)[0]), 1e-14 * size + 1e-300)
    jac, magnitude = (each[0] for each in c.jacobian(x[None], p))
    step = 1e-30j * np.eye(states)
    exact = np.sum(c.terms(x + step, np.repeat(p, states)), axis=0).imag.T * 1e30
    np.testing.assert_array_less(np.abs(jac - exact), 1e-13 * magnitude + 1e-300)
    np.testing.assert_array_less(np.abs(run.model.jac(x, params) - exact), 1e-13 * magnitude + 1e-300)
    start = c.terms(chosen.x0[None], np.array([chosen.p0]))
    assert np.all(np.abs(np.sum(start, axis=0)) <= 1e-15 * len(start) * np.sum(np.abs(start), axis=0))


@pytest.mark.parametrize("name", list(TRANSFORMATIONS))
@pytest.mark.parametrize("states", [1, 3])
def test_transformations_keep_the_equations(name, states):
    """Mapped back, the transformed right-hand side vanishes on the same points and has the same Jacobian."""
    chosen = problem(states, "polynomial", 0, 11)
    branch, _ = plain(chosen).branch()
    run = TRANSFORMATIONS[name](chosen, branch, np.random.default_rng(0))
    x, p = run.back(run.x0[None], np.array([run.p0]))
    own = {**run.params, "p": run.p0}
    size = np.sum(np.abs(chosen.coefficients.terms(x, p)), axis=0)[0]
    # the way there and back rounds, and p = (P - be)/al loses what be is larger than P
    assert np.all(np.abs(np.sum(chosen.coefficients.terms(x, p), axis=0)[0]) <= 1e-9 * size)
    own_values = np.sort_complex(np.linalg.eigvals(run.model.jac(run.x0, own)))
    values = np.linalg.eigvals(chosen.coefficients.jacobian(x, p)[0][0])
    if name == "decoupled":
        values = np.append(values, -run.params["k"])
    np.testing.assert_allclose(own_values, np.sort_complex(values.astype(complex)), rtol=1e-7, atol=1e-7)


def test_a_point_that_is_lost_or_invented_is_seen():
    """The comparison itself: take a point away, move one, rename one."""
    chosen = problem(1, "polynomial", 0, 1)
    branch, _ = plain(chosen).branch()
    found = places(branch, plain(chosen).back)
    while not found:
        chosen = problem(1, "polynomial", 0, chosen.seed + 1)
        branch, _ = plain(chosen).branch()
        found = places(branch, plain(chosen).back)
    width = chosen.span[1] - chosen.span[0]
    ranges = arc(branch, plain(chosen).back, chosen.x0, chosen.p0, chosen.span)
    assert within(found, ranges, chosen.span) == found
    assert unmatched(found, found, width, 1e-5) == ([], [])
    assert unmatched(found, found[1:], width, 1e-5) == ([found[0]], [])
    moved = dataclasses.replace(found[0], p=found[0].p + 1e-3 * width)
    assert unmatched(found, [moved, *found[1:]], width, 1e-5) == ([found[0]], [moved])
    renamed = dataclasses.replace(found[0], label="H")
    assert unmatched(found, [renamed, *found[1:]], width, 1e-5) == ([found[0]], [renamed])
