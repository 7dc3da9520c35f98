"""Border collisions of piecewise-linear networks, against brute force over all regions of the activations.

With y what relu is applied to and D = diag(y > 0), both forms have ``(I - g B W D) y = B (b + h c)``, B the gains of
the units: y is rational in the gain g and linear in the input h.  The truth enumerates all 2^n choices of D, cuts the
range of the parameter where an entry of y or the determinant vanishes, and keeps the intervals where y > 0 is D.
"""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import numpy as np
import pytest
import scipy.linalg
import scipy.sparse
from invariants import check_branch

import ntkcont as nc
from ntkcont.status import Status


@dataclasses.dataclass
class Segment:
    """Fixed points in one region between two values of the parameter; y at its ends (None: it goes to infinity)."""

    on: np.ndarray
    low: float
    high: float
    ends: list[np.ndarray | None]


class Truth:
    """All fixed points of a network."""

    def __init__(self, net, free, span, params=None):
        self.net, self.free, self.span = net, free, span
        params = {**net.params, **(params or {})}
        n = net.n
        B = net.phi_gain
        self.W = B[:, None] * net.effective_W()
        self.gain, self.h = params["gain"], params["h"]
        self.b, self.c = B * net.b, B * net.drives[0]
        self.segments = []
        for bits in itertools.product((False, True), repeat=n):
            self._region(np.array(bits))

    def system(self, on, q):
        gain, h = (q, self.h) if self.free == "gain" else (self.gain, q)
        return np.eye(len(on)) - gain * self.W * on, self.b + h * self.c

    def y(self, on, q):
        return np.linalg.solve(*self.system(on, q))

    def _region(self, on):
        n = len(on)
        if self.free == "gain":
            M0, M1 = np.eye(n), -self.W * on
            r = self.b + self.h * self.c
            poles = _real(scipy.linalg.eigvals(-M0, M1))
            cuts = []
            for i in range(n):
                zero = np.zeros((n + 1, n + 1))
                zero[:n, :n], zero[:n, n], zero[n, i] = M0, r, 1.0
                slope = np.zeros((n + 1, n + 1))
                slope[:n, :n] = M1
                cuts += _real(scipy.linalg.eigvals(-zero, slope))
        else:
            M = self.system(on, 0.0)[0]
            y0, y1 = np.linalg.solve(M, self.b), np.linalg.solve(M, self.c)
            poles, cuts = [], list(-y0[y1 != 0.0] / y1[y1 != 0.0])
        low, high = self.span
        inside = sorted({low, high, *(q for q in (*poles, *cuts) if low < q < high)})
        inside = [q for i, q in enumerate(inside) if i == 0 or q - inside[i - 1] > 1e-9]
        inside[-1] = high
        runs = []
        for a, b in itertools.pairwise(inside):
            if np.array_equal(self.y(on, 0.5 * (a + b)) > 0.0, on):
                joined = runs and runs[-1][1] == a and not any(abs(a - pole) < 1e-9 for pole in poles)
                runs = [*runs[:-1], (runs[-1][0], b)] if joined else [*runs, (a, b)]
        for a, b in runs:
            ends = [None if any(abs(q - pole) < 1e-9 for pole in poles) else self.y(on, q) for q in (a, b)]
            self.segments.append(Segment(on, a, b, ends))

    def state(self, y):
        return y / self.net.phi_gain if self.net.form == "synaptic" else np.maximum(y, 0.0)

    def components(self):
        """Join the segments that share an end."""
        left = list(self.segments)
        while left:
            part = [left.pop()]
            for segment in part:
                near = [other for other in left if _touch(segment, other)]
                part += near
                left = [other for other in left if not any(other is each for each in near)]
            yield part

    def kinks(self, part):
        """Return the ends of segments inside the span, each once: rows (y, q)."""
        found = []
        for segment in part:
            for q, y in zip((segment.low, segment.high), segment.ends, strict=True):
                if self.span[0] < q < self.span[1] and y is not None:
                    row = np.append(y, q)
                    if not any(np.allclose(row, other, rtol=1e-7, atol=1e-7) for other in found):
                        found.append(row)
        return np.array(found).reshape(-1, len(self.b) + 1)


def _real(values):
    values = values[np.isfinite(values)]
    return list(values[np.abs(values.imag) < 1e-9 * (1.0 + np.abs(values))].real)


def _touch(one, other):
    return any(
        ya is not None and yb is not None and abs(qa - qb) < 1e-8 and np.allclose(ya, yb, rtol=1e-7, atol=1e-8)
        for qa, ya in zip((one.low, one.high), one.ends, strict=True)
        for qb, yb in zip((other.low, other.high), other.ends, strict=True)
    )


def arguments(net, x, params):
    """What relu is applied to at the fixed point x, from the arrays of the network."""
    if net.form == "synaptic":
        return net.phi_gain * x
    return net.phi_gain * (params["gain"] * net.effective_W() @ x + params["h"] * net.drives[0] + net.b)


def compare(net, free, span, params=None, most=6):
    """Follow every component of the fixed points and compare it with brute force; return the border collisions."""
    truth = Truth(net, free, span, params)
    found = []
    for part in itertools.islice(truth.components(), most):
        start = max(part, key=lambda segment: segment.high - segment.low)
        if start.high - start.low < 1e-6 * (span[1] - span[0]):
            continue
        q = 0.5 * (start.low + start.high)
        x0 = truth.state(truth.y(start.on, q))
        branch = nc.continuation(net, x0, free=free, p_span=span, params={**(params or {}), free: q})
        assert branch.status is not Status.MIN_STEP, branch
        check_branch(branch, net, p_span=span)
        assert set(branch.special_points.labels) <= {"BC", "EP", "H", "NS", "PD", "NSad"}
        points = branch.special_points("BC")
        kinks = truth.kinks(part)
        assert len(points) == len(kinks), (branch, kinks)
        for point in points:
            assert point.converged
            y = arguments(net, point.x, point.params)
            row = np.append(y, point.p)
            assert np.min(np.max(np.abs(kinks - row) / (1.0 + np.abs(row)), axis=1)) < 1e-9
            assert abs(y[point.normal_form["unit"]]) < 1e-12 * (1.0 + np.max(np.abs(y)))
            check_form(net, truth, branch, point)
            found.append(point)
        at_kink = {point.p for point in points}
        covered = [False] * len(part)
        for x, q in zip(branch.x, branch.p, strict=True):
            y = arguments(net, x, {**branch.params, free: q})
            if q in at_kink:
                continue
            holds = [np.array_equal(y > 0.0, each.on) and each.low - 1e-9 <= q <= each.high + 1e-9 for each in part]
            assert any(holds), f"a point at {q} is in no region of the component"
            covered = [a or b for a, b in zip(covered, holds, strict=True)]
            size = 1.0 + np.max(np.abs(y))  # next to a pole rounding in q moves y by its square
            assert np.allclose(truth.y(y > 0.0, q), y, rtol=0.0, atol=1e-9 * size + 1e-13 * size**2)
        # a short one lies between two border collisions that follow each other
        short = [each.high - each.low < 0.02 * (span[1] - span[0]) for each in part]
        assert np.all(np.logical_or(covered, short))
    return found


def check_form(net, truth, branch, point):
    """Compare the classification with determinants and eigenvalues of brute force, and with where the branch goes."""
    form = point.normal_form
    y = arguments(net, point.x, point.params)
    on = y > 0.0
    i = form["unit"]
    assert form["name"] == net.states[i]
    dets = []
    for side, name in ((False, "minus"), (True, "plus")):
        on[i] = side
        dets.append(np.sign(np.linalg.det(truth.system(on, point.p)[0])))
        # the same matrix in the form of the network
        gain = point.params["gain"]
        W = gain * net.effective_W()
        a = (W * (net.phi_gain * on) if net.form == "synaptic" else (net.phi_gain * on)[:, None] * W) - np.eye(net.n)
        J = a / net.tau[:, None] if net.alpha is None else np.eye(net.n) + net.alpha[:, None] * a
        expected, given = np.linalg.eigvals(J), form[f"eigenvalues_{name}"]
        assert max(np.min(np.abs(expected - value)) for value in given) < 1e-6
        edge = expected.real if net.alpha is None else np.abs(expected) - 1.0
        if np.min(np.abs(edge)) > 1e-9:
            assert form[f"n_unstable_{name}"] == np.sum(edge > 0.0)
        sign = np.sign(np.linalg.det(J if net.alpha is None else np.eye(net.n) - J))
        assert form[f"det_{name}"] == sign
    assert form["type"] == ("persistence" if dets[0] * dets[1] > 0 else "non-smooth fold")
    row = int(np.argmin(np.abs(branch.s - point.s)))
    if 0 < row < len(branch) - 1:
        back, forth = branch.p[row - 1] - branch.p[row], branch.p[row + 1] - branch.p[row]
        assert (back * forth > 0.0) == (form["type"] == "non-smooth fold")
        if form["type"] == "non-smooth fold":
            assert form["opens"] == ("right" if forth > 0.0 else "left")
        values = [
            arguments(net, branch.x[k], {**branch.params, branch.free: branch.p[k]})[i] for k in (row - 1, row + 1)
        ]
        assert form["argument"] == ("rises" if values[1] > values[0] else "falls")
        assert values[0] * values[1] < 0.0


def network(seed, n, form: Any = "synaptic", alpha=None, weights="dense", **more):
    """A random network with input h, of the kind asked for."""
    rng = np.random.default_rng(seed)
    W = rng.standard_normal((n, n)) * 1.5 / np.sqrt(n)
    options = {"b": 0.5 * rng.standard_normal(n), "W_in": rng.standard_normal((n, 1)), "inputs": {"h": [1.0]}}
    if weights == "mask":
        options["mask"] = (rng.random((n, n)) < 0.7).astype(float)
    elif weights == "sign":
        options["sign"] = np.where(rng.random(n) < 0.6, 1.0, -1.0)
    elif weights == "gains":
        options["phi_gain"] = 0.5 + rng.random(n)
    elif weights == "low rank":
        W = nc.LowRank(rng.standard_normal((n, 2)), rng.standard_normal((n, 2)) * 1.5 / n)
    elif weights == "sparse":
        W = scipy.sparse.csr_matrix(W * (rng.random((n, n)) < 0.5))
    if alpha is None and seed % 2:
        options["tau"] = 0.5 + rng.random(n)
    return nc.RateRNN(W, form=form, alpha=alpha, phi="relu", **options, **more)


@pytest.mark.parametrize("form", ["synaptic", "rate"])
@pytest.mark.parametrize("alpha", [None, 0.4])
@pytest.mark.parametrize(("free", "span"), [("h", (-2.0, 2.0)), ("gain", (0.0, 2.5))])
def test_all_regions(form, alpha, free, span):
    points = []
    for seed, n in ((0, 1), (1, 2), (2, 3), (3, 4), (6, 4), (4, 5), (5, 5)):
        points += compare(network(seed, n, form, alpha), free, span, {"h": 0.7} if free == "gain" else None)
    assert len(points) >= 5
    if free == "h":
        assert {point.normal_form["type"] for point in points} == {"persistence", "non-smooth fold"}


@pytest.mark.parametrize("weights", ["mask", "sign", "gains", "low rank", "sparse"])
@pytest.mark.parametrize("form", ["synaptic", "rate"])
def test_all_kinds_of_weights(weights, form):
    points = compare(network(11, 4, form, None, weights), "h", (-2.0, 2.0))
    points += compare(network(12, 4, form, 0.7, weights), "gain", (0.0, 2.0))
    assert points


@pytest.mark.parametrize(("form", "alpha"), [("synaptic", None), ("rate", 0.3)])
def test_ten_units(form, alpha):
    assert len(compare(network(21, 10, form, alpha), "h", (-2.0, 2.0), most=3)) >= 5
