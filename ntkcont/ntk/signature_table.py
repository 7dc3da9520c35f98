"""Types of bifurcations against measured and predicted exponents of the kernels."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, overload

from ntkcont.errors import InputError
from ntkcont.models.model import Model
from ntkcont.normal_forms import normal_form
from ntkcont.ntk.annotate import model_of
from ntkcont.ntk.bound import BoundNTK
from ntkcont.ntk.evaluator import StateNTK
from ntkcont.ntk.exponents import KERNEL_NAMES, SINGULAR, Growth, Side, growth
from ntkcont.ntk.magnitudes import Magnitudes
from ntkcont.ntk.predictions import Prediction
from ntkcont.results.deferred import can_be_read
from ntkcont.results.tables import _optional as optional
from ntkcont.results.tables import html_table

if TYPE_CHECKING:
    from ntkcont.results.branch import Branch
    from ntkcont.results.diagram import Diagram
    from ntkcont.results.special_points import SpecialPoint

#: Types of normal forms for which theory says nothing.
_UNKNOWN = ("degenerate", "isolated", "defective", "piecewise linear")
_CLOSE = 0.01


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class SignatureRow:
    """One side of one special point.

    Attributes
    ----------
    point, label : str
        Its name and label.
    type : str
        In words, from the normal form: "fold", "transcritical", "pitchfork, straight" or "pitchfork, bent" (which of
        the two branches), "Hopf", "period doubling", "Neimark-Sacker", "multiple", ....
    free : str
        The free parameter, and `p` its value there.
    p : float
        See `free`.
    theta : tuple of str
        What is trained.
    side : Side
        The measurements: distances, kernels, fits, rank, alignment.
    predicted : dict of str to Prediction
        By kernel, "equilibrium", "resolvent", "arclength"; exponent nan where theory says nothing.
    """

    point: str
    label: str
    type: str
    free: str
    p: float
    theta: tuple[str, ...]
    side: Side
    predicted: dict[str, Prediction]

    def measured(self, kernel: str = "equilibrium") -> float:
        """Return the exponent of a kernel's largest eigenvalue in |p - p*|; inf where it is zero."""
        return self.side.measured(kernel)

    def measured_text(self, kernel: str) -> str:
        """Return the same in words."""
        value = self.measured(kernel)
        if math.isinf(value):
            return "0 to rounding" if self.side.top[kernel].any() else "0 exactly"
        return f"{value + 0.0:.4f}".replace("-0.0000", "0.0000")

    def agrees(self, kernel: str = "equilibrium") -> bool:
        """Whether measured and predicted exponents agree within 0.01, or three standard errors if those are larger."""
        measured, predicted = self.measured(kernel), self.predicted[kernel].exponent
        if math.isinf(measured) or math.isinf(predicted):
            return measured == predicted
        return abs(measured - predicted) <= max(_CLOSE, 3.0 * self.side.fits[kernel].error)

    @property
    def where(self) -> str:
        """Which side: "before, gain < 1"."""
        order = "after" if self.side.after else "before"
        return f"{order}, {self.free} {'>' if self.side.right else '<'} {self.p:.5g}"

    def as_dict(self) -> dict[str, Any]:
        """Return numbers and words by column, as in the data frame."""
        row: dict[str, Any] = {
            "point": self.point,
            "label": self.label,
            "type": self.type,
            "theta": ", ".join(self.theta),
            "free": self.free,
            "p": self.p,
            "after": self.side.after,
            "right": self.side.right,
        }
        for kernel in KERNEL_NAMES:
            row[kernel] = self.measured(kernel)
            row[f"{kernel}_error"] = self.side.fits[kernel].error
            row[f"{kernel}_predicted"] = self.predicted[kernel].exponent
            row[f"{kernel}_theory"] = self.predicted[kernel].text
        row |= {
            "diverges": ", ".join(self.side.diverges),
            "rank": self.side.rank,
            "participation_ratio": self.side.participation_ratio,
            "align_state": self.side.align_state,
            "align_theta": self.side.align_theta,
            "nearest": float(self.side.distance[0]),
            "farthest": float(self.side.distance[-1]),
        }
        return row


class SignatureTable(Sequence[SignatureRow]):
    """Rows of measured and predicted exponents; ``table + table`` joins two.

    Parameters
    ----------
    rows : iterable of SignatureRow
        Default none.
    """

    __slots__ = ("_rows",)

    def __init__(self, rows: Iterable[SignatureRow] = ()) -> None:
        self._rows = tuple(rows)

    @overload
    def __getitem__(self, index: int) -> SignatureRow: ...
    @overload
    def __getitem__(self, index: slice) -> SignatureTable: ...
    def __getitem__(self, index: int | slice) -> SignatureRow | SignatureTable:
        return SignatureTable(self._rows[index]) if isinstance(index, slice) else self._rows[index]

    def __call__(self, name: str) -> SignatureTable:
        """Return the rows of one point, by its name or label."""
        return SignatureTable(row for row in self._rows if name in (row.point, row.label))

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[SignatureRow]:
        return iter(self._rows)

    def __add__(self, other: SignatureTable) -> SignatureTable:
        if not isinstance(other, SignatureTable):
            return NotImplemented
        return SignatureTable((*self._rows, *other))

    def agrees(self) -> bool:
        """Whether every measured exponent is the predicted one; False where theory does not say."""
        return all(row.agrees(kernel) for row in self._rows for kernel in KERNEL_NAMES)

    def _cells(self) -> tuple[list[str], list[list[str]]]:
        head = ["type", "point", "side", "theta"]
        for kernel in KERNEL_NAMES:
            head += [kernel, "theory"]
        head += ["rank", "part. ratio", "align state", "align theta"]
        rows = []
        for row in self._rows:
            cells = [row.type, row.point, row.where, ", ".join(row.theta)]
            for kernel in KERNEL_NAMES:
                cells += [row.measured_text(kernel), row.predicted[kernel].text]
            side = row.side
            cells += [str(side.rank) if side.rank else ""]
            cells += [_number(v) for v in (side.participation_ratio, side.align_state, side.align_theta)]
            rows.append(cells)
        return head, rows

    def __repr__(self) -> str:
        if not self._rows:
            return "no bifurcations"
        head, rows = self._cells()
        widths = [max(len(row[j]) for row in [head, *rows]) for j in range(len(head))]
        left = (0, 1, 2, 3)
        lines = (
            "  ".join(
                cell.ljust(width) if j in left else cell.rjust(width)
                for j, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in [head, *rows]
        )
        return "Exponents of the largest eigenvalue of each kernel in |p - p*|\n" + "\n".join(lines)

    def _repr_html_(self) -> str:
        if not self._rows:
            return "<p>no bifurcations</p>"
        return html_table(*self._cells(), 0)

    def to_dataframe(self) -> Any:
        """Return a pandas DataFrame with one row per side of a point (needs the extra ``io``)."""
        return optional("pandas").DataFrame([row.as_dict() for row in self._rows])


def signature_table(
    branch: Branch | Diagram, kernel: StateNTK | None = None, model: Model | None = None
) -> SignatureTable:
    r"""Measure how the kernels grow at every bifurcation of a branch, beside what theory predicts.

    On both sides of each special point further points of the branch are computed at geometrically spaced distances
    eps = abs(p - p*), and ``top ~ eps^exponent`` is fitted for the equilibrium, the resolvent and the arclength kernel.
    The prediction is worked out at the point itself: from the type of the bifurcation, and from how the drive ``w F``
    of the trained parameters along the left critical vector w vanishes there.

    Parameters
    ----------
    branch : Branch or Diagram
        From ``continuation``, ``diagram`` or ``load``.
    kernel : StateNTK, optional
        What is trained, and in which units.  Default: as in the branch's own kernel.
    model : Model, optional
        Needed for a loaded branch: the model it was computed from.

    Returns
    -------
    SignatureTable
        One row for each side of each point of type LP, BP, H, PD and NS that could be followed there.  Printed it
        shows measured and predicted exponents; "bounded": nothing is singular; "constant": the drive vanishes as fast
        as the critical eigenvalue; "0 exactly": no trained parameter moves the fixed point; "?": theory does not say.
        The last columns are those of the diverging kernel, at the nearest point: the number of diverging eigenvalues
        (two of a complex pair), the participation ratio (of complex directions), and the alignment of the largest one
        with the critical eigenvector and with the drive.

    Raises
    ------
    InputError
        No kernel or model is known, or the kernel stacks conditions.

    References
    ----------
    J. Hazelden, E. Shea-Brown, arXiv:2605.12763: kernels near bifurcations.

    Examples
    --------
    >>> import ntkcont as nc
    >>> model = nc.Model.from_equations({"x": "h + mu*x - x**3"}, {"mu": -0.5, "h": 0.0})
    >>> branch = nc.continuation(model, [0.0], free="mu", p_span=(-1, 1))
    >>> kernel = nc.ntk.StateNTK(theta=["h"], theta_scale="none", state_scale="none")
    >>> table = nc.ntk.signature_table(branch, kernel)
    >>> [(row.type, row.where, round(row.measured(), 6)) for row in table]
    [('pitchfork, straight', 'before, mu < 0', -2.0), ('pitchfork, straight', 'after, mu > 0', -2.0)]
    """
    from ntkcont.results.branch import Branch
    from ntkcont.results.diagram import Diagram

    if isinstance(branch, Diagram):
        return sum((signature_table(each, kernel, model) for each in branch), SignatureTable())
    if not isinstance(branch, Branch):
        msg = f"branch: {type(branch).__name__} was given; give a Branch or a Diagram"
        raise InputError(msg)
    if kernel is not None and not isinstance(kernel, StateNTK):
        msg = f"kernel: {type(kernel).__name__} was given; give nc.ntk.StateNTK(...)"
        raise InputError(msg)
    model = model_of(branch, model)
    settings = (kernel or _own_kernel(branch)).equilibrium()
    bound = BoundNTK(settings, model, branch.free, dict(branch.params)).measured(Magnitudes.of(branch, model))
    bound.rank_checked = True  # exponents are what is asked for
    rows: list[SignatureRow] = []
    for point in branch.special_points:
        if point.label not in SINGULAR:
            continue
        found = growth(bound, point.label, point.x, point.p, point.tangent, point.omega)
        kind, predicted = _type(model, point, found)
        rows += [
            SignatureRow(
                point=point.name,
                label=point.label,
                type=kind,
                free=point.free,
                p=point.p,
                theta=bound.theta.names,
                side=side,
                predicted=predicted,
            )
            for side in found.sides
        ]
    return SignatureTable(rows)


def _type(model: Model, point: SpecialPoint, found: Growth) -> tuple[str, dict[str, Prediction]]:
    """Return the type of a point in words, and the predictions if theory has any for it."""
    form = dict(point.normal_form if can_be_read(point.normal_form) else {}) or normal_form(model, point)
    kind = str(form.get("type", point.label))
    unknown = kind in _UNKNOWN or (kind == "multiple" and found.vertical)
    if kind == "pitchfork":
        kind += ", bent" if found.vertical else ", straight"
    if unknown:
        return kind, dict.fromkeys(KERNEL_NAMES, Prediction(exponent=math.nan, text="?"))
    return kind, found.predicted


def _own_kernel(branch: Branch) -> StateNTK:
    """Return the kernel that a branch was annotated with."""
    what = "give kernel=nc.ntk.StateNTK(...)"
    if branch.ntk is None:
        msg = f"kernel: not given, and the branch has none; {what}"
        raise InputError(msg)
    kept = branch.ntk.metadata
    scale = kept.get("theta_scale", "none")
    arrays = scale == "array" or (isinstance(scale, dict) and "array" in scale.values())
    if arrays or kept.get("readout") or kept.get("conditions") or "theta" not in kept:
        msg = f"kernel: not given, and that of the branch is not kept in full (arrays, readout or conditions); {what}"
        raise InputError(msg)
    units = kept["state_scale"]
    if kept.get("state_scale_given") == "relative":
        units = "relative"
    elif isinstance(units, Mapping) and branch.free is not None:
        units = {**units, branch.free: kept.get("param_scale", 1.0)}
    return StateNTK(theta=list(kept["theta"]), theta_scale=scale, state_scale=units, k=kept.get("k", 8))


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.4f}"
