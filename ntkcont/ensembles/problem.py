"""The specification of one continuation: small, picklable, and known by a digest of its content."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import pickle
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ntkcont.ensembles.canonical import digest, function_name
from ntkcont.errors import InputError
from ntkcont.models.model import Model
from ntkcont.pathfollowing.decades import listed_names
from ntkcont.pathfollowing.driver import continuation
from ntkcont.pathfollowing.settings import ContinuationSettings
from ntkcont.pathfollowing.start import check_span
from ntkcont.results import io
from ntkcont.results.branch import Branch
from ntkcont.results.frozen import FrozenDict

_VERSION = 1  # of the specification; with that of the branch files part of every key


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Problem:
    """One member of an ensemble: the function that makes its model, the arguments of it, and a continuation.

    Nothing is compiled until a worker solves it, so that thousands of problems are small and travel between processes
    and machines.

    Parameters
    ----------
    model : callable
        Returns the model: a function from the top level of a module, or a constructor such as ``nc.RateRNN``,
        ``nc.Model.from_equations`` or ``nc.classics.morris_lecar``.
    arguments : mapping, optional
        Keyword arguments of `model`: numbers, text, arrays, lists, dicts.  Numbers and text become coordinates of the
        results.
    x0 : float, array_like of shape (n,), or mapping by state name
        A guess of the fixed point at the start; one number stands for all states.
    free : str
        Name of the free parameter.
    p_span : (float, float)
        Its range.
    params, direction, settings, events, stop, ntk, log
        As in :func:`ntkcont.continuation`; `params` become coordinates as well.  Functions among them must come from
        the top level of a module.

    Attributes
    ----------
    key : str
        32 hexadecimal digits: a digest of all of the above and of the version of the files.  The code of your own
        functions is part of it, with the functions and constants that they use from their module; not what they import
        from others.

    Raises
    ------
    InputError
        Something cannot travel between processes, or is not what it may be.

    Examples
    --------
    >>> import ntkcont as nc
    >>> equations = {"equations": {"x": "(p - a)*x - x**3"}, "params": {"p": -1.0, "a": 0.0}}
    >>> problems = [
    ...     nc.Problem(nc.Model.from_equations, equations, x0=0.0, free="p", p_span=(-2, 2), params={"a": a})
    ...     for a in (0.0, 0.5)
    ... ]
    >>> problems[0].solve().special_points("BP").labels
    ('BP',)
    >>> problems[0].key == problems[1].key
    False
    """

    model: Callable[..., Model]
    arguments: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    _: dataclasses.KW_ONLY
    x0: Any
    free: str
    p_span: tuple[float, float]
    params: Mapping[str, float] = dataclasses.field(default_factory=dict)
    direction: str = "both"
    settings: ContinuationSettings | None = None
    events: Sequence[object] | None = None
    stop: Any = None
    ntk: Any = None
    log: Sequence[str] = ()

    def __post_init__(self) -> None:
        def put(field: str, value: Any) -> None:
            object.__setattr__(self, field, value)

        if isinstance(self.model, Model) or not callable(self.model):
            msg = f"model: got {type(self.model).__name__}; give the function that makes the model, and its arguments"
            raise InputError(msg)
        for name in ("arguments", "params"):
            value = getattr(self, name)
            if not isinstance(value, Mapping) and value is not None:
                msg = f"{name}: got {type(value).__name__}; give a mapping from names to values"
                raise InputError(msg)
            put(name, FrozenDict({str(key): inner for key, inner in sorted((value or {}).items())}))
        if not isinstance(self.free, str):
            msg = f"free: got {self.free!r}; give the name of one parameter"
            raise InputError(msg)
        put("p_span", check_span(self.p_span))
        put("log", listed_names(self.log))
        if not isinstance(self.x0, Mapping):
            put("x0", _numbers(self.x0))
        _ = self.key  # says now what cannot be digested
        try:
            pickle.dumps(self)
        except Exception as error:
            msg = f"the problem cannot travel to another process ({error}); give functions that can be imported"
            raise InputError(msg) from error

    @functools.cached_property
    def key(self) -> str:
        """The digest under which the result is kept."""
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.init}
        if not self.log:  # so that results from before there was `log` keep their keys
            del fields["log"]
        parts = [(name, digest(value, name)) for name, value in fields.items()]
        return digest([_VERSION, io.FORMAT, io.VERSION, *parts], "problem")[:32]

    @property
    def coordinates(self) -> dict[str, float | int | str | bool]:
        """The arguments and parameters that are one number or text, by name."""
        values = {**self.arguments, **self.params}
        plain = {name: v.item() if isinstance(v, np.generic) else v for name, v in values.items()}
        return {name: value for name, value in plain.items() if isinstance(value, bool | int | float | str)}

    def solve(self) -> Branch:
        """Make the model, run the continuation and return its branch."""
        model = self.model(**self.arguments)
        if not isinstance(model, Model):
            msg = f"model: {function_name(self.model)} returned {type(model).__name__}; it must return a Model"
            raise InputError(msg)
        x0 = np.full(model.n, self.x0) if np.ndim(self.x0) == 0 and not isinstance(self.x0, Mapping) else self.x0
        names = inspect.signature(continuation).parameters.keys() & {f.name for f in dataclasses.fields(self)}
        options: Any = {name: getattr(self, name) for name in names - {"model", "x0"}}
        return continuation(model, x0, **options)

    def __repr__(self) -> str:
        told = ", ".join(f"{name}={value!r}" for name, value in self.coordinates.items())
        return f"Problem({function_name(self.model)}({told}), free={self.free!r}, p_span={self.p_span}, key={self.key})"


def _numbers(x0: Any) -> Any:
    try:
        values = np.array(x0, dtype=float)
    except (TypeError, ValueError):
        values = np.zeros((0, 0))
    if values.ndim > 1 or not np.all(np.isfinite(values)):
        msg = f"x0: got {type(x0).__name__}; give one number, an array of shape (n,), or values by state name"
        raise InputError(msg)
    if values.ndim == 0:
        return float(values)
    values.flags.writeable = False
    return values
