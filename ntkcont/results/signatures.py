"""Kernel signatures along a branch: named arrays whose first axis runs over the points."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ntkcont.errors import InputError, nearest, unknown_name
from ntkcont.results.frozen import FrozenDict, construct, frozen, read_only, same


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Signatures:
    """Named arrays, one row per point, read as attributes or by name.

    Parameters
    ----------
    arrays : mapping of str to ndarray, shape (k, ...)
        Real, complex, integer or boolean arrays with the same first axis.
    metadata : mapping
        The kernel, what is in theta, and the scales: what the numbers depend on.

    Raises
    ------
    InputError
        If the arrays disagree in their first axis, hold objects, or have a name that cannot be an attribute.

    Examples
    --------
    >>> from ntkcont.results.signatures import Signatures
    >>> sig = Signatures({"top": [4.0, 9.0], "eigenvalues": [[4.0, 1.0], [9.0, 1.0]]}, {"kernel": "equilibrium"})
    >>> sig.top[1], sig["eigenvalues"].shape, len(sig)
    (np.float64(9.0), (2, 2), 2)
    """

    arrays: Mapping[str, NDArray[Any]]
    metadata: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        kept: dict[str, NDArray[Any]] = {}
        for name, value in self.arrays.items():
            a = read_only(value)
            if a.dtype.kind not in "fcbiu" or a.ndim == 0:
                msg = f"arrays[{name!r}]: dtype {a.dtype}, shape {a.shape}; it must hold numbers with one row per point"
                raise InputError(msg)
            if not str(name).isidentifier() or name.startswith("_") or name in _RESERVED:
                msg = f"arrays[{name!r}]: this name cannot be read as an attribute; choose another name"
                raise InputError(msg)
            kept[name] = a
        lengths = {name: len(a) for name, a in kept.items()}
        if len(set(lengths.values())) > 1:
            msg = f"arrays: the first axes differ ({lengths}); give one row per point in each"
            raise InputError(msg)
        object.__setattr__(self, "arrays", FrozenDict(kept))
        object.__setattr__(self, "metadata", frozen(dict(self.metadata)))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all signatures, in order."""
        return tuple(self.arrays)

    @property
    def scalars(self) -> tuple[str, ...]:
        """Names of the signatures with one number per point."""
        return tuple(name for name, a in self.arrays.items() if a.ndim == 1)

    def __getitem__(self, name: str) -> NDArray[Any]:
        try:
            return self.arrays[name]
        except KeyError:
            raise unknown_name(argument="signature", got=name, allowed=self.arrays) from None

    def __getattr__(self, name: str) -> NDArray[Any]:
        if name.startswith("_") or name in _RESERVED:
            raise AttributeError(name)
        try:
            return self.arrays[name]
        except KeyError:
            msg = f"there is no signature {name!r}; {nearest(name, self.arrays)}"
            raise AttributeError(msg) from None

    def __contains__(self, name: object) -> bool:
        return name in self.arrays

    def __iter__(self) -> Iterator[str]:
        return iter(self.arrays)

    def __len__(self) -> int:
        return len(next(iter(self.arrays.values()))) if self.arrays else 0

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self.arrays]

    def take(self, index: ArrayLike | slice) -> Signatures:
        """Return the signatures of some points.

        Parameters
        ----------
        index : array_like of int or bool, or slice
            Which points, as numpy indexes the first axis.
        """
        rows = index if isinstance(index, slice) else np.atleast_1d(np.asarray(index))
        return Signatures({name: a[rows] for name, a in self.arrays.items()}, self.metadata)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Signatures):
            return NotImplemented
        return same(self.arrays, other.arrays) and same(self.metadata, other.metadata)

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[Any, ...]:
        return construct, (Signatures, {"arrays": dict(self.arrays), "metadata": dict(self.metadata)})

    def __copy__(self) -> Signatures:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Signatures:
        return self

    def __repr__(self) -> str:
        kernel = self.metadata.get("kernel", "kernel")
        names = ", ".join(name if a.ndim == 1 else f"{name} {a.shape[1:]}" for name, a in self.arrays.items())
        return f"<Signatures of the {kernel} kernel at {len(self)} points: {names}{units_in_words(self.metadata)}>"


_LISTED = 12


def units_in_words(metadata: Mapping[str, Any]) -> str:
    """Return the units of states and parameters, after a semicolon, or nothing: the numbers depend on them."""
    states, params = metadata.get("state_scale"), metadata.get("theta_param_scale")
    said = ""
    if isinstance(states, Mapping):
        said += f"; states in units of {_listed(states)}"
    if isinstance(params, Mapping) and any(value != 1.0 for value in params.values()):
        said += f"; parameters in units of {_listed(params)}"
    return said


def _listed(units: Mapping[str, float]) -> str:
    """Return names and numbers, of many the first ones."""
    if len(units) > 1 and len(set(units.values())) == 1:
        return f"{next(iter(units.values())):.4g} each"
    named = [f"{name} {value:.4g}" for name, value in units.items()]
    return ", ".join(named[:_LISTED]) + (f" and {len(named) - _LISTED} more" if len(named) > _LISTED else "")


_RESERVED = frozenset({"arrays", "metadata", "names", "scalars", "take"})


def stacked(parts: Sequence[Signatures | None], lengths: Sequence[int]) -> Signatures | None:
    """Put signatures one after the other; what a part lacks becomes nan, so that nothing computed is lost.

    Parameters
    ----------
    parts : sequence of Signatures or None
        None where a piece of the branch has no kernel.
    lengths : sequence of int
        Number of points of each part.
    """
    present = [part for part in parts if part is not None]
    if not present:
        return None
    names = list(dict.fromkeys(name for part in present for name in part.names))
    arrays = {}
    for name in names:
        known = [part[name] for part in present if name in part]
        trailing = np.max([a.shape[1:] for a in known], axis=0).astype(int) if known[0].ndim > 1 else ()
        pieces = []
        for part, length in zip(parts, lengths, strict=True):
            if part is not None and name in part and part[name].shape[1:] == tuple(trailing):
                pieces.append(part[name])
                continue
            empty = np.full((length, *trailing), np.nan, dtype=np.result_type(float, *known))
            if part is not None and name in part:
                empty[tuple(slice(m) for m in part[name].shape)] = part[name]
            pieces.append(empty)
        arrays[name] = np.concatenate(pieces)
    return Signatures(arrays, present[0].metadata)
