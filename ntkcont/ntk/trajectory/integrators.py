"""Fixed-step integrators: explicit Runge-Kutta tableaux, and solvers of diffrax."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from ntkcont.errors import InputError, nearest


@dataclasses.dataclass(frozen=True)
class Tableau:
    """An explicit Runge-Kutta method for ``z' = f(z)`` with inputs held during a step.

    Parameters
    ----------
    a : tuple of tuple of float
        Row i holds the weights of the slopes 0 .. i-1 in the argument of slope i.
    b : tuple of float
        Weights of the slopes in the step.
    """

    a: tuple[tuple[float, ...], ...]
    b: tuple[float, ...]

    @property
    def stages(self) -> int:
        """Number of evaluations of f in a step."""
        return len(self.b)

    def step(self, f: Callable[[Any], Any], z: Any, h: float) -> tuple[Any, list[Any]]:
        """Return the state after one step of length h, and the arguments of f in it."""
        slopes: list[Any] = []
        arguments: list[Any] = []
        for row in self.a:
            argument = z
            for weight, slope in zip(row, slopes, strict=True):
                if weight:
                    argument = argument + h * weight * slope
            arguments.append(argument)
            slopes.append(f(argument))
        for weight, slope in zip(self.b, slopes, strict=True):
            z = z + h * weight * slope
        return z, arguments


EULER = Tableau(((),), (1.0,))
RK4 = Tableau(((), (0.5,), (0.0, 0.5), (0.0, 0.0, 1.0)), (1 / 6, 1 / 3, 1 / 3, 1 / 6))
TABLEAUX = {"euler": EULER, "rk4": RK4}


def read_integrator(choice: Any) -> Any:
    """Return the integrator as given, or raise InputError: a name, or an object with the interface of diffrax."""
    if isinstance(choice, str):
        if choice not in TABLEAUX:
            msg = f"integrator: {choice!r} is unknown; {nearest(choice, TABLEAUX)}, or give a solver of diffrax"
            raise InputError(msg)
        return choice
    if isinstance(choice, type) or not (hasattr(choice, "step") and hasattr(choice, "init")):
        what = f"the class {choice.__name__}" if isinstance(choice, type) else type(choice).__name__
        msg = f"integrator: {what} was given; it may be 'euler', 'rk4' or a solver of diffrax, such as diffrax.Tsit5()"
        raise InputError(msg)
    return choice


def name_of(integrator: Any) -> str:
    """Return what the metadata calls an integrator."""
    return integrator if isinstance(integrator, str) else type(integrator).__name__


def stages_of(integrator: Any, is_map: bool) -> int:
    """Return how many evaluations of the right-hand side a step takes; a guess for solvers of diffrax."""
    if is_map:
        return 1
    return TABLEAUX[integrator].stages if isinstance(integrator, str) else 8


def stepper(integrator: Any, is_map: bool) -> Callable[..., Any]:
    """Return ``step(f, z, h) -> z`` for ``f(z)``, traceable by JAX; a map is iterated."""
    if is_map:
        return lambda f, z, _h: f(z)
    if isinstance(integrator, str):
        tableau = TABLEAUX[integrator]
        return lambda f, z, h: tableau.step(f, z, h)[0]
    return _diffrax_step(integrator)


def _diffrax_step(solver: Any) -> Callable[..., Any]:
    import diffrax

    if hasattr(solver, "scan_kind"):  # its loop over stages: the kind that can be differentiated both ways
        solver = dataclasses.replace(solver, scan_kind="bounded")

    def step(f: Callable[[Any], Any], z: Any, h: Any) -> Any:
        terms = diffrax.ODETerm(lambda _t, y, _args: f(y))
        state = solver.init(terms, 0.0, h, z, None)
        return solver.step(terms, 0.0, h, z, None, state, made_jump=False)[0]

    return step
