"""Singular values and least squares that do not fail where LAPACK's fast driver does."""

from __future__ import annotations

import pathlib
import re

import numpy as np
import pytest

import ntkcont
from ntkcont.linear import least_squares, rank, svd

#: Finite, of entries between 2e-5 and 0.3, and half of its columns dependent: gesdd of OpenBLAS gives up.
HARD = np.load(pathlib.Path(__file__).parent / "data" / "gesdd_fails.npy")


@pytest.fixture
def failing(monkeypatch):
    """Numpy's drivers give up on every matrix."""

    def gives_up(*_args, **_keywords):
        raise np.linalg.LinAlgError("SVD did not converge")

    monkeypatch.setattr(np.linalg, "svd", gives_up)
    monkeypatch.setattr(np.linalg, "lstsq", gives_up)


def check(a, u, s, vh, full):
    rows, columns = a.shape
    k = min(rows, columns)
    assert u.shape == (rows, rows if full else k)
    assert vh.shape == (columns if full else k, columns)
    assert np.all(np.diff(s) <= 0)
    size = max(1.0, s[0])
    np.testing.assert_allclose(u[:, :k] * s @ vh[:k], a, atol=1e-13 * size)
    np.testing.assert_allclose(u.conj().T @ u, np.eye(u.shape[1]), atol=1e-12)
    np.testing.assert_allclose(vh @ vh.conj().T, np.eye(len(vh)), atol=1e-12)
    # an independent way to the singular values
    expected = np.sqrt(np.maximum(np.linalg.eigvalsh(a.conj().T @ a)[::-1][:k], 0.0))
    np.testing.assert_allclose(s, expected, atol=1e-6 * size)


@pytest.mark.parametrize("full", [False, True])
def test_a_finite_matrix_has_singular_values(full):
    check(HARD, *svd(HARD, full_matrices=full), full)
    assert svd(HARD, compute_uv=False)[0] == pytest.approx(np.linalg.norm(HARD, 2), rel=1e-12)


@pytest.mark.parametrize("shape", [(3, 5), (5, 3), (4, 4), (1, 1), (2, 3, 4), (2, 2, 4, 3)])
@pytest.mark.parametrize("kind", [float, complex])
@pytest.mark.parametrize("full", [False, True])
def test_the_other_driver_gives_the_same(shape, kind, full, failing):
    rng = np.random.default_rng(1)
    a = rng.standard_normal(shape) + (1j * rng.standard_normal(shape) if kind is complex else 0.0)
    u, s, vh = svd(a, full_matrices=full)
    assert s.dtype == float
    for index in np.ndindex(shape[:-2]):
        check(a[index], u[index], s[index], vh[index], full)
    np.testing.assert_allclose(svd(a, compute_uv=False), s, rtol=1e-12)


def test_what_is_not_a_number_has_none():
    with pytest.raises(np.linalg.LinAlgError):
        svd(np.array([[1.0, np.nan], [0.0, 1.0]]))


@pytest.mark.parametrize("gives_up", [False, True])
def test_least_squares_are_the_shortest(gives_up, request):
    if gives_up:
        request.getfixturevalue("failing")
    rng = np.random.default_rng(2)
    q, _ = np.linalg.qr(rng.standard_normal((6, 3)))
    a = q @ np.diag([1.0, 0.5, 0.0]) @ np.eye(3)  # x = (q^T b) / (1, 1/2), and 0 where nothing is said
    b = rng.standard_normal((6, 2))
    expected = np.array([q[:, 0] @ b, 2.0 * (q[:, 1] @ b), np.zeros(2)])
    np.testing.assert_allclose(least_squares(a, b, 1e-12), expected, atol=1e-14)
    np.testing.assert_allclose(least_squares(a, b), expected, atol=1e-14)
    np.testing.assert_allclose(least_squares(a, b[:, 0], 1e-12), expected[:, 0], atol=1e-14)


@pytest.mark.parametrize("gives_up", [False, True])
@pytest.mark.parametrize("size", [1e-200, 1.0, 1e200])
def test_the_rank_is_what_rounding_leaves(gives_up, size, request):
    """A product of (5, r) and (r, 4) has rank r; its smallest singular values are rounding, or 1e-13 of the largest."""
    if gives_up:
        request.getfixturevalue("failing")
    rng = np.random.default_rng(3)
    for r in range(5):
        assert rank(size * (rng.uniform(size=(5, r)) @ rng.uniform(size=(r, 4)))) == r
    q, _ = np.linalg.qr(rng.standard_normal((4, 4)))
    assert rank(size * (q * [1.0, 1e-3, 1e-13, 1e-17])) == 3
    assert rank(np.zeros((2, 3))) == 0


def test_no_module_takes_singular_values_by_itself():
    folder = pathlib.Path(ntkcont.__file__).parent
    own = re.compile(r"(?<!j)np\.linalg\.(svd|lstsq|pinv|matrix_rank|cond)\(|scipy.linalg.svd")
    users = {str(p.relative_to(folder)) for p in folder.rglob("*.py") if own.search(p.read_text())}
    # of symmetric matrices: by eigenvalues; curves in two parameters have small ones of their own
    symmetric = {"ntk/trajectory/lanczos.py", "ntk/trajectory/estimates.py"}
    curves = {"pathfollowing/critical.py", "pathfollowing/critical_start.py"}
    assert users <= {"linear.py", *symmetric, *curves}
