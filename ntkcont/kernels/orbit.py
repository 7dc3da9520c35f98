"""Long trajectories of flows: the Dormand-Prince pair 5(4), crossings of a section recorded on the way.

E. Hairer, S. P. Norsett, G. Wanner, Solving Ordinary Differential Equations I, Springer 1993, table II.5.2.
"""

from __future__ import annotations

import numpy as np
from numba import float64, int64

from ntkcont.kernels.abi import MATRIX, RHS_TYPE, VECTOR
from ntkcont.kernels.cache import entry, inner

# why `follow` returned
FINISHED, FULL, TOO_MANY_STEPS, BAD_VALUES = 0, 1, 2, 3


# stage weights (the last row gives the new state) and weights of the error estimate
STAGES = np.array(
    [
        [1 / 5, 0, 0, 0, 0, 0],
        [3 / 40, 9 / 40, 0, 0, 0, 0],
        [44 / 45, -56 / 15, 32 / 9, 0, 0, 0],
        [19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729, 0, 0],
        [9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656, 0],
        [35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84],
    ]
)
ERROR = np.array([71 / 57600, 0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40])


@inner
def step(rhs, p, c, x, h, k, new):
    """Fill `new` with the state after a step of length h from x, with k[0] = f(x) given; k[6] = f(new)."""
    for stage in range(6):  # one call of rhs in the code, not six: it compiles in a fraction of the time
        for i in range(x.shape[0]):
            total = 0.0
            for j in range(stage + 1):
                total += STAGES[stage, j] * k[j, i]
            new[i] = x[i] + h * total
        rhs(k[stage + 1], new, p, c)


@inner
def error(x, new, k, h, rtol, atol):
    """Return the estimated error of a step in units of the tolerance (root mean square)."""
    n = x.shape[0]
    total = 0.0
    for i in range(n):
        e = 0.0
        for j in range(7):
            e += ERROR[j] * k[j, i]
        total += (h * e / (atol[i] + rtol * max(abs(x[i]), abs(new[i])))) ** 2
    return np.sqrt(total / n)


@inner
def to_section(rhs, p, c, x, h, k, component, level, new):
    """Find the part of a step at whose end the component is at `level`; `new` is the state there. Returns its length.

    `k` is overwritten but for k[0].
    """
    low = 0.0
    high = h
    a = x[component] - level
    part = h * a / (a - (new[component] - level))
    for _ in range(8):
        step(rhs, p, c, x, part, k, new)
        gap = new[component] - level
        if gap < 0.0:
            low = part
        else:
            high = part
        slope = k[6, component]
        guess = part - gap / slope if slope > 0.0 else 0.5 * (low + high)
        if not (low < guess < high):
            guess = 0.5 * (low + high)
        if abs(guess - part) <= 1e-12 * h:
            break
        part = guess
    return part


@entry(
    int64(
        RHS_TYPE, VECTOR, VECTOR, VECTOR, VECTOR, float64, float64, VECTOR, int64, float64, VECTOR, VECTOR,
        VECTOR, MATRIX, int64[::1],
    )
)  # fmt: skip
def follow(rhs, p, c, x, clock, duration, rtol, atol, component, level, low, high, times, states, counts):
    """Follow the flow from `x` (overwritten) for `duration`; return why it stopped.

    `clock` holds the time and the last step length, and is updated.  `low`, `high` (n,) are widened by every state.
    Upward crossings of ``x[component] = level`` go to `times` and `states`, `counts[0]` of them; it stops when they are
    full.  `counts[1]` is the largest number of steps.
    """
    n = x.shape[0]
    k = np.empty((7, n))
    k_end = np.empty(n)
    new = np.empty(n)
    end = clock[0] + duration
    h = clock[1]
    counts[0] = 0
    rhs(k[0], x, p, c)
    for _ in range(counts[1]):
        last = clock[0] + h >= end
        length = end - clock[0] if last else h
        step(rhs, p, c, x, length, k, new)
        size = error(x, new, k, length, rtol, atol)
        if not np.isfinite(size):
            h = 0.1 * length
            if h <= 1e-12 * duration:
                return BAD_VALUES
            continue
        factor = min(5.0, max(0.2, 0.9 * size**-0.2)) if size > 0.0 else 5.0
        if size > 1.0:
            h = length * factor
            if h <= 1e-12 * duration:
                return BAD_VALUES
            continue
        for i in range(n):
            k_end[i] = k[6, i]
            low[i] = min(low[i], new[i])
            high[i] = max(high[i], new[i])
        if x[component] < level <= new[component]:
            after = new.copy()
            part = to_section(rhs, p, c, x, length, k, component, level, new)
            m = counts[0]
            times[m] = clock[0] + part
            for i in range(n):
                states[m, i] = new[i]
                new[i] = after[i]
            counts[0] += 1
        for i in range(n):
            x[i] = new[i]
            k[0, i] = k_end[i]
        clock[0] += length
        if not last or factor < 1.0:
            h = length * factor
        clock[1] = h
        if last:
            return FINISHED
        if counts[0] == times.shape[0]:
            return FULL
    return TOO_MANY_STEPS


@entry(int64(RHS_TYPE, VECTOR, VECTOR, VECTOR, float64, float64, VECTOR, MATRIX))
def sample(rhs, p, c, x0, duration, rtol, atol, out):
    """Write the states at equal times from 0 to `duration`, both included, to the rows of `out`; return how many."""
    n = x0.shape[0]
    m = out.shape[0]
    k = np.empty((7, n))
    x = x0.copy()
    new = np.empty(n)
    interval = duration / (m - 1)
    h = interval
    out[0] = x0
    rhs(k[0], x, p, c)
    for j in range(1, m):
        left = interval
        tries = 0
        while left > 0.0:
            length = left if h >= 0.999 * left else h
            step(rhs, p, c, x, length, k, new)
            size = error(x, new, k, length, rtol, atol)
            factor = min(5.0, max(0.2, 0.9 * size**-0.2)) if size > 0.0 else 5.0
            tries += 1
            if tries > 100000 or length <= 1e-14 * duration:
                return j
            if not np.isfinite(size):
                h = 0.1 * length
                continue
            if size > 1.0:
                h = length * factor
                continue
            for i in range(n):
                x[i] = new[i]
                k[0, i] = k[6, i]
            left = 0.0 if length == left else left - length
            h = min(length * factor, interval) if length < interval or factor < 1.0 else interval
        out[j] = x
    return m
