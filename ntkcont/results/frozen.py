"""What keeps results as they were computed: read-only arrays and dicts, and equality in which nan equals nan."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, NoReturn, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ntkcont.errors import InputError

T = TypeVar("T")


class FrozenDict(dict[str, Any]):
    """A dict that cannot be changed; ``dict(d)`` gives a copy that can.

    It is a real dict, so that ``json.dumps`` and ``isinstance(d, dict)`` do what one expects.
    """

    def _refuse(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        msg = "results are read-only; change a copy, dict(d)"
        raise TypeError(msg)

    __setitem__ = __delitem__ = __ior__ = _refuse  # type: ignore[assignment]
    clear = pop = popitem = setdefault = update = _refuse  # type: ignore[assignment]

    def __reduce__(self) -> tuple[type[FrozenDict], tuple[dict[str, Any]]]:
        return FrozenDict, (dict(self),)  # pickle would otherwise fill it through __setitem__

    def __copy__(self) -> FrozenDict:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> FrozenDict:
        return self

    def __eq__(self, other: object) -> bool:
        return same(self, other)

    def __ne__(self, other: object) -> bool:
        return not same(self, other)

    __hash__ = None  # type: ignore[assignment]


def nothing(shape: tuple[int, ...], dtype: DTypeLike = np.float64) -> NDArray[Any]:
    """Return read-only nan of any shape that takes no memory: what was not kept."""
    return np.broadcast_to(np.array(np.nan, dtype=dtype), shape)


def is_nothing(a: NDArray[Any]) -> bool:
    """Whether an array is one that :func:`nothing` returned, or a part of it."""
    return a.ndim > 0 and not any(a.strides) and a.base is not None and a.dtype.kind in "fc" and not a.flags.writeable


def read_only(value: Any) -> NDArray[Any]:
    """Return `value` as an array that nobody else can write to; copies unless it already is one.

    An array that is read-only and owns its memory is shared, so that a branch derived from another costs no copy.
    """
    a = np.asarray(value)
    if a is value and not a.flags.writeable and (a.base is None or is_nothing(a)):
        return a
    a = np.array(a, order="C")
    a.flags.writeable = False
    return a


def array(value: Any, name: str, dtype: DTypeLike, shape: tuple[int | None, ...]) -> NDArray[Any]:
    """Return `value` as a read-only array of the given dtype and shape (None: any length), or raise InputError."""
    try:
        given = np.asarray(value)
        if np.iscomplexobj(given) and not np.issubdtype(np.dtype(dtype), np.complexfloating):
            msg = f"{name}: complex numbers were given; it must be real"
            raise InputError(msg)
        if given.dtype == dtype:
            a = read_only(given)
        else:
            a = given.astype(dtype)
            a.flags.writeable = False
    except (TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        msg = f"{name}: {type(value).__name__} cannot be read as an array of {np.dtype(dtype).name}; give numbers"
        raise InputError(msg) from None
    if a.ndim != len(shape) or any(want not in (None, got) for want, got in zip(shape, a.shape, strict=True)):
        wanted = "(" + ", ".join("any" if w is None else str(w) for w in shape) + ("," if len(shape) == 1 else "") + ")"
        msg = f"{name}: shape {a.shape} was given; it must be {wanted}"
        raise InputError(msg)
    return a


def frozen(value: Any) -> Any:
    """Return a read-only deep copy of nested dicts, lists, numbers and arrays; numpy scalars become numbers."""
    if isinstance(value, FrozenDict):
        return value
    if isinstance(value, Mapping):
        return FrozenDict({str(k): frozen(v) for k, v in value.items()})
    if isinstance(value, tuple | list):
        return tuple(frozen(v) for v in value)
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray) or hasattr(value, "__array__"):
        a = read_only(value)
        return a if a.ndim else a.item()
    return value


def same(a: Any, b: Any) -> bool:
    """Whether two nested values hold the same data: same dtypes, shapes and bits, with nan equal to nan."""
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        if not (isinstance(a, np.ndarray) and isinstance(b, np.ndarray)) or a.dtype != b.dtype or a.shape != b.shape:
            return False
        return np.array_equal(a, b, equal_nan=a.dtype.kind in "fc")
    if isinstance(a, Mapping) or isinstance(b, Mapping):
        both = isinstance(a, Mapping) and isinstance(b, Mapping)  # == of the frozen ones comes back here
        return both and a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, tuple | list) and isinstance(b, tuple | list):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, float | complex) and isinstance(b, float | complex):
        return a == b or (a != a and b != b)
    return bool(a == b)


def construct(cls: type[T], fields: dict[str, Any]) -> T:
    """Call the class with keywords: what unpickling a frozen result does, so that it is checked and frozen again."""
    return cls(**{name: value.array() if isinstance(value, Nothing) else value for name, value in fields.items()})


@dataclasses.dataclass(frozen=True)
class Nothing:
    """What :func:`nothing` returned, on its way to another process, where it takes no memory either."""

    shape: tuple[int, ...]
    dtype: str

    def array(self) -> NDArray[Any]:
        """Return it."""
        return nothing(self.shape, self.dtype)


def packed(value: Any) -> Any:
    """Return a value in the form in which it goes to another process."""
    return Nothing(value.shape, value.dtype.str) if isinstance(value, np.ndarray) and is_nothing(value) else value
