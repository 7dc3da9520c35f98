"""The scales of the variables, in which the length of a step is measured: they follow the branch."""

from __future__ import annotations

import numpy as np

from ntkcont.kernels.acceptance import NEGLIGIBLE
from ntkcont.kernels.cache import inner

#: A state's scale follows its magnitude up at once and down at this rate, per unit of arclength: where a branch comes
#: back from far away the steps must be those of where it is, and a state on its way through zero has no magnitude.
FADE = 0.7
#: A state that comes back from far away leaves its scale behind, which then is halved with every step.  One that falls
#: faster than this in a step may be on its way to zero.
LEFT_BEHIND, STAYING = 1e-4, 0.7
#: A state this far below its scale is zero but for rounding, unless it stays what it is.
ZERO = 1e-13
#: A variable so near to zero is given a scale this many times as large as it is: steps are then a fifth of it.
NEAR_ZERO = 10.0
#: It grows back with the variable, in one step by no more than this.
FASTEST = 2.0
#: The scale of the parameter shrinks by no more than this in a step.
FADING = 0.1
#: The parameter's component of the unit tangent, at least, while scales are those of a variable near zero.
SHOWN = 0.3
#: This part of the parameter itself is no scale for it: rounding would be.
OF_ITSELF = 1e-3
#: So many times this scale is too large for what a variable does there, if steps must be very short.
RESOLVED = 10.0


@inner
def normalise(tau):
    """Give `tau` the length 1."""
    norm = 0.0
    for j in range(tau.shape[0]):
        norm += tau[j] * tau[j]
    norm = np.sqrt(norm)
    for j in range(tau.shape[0]):
        tau[j] /= norm


@inner
def stays(new, before, has_size):
    """Whether a state that is small beside its scale does not fall fast; what may be rounding must not grow either."""
    ratio = new / before if before != 0.0 else 0.0
    return abs(ratio) > STAYING if has_size else STAYING < ratio < 1.0 / STAYING


@inner
def rescale(z, before, d, logs, common, length, tau):
    """Let the scales follow the point z after a step of this length from `before`, keeping the direction of `tau`.

    With `common` there is one scale for all states (units of a network).  Variables whose number in `logs` is positive
    are measured in decades: their scale is that many times their magnitude.
    """
    n = z.shape[0] - 1
    root = np.sqrt(float(n))
    largest = 0.0
    if common:
        for i in range(n):
            largest = max(largest, abs(z[i]))
    fade = -1.0
    for i in range(n + 1):
        scale = d[i]
        if logs[i] > 0.0:
            scale = abs(z[i]) * logs[i]
        elif i < n:
            size = (largest if common else abs(z[i])) * root
            if size >= d[i]:
                scale = size
            elif size > ZERO * d[i]:
                fade = np.exp(-FADE * length) if fade < 0.0 else fade
                scale = max(size, d[i] * fade)
            if 0.0 < size < LEFT_BEHIND * d[i] and stays(z[i], before[i], common or size > ZERO * d[i]):
                scale = max(size, 0.5 * d[i])
        if scale != d[i]:
            tau[i] *= d[i] / scale
            d[i] = scale
    normalise(tau)


@inner
def scale_at(z, j, common):
    """Return the scale of variable j in the point z, where it is near zero."""
    n = z.shape[0] - 1
    if j == n:
        return NEAR_ZERO * abs(z[n])
    size = abs(z[j])
    if common:
        for i in range(n):
            size = max(size, abs(z[i]))
    return NEAR_ZERO * size * np.sqrt(float(n))


@inner
def narrow(z, d, memory, tau, j, common):
    """Give variable j, near zero, a scale of its own size, keeping the direction of `tau`; remember the one it had."""
    n = z.shape[0] - 1
    scale = scale_at(z, j, common)
    for i in range(n if common and j < n else 1):
        k = i if common and j < n else j
        if scale < d[k]:
            memory[k] = max(memory[k], d[k])
            tau[k] *= d[k] / scale
            d[k] = scale
    normalise(tau)


@inner
def narrow_all(z, d, logs, memory, tau, common):
    """Give all variables that are far below their scales, but not zero to rounding, scales of their own size.

    Return whether there are any.  A corner of the branch that is small beside the scales is turned in its own units.
    """
    n = z.shape[0] - 1
    found = False
    for j in range(n + 1):
        # where it does not help there is no end to it
        if logs[j] > 0.0 or (common and 0 < j < n) or memory[j] > 0.0:
            continue
        scale = scale_at(z, j, common)
        if RESOLVED * scale < d[j] and scale > NEGLIGIBLE * NEAR_ZERO * d[j]:
            narrow(z, d, memory, tau, j, common)
            found = True
    return found


@inner
def show_parameter(z, d, logs, memory, tau, least):
    """Give the parameter a scale in which it moves as the states do, not below the part `least` of the one it has.

    Where scales are far above what is there, the parameter stands still in them and turns back unseen.
    """
    n = z.shape[0] - 1
    if logs[n] > 0.0 or abs(tau[n]) >= SHOWN:
        return
    scale = max(d[n] * max(abs(tau[n]) / SHOWN, least), OF_ITSELF * abs(z[n]))
    if 0.0 < scale < d[n]:
        memory[n] = max(memory[n], d[n])
        tau[n] *= d[n] / scale
        d[n] = scale
        normalise(tau)


@inner
def grow_back(z, d, logs, memory, tau, common):
    """Let scales that had become those of a variable near zero grow with it to what they were."""
    n = z.shape[0] - 1
    changed, states = False, False
    for j in range(n + 1):
        if memory[j] == 0.0:
            continue
        scale = min(memory[j], scale_at(z, j, common), FASTEST * d[j])
        if j < n:
            states = True
        else:
            scale = min(memory[n], FASTEST * d[n])
            if states and abs(tau[n]) < 2.0 * SHOWN:
                show_parameter(z, d, logs, memory, tau, FADING)
                continue
        if scale > d[j]:
            tau[j] *= d[j] / scale
            d[j] = scale
            changed = True
        if d[j] >= memory[j]:
            memory[j] = 0.0
    if changed:
        normalise(tau)


@inner
def in_new_units(out_t, k, tau, d):
    """Write the tangent of point k of a chunk anew: from it on arclength is measured in other scales."""
    if k >= 0:
        for j in range(tau.shape[0]):
            out_t[k, j] = tau[j] * d[j]
