"""Time of the equilibrium kernel with its signatures, beside svdvals and beside a dense Jacobian."""

from __future__ import annotations

import numpy as np
import scipy.linalg

import ntkcont as nc
from benchmarks.rows import Row, in_turn
from ntkcont.jax_tools import x64

PART = "The equilibrium kernel with all its signatures, a point"


def network(n: int) -> tuple[nc.RateRNN, np.ndarray]:
    """Return a random network and its fixed point."""
    rng = np.random.default_rng(0)
    net = nc.RateRNN(0.9 * rng.standard_normal((n, n)) / np.sqrt(n), b=0.3 * rng.standard_normal(n))
    return net, np.array(nc.find_fixed_points(net, starts=np.zeros((1, n))).x[0])


def points_along(net: nc.RateRNN, x: np.ndarray, count: int) -> nc.Branch:
    """Return `count` points of a branch through x, with eigenvalues, as a continuation hands them to the kernel."""
    settings = nc.ContinuationSettings(ds=2e-3, ds_max=2e-3, max_steps=count)
    return nc.continuation(net, x, free="gain", p_span=(0.5, 1.1), direction="-", settings=settings)


def against_svd(n: int = 256, count: int = 16) -> tuple[float, float]:
    """Seconds a point of the kernel on a branch, and of svdvals of the Jacobian."""
    net, x = network(n)
    branch = points_along(net, x, count)
    bound = nc.ntk.StateNTK().bind(
        net, free="gain", params=dict(branch.params), state_scale=np.ones(n), param_scale=1.0
    )
    a = net.jac(x)

    def kernel() -> None:
        bound.evaluate(
            x=np.array(branch.x), p=np.array(branch.p), tangent=np.array(branch.tangent),
            eigenvalues=np.array(branch.eigenvalues),
        )  # fmt: skip

    def singular_values() -> None:
        for _ in range(len(branch)):
            scipy.linalg.svdvals(a)

    ours, theirs = in_turn(kernel, singular_values)
    return ours / len(branch), theirs / len(branch)


def dense_signatures(A: np.ndarray, F: np.ndarray, fp: np.ndarray, tangent: np.ndarray) -> dict[str, float]:
    """Return the signatures of a flow's equilibrium kernel from all columns of D_theta f, as a textbook writes them."""
    n = len(A)
    S = np.linalg.solve(A, F)
    e, u = np.linalg.eigh(S @ S.T)
    e, u = e[::-1], u[:, -1]
    share = e / e.sum()
    values, left, right = scipy.linalg.eig(A, left=True)
    nearest, critical = np.argmin(np.abs(values)), np.argmin(np.abs(values.real))
    s = 1j * values[critical].imag
    R = np.linalg.solve(s * np.eye(n) - A, F.astype(complex))
    M = np.block([[A, fp[:, None]], [tangent]])
    arc = np.linalg.solve(M, np.vstack([F, np.zeros((1, F.shape[1]))]))[:-1]
    top_resolvent = np.linalg.eigvalsh(R @ R.conj().T)[-1]

    def over_prediction(top: float, i: int, distance: float) -> float:
        drive = left[:, i].conj() @ F
        return top * (distance * abs(left[:, i].conj() @ right[:, i])) ** 2 / np.linalg.norm(drive) ** 2

    drive = left[:, nearest].conj() @ F
    return {
        "top": e[0], "trace": e.sum(), "participation_ratio": e.sum() ** 2 / (e**2).sum(),
        "entropy_rank": np.exp(-(share * np.log(share)).sum()), "condition": e[0] / e[-1], "gap": e[0] / e[1],
        "kappa": 1.0 / abs(left[:, critical].conj() @ right[:, critical]),
        "ratio": over_prediction(e[0], nearest, abs(values[nearest])),
        "ratio_resolvent": over_prediction(top_resolvent, critical, abs(values[critical] - s)),
        "top_resolvent": top_resolvent, "top_arc": np.linalg.eigvalsh(arc @ arc.T)[-1],
        "align_state": abs(u @ right[:, nearest]),
        "align_theta": abs((u @ S) @ drive) / (np.linalg.norm(drive) * np.sqrt(e[0])),
    }  # fmt: skip


def against_dense(n: int = 64, count: int = 32) -> tuple[float, float, float, float]:
    """Seconds a point of the kernel (theta = W) on a branch, and of one formed from jax.jacrev.

    The latter twice: with the same signatures, and with its eigenvalues alone; and the largest relative difference of
    the signatures.
    """
    import jax

    net, x = network(n)
    branch = points_along(net, x, count)
    bound = nc.ntk.StateNTK(theta=["W"]).bind(
        net, free="gain", params=dict(branch.params), state_scale=np.ones(n), param_scale=1.0
    )

    def kernel() -> dict[str, np.ndarray]:
        return bound.evaluate(
            x=np.array(branch.x), p=np.array(branch.p), tangent=np.array(branch.tangent),
            eigenvalues=np.array(branch.eigenvalues),
        )  # fmt: skip

    with x64():
        source = jax.jit(jax.jacrev(lambda w, z, values: net.jax_rhs(z, values, {**net.theta, "W": w})))

    def columns(z: np.ndarray, q: float) -> np.ndarray:
        return np.asarray(source(net.theta["W"], np.array(z), np.array([q]))).reshape(n, -1)

    def dense() -> list[dict[str, float]]:
        points = zip(branch.x, branch.p, branch.tangent, strict=True)
        with x64():
            return [
                dense_signatures(net.jac(z, {"gain": q}), columns(z, q), net.dfdp(z, "gain", {"gain": q}), t)
                for z, q, t in points
            ]

    def eigenvalues_alone() -> None:
        with x64():
            for z, q in zip(branch.x, branch.p, strict=True):
                S = np.linalg.solve(net.jac(z, {"gain": q}), columns(z, q))
                np.linalg.eigvalsh(S @ S.T)

    found, expected = kernel(), dense()
    real = found["lambda_0"].imag == 0  # alignments with a plane are written differently
    worst = max(
        float(np.max(np.abs(found[name] / [row[name] for row in expected] - 1.0)[real | (name[:5] != "align")]))
        for name in expected[0]
    )
    ours, all_signatures = in_turn(kernel, dense)
    _, few = in_turn(kernel, eigenvalues_alone)
    return ours / len(branch), all_signatures / len(branch), few / len(branch), worst


def rows(quick: bool = False) -> list[Row]:
    """Measure."""
    small, dense, few, worst = against_dense()
    found = [
        Row(
            part=PART, name="n = 64", value=small, beside="faster than dense jacrev", ratio=dense / small, at_least=10,
            note=f"largest relative difference {worst:.0e}",
        ),
        Row(part=PART, name="n = 64", value=small, beside="faster than its eigenvalues alone", ratio=few / small),
    ]  # fmt: skip
    if not quick:
        ours, svd = against_svd()
        found.append(Row(part=PART, name="n = 256", value=ours, beside="svdvals", ratio=ours / svd, at_most=2.5))
    return found
