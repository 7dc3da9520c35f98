"""Random problems in one to four states, from one family of right-hand sides for each number of states.

Each equation is a sum of a constant, linear, quadratic, cubic and fifth powers, a hyperbolic tangent, an exponential
and a rational function of a linear combination of the states and the parameter.  All coefficients are parameters of
one model, so that no problem compiles anything; so are units (``s0``, ...) of the states and the affine function
P = al p + be of the free parameter, and the rate ``k`` of a decoupled state ``z``.

The numbers (terms, Jacobians) are computed here with numpy, apart from the package.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from typing import Any

import numpy as np

import ntkcont as nc

FUNCTIONS = ("polynomial", "tanh", "exponential", "rational")
#: Decades that the coefficients span; 0 are normal ones.
DECADES = (0, 4, 8, 12)


def pairs(n: int) -> list[tuple[int, int]]:
    return list(itertools.combinations_with_replacement(range(n), 2))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Coefficients:
    """Numbers of the n equations, by rows; ``argument`` is what the functions are taken of."""

    constant: np.ndarray  # (n,)
    drive: np.ndarray  # (n,), times P
    linear: np.ndarray  # (n, n)
    mixed: np.ndarray  # (n, n), times P
    square: np.ndarray  # (n, pairs)
    cube: np.ndarray  # (n, n)
    fifth: np.ndarray  # (n,), of the own state
    argument: np.ndarray  # (n, n + 2): states, 1, P
    tanh: np.ndarray  # (n,)
    exponential: np.ndarray  # (n,)
    rational: np.ndarray  # (n,), over 1 + argument^2

    def permuted(self, order: np.ndarray) -> Coefficients:
        """Return the coefficients of the states ``y[order]``."""
        n = len(order)
        place = {pair: m for m, pair in enumerate(pairs(n))}
        columns = [place[tuple(sorted((int(order[i]), int(order[j]))))] for i, j in pairs(n)]
        wide = np.append(order, [n, n + 1])
        return Coefficients(
            constant=self.constant[order],
            drive=self.drive[order],
            linear=self.linear[np.ix_(order, order)],
            mixed=self.mixed[np.ix_(order, order)],
            square=self.square[np.ix_(order, columns)],
            cube=self.cube[np.ix_(order, order)],
            fifth=self.fifth[order],
            argument=self.argument[np.ix_(order, wide)],
            tanh=self.tanh[order],
            exponential=self.exponential[order],
            rational=self.rational[order],
        )

    def params(self) -> dict[str, float]:
        """Return the values by the names of the model's parameters."""
        n = len(self.constant)
        # no overflow where there is no exponential
        values: dict[str, Any] = {"on": float(np.any(self.exponential != 0.0))}
        for i in range(n):
            values |= {f"c{i}": self.constant[i], f"d{i}": self.drive[i], f"h{i}": self.fifth[i]}
            values |= {f"t{i}": self.tanh[i], f"e{i}": self.exponential[i], f"r{i}": self.rational[i]}
            values |= {f"u{i}": self.argument[i, n], f"v{i}": self.argument[i, n + 1]}
            for j in range(n):
                values |= {f"a{i}{j}": self.linear[i, j], f"b{i}{j}": self.mixed[i, j]}
                values |= {f"g{i}{j}": self.cube[i, j], f"w{i}{j}": self.argument[i, j]}
            values |= {f"q{i}{j}{k}": self.square[i, m] for m, (j, k) in enumerate(pairs(n))}
        return {name: float(value) for name, value in values.items()}

    def stateless(self) -> bool:
        """Whether an equation has no state in it: then an eigenvalue is zero at every fixed point."""
        n = len(self.constant)
        inside = np.any(self.argument[:, :n] != 0.0, axis=1)
        outside = np.any([self.tanh, self.exponential, self.rational], axis=0)
        powers = [self.linear, self.mixed, self.square, self.cube, self.fifth[:, None]]
        return not np.all(np.any(np.concatenate(powers, axis=1) != 0.0, axis=1) | (inside & outside))

    def terms(self, y: np.ndarray, p: np.ndarray) -> np.ndarray:
        """Return all terms, shape (terms, rows, n), at states (rows, n) and values of P (rows,)."""
        n = len(self.constant)
        p = p[:, None]
        z = y @ self.argument[:, :n].T + self.argument[:, n] + p * self.argument[:, n + 1]
        found = [np.broadcast_to(self.constant, y.shape), p * self.drive, self.fifth * y**5]
        found += [self.tanh * np.tanh(z), _times(self.exponential, np.exp, z), self.rational / (1.0 + z**2)]
        found += [self.linear[:, j] * y[:, [j]] for j in range(n)]
        found += [self.mixed[:, j] * p * y[:, [j]] for j in range(n)]
        found += [self.cube[:, j] * y[:, [j]] ** 3 for j in range(n)]
        found += [self.square[:, m] * y[:, [j]] * y[:, [k]] for m, (j, k) in enumerate(pairs(n))]
        return np.array(found)

    def jacobian(self, y: np.ndarray, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the Jacobians, shape (rows, n, n), and the sums of the magnitudes of their terms."""
        n = len(self.constant)
        column = p[:, None]
        z = y @ self.argument[:, :n].T + self.argument[:, n] + column * self.argument[:, n + 1]
        slopes = [self.tanh / np.cosh(np.clip(z, -300, 300)) ** 2, _times(self.exponential, np.exp, z)]
        slopes.append(-2.0 * self.rational * z / (1.0 + z**2) ** 2)
        terms = [np.broadcast_to(self.linear, (len(y), n, n)), column[:, :, None] * self.mixed]
        terms += [3.0 * self.cube * y[:, None, :] ** 2, (5.0 * self.fifth * y**4)[:, :, None] * np.eye(n)]
        terms += [slope[:, :, None] * self.argument[:, :n] for slope in slopes]
        for m, (j, k) in enumerate(pairs(n)):
            product = np.zeros((len(y), n, n))
            product[:, :, j] += self.square[:, m] * y[:, [k]]
            product[:, :, k] += self.square[:, m] * y[:, [j]]
            terms.append(product)
        return np.sum(terms, axis=0), np.sum(np.abs(terms), axis=0)


def _times(factor: np.ndarray, function: Any, z: np.ndarray) -> np.ndarray:
    """Return factor * function(z), zero where the factor is, even where the function overflows."""
    return np.where(factor == 0.0, 0.0, factor * function(np.where(factor == 0.0, 0.0, z)))


@functools.cache
def family(n: int, decoupled: bool = False) -> nc.Model:
    """Return the model of all problems with n states, optionally with the decoupled state ``z`` after them."""
    zero = np.zeros
    params = {"p": 0.0, "al": 1.0, "be": 0.0, **{f"s{i}": 1.0 for i in range(n)}}
    nothing = Coefficients(
        constant=zero(n),
        drive=zero(n),
        linear=zero((n, n)),
        mixed=zero((n, n)),
        square=zero((n, len(pairs(n)))),
        cube=zero((n, n)),
        fifth=zero(n),
        argument=zero((n, n + 2)),
        tanh=zero(n),
        exponential=zero(n),
        rational=zero(n),
    )
    params |= nothing.params()
    aux = {"P": "al*p + be", **{f"y{i}": f"s{i}*x{i}" for i in range(n)}}
    equations = {}
    for i in range(n):
        aux[f"arg{i}"] = " + ".join([*(f"w{i}{j}*y{j}" for j in range(n)), f"u{i}", f"v{i}*P"])
        terms = [f"c{i}", f"d{i}*P", f"h{i}*y{i}**5"]
        terms += [f"t{i}*tanh(arg{i})", f"e{i}*exp(on*arg{i})", f"r{i}/(1 + arg{i}**2)"]
        terms += [f"(a{i}{j} + b{i}{j}*P)*y{j} + g{i}{j}*y{j}**3" for j in range(n)]
        terms += [f"q{i}{j}{k}*y{j}*y{k}" for j, k in pairs(n)]
        equations[f"x{i}"] = f"({' + '.join(terms)})/s{i}"
    if decoupled:
        params |= {"k": 1.0, "z0": 0.0, "z1": 0.0}
        equations["z"] = "k*(z0 + z1*P - z)"
    return nc.Model.from_equations(equations, params, aux=aux)


# ------------------------------------------------------------------------------------------------ generation


@dataclasses.dataclass(frozen=True, kw_only=True)
class Problem:
    """A start on a branch of fixed points, exact but for rounding, and a span of the parameter."""

    seed: int
    functions: str
    decades: int
    coefficients: Coefficients
    x0: np.ndarray
    p0: float
    span: tuple[float, float]

    @property
    def states(self) -> int:
        return len(self.x0)

    def __repr__(self) -> str:
        return f"problem({self.states}, {self.functions!r}, {self.decades}, {self.seed})"


def _numbers(rng: np.random.Generator, decades: int, shape: tuple[int, ...], zeros: float) -> np.ndarray:
    """Random numbers over so many decades around 1, four digits each, some of them zero."""
    if decades == 0:
        values = rng.standard_normal(shape)
    else:
        values = rng.choice([-1.0, 1.0], shape) * 10.0 ** rng.uniform(-decades / 2, decades / 2, shape)
    values = np.where(rng.random(shape) < zeros, 0.0, values)
    return np.array([float(f"{value:.4g}") for value in values.ravel()]).reshape(shape)


def problem(states: int, functions: str, decades: int, seed: int) -> Problem:
    """Return the problem with this seed: the constants are such that x0 is a fixed point at p0."""
    n = states
    rng = np.random.default_rng([seed, n, FUNCTIONS.index(functions), decades])
    dense = functions == "polynomial"

    def some(shape: tuple[int, ...], zeros: float) -> np.ndarray:
        return _numbers(rng, decades, shape, zeros)

    linear, mixed = some((n, n), 0.2), some((n, n), 0.6)
    square, cube = some((n, len(pairs(n))), 0.5 if dense else 0.8), some((n, n), 0.5 if dense else 0.8)
    fifth = np.where(rng.random(n) < 0.3, some((n,), 0.3), 0.0) if dense else np.zeros(n)
    one = some((n,), 0.2)
    coefficients = Coefficients(
        constant=np.zeros(n),
        drive=some((n,), 0.3),
        linear=linear,
        mixed=mixed,
        square=square,
        cube=cube,
        fifth=fifth,
        argument=np.zeros((n, n + 2)) if dense else some((n, n + 2), 0.3),
        tanh=one if functions == "tanh" else np.zeros(n),
        exponential=one if functions == "exponential" else np.zeros(n),
        rational=one if functions == "rational" else np.zeros(n),
    )
    reach = 0.5 if decades == 0 else decades / 6
    x0 = rng.choice([-1.0, 1.0], n) * 10.0 ** rng.uniform(-reach, reach, n)
    if functions == "exponential":  # arguments that are no numbers in exp are no problem
        rows = np.abs(coefficients.argument[:, :n] @ x0) + np.abs(coefficients.argument[:, n])
        coefficients.argument[:] /= np.maximum(rows / 3.0, 1.0)[:, None]
    half = 10.0 ** rng.uniform(-0.5, 0.7) if decades == 0 else 10.0 ** rng.uniform(-decades / 4, decades / 4)
    middle = float(rng.standard_normal() * half)
    p0 = middle + half * float(rng.uniform(-0.95, 0.95))
    if functions == "exponential":
        most = np.abs(coefficients.argument[:, n + 1]) * (abs(middle) + half)
        coefficients.argument[:, n + 1] /= np.maximum(most / 5.0, 1.0)
    rest = np.sum(coefficients.terms(x0[None], np.array([p0])), axis=0)[0]
    coefficients = dataclasses.replace(coefficients, constant=-rest)
    return Problem(
        seed=seed,
        functions=functions,
        decades=decades,
        coefficients=coefficients,
        x0=x0,
        p0=p0,
        span=(middle - half, middle + half),
    )
