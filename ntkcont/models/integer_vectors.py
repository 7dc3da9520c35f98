"""Integer bases of a space of sums, with few states in each and positive weights where there are such."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from ntkcont.models.evaluation import Array

#: Largest denominator of a weight relative to another.
LARGEST = 1000
_MOST = 4000  # combinations of states that are tried

Rational = Sequence[Fraction]


def rationalised(vectors: Array, error: float = 1e-7) -> list[list[Fraction]]:
    """Return a reduced basis of the space of the rows of `vectors` (r, n), as fractions within `error`; [] if none."""
    m = np.array(vectors, dtype=float)
    for k in range(len(m)):
        # units may differ: a pivot is large beside the others in its row
        rows = m / np.max(np.abs(m), axis=1, keepdims=True)
        j = int(np.argmax(np.abs(rows[k])))
        m[k] = m[k] / m[k, j]
        for i in range(len(m)):
            if i != k:
                m[i] = m[i] - m[i, j] * m[k]
    found = []
    for row in m:
        exact = [Fraction(float(v)).limit_denominator(LARGEST) for v in row]
        if any(abs(float(q) - v) > error * max(1.0, abs(v)) for q, v in zip(exact, row, strict=True)):
            return []
        found.append(exact)
    return found


def integer_basis(vectors: Sequence[Rational]) -> list[tuple[int, ...]]:
    """Return integer vectors with the same span: positive ones with few entries first, as many as are independent."""
    rows = reduced(vectors)
    if not rows:
        return []
    r, n = len(rows), len(rows[0])
    candidates = {whole(row) for row in rows}
    used = [j for j in range(n) if any(row[j] for row in rows)]
    if r > 1 and math.comb(len(used), r - 1) <= _MOST:
        for zeros in itertools.combinations(used, r - 1):
            c = _null_vector([[row[j] for row in rows] for j in zeros], r)
            if c is not None:
                candidates.add(
                    whole([sum((a * row[j] for a, row in zip(c, rows, strict=True)), Fraction(0)) for j in range(n)])
                )
    ordered = sorted(
        candidates, key=lambda w: (min(w) < 0, sum(v != 0 for v in w), sum(map(abs, w)), [v == 0 for v in w], w)
    )
    basis: list[tuple[int, ...]] = []
    for w in ordered:
        if len(reduced([*basis, w])) > len(basis):
            basis.append(w)
            if len(basis) == r:
                break
    return basis


def reduced(vectors: Sequence[Sequence[Fraction | int]]) -> list[list[Fraction]]:
    """Return the reduced row echelon form, without rows of zeros."""
    m = [[Fraction(v) for v in row] for row in vectors]
    rank = 0
    for j in range(len(m[0]) if m else 0):
        pivot = next((i for i in range(rank, len(m)) if m[i][j]), None)
        if pivot is None:
            continue
        m[rank], m[pivot] = m[pivot], m[rank]
        m[rank] = [v / m[rank][j] for v in m[rank]]
        for i in range(len(m)):
            if i != rank and m[i][j]:
                m[i] = [v - m[i][j] * w for v, w in zip(m[i], m[rank], strict=True)]
        rank += 1
    return m[:rank]


def whole(row: Rational) -> tuple[int, ...]:
    """Return the smallest integers in the proportions of `row`; more of them positive than negative."""
    scale = math.lcm(*(v.denominator for v in row))
    integers = [int(v * scale) for v in row]
    divisor = math.gcd(*integers) or 1
    balance = sum((v > 0) - (v < 0) for v in integers)
    first = next((v for v in integers if v), 1)
    sign = -1 if balance < 0 or (balance == 0 and first < 0) else 1
    return tuple(sign * v // divisor for v in integers)


def _null_vector(equations: Sequence[Rational], r: int) -> list[Fraction] | None:
    """Return the vector (r,) that r - 1 independent equations leave, None if they are dependent."""
    rows = reduced(equations)
    if len(rows) != r - 1:
        return None
    pivots = [next(j for j, v in enumerate(row) if v) for row in rows]
    free = next(j for j in range(r) if j not in pivots)
    c = [Fraction(0)] * r
    c[free] = Fraction(1)
    for row, j in zip(rows, pivots, strict=True):
        c[j] = -row[free]
    return c
