"""The compiled helpers of the kernels: vectors of critical eigenvalues, searches for the largest eigenvalue."""

import numba
import numpy as np
import pytest
from invariants import check_branch

import ntkcont as nc
from ntkcont.kernels.critical_vectors import N_VECTORS, eigenvalues_and_vectors, workspace
from ntkcont.kernels.lapack import addresses, eigenvalues
from ntkcont.kernels.response import HISTORY, largest
from ntkcont.pathfollowing import follow

NO_STACK, NO_TABLE, NO_ROW = np.empty((0, 0, 0)), np.empty((0, 0)), np.empty(0)


@numba.njit
def with_vectors(lapack, a, is_map, wr, wi, vectors):
    """Call the kernel as the stepping kernel does."""
    reals, integers = workspace(a.shape[0])
    work, ints = np.empty(reals), np.empty(integers, np.int32)
    plain_r, plain_i = np.empty(a.shape[0]), np.empty(a.shape[0])
    eigenvalues(lapack, a.copy(), plain_r, plain_i, work[: 34 * a.shape[0] + 16], ints)
    info = eigenvalues_and_vectors(lapack, a.copy(), is_map, wr, wi, work, ints, vectors)
    same = np.all(plain_r == wr) and np.all(plain_i == wi)
    return info, same, work[0] + ints[0]  # alive to the end


def matrices(n):
    rng = np.random.default_rng(n)
    dense = rng.standard_normal((n, n)) / np.sqrt(n) - 0.4 * np.eye(n)
    badly_scaled = dense * np.logspace(-4, 4, n)[:, None] / np.logspace(-4, 4, n)[None, :]
    return {"dense": dense, "symmetric": dense + dense.T, "triangular": np.triu(dense), "badly scaled": badly_scaled}


@pytest.mark.parametrize("is_map", [False, True])
@pytest.mark.parametrize("n", [3, 6, 25, 64, 130])
def test_vectors_of_the_critical_eigenvalues(n, is_map):
    for name, a in matrices(n).items():
        wr, wi, vectors = np.empty(n), np.empty(n), np.empty((N_VECTORS, n + 1))
        info, same, _ = with_vectors(addresses(), a, is_map, wr, wi, vectors)
        assert info == 0
        assert same, f"{name}: the eigenvalues must be dgeev's to the last bit"
        e = wr + 1j * wi
        distances = (np.abs(e - is_map), np.abs(np.abs(e) - 1.0) if is_map else np.abs(e.real))
        for row, distance in zip((0, 4), distances, strict=True):
            lam = vectors[row, n] + 1j * vectors[row + 1, n]
            wanted = e[np.argmin(distance)]
            assert lam == (wanted if wanted.imag >= 0 else wanted.conj())
            right, left = (vectors[row + k, :n] + 1j * vectors[row + k + 1, :n] for k in (0, 2))
            size = np.linalg.norm(a, 2)
            assert np.linalg.norm(a @ right - lam * right) <= 1e-11 * size * np.linalg.norm(right), name
            assert np.linalg.norm(left.conj() @ a - lam * left.conj()) <= 1e-11 * size * np.linalg.norm(left), name


def memory(rows, seed=0):
    history = np.zeros((HISTORY, rows), complex)
    generic = np.random.default_rng(seed).standard_normal(rows)
    history[-1] = generic / np.linalg.norm(generic)
    return history, np.zeros(HISTORY, dtype=bool)


@pytest.mark.parametrize(
    ("conditions", "n", "q", "m", "is_diagonal"),
    [
        (1, 30, 0, 30, False),
        (1, 30, 0, 30, True),
        (1, 64, 0, 9, False),
        (2, 40, 5, 7, False),
        (3, 26, 0, 60, False),
        (1, 130, 40, 130, False),
        (1, 130, 40, 130, True),
    ],
)
def test_largest_of_a_response(conditions, n, q, m, is_diagonal):
    rng = np.random.default_rng(n)
    A = rng.standard_normal((conditions, n, n)) / np.sqrt(n) - 0.4 * np.eye(n)
    F = np.diag(rng.standard_normal(n))[None] if is_diagonal else rng.standard_normal((conditions, n, m))
    C = rng.standard_normal((q, n)) if q else NO_TABLE
    history, known = memory(conditions * (q or n))
    for omega in (0.0, 0.7, 0.7001, 0.71, 2.0):  # the memory of one serves the next
        s = 1j * omega
        G = np.concatenate(
            [(C if q else np.eye(n)) @ np.linalg.solve(a - s * np.eye(n), f) for a, f in zip(A, F, strict=True)]
        )
        expected = np.linalg.svd(G, compute_uv=False)[0] ** 2
        found = largest(addresses(), A, s, F, is_diagonal, C, NO_TABLE, NO_ROW, NO_ROW, history, known)
        assert found == pytest.approx(expected, rel=1e-9)
    assert known[:4].all()


def of_matrix(K, history, known):
    nothing = np.zeros(len(K))
    return largest(addresses(), NO_STACK, 0j, NO_STACK, False, NO_TABLE, K, nothing, nothing, history, known)


def test_largest_of_an_updated_matrix():
    rng = np.random.default_rng(3)
    for rows in (25, 49, 90):
        K = rng.standard_normal((rows, rows))
        K, u, w = K @ K.T, rng.standard_normal(rows), rng.standard_normal(rows)
        expected = np.linalg.eigvalsh(K + np.outer(u, w) + np.outer(w, u))[-1]
        found = largest(addresses(), NO_STACK, 0j, NO_STACK, False, NO_TABLE, K, u, w, *memory(rows))
        assert found == pytest.approx(expected, rel=1e-9)


def test_the_largest_is_followed_through_a_swap():
    """Two eigenvalues cross whose vectors do not mix: the memory of one must not hide the other."""
    rng = np.random.default_rng(5)
    rows = 60
    Q = np.linalg.qr(rng.standard_normal((rows, rows)))[0]
    history, known = memory(rows)
    for x in np.linspace(0.0, 1.0, 41):
        e = np.concatenate([[1.0 + x, 2.0 - x, 0.5 + 1.9 * x**4], np.linspace(0.0, 0.9, rows - 3)])
        assert of_matrix((Q * e) @ Q.T, history, known) == pytest.approx(e.max(), rel=1e-9)


def test_a_double_top_and_a_zero_matrix():
    rng = np.random.default_rng(6)
    Q = np.linalg.qr(rng.standard_normal((40, 40)))[0]
    e = np.append(np.linspace(0.0, 1.0, 38), [3.0, 3.0])
    assert of_matrix((Q * e) @ Q.T, *memory(40)) == pytest.approx(3.0, rel=1e-9)
    assert of_matrix(np.zeros((40, 40)), *memory(40)) == 0.0
    assert np.isnan(of_matrix(np.full((40, 40), np.nan), *memory(40)))


@pytest.mark.parametrize("alpha", [None, 0.5])
def test_vectors_from_the_steps_change_nothing(alpha, monkeypatch):
    """The signatures with the vectors of the stepping kernel are those without them, in scaled states too."""
    rng = np.random.default_rng(1)
    n = 30
    net = nc.RateRNN(1.3 * rng.standard_normal((n, n)) / np.sqrt(n), b=0.1 * rng.standard_normal(n), alpha=alpha)
    kernel = nc.ntk.StateNTK(state_scale=1.0 + rng.random(n))
    given = []
    original = follow.evaluate

    def watched(bound, nodes, n):
        given.append(nodes.vectors)
        return original(bound, nodes, n)

    monkeypatch.setattr(follow, "evaluate", watched)
    branch = nc.continuation(
        net, np.zeros(n), free="gain", p_span=(0.3, 1.6), params={"gain": 0.3}, direction="+", ntk=kernel
    )
    check_branch(branch, net)
    assert sum(len(vectors) for vectors in given) == len(branch) - 1
    assert all(np.isfinite(vectors[:, :, :-1]).all() for vectors in given)
    found, again = branch.ntk, nc.annotate(branch, kernel).ntk
    assert found is not None
    assert again is not None
    assert np.any(np.imag(found["lambda_c"]) != 0)
    assert np.any(np.imag(found["lambda_c"]) == 0)
    for name in found.names:
        np.testing.assert_allclose(found[name], again[name], rtol=1e-7, atol=1e-9, err_msg=name)
