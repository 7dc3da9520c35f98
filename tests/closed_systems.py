"""Closed systems whose equilibria are known in closed form, and random closed reaction networks."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import sympy as sp

import ntkcont as nc

EXCHANGE = {"A": "kr*B - kf*A", "B": "kf*A - kr*B"}
DIMER = {"A": "2*kr*B - 2*kf*A^2", "B": "kf*A^2 - kr*B"}
ENZYME = {
    "S": "-k1*S*E + k2*ES",
    "E": "-k1*S*E + (k2 + k3)*ES - k4*P*E",
    "ES": "k1*S*E - (k2 + k3)*ES + k4*P*E",
    "P": "k3*ES - k4*P*E",
}
RATES = {"k1": 1.0, "k2": 0.3, "k3": 0.1, "k4": 0.2}
SIRS = {"S": "w*R - b*S*I", "I": "b*S*I - g*I", "R": "g*I - w*R"}
POLARITY = {"a": "b*(k0 + g*a^2/(1 + a^2)) - d*a", "b": "d*a - b*(k0 + g*a^2/(1 + a^2))"}


def enzyme_equilibrium(s_total: float, e_total: float, rates: dict[str, float] = RATES) -> np.ndarray:
    """S, E, ES, P: detailed balance ES = a S E, P = b S, and the positive root of a quadratic equation."""
    a = rates["k1"] / rates["k2"]
    b = a * rates["k3"] / rates["k4"]
    linear = 1 + b + a * (e_total - s_total)
    s = (-linear + np.sqrt(linear**2 + 4 * a * (1 + b) * s_total)) / (2 * a * (1 + b))
    e = e_total / (1 + a * s)
    return np.array([s, e, a * s * e, b * s])


def network(rng: np.random.Generator, *, hill: bool, decades: float) -> tuple[nc.Model, int]:
    """A random network of reversible reactions, and how many totals it conserves: n less the rank of its fluxes."""
    n = int(rng.integers(2, 5))
    names = [f"X{i}" for i in range(n)]
    terms: dict[str, list[str]] = {name: [] for name in names}
    params: dict[str, float] = {}
    fluxes: dict[object, list[Fraction]] = {}
    for r in range(int(rng.integers(1, n + 1))):
        left, right = (rng.multinomial(rng.integers(1, 3), np.ones(n) / n) for _ in range(2))
        for before, after, k in ((left, right, f"kf{r}"), (right, left, f"kr{r}")):
            params[k] = float(f"{10 ** rng.uniform(-decades, decades):.3g}")
            first = int(np.argmax(before))
            if hill and rng.random() < 0.5:
                flux, key = f"{k}*{names[first]}^2/(1 + {names[first]}^2)", ("hill", first)
            else:
                flux = "*".join([k, *(f"{name}^{e}" for name, e in zip(names, before, strict=True) if e)])
                key = tuple(before)
            for name, change in zip(names, after - before, strict=True):
                if change:
                    terms[name].append(f"{change:+d}*{flux}")
            column = [Fraction(repr(params[k])) * int(c) for c in after - before]
            fluxes[key] = [u + v for u, v in zip(fluxes.get(key, [Fraction(0)] * n), column, strict=True)]
    model = nc.Model.from_equations({name: " ".join(t) or "0" for name, t in terms.items()}, params)
    return model, n - sp.Matrix([[sp.Rational(v) for v in row] for row in fluxes.values()]).rank()
