"""Which steps are accepted, and how short they may become."""

from __future__ import annotations

import numpy as np

from ntkcont.kernels.cache import inner

#: The prediction of a state may miss by this fraction of the state itself; farther below its scale it is zero.
MISSED, NEGLIGIBLE = 0.25, 1e-9
#: A parabola foretells it to this fraction.
PARABOLA = 0.05
#: The curvature of a branch may grow so many times in one step, if it has moved the point this far (scaled).
SUDDENLY, UNBENT = 4.0, 1e-8
#: No point of a branch has a residual larger than this, beside the terms that it is made of; above the second one it is
#: corrected once more, in units of the variables themselves, which may be far below their scales.
NO_SOLUTION, ROUGH, UNDERFLOW = 1e-6, 1e-14, 1e-290
#: No step is shorter than this: it would be below rounding.
SHORTEST = 1e-15


@inner
def in_its_decades(z, new, logs):
    """Whether no variable that is measured in decades has changed its sign."""
    stays = True
    for j in range(z.shape[0]):
        stays = stays and (logs[j] == 0.0 or new[j] * z[j] > 0.0)
    return stays


@inner
def foreseen(z, new, pred, d, logs, common):
    """Whether no state was missed by the prediction by as much as it is large itself.

    That is what keeps steps short beside what is small: the length of a step is measured in scales.
    """
    n = z.shape[0] - 1
    for j in range(n if not common else 0):
        if logs[j] == 0.0 and abs(new[j] - pred[j]) > MISSED * (abs(z[j]) + abs(new[j])) + NEGLIGIBLE * d[j]:
            return False
    return True


@inner
def as_a_parabola(z, new, tau, tau_new, d, logs, length):
    """Whether the tangents at both ends of a step foretell every state better than that: one may touch zero."""
    n = z.shape[0] - 1
    for j in range(n):
        off = abs(new[j] - z[j] - 0.5 * length * (tau[j] + tau_new[j]) * d[j])
        if logs[j] == 0.0 and off > PARABOLA * (abs(z[j]) + abs(new[j])) + NEGLIGIBLE * d[j]:
            return False
    return True


@inner
def bends_suddenly(first, ds, bend):
    """Whether a step of length `ds`, corrected by `first`, is so much more curved than those before, of this `bend`.

    Where two pieces of a branch come close together, the step has led from the one to the other; the piece that it
    left bends away, but that shows in shorter steps only.
    """
    return bend > 0.0 and first > UNBENT and first > SUDDENLY * bend * ds * ds


@inner
def beside_terms(z, new, f, a, fq, d):
    """Return the largest component of F at a new point, as a part of the terms that it is made of.

    The last point `z` tells as well what the states are.
    """
    n = f.shape[0]
    if 0.0 < abs(new[n]) < UNDERFLOW:  # the parameter loses its digits, and so the terms that it is in
        return 0.0
    worst = 0.0
    for i in range(n):
        terms = abs(fq[i] * new[n])
        for j in range(n):
            terms += abs(a[i, j]) * max(abs(new[j]), abs(z[j]), NO_SOLUTION * d[j])
        if not (np.isfinite(f[i]) and terms < np.inf):
            return np.inf
        if f[i] != 0.0:
            worst = max(worst, abs(f[i]) / terms if terms > 0.0 else np.inf)
    return worst


@inner
def own_units(new, d, tau, units, row):
    """Fill `units` with the sizes of the variables themselves, and `row` with the direction of `tau` in these."""
    largest = 0.0
    for j in range(new.shape[0]):
        units[j] = max(abs(new[j]), NEGLIGIBLE * d[j])
        row[j] = tau[j] * units[j] / d[j]
        largest = max(largest, abs(row[j]))
    for j in range(new.shape[0]):
        row[j] /= largest


@inner
def shortest(z, tau, d, ds_min):
    """Return the length below which no step is tried: `ds_min`, or rounding where a variable is far below its scale."""
    n = z.shape[0] - 1
    for j in range(n + 1):
        way = abs(tau[j]) * d[j]
        size = abs(z[j])
        if way > size and size > (NEGLIGIBLE * d[j] if j < n else 0.0):
            return min(ds_min, SHORTEST)
    return ds_min
