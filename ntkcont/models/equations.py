"""Models from equations: validation, the cache of generated code, and the Model itself.

The generated file is named by a hash of the equations as they were written, so a known model starts without sympy:
neither parsing nor differentiation is repeated.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, NamedTuple

from ntkcont.cache_folder import user_cache, writable
from ntkcont.errors import InputError
from ntkcont.models.model import Compiled, Model
from ntkcont.models.names import check_clashes, read_mapping, read_params
from ntkcont.models.text import KEYWORDS


class Equations(NamedTuple):
    """The equations of a model as they were written: text, numbers or sympy expressions by name."""

    equations: Mapping[str, Any]
    params: tuple[str, ...]
    aux: Mapping[str, Any]
    functions: Mapping[str, tuple[tuple[str, ...], Any]]
    iterations: int = 1  # the model is this iterate of the map


def model_from_equations(
    equations: Mapping[Any, Any],
    params: Mapping[Any, float],
    *,
    aux: Mapping[Any, Any] | None = None,
    functions: Mapping[str, tuple[Sequence[str], Any]] | None = None,
    kind: Literal["flow", "map"] = "flow",
) -> Model:
    """Build the model of :meth:`ntkcont.Model.from_equations`."""
    right = read_mapping(equations, "equations")
    if not right:
        msg = "equations: empty; give one expression for each state"
        raise InputError(msg)
    values = read_params(params)
    helpers = read_mapping(aux or {}, "aux")
    named = {name: _function(name, f) for name, f in read_mapping(functions or {}, "functions").items()}
    check_clashes({"a state": right, "a parameter": values, "an aux expression": helpers, "a function": named})
    raw = {
        "equations": [[k, _canonical(v)] for k, v in right.items()],
        "params": list(values),
        "aux": [[k, _canonical(v)] for k, v in helpers.items()],
        "functions": [[k, list(a), _canonical(b)] for k, (a, b) in named.items()],
    }
    code = _GeneratedCode(_digest(raw, _sources_digest()), lambda: _source(right, list(values), helpers, named))
    code.ensure()
    return Model(
        kind=kind,
        states=tuple(right),
        params=values,
        build=code.compiled,
        jax_function=code.jax_function,
        description=_describe(kind, raw, values),
        digest=_digest(raw, kind, values)[:16],
        equations=Equations(right, tuple(values), helpers, named),
    )


# ------------------------------------------------------------------ input


def _function(name: str, definition: Any) -> tuple[tuple[str, ...], Any]:
    try:
        arguments, body = definition
        arguments = tuple(getattr(a, "name", a) for a in ((arguments,) if isinstance(arguments, str) else arguments))
    except (TypeError, ValueError):
        arguments, body = (), None
    if body is None or not all(isinstance(a, str) and a.isidentifier() and a not in KEYWORDS for a in arguments):
        msg = f"functions[{name!r}]: got {definition!r}; write names of arguments and an expression, (['x'], 'x**2')"
        raise InputError(msg)
    if len(set(arguments)) < len(arguments):
        msg = f"functions[{name!r}]: two arguments have the same name in {arguments!r}"
        raise InputError(msg)
    return arguments, body


def _canonical(raw: Any) -> str:
    if isinstance(raw, str):
        return raw
    if isinstance(raw, int | float):
        return f"number {raw!r}"
    sympy = sys.modules.get("sympy")
    if sympy is not None and isinstance(raw, sympy.Basic):
        return f"sympy {sympy.srepr(raw)}"
    return f"other {raw!r}"


def _describe(kind: str, raw: Mapping[str, Any], values: Mapping[str, float]) -> str:
    left = "{}' = {}" if kind == "flow" else "{} <- {}"
    lines = [left.format(k, v) for k, v in raw["equations"]]
    lines += [f"{k} = {v}" for k, v in raw["aux"]]
    lines += [f"{k}({', '.join(a)}) = {v}" for k, a, v in raw["functions"]]
    if values:
        lines.append("parameters: " + ", ".join(f"{k} = {v!r}" for k, v in values.items()))
    return "\n".join(lines)


# ------------------------------------------------------------------ generated code


def _digest(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=False).encode()).hexdigest()


@functools.cache
def _sources_digest() -> str:
    """Return a digest of what turns equations into code, so that a new version never meets old files."""
    folder = Path(__file__).parent
    names = ("codegen", "elementary", "expressions", "rewrite", "symbolic", "sympy_input", "text", "vocabulary")
    versions = f"python {sys.version_info[:2]} numba {importlib.metadata.version('numba')}"
    digest = hashlib.sha256(versions.encode())
    for name in names:
        digest.update((folder / f"{name}.py").read_bytes())
    return digest.hexdigest()


def _source(
    equations: Mapping[str, Any],
    params: Sequence[str],
    aux: Mapping[str, Any],
    functions: Mapping[str, tuple[Sequence[str], Any]],
) -> str:
    """Parse, differentiate and write the code; imports sympy."""
    from ntkcont.models.codegen import model_source
    from ntkcont.models.expressions import Reader

    reader = Reader(tuple(equations), params, aux, functions)
    try:
        for name in aux:  # also those that no equation uses
            reader.name(name, f"aux[{name!r}]", {})
        for name, (arguments, _) in functions.items():
            reader.call(name, [reader.dummy(a) for a in arguments], f"functions[{name!r}]")
        rhs = [reader.read(f"equations[{name!r}]", raw) for name, raw in equations.items()]
        return model_source(rhs, reader.x, reader.p)
    except RecursionError:
        msg = "equations: the expressions are nested too deeply to be differentiated; simplify them"
        raise InputError(msg) from None
    except OverflowError:
        msg = "equations: a constant or exponent in the expressions is too large for a float"
        raise InputError(msg) from None


_one_at_a_time = threading.RLock()  # a module is in sys.modules before it is complete


class _GeneratedCode:
    """The generated file of one model: written if missing, loaded on first use."""

    def __init__(self, digest: str, source: Callable[[], str]) -> None:
        self.name = f"ntkcont_model_{digest[:24]}"
        self.source = source

    @functools.cached_property
    def path(self) -> Path:
        return writable(user_cache() / "models") / f"{self.name}.py"

    def ensure(self) -> None:
        """Write the file unless it exists; never touch an existing one, whose compiled code depends on its date."""
        if self.path.exists():
            return
        text = self.source()
        handle, temporary = tempfile.mkstemp(dir=self.path.parent, suffix=".tmp")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        try:
            os.link(temporary, self.path)  # fails if another process was faster
        except FileExistsError:
            pass
        except OSError:  # file systems without hard links
            os.replace(temporary, self.path)
            return
        os.unlink(temporary)

    @functools.cached_property
    def module(self) -> ModuleType:
        """The generated module; numba compiles it, or reads its cache, while it is imported."""
        import filelock

        with _one_at_a_time, filelock.FileLock(str(self.path.with_suffix(".lock"))):
            if self.name in sys.modules:
                return sys.modules[self.name]
            self.ensure()
            spec = importlib.util.spec_from_file_location(self.name, self.path)
            if spec is None or spec.loader is None:  # pragma: no cover
                msg = f"cannot load {self.path}"
                raise ImportError(msg)
            module = importlib.util.module_from_spec(spec)
            sys.modules[self.name] = module  # numba looks the module up while it reads its cache
            try:
                spec.loader.exec_module(module)
            except BaseException:
                del sys.modules[self.name]
                raise
        return module

    def compiled(self) -> Compiled:
        """Return the numba functions."""
        return Compiled(self.module.rhs, self.module.jac, self.module.dfdp)

    @functools.cached_property
    def _twin(self) -> Callable[..., Any]:
        return self.module.jax_builder()

    def jax_function(self, x: Any, p: Any, theta: Any) -> Any:
        """Evaluate the JAX twin."""
        return self._twin(x, p, theta)
