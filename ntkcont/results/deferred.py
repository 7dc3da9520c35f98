"""Results that are computed when they are first read, and only then: saving, sending and comparing compute nothing."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ntkcont.results.frozen import FrozenDict, frozen, same

#: What stands in files and other processes for what had not been read when the result was saved.
LATER = FrozenDict({"note": "it had not been read when the result was saved; nc.normal_form(model, point) computes it"})


class Deferred(Mapping[str, Any]):
    """A read-only mapping whose values are computed on first use, once; a failure becomes its ``"note"``.

    Parameters
    ----------
    compute : callable or None
        Returns the mapping.  None: it cannot be computed here (from a file, without its model), and says so in its
        ``"note"``.
    """

    __slots__ = ("_compute", "_values")

    def __init__(self, compute: Callable[[], Mapping[str, Any]] | None) -> None:
        self._compute = compute
        self._values = LATER

    @property
    def known(self) -> bool:
        """Whether the values have been computed."""
        return self._values is not LATER

    @property
    def computable(self) -> bool:
        """Whether they are still to be computed, and can be."""
        return self._compute is not None

    @property
    def values_now(self) -> FrozenDict:
        """The values, computed if they are not yet."""
        if self._compute is not None:
            with warnings.catch_warnings(record=True) as said:
                warnings.simplefilter("always")
                try:
                    self._values = frozen(dict(self._compute()))
                except Exception as error:  # what is computed late must not keep a branch from being shown
                    self._values = FrozenDict({"note": f"not computed: {type(error).__name__}: {error}"})
            self._compute = None
            for each in said:  # also where warnings are errors: the values are there by now
                warnings.warn(each.message, each.category, stacklevel=4)
        return self._values

    @property
    def kept(self) -> FrozenDict:
        """What goes to files and other processes: the values if they are known, else the note that they are not."""
        return self._values

    def __getitem__(self, key: str) -> Any:
        return self.values_now[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.values_now)

    def __len__(self) -> int:
        return len(self.values_now)

    def __repr__(self) -> str:
        return repr(self.values_now)

    def __eq__(self, other: object) -> bool:
        return self.values_now == other

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[Any, ...]:
        return self.kept.__reduce__() if self.known else (Deferred, (None,))

    def __copy__(self) -> Deferred:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Deferred:
        return self


def restored(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what was read from a file: the values, or a mapping that says that they had not been computed."""
    if isinstance(values, Deferred):
        return values
    return Deferred(None) if dict(values) == LATER else frozen(dict(values))


def is_known(values: Mapping[str, Any]) -> bool:
    """Whether the values are there, without computing them."""
    return not isinstance(values, Deferred) or values.known


def same_where_known(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    """Whether two mappings hold the same, as far as both are known; what is not follows from the rest of the result."""
    return not (is_known(a) and is_known(b)) or same(a, b)


def can_be_read(values: Mapping[str, Any]) -> bool:
    """Whether reading the values gives more than the note that they are not there."""
    return not isinstance(values, Deferred) or values.known or values.computable
