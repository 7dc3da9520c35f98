"""The curve of one kind of special point in two parameters, as named read-only columns."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ntkcont.errors import InputError, unknown_name
from ntkcont.results.doubtful import Doubtful, established
from ntkcont.results.frozen import FrozenDict, array, construct, frozen, same
from ntkcont.results.labels import canonical
from ntkcont.results.special_points import SpecialPoints, renumbered
from ntkcont.status import Status

if TYPE_CHECKING:
    from ntkcont.models.model import Model

Real = NDArray[np.float64]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class CriticalCurve:
    """A curve of special points in two free parameters, with k accepted points of n states.

    Parameters
    ----------
    kind : {"flow", "map"}
        Kind of the model.
    label : str
        What is followed: LP, H, BP, PD, NS or NSad.
    free : (str, str)
        Names of the two free parameters.
    states : tuple of str
        Names of the n states.
    params : mapping of str to float
        Values of all parameters at the start.
    p : ndarray, shape (k, 2)
        Values of the free parameters.
    x : ndarray, shape (k, n)
        States.
    s : ndarray, shape (k,)
        Scaled arclength, increasing; 0 at the start, negative before it.
    tangent : ndarray, shape (k, n+2)
        (dx/ds, dp/ds) in original units.
    eigenvalues : ndarray of complex, shape (k, n)
        Of the Jacobian (flows), multipliers (maps).
    labels : ndarray of str, shape (k,)
        What each point is: beyond a Bogdanov-Takens point (1:1 or 1:2 resonance) a curve of Hopf (Neimark-Sacker)
        points goes on as one of neutral saddles, "NSad", which are no bifurcations.
    n_unstable : ndarray of int, shape (k,)
        Number of unstable eigenvalues besides the critical ones.
    omega : ndarray, shape (k,)
        Critical frequency of H, angle of NS (rad); nan elsewhere.
    coefficient : ndarray, shape (k,)
        Of the normal form, for critical vectors of norm 1: a (LP; its sign is that of the critical vector, which keeps
        its orientation along the curve), l1 (H), b (PD), d (NS), nan for BP and NSad.
    special_points : SpecialPoints
        Points of codimension two, located, and the ends; ``point.p`` is the first parameter, ``point["mu"]`` any.
    doubtful : tuple of Doubtful
        What was bracketed and could not be established, in order of arclength.  A special point given as not converged
        is moved here.
    status : Status
        How the continuation ended.
    ends : (Status, Status)
        The same for the end at low and at high arclength.
    provenance : mapping
        Model hash and description, settings, versions, spans, scales.
    model : Model or None
        Kept in memory only: neither saved nor compared.

    Raises
    ------
    InputError
        If shapes disagree or arclength does not increase.

    Notes
    -----
    ``curve[name]`` is a column of shape (k,): a free or fixed parameter, a state, ``"s"``, ``"stable"``,
    ``"n_unstable"``, ``"omega"``, ``"coefficient"`` or ``"labels"``.

    Examples
    --------
    >>> import numpy as np
    >>> import ntkcont as nc
    >>> model = nc.Model.from_equations({"x": "h + mu*x - x**3"}, {"h": -1.0, "mu": 1.0})
    >>> fold = nc.continuation(model, [-1.3], free="h", p_span=(-1, 1)).special_points["LP1"]
    >>> curve = nc.continuation(model, fold, free=("h", "mu"), p_span=((-1, 1), (-0.5, 1.5)))
    >>> bool(np.allclose(4 * curve["mu"] ** 3, 27 * curve["h"] ** 2, rtol=0, atol=1e-9))
    True
    >>> [point.name for point in curve.special_points]
    ['EP1', 'CP1', 'EP2']
    """

    kind: Literal["flow", "map"]
    label: str
    free: tuple[str, str]
    states: tuple[str, ...]
    params: Mapping[str, float]
    p: Real
    x: Real
    s: Real
    tangent: Real
    eigenvalues: NDArray[np.complex128]
    labels: NDArray[np.str_]
    n_unstable: NDArray[np.int64]
    omega: Real
    coefficient: Real
    special_points: SpecialPoints = dataclasses.field(default_factory=SpecialPoints)
    doubtful: tuple[Doubtful, ...] = ()
    status: Status
    ends: tuple[Status, Status]
    provenance: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    model: Model | None = dataclasses.field(default=None, compare=False)

    def __post_init__(self) -> None:
        def put(field: str, value: Any) -> None:
            object.__setattr__(self, field, value)

        if self.kind not in ("flow", "map"):
            msg = f"kind: {self.kind!r} is unknown; it may be 'flow' or 'map'"
            raise InputError(msg)
        put("label", canonical(self.label))
        put("free", tuple(str(name) for name in self.free))
        put("states", tuple(str(name) for name in self.states))
        put("params", FrozenDict({str(name): float(value) for name, value in self.params.items()}))
        if len(self.free) != 2:
            msg = f"free: got {self.free!r}; it must be the names of two parameters"
            raise InputError(msg)
        n = len(self.states)
        put("s", array(self.s, "s", np.float64, (None,)))
        k = len(self.s)
        put("p", array(self.p, "p", np.float64, (k, 2)))
        put("x", array(self.x, "x", np.float64, (k, n)))
        put("tangent", array(self.tangent, "tangent", np.float64, (k, n + 2)))
        put("eigenvalues", array(self.eigenvalues, "eigenvalues", np.complex128, (k, n)))
        put("labels", array(self.labels, "labels", np.dtype("<U4"), (k,)))
        put("n_unstable", array(self.n_unstable, "n_unstable", np.int64, (k,)))
        put("omega", array(self.omega, "omega", np.float64, (k,)))
        put("coefficient", array(self.coefficient, "coefficient", np.float64, (k,)))
        if np.any(np.diff(self.s) <= 0):
            first = int(np.flatnonzero(np.diff(self.s) <= 0)[0])
            msg = f"s: arclength must increase, but s[{first + 1}] <= s[{first}]; give the points in order"
            raise InputError(msg)
        if not isinstance(self.special_points, SpecialPoints):
            put("special_points", SpecialPoints(self.special_points))
        kept, doubtful = established(self.special_points)
        if doubtful:
            put("special_points", renumbered(kept))
        put("doubtful", (*self.doubtful, *doubtful))
        put("status", Status(self.status))
        low, high = self.ends
        put("ends", (Status(low), Status(high)))
        put("provenance", frozen(dict(self.provenance)))

    # ---------------------------------------------------------------- columns

    def __len__(self) -> int:
        return len(self.s)

    @property
    def n(self) -> int:
        """Number of states."""
        return len(self.states)

    @property
    def log(self) -> tuple[str, ...]:
        """Names of the variables that were measured in decades."""
        return tuple(self.provenance.get("log", ()))

    @property
    def stable(self) -> NDArray[np.bool_]:
        """Whether all eigenvalues but the critical ones are stable: the bifurcation happens to a stable fixed point."""
        return self.n_unstable == 0

    @property
    def columns(self) -> tuple[str, ...]:
        """Names that ``curve[name]`` knows, in the order in which they are looked up."""
        own = ("s", "stable", "n_unstable", "omega", "coefficient", "labels")
        return tuple(dict.fromkeys([*self.free, *self.states, *self.params, *own]))

    def __getitem__(self, name: str) -> NDArray[Any]:
        if name in self.free:
            column = self.p[:, self.free.index(name)]
        elif name in self.states:
            column = self.x[:, self.states.index(name)]
        elif name in self.params:
            column = np.full(len(self), self.params[name])
            column.flags.writeable = False
        elif name in ("s", "stable", "n_unstable", "omega", "coefficient", "labels"):
            column = getattr(self, name)
        else:
            raise unknown_name(argument="column", got=name, allowed=self.columns)
        return column

    # ---------------------------------------------------------------- files and tables

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the curve to a ``.npz`` file, atomically; ``nc.load`` reads it back.

        Parameters
        ----------
        path : path-like
            The file; an existing one is replaced only when the new one is complete on disk.

        Returns
        -------
        pathlib.Path
            The path.
        """
        from ntkcont.results.curve_file import save

        return save(self, path)

    def to_dataframe(self) -> Any:
        """Return a pandas DataFrame with one row per point (needs the extra ``io``)."""
        from ntkcont.results.curve_table import to_dataframe

        return to_dataframe(self)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, CriticalCurve):
            return NotImplemented
        return all(same(getattr(self, f.name), getattr(other, f.name)) for f in dataclasses.fields(self) if f.compare)

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[Any, ...]:
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name != "model"}
        return construct, (CriticalCurve, fields)

    def __copy__(self) -> CriticalCurve:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> CriticalCurve:
        return self

    def __repr__(self) -> str:
        from ntkcont.results.curve_table import curve_text

        return curve_text(self)

    def _repr_html_(self) -> str:
        from ntkcont.results.curve_table import curve_html

        return curve_html(self)
