"""A digest of values and functions that is the same in every process and changes when they do."""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import enum
import functools
import hashlib
import inspect
import os
import textwrap
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from ntkcont.errors import InputError
from ntkcont.models.model import Model
from ntkcont.results.branch import Branch
from ntkcont.results.special_points import SpecialPoint


def digest(value: Any, where: str) -> str:
    """Return a digest of nested numbers, text, arrays, mappings, dataclasses and importable functions.

    The order of a mapping counts (it is the order of the states of a model), its type does not.  A function counts by
    its name and, unless it belongs to this package, by its code without comments: its own, and that of what it uses
    from its module, functions and constants alike.

    Parameters
    ----------
    value : object
        What is digested.
    where : str
        What the message of an error calls it.

    Raises
    ------
    InputError
        Something in it is of another kind; the message says where.

    Examples
    --------
    >>> from ntkcont.ensembles.canonical import digest
    >>> digest({"a": [1.0, 2.0]}, "arguments") == digest({"a": (1.0, 2.0)}, "arguments")
    True
    >>> digest({"a": 1.0}, "arguments") == digest({"a": 1.5}, "arguments")
    False
    """
    state = hashlib.sha256()
    for part in _parts(value, where, frozenset()):
        state.update(f"{len(part)}:".encode())
        state.update(part)
    return state.hexdigest()


def _parts(value: Any, where: str, seen: frozenset[Any]) -> Iterator[bytes]:
    """Yield the bytes of a value; `seen` holds the functions whose code is being read."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, enum.Enum):
        yield f"enum {_name(type(value))} {value.name}".encode()
    elif value is None or isinstance(value, bool | int | float | complex | str):
        yield f"{type(value).__name__} {value!r}".encode()
    elif isinstance(value, bytes):
        yield b"bytes " + value
    elif isinstance(value, os.PathLike):
        yield f"path {os.fspath(value)}".encode()
    elif isinstance(value, Mapping):
        yield f"mapping {len(value)}".encode()
        for key, inner in value.items():
            yield from _parts(key, f"{where}, a key", seen)
            yield from _parts(inner, f"{where}[{key!r}]", seen)
    elif isinstance(value, tuple | list):
        yield f"sequence {len(value)}".encode()
        for i, inner in enumerate(value):
            yield from _parts(inner, f"{where}[{i}]", seen)
    elif isinstance(value, Model | Branch | SpecialPoint):
        kind = type(value).__name__
        wanted = (
            "the function that makes it and its arguments" if isinstance(value, Model) else "numbers, such as its x"
        )
        msg = f"{where}: got a {kind}, which does not travel between processes; give {wanted}"
        raise InputError(msg)
    elif isinstance(value, functools.partial):
        yield from _parts((value.func, value.args, value.keywords), where, seen)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        yield f"object {_name(type(value))}".encode()
        for field in dataclasses.fields(value):
            yield from _parts(getattr(value, field.name), f"{where}.{field.name}", seen)
    elif callable(value):
        yield from _function(value, where, seen)
    else:
        yield from _array(value, where)


def _array(value: Any, where: str) -> Iterator[bytes]:
    if hasattr(value, "tocoo"):  # sparse matrices
        entries = value.tocsr().sorted_indices().tocoo()
        yield f"sparse {entries.shape}".encode()
        for a in (entries.row, entries.col, entries.data):
            yield from _array(np.asarray(a), where)
        return
    a = np.asarray(value) if hasattr(value, "__array__") else None
    if a is None or a.dtype.kind not in "fcbiuUS":
        msg = (
            f"{where}: {type(value).__name__} cannot be part of a problem; give numbers, text, arrays, lists, dicts or "
            "functions that can be imported"
        )
        raise InputError(msg)
    yield f"array {a.dtype.str} {a.shape}".encode()
    yield np.ascontiguousarray(a).tobytes()


# -------------------------------------------------------------------- functions


def function_name(function: Any) -> str:
    """Return the name of a callable as a reader knows it: ``RateRNN``, ``Model.from_equations``, ``network``."""
    return getattr(function, "__qualname__", type(function).__name__)


def _name(function: Any) -> str:
    return f"{getattr(function, '__module__', '')}.{function_name(function)}"


def _function(function: Any, where: str, seen: frozenset[Any]) -> Iterator[bytes]:
    name = _name(function)
    if "<" in name:
        msg = f"{where}: {name} is a lambda or a function inside another one; give one from the top level of a module"
        raise InputError(msg)
    own = str(function.__module__).split(".")[0] == "ntkcont"
    # the module of a script is called otherwise in other processes, and its name says nothing
    yield f"function {function_name(function) if function.__module__ == '__main__' else name}".encode()
    code = inspect.unwrap(getattr(function, "__func__", function))
    if own or code in seen:
        return
    with contextlib.suppress(OSError, TypeError, SyntaxError, IndentationError):  # built in, or typed at a prompt
        yield _text(code).encode()
    python = getattr(code, "py_func", code)  # numba's dispatcher
    if isinstance(python, types.FunctionType):
        for used in sorted(_names(python.__code__)):
            if used in python.__globals__:
                yield from _used(python, used, where, seen | {code})


def _used(function: types.FunctionType, name: str, where: str, seen: frozenset[Any]) -> Iterator[bytes]:
    """Yield what a global name stands for, if that belongs to the function's module or is a constant."""
    value = function.__globals__[name]
    if isinstance(value, types.ModuleType):
        return
    yield name.encode()
    if callable(value):
        if getattr(value, "__module__", None) == function.__module__ and "<" not in _name(value):
            yield from _function(value, where, seen)
        return
    with contextlib.suppress(InputError):  # neither a constant nor a function: it cannot be followed
        yield from list(_parts(value, where, seen))


def _names(code: types.CodeType) -> set[str]:
    inner = [_names(c) for c in code.co_consts if isinstance(c, types.CodeType)]
    return set(code.co_names).union(*inner)


def _text(function: Callable[..., Any]) -> str:
    """Return the source without comments and docstrings, in one layout."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(getattr(function, "py_func", function))))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            first = body[0].value
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                body[0] = ast.Pass()
    return ast.unparse(ast.fix_missing_locations(tree))
