"""Evidence for special points that only one program reports: the defining system evaluated there."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from ntkcont.linear import svd
from ntkcont.models.model import Model
from ntkcont.peers.matching import Scales, nearest_on
from ntkcont.peers.protocol import PeerBranch, PeerPoint, Real
from ntkcont.results.labels import LABELS
from ntkcont.results.special_points import SpecialPoint, SpecialPoints

#: relative size below which a test counts as zero at a point that another program located to its own tolerance
LOOSE = 1e-4
#: scaled distance below which a point is the start itself
AT_START = 1e-6


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evaluation:
    """The defining system of one type of special point, evaluated at a point.

    Parameters
    ----------
    label : str
        The type.
    residual : float
        Norm of F (flows) or G(x) - x (maps) in scaled variables, relative to [F_x, F_p]: how far the point is
        from being fixed, as a fraction of the diagram.
    value : float
        What must vanish besides: the smallest singular value of F_x or [F_x, F_p] relative to the largest of the
        latter (LP, BP), the relative distance of the critical eigenvalues from the imaginary axis (H), from -1 (PD),
        from the unit circle (NS); inf where it cannot vanish.
    words : str
        The same in words, with the eigenvalues that decide.
    """

    label: str
    residual: float
    value: float
    words: str

    @property
    def holds(self) -> bool:
        """Whether the point is of this type to the tolerance of other programs."""
        return self.residual < LOOSE and self.value < LOOSE


def evaluate(
    model: Model, label: str, p: float, x: Any, params: Mapping[str, float], free: str, scales: Scales
) -> Evaluation:
    """Evaluate the defining system of a special point of type `label` at (x, p)."""
    values = {**params, free: float(p)}
    x = np.asarray(x, dtype=float)
    a = model.jac(x, values)
    f = model.rhs(x, values)
    if model.kind == "map":
        f = f - x
    eigenvalues = np.linalg.eigvals(a)
    scaled = a * scales.x / scales.x[:, None]
    if model.kind == "map":
        scaled = scaled - np.eye(len(a))
    fp = model.dfdp(x, free, values) * scales.p / scales.x
    size = max(float(np.linalg.norm(np.column_stack([scaled, fp]), 2)), 1e-300)
    residual = float(np.linalg.norm(f / scales.x)) / size
    if label in ("LP", "BP"):
        value, words = _singular(model, label, scaled / size, fp / size, eigenvalues)
    elif label == "PD":
        closest = eigenvalues[np.argmin(np.abs(eigenvalues + 1))]
        value, words = float(np.abs(closest + 1)), f"the multiplier nearest -1 is {_number(closest)}"
    else:
        value, words = _pair(label, eigenvalues)
    return Evaluation(label=label, residual=residual, value=value, words=words)


def _singular(model: Model, label: str, a: Real, fp: Real, eigenvalues: Any) -> tuple[float, str]:
    """Fold: the Jacobian is singular and F_p leaves its range. Branch point: [F_x, F_p] has lost a rank."""
    left, sizes, _ = svd(a)
    whole = svd(np.column_stack([a, fp]), compute_uv=False)
    reach = abs(left[:, -1] @ fp) / max(np.linalg.norm(fp), 1e-300)
    shift = 1.0 if model.kind == "map" else 0.0
    closest = eigenvalues[np.argmin(np.abs(eigenvalues - shift))]
    what = "multiplier nearest 1" if shift else "eigenvalue nearest 0"
    words = f"the {what} is {_number(closest)}"
    if label == "BP":
        value = float(whole[-1])
        return value, f"{words}; the smallest singular value of [F_x, F_p] is {value:.1e} of the largest"
    if reach < LOOSE:
        return float("inf"), f"{words}, but w^T F_p = {reach:.1e} |F_p| vanishes too: a branch point, no fold"
    return float(sizes[-1]), f"{words}; w^T F_p = {reach:.1e} |F_p| does not vanish"


def _pair(label: str, eigenvalues: Any) -> tuple[float, str]:
    """Hopf: a pair on the imaginary axis. Neimark-Sacker: a pair on the unit circle."""
    pairs = eigenvalues[eigenvalues.imag > 1e-9 * max(float(np.abs(eigenvalues).max()), 1e-300)]
    if not len(pairs):
        real = ", ".join(_number(v) for v in np.sort(eigenvalues.real)[:4])
        return float("inf"), f"all eigenvalues are real ({real}): no pair can cross"
    off = np.abs(pairs) - 1.0 if label == "NS" else pairs.real
    index = int(np.argmin(np.abs(off)))
    words = f"the pair nearest the {'unit circle' if label == 'NS' else 'imaginary axis'} is {_number(pairs[index])}"
    return float(abs(off[index]) / abs(pairs[index])), words


def _number(value: complex) -> str:
    value = complex(value)
    if value.imag == 0:
        return f"{value.real + 0.0:.3g}"
    return f"{value.real:.3g} {'+' if value.imag >= 0 else '-'} {abs(value.imag):.3g}i"


def _zeros(test: Evaluation) -> str:
    return f"|F| = {test.residual:.1e}; {test.words}"


def for_ours(point: SpecialPoint, test: Evaluation, peer: PeerBranch, scales: Scales, start: Any) -> str:
    """Return why a point of ours is one, and what the other program's curve, begun at (x, p) = `start`, does there."""
    ended = f"Newton on its defining system ended with residual {point.residual:.1e}"
    parts = [f"{LABELS[point.label]}: {_zeros(test)}; {ended}"]
    here = scales.scaled(point.p, point.x)
    if np.linalg.norm(here - scales.scaled(start[1], start[0])) < AT_START:
        parts.append("it is where both begin, and a program cannot report a point at which it was started")
        return "; ".join(parts)
    passes = []
    for p, x, stable in peer.sides:
        if not len(p):
            continue
        nodes = scales.scaled(p, x)
        gap, i = nearest_on(nodes, here)
        near = stable[max(i - 1, 0) : i + 3]
        passes.append((gap, near.any() != near.all(), float(p[-1])))
    if not passes:
        return f"{parts[0]}; the other curve has no point in the span"
    gap, changes, end = min(passes)
    if gap > 0.01:
        parts.append(
            f"the other curve does not get there (it stays {gap:.2g} of the diagram away; it ended at {end:.6g})"
        )
    elif changes:
        parts.append("the other curve passes it and changes its stability there, but reports no point")
    else:
        parts.append("the other curve passes it and reports no point")
    return "; ".join(parts)


def for_theirs(
    point: PeerPoint, test: Evaluation, ours: SpecialPoints, taken: set[str], scales: Scales, within: float
) -> str:
    """Return what the point of the other program is."""
    near = [(scales.distance(q, point), q) for q in ours if q.label not in ("EP", "UZ")]
    close = sorted(((d, q) for d, q in near if d <= within), key=lambda item: item[0])
    words = _zeros(test)
    for d, q in close:
        if q.label == point.label and q.name in taken:
            return f"a second report of {q.name} ({d:.1e} away); {words}"
    if not test.holds:
        kind = f"no {LABELS[point.label]}: {words}"
        if close:
            d, q = close[0]
            kind += f"; ntkcont has {q.name} ({LABELS[q.label]}) there, {d:.1e} away, residual {q.residual:.1e}"
        return kind
    nearest = min(near, key=lambda item: item[0], default=None)
    where = f"; the nearest point of ntkcont is {nearest[1].name}, {nearest[0]:.1e} away" if nearest else ""
    return f"its defining system holds to {LOOSE:g}: {words}{where}"
