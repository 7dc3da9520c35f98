"""Compiled functions as arguments of kernels: where they lie in memory is looked up once.

A kernel that takes a function asks numba for its address in every call, some 20 us, which is more than short kernels
take.  A function of a model has one signature, so that the answer is always the same.
"""

from __future__ import annotations

from typing import Any


class _Remembering:
    """Stands for an object, and remembers what its `get_pointer_to_function` said."""

    def __init__(self, of: Any) -> None:
        self._of, self._pointers = of, {}

    def get_pointer_to_function(self, name: str) -> int:
        if name not in self._pointers:
            self._pointers[name] = self._of.get_pointer_to_function(name)
        return self._pointers[name]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._of, name)


class _Result:
    """Stands for numba's result of compiling a function; only its library is another."""

    def __init__(self, of: Any) -> None:
        self._of, self.fndesc, self.library = of, of.fndesc, _Remembering(of.library)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._of, name)


def addressed(function: Any) -> None:
    """Let a compiled function remember its address, if it has one signature and no other can be added."""
    overloads = getattr(function, "overloads", {})
    if len(overloads) != 1 or getattr(function, "_can_compile", True):
        return
    result = _Result(next(iter(overloads.values())))
    function.get_compile_result = lambda _signature: result
