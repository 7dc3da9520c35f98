"""Results that are computed when they are first read."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ntkcont.results.frozen import FrozenDict, frozen


class Deferred(Mapping[str, Any]):
    """A read-only mapping whose values are computed on first use, once; a failure becomes its ``"note"``.

    Parameters
    ----------
    compute : callable
        Returns the mapping.
    """

    __slots__ = ("_compute", "_values")

    def __init__(self, compute: Callable[[], Mapping[str, Any]]) -> None:
        self._compute: Callable[[], Mapping[str, Any]] | None = compute
        self._values = FrozenDict()

    @property
    def values_now(self) -> FrozenDict:
        """The values, computed if they are not yet."""
        if self._compute is not None:
            with warnings.catch_warnings(record=True) as said:
                warnings.simplefilter("always")
                try:
                    self._values = frozen(dict(self._compute()))
                except Exception as error:  # what is computed late must not keep a branch from being saved or shown
                    self._values = FrozenDict({"note": f"not computed: {type(error).__name__}: {error}"})
            self._compute = None
            for each in said:  # also where warnings are errors: the values are there by now
                warnings.warn(each.message, each.category, stacklevel=4)
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
        return self.values_now.__reduce__()

    def __copy__(self) -> Deferred:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Deferred:
        return self
