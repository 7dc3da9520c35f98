"""Special points of a branch: where they are, what they are, and the evidence for it."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
from numpy.typing import NDArray

from ntkcont.errors import InputError, unknown_name
from ntkcont.results.deferred import restored, same_where_known
from ntkcont.results.frozen import FrozenDict, array, construct, frozen, same
from ntkcont.results.labels import ALIASES, LABELS, canonical, canonical_name

if TYPE_CHECKING:
    from ntkcont.models.model import Model

Real = NDArray[np.float64]
Complex = NDArray[np.complex128]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class SpecialPoint:
    """A located special point and its evidence.

    Parameters
    ----------
    label : str
        One of `ntkcont.results.labels.LABELS`; aliases (``SN``, ``HB``, ``TR``) are read.
    name : str
        Label and number along the branch, such as ``"H1"``; user zeros may have their own name.
    p : float
        Value of the free parameter.
    x : ndarray, shape (n,)
        State.
    s : float
        Arclength on the branch.
    omega : float or None
        Critical frequency: Im lambda at a Hopf point (rad per unit of time), the angle of the multiplier at a
        Neimark-Sacker point (rad); None elsewhere.
    tangent : ndarray, shape (n+1,)
        (dx/ds, dp/ds) in original units.
    eigenvalues : ndarray of complex, shape (n,)
        Of the Jacobian (flows) or multipliers (maps).
    bracket : (float, float)
        Arclengths between which the test function changed sign.
    residual : float
        Norm of the defining system at the point.
    test_value : float
        Test function at the point.
    converged : bool
        Whether Newton on the defining system was accepted; otherwise the point comes from bisection.
    multiplicity : int
        How many critical eigenvalues (at H and NS pairs) cross at the point, default 1.
    vectors : mapping of str to ndarray, shape (n,)
        Critical vectors, ``"v"`` right and ``"w"`` left; may be complex or absent.
    free : str
        Name of the free parameter.
    params : mapping
        All parameters at the point, the free one included.
    states : tuple of str
        Names of the n states.
    kind : {"flow", "map"}
        Kind of the model.
    normal_form : mapping
        Coefficients of the normal form (see :func:`ntkcont.normal_form`), computed when they are first read.  Files and
        other processes get what has been read by then; the ``"note"`` of the others says how to compute them.
    ntk : mapping or None
        Kernel signatures at the point, with the regular factors.
    model : Model or None
        The model it belongs to, while it is in memory; not saved to files, not sent to other processes.

    Raises
    ------
    InputError
        If a label is unknown or shapes disagree.
    """

    label: str
    name: str
    p: float
    x: Real
    s: float
    omega: float | None = None
    tangent: Real
    eigenvalues: Complex
    bracket: tuple[float, float]
    residual: float
    test_value: float
    converged: bool
    multiplicity: int = 1
    vectors: Mapping[str, NDArray[Any]] = dataclasses.field(default_factory=dict)
    free: str
    params: Mapping[str, float]
    states: tuple[str, ...]
    kind: Literal["flow", "map"] = "flow"
    normal_form: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    ntk: Mapping[str, Any] | None = None
    model: Model | None = dataclasses.field(default=None, compare=False)

    def __post_init__(self) -> None:
        def put(field: str, value: Any) -> None:
            object.__setattr__(self, field, value)

        put("label", canonical(self.label))
        put("name", str(self.name))
        states = tuple(self.states)
        n = len(states)
        put("states", states)
        put("x", array(self.x, "x", np.float64, (n,)))
        put("tangent", array(self.tangent, "tangent", np.float64, (n + 1,)))
        put("eigenvalues", array(self.eigenvalues, "eigenvalues", np.complex128, (n,)))
        for field in ("p", "s", "residual", "test_value"):
            put(field, float(getattr(self, field)))
        put("omega", None if self.omega is None else float(self.omega))
        put("converged", bool(self.converged))
        put("multiplicity", int(self.multiplicity))
        try:
            low, high = (float(value) for value in self.bracket)
        except (TypeError, ValueError):
            msg = f"bracket: got {self.bracket!r}; it must be two arclengths, (left, right)"
            raise InputError(msg) from None
        put("bracket", (low, high))
        if self.kind not in ("flow", "map"):
            msg = f"kind: {self.kind!r} is unknown; it may be 'flow' or 'map'"
            raise InputError(msg)
        vectors = {}
        for name, vector in self.vectors.items():
            dtype = np.complex128 if np.iscomplexobj(vector) else np.float64
            vectors[name] = array(vector, f"vectors[{name!r}]", dtype, (n,))
        put("vectors", FrozenDict(vectors))
        put("params", FrozenDict({name: float(value) for name, value in self.params.items()}))
        put("normal_form", restored(self.normal_form))
        put("ntk", None if self.ntk is None else frozen(dict(self.ntk)))

    def __getitem__(self, name: str) -> float:
        if name in self.states:
            return float(self.x[self.states.index(name)])
        if name == self.free:
            return self.p
        if name in self.params:
            return self.params[name]
        raise unknown_name(argument="name", got=name, allowed=[*self.states, *self.params])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SpecialPoint):
            return NotImplemented
        compared = [f.name for f in dataclasses.fields(self) if f.compare and f.name != "normal_form"]
        return all(same(getattr(self, name), getattr(other, name)) for name in compared) and same_where_known(
            self.normal_form, other.normal_form
        )

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[Any, ...]:
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name != "model"}
        return construct, (SpecialPoint, fields)

    def __copy__(self) -> SpecialPoint:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> SpecialPoint:
        return self

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value:.6g}" for name, value in zip(self.states[:4], self.x, strict=False))
        more = ", ..." if len(self.states) > 4 else ""
        omega = "" if self.omega is None else f"; omega={self.omega:.6g}"
        evidence = f"residual {self.residual:.1e}" + ("" if self.converged else ", NOT converged")
        return f"<{self.name}, {LABELS[self.label]}, at {self.free}={self.p:.10g}: {shown}{more}{omega}; {evidence}>"


class SpecialPoints(Sequence[SpecialPoint]):
    """The special points of a branch, in order of arclength.

    ``points[0]`` and slices, ``points["H1"]`` by name, ``points("H")`` all of one label; aliases are read.  A point
    that the branch passes twice, because it crosses itself or is closed there, is listed twice under one name; that
    name looks up the first passage.

    Parameters
    ----------
    points : iterable of SpecialPoint
        Default none.
    """

    __slots__ = ("_points",)

    def __init__(self, points: Iterable[SpecialPoint] = ()) -> None:
        self._points = tuple(points)
        for point in self._points:
            if not isinstance(point, SpecialPoint):
                msg = f"points: {type(point).__name__} was given; each must be a SpecialPoint"
                raise InputError(msg)

    @overload
    def __getitem__(self, index: int | str) -> SpecialPoint: ...
    @overload
    def __getitem__(self, index: slice) -> SpecialPoints: ...
    def __getitem__(self, index: int | str | slice) -> SpecialPoint | SpecialPoints:
        if isinstance(index, slice):
            return SpecialPoints(self._points[index])
        if not isinstance(index, str):
            return self._points[index]
        found = [point for point in self._points if point.name == index]
        found = found or [point for point in self._points if point.name == canonical_name(index)]
        if len(found) == 1 or (found and all(point.label not in ("EP", "UZ") for point in found)):  # passed twice
            return found[0]
        if len(found) > 1:
            choose = f"choose by number or by label, points({found[0].label!r})"
            msg = f"special point: {len(found)} are called {index!r}; {choose}"
            raise InputError(msg)
        if not self._points:
            msg = f"special point: {index!r} was asked for; this branch has none"
            raise InputError(msg)
        if index in LABELS or index in ALIASES:
            label = canonical(index)
            msg = f"special point: {index!r} is a label; all of them are points({label!r}), one is points['{label}1']"
            raise InputError(msg)
        raise unknown_name(argument="special point", got=index, allowed=self.names)

    def __call__(self, label: str) -> SpecialPoints:
        """Return the points of one label (aliases are read), possibly none."""
        wanted = canonical(label)
        return SpecialPoints(point for point in self._points if point.label == wanted)

    def __len__(self) -> int:
        return len(self._points)

    def __iter__(self) -> Iterator[SpecialPoint]:
        return iter(self._points)

    def __contains__(self, item: object) -> bool:
        if isinstance(item, str):
            return any(point.name in (item, canonical_name(item)) for point in self._points)
        return item in self._points

    @property
    def labels(self) -> tuple[str, ...]:
        """Label of each point."""
        return tuple(point.label for point in self._points)

    @property
    def names(self) -> tuple[str, ...]:
        """Name of each point."""
        return tuple(point.name for point in self._points)

    def to_dataframe(self) -> Any:
        """Return a pandas DataFrame with one row per point (needs the extra ``io``)."""
        from ntkcont.results.tables import special_points_dataframe

        return special_points_dataframe(self)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SpecialPoints):
            return NotImplemented
        return self._points == other._points

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[Any, ...]:
        return SpecialPoints, (self._points,)

    def __repr__(self) -> str:
        from ntkcont.results.tables import special_points_text

        return special_points_text(self)

    def _repr_html_(self) -> str:
        from ntkcont.results.tables import special_points_html

        return special_points_html(self)


#: Points of one label closer than this, relative to what is there, are one, ...
ONE_POINT = 1e-7
#: ... if the branch makes a way of at least this arclength in between; otherwise they are neighbours on it.
LOOP = 1e-3


def renumbered(points: Iterable[SpecialPoint], log: Sequence[str] = ()) -> SpecialPoints:
    """Order points by arclength and number them anew: H1, H2, LP1, ..., and user zeros half#1, ....

    A point that is passed twice, because the branch crosses itself or begins and ends there, has one name.
    """
    ordered = sorted(points, key=lambda each: each.s)
    counts: dict[str, int] = {}
    result: list[SpecialPoint] = []
    names = _variables(ordered[0]) if ordered else ()
    for i, point in enumerate(ordered):
        first = next((k for k in range(i) if passed_again(ordered[k], point, names, log)), None)
        if first is not None:
            result.append(dataclasses.replace(point, name=result[first].name))
            continue
        own = point.label == "UZ" and bool(point.name) and not re.fullmatch(r"UZ\d*", point.name)
        stem = re.sub(r"#\d+$", "", point.name) + "#" if own else point.label
        counts[stem] = counts.get(stem, 0) + 1
        result.append(dataclasses.replace(point, name=f"{stem}{counts[stem]}"))
    return SpecialPoints(result)


def passed_again(first: SpecialPoint, second: SpecialPoint, names: Sequence[str], log: Sequence[str]) -> bool:
    """Whether two records of a branch are passages through one point.

    A variable is the same to so many digits of itself, of its speed along the branch (it may be zero), or of the other
    states: what is far below these is zero but for rounding.  What is measured in decades is so to digits of its own.
    """
    if first.label != second.label or first.label in ("EP", "UZ") or abs(second.s - first.s) < LOOP:
        return False
    z = np.array([_place(first), _place(second)])
    n = len(first.x)
    unit = np.max(np.abs(z), axis=0)
    speed = np.minimum(np.abs(first.tangent), np.abs(second.tangent))[: n + 1]
    unit[: n + 1] = np.maximum(unit[: n + 1], np.nan_to_num(speed))
    unit[:n] = np.maximum(unit[:n], 1e-9 * np.max(unit[:n]))
    z, measured = logarithms(z, names, log)
    unit = np.where(measured, 1.0, np.maximum(unit, 1e-300))
    return bool(np.all(np.abs(z[1] - z[0]) <= ONE_POINT * unit))


def logarithms(z: Real, names: Sequence[str], log: Sequence[str]) -> tuple[Real, NDArray[np.bool_]]:
    """Return z, shape (..., m), with the natural logarithms of the columns in `log`, and which columns these are."""
    chosen = np.array([name in log for name in names], dtype=bool)
    z = np.array(z, dtype=float)
    z[..., chosen] = np.log(np.maximum(np.abs(z[..., chosen]), 1e-300))
    return z, chosen


def _place(point: SpecialPoint) -> list[float]:
    """Return (x, p, all parameters): curves in two parameters may pass one state at different values of the second."""
    return [*point.x, point.p, *point.params.values()]


def _variables(point: SpecialPoint) -> tuple[str, ...]:
    """Return the names of what ``_place`` returns."""
    return (*point.states, point.free, *point.params)
