"""What a PyDSTool object says about its model, read from its attributes; PyDSTool itself is never imported."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

from ntkcont.dialects.pydstool_strings import for_macro
from ntkcont.errors import InputError, nearest

_KEYS = (
    "name varspecs pars fnspecs ics tdomain tdata tstep ttype xdomain xtype pdomain auxvars vars reuseterms inputs "
    "inputs_t0 algparams events eventPars enforcebounds activatedbounds checklevel globalt0 abseps compiler model "
    "ignorespecial vfcodeinsert_start vfcodeinsert_end FScompatibleNames FScompatibleNamesInv targetlang system "
    "massMatrix"
)
_KNOWN = _KEYS.split()
_NOT_SYSTEMS = ("ExplicitFnGen", "ImplicitFnGen", "InterpolateTable", "LookupTable", "ExtrapolateTable")
_MOST_VARIABLES = 10_000
_INDEXED = re.compile(r"\s*(\w+)\s*\[\s*(\w+)\s*(?:,\s*(-?\d+)\s*,\s*(-?\d+)\s*)?\]\s*")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Spec:
    """One string: what it is called in errors, its text, and the value of a loop's letter."""

    where: str
    text: str
    index: Mapping[str, int] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Source:
    """A model in PyDSTool's words.

    Parameters
    ----------
    label : str
        What the object is, for messages.
    kind : {"flow", "map"}
    varspecs : dict of str to Spec
        Of states and auxiliary variables, macros written out by name.
    auxvars : tuple of str
        Which of them are auxiliary variables.
    pars, ics : dict of str to float
    fnspecs : dict of str to (argument names, text)
    reuseterms : dict of str to str
        The replacement's name to the expression it stands for.
    bounds : dict of str to pair
        Of ``xdomain`` and ``pdomain``.
    inserts : bool
        Whether code is inserted into the right-hand side.
    rhs : callable or None
        The object's own ``Rhs``.
    rhs_order : tuple of str
        The order of what ``rhs`` returns.
    """

    label: str
    kind: Literal["flow", "map"]
    varspecs: dict[str, Spec]
    auxvars: tuple[str, ...]
    pars: dict[str, float]
    ics: dict[str, float]
    fnspecs: dict[str, tuple[tuple[str, ...], str]]
    reuseterms: dict[str, str]
    bounds: dict[str, Any]
    inserts: bool
    rhs: Callable[..., Any] | None
    rhs_order: tuple[str, ...]

    @property
    def states(self) -> tuple[str, ...]:
        """Names of the states, in the order of the varspecs."""
        return tuple(name for name in self.varspecs if name not in self.auxvars)


def read_source(obj: Any, kind: str | None) -> Source:
    """Read a Generator, an ``args`` object or a mapping."""
    if kind not in (None, "flow", "map"):
        msg = f"kind: {kind!r} is unknown; it may be 'flow', 'map' or None (the object says)"
        raise InputError(msg)
    funcspec = getattr(obj, "funcspec", None)
    if isinstance(obj, Mapping):
        get, own = obj, "dict"
    elif funcspec is not None:
        get, own = _generator(obj, funcspec), type(obj).__name__
    elif hasattr(obj, "varspecs"):
        get, own = dict(vars(obj)), "args object"
    else:
        msg = (
            f"obj: got {type(obj).__name__}; give one of PyDSTool's Generators (of a Model: one that it is made of), "
            "an args object, or a dict with varspecs, pars, fnspecs and ics"
        )
        raise InputError(msg)
    get = {str(key): value for key, value in get.items() if value is not None}
    for key in get:
        if key not in _KNOWN and not key.startswith("_"):
            msg = f"obj: {key!r} is not a key of PyDSTool; {nearest(key, _KNOWN, 1)}"
            raise InputError(msg)
    if not get.get("varspecs"):
        msg = "obj: it has no 'varspecs'; give one string for each variable, {'v': '(I - g*v)/C', ...}"
        raise InputError(msg)
    name = get.get("name") or getattr(obj, "name", None)
    varspecs = _varspecs(_pairs(get["varspecs"], "varspecs"))
    _refuse_inputs(get)
    rhs = getattr(obj, "Rhs", None) if funcspec is not None else None
    given = _pairs(get.get("pars"), "pars")
    pars = {key.replace(".", "_"): _number(value, f"pars[{key!r}]") for key, value in given.items()}
    auxvars = _auxvars(get, varspecs)
    states = [key for key in varspecs if key not in auxvars]
    if not states:
        msg = "obj: all variables are auxiliary ('auxvars'), so there is no state"
        raise InputError(msg)
    reuseterms = {str(new): str(term) for term, new in _pairs(get.get("reuseterms"), "reuseterms").items()}
    for new in reuseterms:
        if new in varspecs or new in pars:
            what = "variable" if new in varspecs else "parameter"
            msg = f"reuseterms[{reuseterms[new]!r}]: {new!r} is a {what} already; give the term a name of its own"
            raise InputError(msg)
    if own in ("dict", "args object"):  # a Generator has checked its own
        _refuse_unknown_ics(get.get("ics"), varspecs)
    return Source(
        label=f"{own} {name!r}" if name else own,
        kind=kind or _kind(obj, get),  # pyright: ignore[reportArgumentType]
        varspecs=varspecs,
        auxvars=auxvars,
        pars=pars,
        ics=_ics(get.get("ics"), states),
        fnspecs=_functions(get.get("fnspecs")),
        reuseterms=reuseterms,
        bounds={
            **_pairs(get.get("pdomain"), "pdomain"),
            **_pairs(get.get("xdomain"), "xdomain"),
        },
        inserts=any(str(get.get(f"vfcodeinsert_{end}") or "").strip() for end in ("start", "end"))
        or get.get("system") is not None,
        rhs=rhs if callable(rhs) else None,
        rhs_order=tuple(getattr(funcspec, "vars", None) or sorted(states)),
    )


def _generator(obj: Any, funcspec: Any) -> dict[str, Any]:
    """Return the keys of ``args`` for a Generator."""
    classes = [c.__name__ for c in type(obj).__mro__]
    if any(name in classes for name in _NOT_SYSTEMS):
        msg = f"obj: a {type(obj).__name__} is neither an ODE system nor a map; give the Generator of the dynamics"
        raise InputError(msg)
    given = getattr(funcspec, "_initargs", None)
    given = {} if given is None else dict(given if isinstance(given, Mapping) else vars(given))
    values = getattr(obj, "pars", None)
    if values is None:
        values = given.get("pars") if isinstance(given.get("pars"), Mapping) else None
    return {
        **{key: given.get(key) for key in ("varspecs", "fnspecs", "reuseterms", "auxvars", "inputs")},
        "vfcodeinsert_start": given.get("codeinsert_start"),
        "vfcodeinsert_end": given.get("codeinsert_end"),
        "pars": values,
        "ics": getattr(obj, "initialconditions", None),
        "xdomain": getattr(obj, "xdomain", None),
        "pdomain": getattr(obj, "pdomain", None),
    }


def _kind(obj: Any, get: Mapping[str, Any]) -> str:
    classes = [c.__name__ for c in type(obj).__mro__]
    if any(name in ("discGen", "MapSystem") for name in classes):
        return "map"
    ttype = get.get("ttype")
    return "map" if ttype is int or getattr(ttype, "__name__", str(ttype)).startswith("int") else "flow"


def _pairs(raw: Any, what: str) -> dict[str, Any]:
    """Return a mapping with text as keys; a list of PyDSTool's quantities has the names in them."""
    if raw is None:
        return {}
    if hasattr(raw, "items"):
        return {str(key).strip(): value for key, value in raw.items()}
    if isinstance(raw, list | tuple) and all(hasattr(q, "name") for q in raw):
        return {str(q.name): q if not hasattr(q, "spec") else q.spec for q in raw}
    msg = f"{what}: got {type(raw).__name__}; it must be a mapping from names"
    raise InputError(msg)


def _varspecs(raw: Mapping[str, Any]) -> dict[str, Spec]:
    found: dict[str, Spec] = {}
    for key, value in raw.items():
        where, text = f"varspecs[{key!r}]", str(value)
        indexed = _INDEXED.fullmatch(key)
        if indexed is None:
            found[key.replace(".", "_")] = Spec(where=where, text=text)
            continue
        root, letter = indexed.group(1), indexed.group(2)
        if indexed.group(3) is None:
            try:
                letter, low, high, body = for_macro(text)
            except InputError as error:
                raise unreadable(where, text, error) from None
        else:
            low, high, body = int(indexed.group(3)), int(indexed.group(4)), text
        if high - low >= _MOST_VARIABLES:
            msg = f"{where}: it stands for {high - low + 1} variables; at most {_MOST_VARIABLES} can be written out"
            raise InputError(msg)
        for i in range(low, high + 1):
            found[f"{root}{i}"] = Spec(where=where, text=body, index={letter: i})
    return found


def unreadable(where: str, text: str, reason: Exception) -> InputError:
    """Return the error for a string, in the form that names all there is to know."""
    shown = " ".join(text.split())
    shown = shown if len(shown) <= 200 else shown[:197] + "..."
    return type(reason)(f"{where}: the string {shown!r} cannot be read: {reason}")  # pyright: ignore


def _auxvars(get: Mapping[str, Any], varspecs: Mapping[str, Spec]) -> tuple[str, ...]:
    def names(raw: Any) -> list[str]:
        if not isinstance(raw, str | list | tuple | set):
            msg = f"auxvars, vars: got {raw!r}; it must be a name or a list of names"
            raise InputError(msg)
        listed: Iterable[Any] = [raw] if isinstance(raw, str) else raw
        return [str(name).replace(".", "_") for name in listed]

    if get.get("vars") is not None and get.get("auxvars") is None:
        states = names(get["vars"])
        auxvars = [name for name in varspecs if name not in states]
        missing = [name for name in states if name not in varspecs]
    else:
        auxvars = names(get.get("auxvars") or [])
        missing = [name for name in auxvars if name not in varspecs]
    if missing:
        msg = f"obj: the variable {missing[0]!r} is declared, but has no string in varspecs"
        raise InputError(msg)
    return tuple(auxvars)


def _refuse_inputs(get: Mapping[str, Any]) -> None:
    inputs = get.get("inputs")
    if inputs is None or (hasattr(inputs, "__len__") and len(inputs) == 0):
        return
    msg = "obj: it is driven by external inputs (signals in time); replace each by a parameter, whose value is followed"
    raise InputError(msg)


def _number(raw: Any, where: str) -> float:
    try:
        value = raw.tonumeric() if hasattr(raw, "tonumeric") else raw
        number = float(value if isinstance(value, int | float | str) or hasattr(value, "__float__") else str(value))
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        msg = f"{where}: got {raw!r}; it must be one finite number"
        raise InputError(msg)
    return number


def _refuse_unknown_ics(raw: Any, varspecs: Mapping[str, Spec]) -> None:
    for name in _pairs(raw, "ics"):
        if name.replace(".", "_") not in varspecs:
            msg = f"ics[{name!r}]: there is no variable of this name; {nearest(name, varspecs)}"
            raise InputError(msg)


def _ics(raw: Any, states: list[str]) -> dict[str, float]:
    given = {key.replace(".", "_"): value for key, value in _pairs(raw, "ics").items()}
    return {
        name: _number(given[name], f"ics[{name!r}]")
        for name in states
        if name in given and not (isinstance(given[name], float) and math.isnan(given[name]))
    }


def _functions(raw: Any) -> dict[str, tuple[tuple[str, ...], str]]:
    found = {}
    if isinstance(raw, list | tuple):  # Fun objects
        raw = {str(f.name): (f.signature, f.spec) for f in raw}
    for name, pair in _pairs(raw, "fnspecs").items():
        if hasattr(pair, "signature"):
            pair = (pair.signature, pair.spec)
        try:
            arguments, body = pair
            arguments = tuple(str(a) for a in ([arguments] if isinstance(arguments, str) else arguments))
        except (TypeError, ValueError):
            msg = f"fnspecs[{name!r}]: got {pair!r}; it must be a pair such as (['v'], 'tanh(v/v1)')"
            raise InputError(msg) from None
        if name == "massMatrix":
            msg = "fnspecs['massMatrix']: equations with a mass matrix cannot be read; solve them for the derivatives"
            raise InputError(msg)
        if name not in ("Jacobian", "Jacobian_pars"):  # ours are exact
            found[name] = (arguments, str(body))
    return found
