"""Pseudo-arclength continuation: many steps in one call, arrays in and out."""

from __future__ import annotations

import numpy as np
from numba import float64, int64, types

from ntkcont.kernels.abi import JAC_TYPE, MATRIX, RHS_TYPE, VECTOR
from ntkcont.kernels.acceptance import (
    NO_SOLUTION,
    ROUGH,
    UNBENT,
    as_a_parabola,
    bends_suddenly,
    beside_terms,
    foreseen,
    in_its_decades,
    own_units,
    shortest,
)
from ntkcont.kernels.algebra import factor, outside, solve
from ntkcont.kernels.cache import entry, inner
from ntkcont.kernels.copying import copy_vector
from ntkcont.kernels.critical_vectors import workspace
from ntkcont.kernels.hidden import any_passes_zero, hidden, passes_zero
from ntkcont.kernels.newton import CONVERGED, NOT_FINITE, SHARE_FROM, correct, system
from ntkcont.kernels.scales import grow_back, in_new_units, narrow, narrow_all, rescale, show_parameter
from ntkcont.kernels.spectrum import ORIENTATION, REAL_PLUS, TANGENT_SIGN, UNSURE, spectrum

#: Corrections of one step, at most, and how small the last one is in units of the variables themselves.
MOST, POLISHED = 10, 1e-14

# why `advance` returned
RUNNING, AT_BOUND, MIN_STEP, CLOSED, BAD_VALUES, UNBOUNDED = 0, 1, 2, 3, 4, 5

#: A step is longer than the last by this factor, at most.
GROW = 1.6
#: Steps this short beside the longest allowed are not made shorter because the branch bends suddenly.
SHORT = 1e-2
#: A step is cut so many times, at most, until it ends before a zero that hides something.
CUTS = 10
#: By how much the last correction may turn the tangent, as far as the bend of the step tells.
TURNED = 1e-9
#: Where steps must be nearly as short as allowed, so many times, scales far above what is there are given up.
CORNER = 100.0
#: Where steps fail that are so many times shorter than one that led to no finite values, this is why.
BESIDE = 1e3
#: A branch may go to infinity where the parameter hardly moves any more (its component of the unit tangent).
STANDSTILL = 1e-8

# layout of `control`: the numbers that steer a run and survive between calls
DS, DS_MIN, DS_MAX, TOL, P_LOW, P_HIGH, S, ANGLE_TARGET, ANGLE_LIMIT, ORIENTED, NO_SPECTRA, BEND = range(12)
N_CONTROL = 12


@inner
def unit_tangent(algebra, big, piv, tau, ints):
    """Solve for the unit tangent (scaled variables) with the factored bordered matrix; False if it is singular.

    It is oriented along the last row of that matrix.  Putting the new tangent in that row would not change the sign
    of the determinant (their product is positive): this sign, of det [[F_x, F_q], [tau]], changes only at branch
    points.
    """
    n = tau.shape[0] - 1
    for j in range(n):
        tau[j] = 0.0
    tau[n] = 1.0
    solve(algebra, big, piv, tau, ints)
    norm = 0.0
    for j in range(n + 1):
        norm += tau[j] * tau[j]
    norm = np.sqrt(norm)
    if not np.isfinite(norm) or norm == 0.0:
        return False
    for j in range(n + 1):
        tau[j] /= norm
    return True


@inner
def predict(z, tau, d, logs, ds, pred):
    """Fill `pred` with the point a step `ds` along the tangent (of logarithms, for variables in decades)."""
    for j in range(z.shape[0]):
        if logs[j] > 0.0:
            pred[j] = z[j] * np.exp(min(ds * tau[j] * logs[j], 700.0))
        else:
            pred[j] = z[j] + ds * tau[j] * d[j]


@inner
def goes_far(z, new, tau, logs):
    """Whether the step took the state that moves most into another decade, outwards or (measured in decades) inwards.

    Then, if the parameter stands still, somebody looks whether the branch goes to infinity there.
    """
    n = z.shape[0] - 1
    k = 0
    for i in range(1, n):
        if abs(tau[i]) > abs(tau[k]):
            k = i
    if z[k] == 0.0 or new[k] == 0.0 or not (abs(new[k]) > abs(z[k]) or logs[k] > 0.0):
        return False
    return np.floor(np.log10(abs(z[k]))) != np.floor(np.log10(abs(new[k])))


@inner
def same_direction(before, after, u, tau_start, d):
    """Whether the tangent at fraction u of a step is that of the start in every component that matters.

    In one scale two branches that cross may look parallel.
    """
    norm = 0.0
    for j in range(before.shape[0]):
        norm += (tau_start[j] / d[j]) ** 2
    norm = np.sqrt(norm)
    dot = 0.0
    size = 0.0
    parts = 0
    for j in range(before.shape[0]):
        here = tau_start[j] / d[j] / norm
        if abs(here) > 0.02:
            ratio = ((1.0 - u) * before[j] + u * after[j]) / here
            dot += ratio
            size += ratio * ratio
            parts += 1
    return dot > 0.8 * np.sqrt(size * parts)


@inner
def contradicts(counts, n):
    """Whether eigenvalues and factors disagree about the sign of det F_x: one of both is rounding.

    The tangent's parameter component is det F_x divided by the determinant of the bordered matrix.
    """
    odd = (n - counts[REAL_PLUS]) % 2 == 1
    return (counts[TANGENT_SIGN] * counts[ORIENTATION] < 0) != odd


@entry(
    int64(
        RHS_TYPE, JAC_TYPE, RHS_TYPE, VECTOR, VECTOR, VECTOR, types.boolean, types.boolean, int64[::1],
        VECTOR, VECTOR, VECTOR, VECTOR, VECTOR, VECTOR, VECTOR, VECTOR,
        MATRIX, MATRIX, MATRIX, VECTOR, MATRIX, MATRIX, float64[:, :, ::1], int64[:, ::1], VECTOR, int64[::1],
    )
)  # fmt: skip
def advance(
    rhs, jac, dfdp, c, p0, direction, is_map, common, algebra,
    z, tau, d, logs, control, z_start, tau_start, memory,
    out_z, out_t, out_d, out_s, out_wr, out_wi, out_vectors, out_counts, out_residual, produced,
):  # fmt: skip
    """Take up to ``len(out_s)`` steps from `z` along `tau`; return why it stopped.

    `z` (n+1,), `tau` (n+1,) unit tangent in scaled variables, `d` (n+1,) scales and `control` are updated, so that the
    next call goes on; `out_d` are the scales with which each point was reached.  `produced[0]` counts finished steps
    (it survives an exception in the right-hand side), `produced[1]` the steps since the start of the run, `produced[2]`
    the rejected ones.
    The tangents written to `out_t` are in original units.  Counts: see ``spectrum``.
    `out_vectors`: (len(out_s), N_VECTORS, n+1), or with zeros in place of the last two: no vectors.
    With ``control[NO_SPECTRA]`` eigenvalues are nan and their counts 0: somebody else sees to them.
    """
    n = z.shape[0] - 1
    p = np.empty(2 * p0.shape[0])
    f = np.empty(n)
    fq = np.empty(n)
    a = np.empty((n, n))
    copy = np.empty((n, n))
    reals, integers = workspace(n) if out_vectors.shape[1] > 0 else (34 * n + 16, 8)
    work = np.empty(reals)
    big = np.empty((n + 1, n + 1))
    piv = np.empty(n + 1, np.int32)
    ints = np.empty(integers, np.int32)
    b = np.empty(n + 1)
    new = np.empty(n + 1)
    pred = np.empty(n + 1)
    tau_new = np.empty(n + 1)
    units = np.empty(n + 1)
    row = np.empty(n + 1)
    band = np.empty(n)
    natural = np.zeros(n + 1)
    natural[n] = 1.0
    produced[0] = 0
    cos_limit, cos_gentle = np.cos(control[ANGLE_LIMIT]), np.cos(control[ANGLE_TARGET] / GROW)

    while produced[0] < out_s.shape[0]:
        ds = control[DS]
        if control[DS] > control[DS_MAX]:
            ds = control[DS_MAX]
        undefined = np.inf  # the shortest step that led to where the equations are not finite
        least = -1.0
        hides, more, cuts = -1, False, 0
        while True:  # until a step is accepted
            predict(z, tau, d, logs, ds, pred)
            for j in range(n + 1):
                new[j] = pred[j]
            outcome, iterations, first, sign, last = correct(
                rhs, jac, dfdp, c, p0, direction, is_map, algebra,
                new, pred, d, tau, control[TOL], MOST, p, f, a, fq, big, piv, b, ints,
            )  # fmt: skip
            if outcome == NOT_FINITE:
                undefined = ds
            good = outcome == CONVERGED and first <= 0.5 * ds and in_its_decades(z, new, logs)
            surprised = good and not foreseen(z, new, pred, d, logs, common)
            # at a branch point, where the sign changes, Newton's corrections tell nothing of the branch
            if good and ds > SHORT * control[DS_MAX] and sign == control[ORIENTED]:
                good = not bends_suddenly(first, ds, control[BEND])
            at_bound = good and (new[n] <= control[P_LOW] or new[n] >= control[P_HIGH])
            if at_bound:  # land on it
                bound = control[P_LOW] if new[n] <= control[P_LOW] else control[P_HIGH]
                u = (bound - z[n]) / (new[n] - z[n])
                for j in range(n + 1):
                    new[j] = z[j] + u * (new[j] - z[j])
                    pred[j] = new[j]
                new[n] = bound
                pred[n] = bound
                outcome, iterations, first, _, last = correct(
                    rhs, jac, dfdp, c, p0, direction, is_map, algebra,
                    new, pred, d, natural, control[TOL], MOST, p, f, a, fq, big, piv, b, ints,
                )  # fmt: skip
                good = outcome == CONVERGED and first <= 0.5 * ds
                new[n] = bound
                along = 0.0
                length = 0.0
                for j in range(n + 1):
                    moved = (new[j] - z[j]) / d[j]
                    if logs[j] > 0.0 and new[j] * z[j] > 0.0:
                        moved = np.log(new[j] / z[j]) / logs[j]
                    along += tau[j] * moved
                    length += moved**2
                # Newton at the bound may come back to where the branch entered, or go to another of its points there
                good = good and along > 0.0 and along >= cos_limit * np.sqrt(length)
                if n >= SHARE_FROM:  # the derivatives at hand are those of the prediction
                    system(algebra, rhs, jac, dfdp, c, p0, direction, is_map, new, p, f, a, fq)
                sign = factor(algebra, new, a, fq, d, tau, big, piv, ints)
            elif good and n >= SHARE_FROM:
                system(algebra, rhs, jac, dfdp, c, p0, direction, is_map, new, p, f, a, fq)
                sign = factor(algebra, new, a, fq, d, tau, big, piv, ints)
            cos = 0.0
            length = 0.0
            # the factors of the last Newton iterate, at most tol away, tell how much the tangent turns
            if good and sign != 0.0 and unit_tangent(algebra, big, piv, tau_new, ints):
                turned = 0.0
                for j in range(n + 1):
                    if logs[j] > 0.0:
                        cos += tau[j] * tau_new[j] * z[j] / new[j]
                        turned += (tau_new[j] * z[j] / new[j]) ** 2
                        length += (np.log(abs(new[j] / z[j])) / logs[j]) ** 2
                    else:
                        cos += tau[j] * tau_new[j]
                        turned += tau_new[j] ** 2
                        length += ((new[j] - z[j]) / d[j]) ** 2
                cos /= np.sqrt(turned)
                length = np.sqrt(length)
                if surprised:
                    surprised = not as_a_parabola(z, new, tau, tau_new, d, logs, length)
                if cos >= cos_limit and not surprised:
                    # cut short already, to before the zero or as often as helps
                    if hides >= 0 and (cuts == CUTS or passes_zero(z, new, hides, common) <= 0.0):
                        break
                    if not any_passes_zero(z, new, common):
                        break
                    hides, part, more = hidden(
                        rhs, jac, dfdp, c, p0, direction, is_map, common, algebra,
                        z, new, tau, d, logs, memory, length, control[TOL], MOST, p, f, a, fq, big, piv, b, ints,
                    )  # fmt: skip
                    if hides < 0:
                        break
                    if part <= 0.0:  # it is about as large as the variable: shorter steps from here on
                        narrow(z, d, memory, tau, hides, common)
                        if more:
                            show_parameter(z, d, logs, memory, tau, 0.0)
                        control[BEND] = 0.0
                        in_new_units(out_t, produced[0] - 1, tau, d)
                        hides = -1
                        continue
                    cuts += 1
                    ds = part * length
                    continue
                if ds <= 2.0 * control[DS_MIN] and not surprised:
                    least = shortest(z, tau, d, control[DS_MIN]) if least < 0.0 else least
                    if ds <= 2.0 * least:
                        break
            produced[2] += 1
            # 0.47, not 0.5: a point that fell exactly on a singular one is not met again
            shorter = 0.47 * ds
            if shorter < CORNER * control[DS_MIN] <= ds and narrow_all(z, d, logs, memory, tau, common):
                control[BEND] = 0.0
                in_new_units(out_t, produced[0] - 1, tau, d)
            if shorter <= control[DS_MIN]:
                least = shortest(z, tau, d, control[DS_MIN]) if least < 0.0 else least
                if ds <= least:
                    return BAD_VALUES if undefined <= BESIDE * ds else MIN_STEP
                shorter = max(shorter, least)
            ds = shorter

        # accepted; eigenvalues are those of the point itself: of the last Newton iterate they would carry its error,
        # which is `tol` of the diagram and may be large beside a small parameter
        k = produced[0]
        if n < SHARE_FROM or at_bound:
            system(algebra, rhs, jac, dfdp, c, p0, direction, is_map, new, p, f, a, fq)
        # without a Jacobian of our own (a solver outside has it) there are no terms to compare with
        if n < SHARE_FROM and not outside(algebra):
            off = beside_terms(z, new, f, a, fq, d)
            if off > ROUGH:
                own_units(new, d, natural if at_bound else tau, units, row)
                copy_vector(pred, new)
                better = new.copy()
                correct(
                    rhs, jac, dfdp, c, p0, direction, is_map, algebra,
                    better, pred, units, row, POLISHED, MOST, p, f, a, fq, big, piv, b, ints,
                )  # fmt: skip
                system(algebra, rhs, jac, dfdp, c, p0, direction, is_map, better, p, f, a, fq)
                again = beside_terms(z, better, f, a, fq, d)
                if again < off and not (at_bound and better[n] != new[n]):
                    off = again
                    copy_vector(new, better)
                else:
                    system(algebra, rhs, jac, dfdp, c, p0, direction, is_map, new, p, f, a, fq)
            if off > NO_SOLUTION:
                return BAD_VALUES if undefined <= BESIDE * ds else MIN_STEP
        if control[NO_SPECTRA] != 0.0:
            for j in range(n):
                out_wr[k, j] = np.nan
                out_wi[k, j] = np.nan
        elif (
            spectrum(algebra, a, is_map, copy, work, out_wr[k], out_wi[k], band, out_vectors[k], out_counts[k], ints)
            != 0
        ):
            return BAD_VALUES
        residual = 0.0
        for i in range(n):
            residual = max(residual, abs(f[i]))
        out_residual[k] = residual
        # so must be an orientation that changed, and the tangent where the last correction was not small, or turned it
        turns = last > 0.01 * control[TOL] or last * first > TURNED * ds * ds
        if n < SHARE_FROM and (sign != control[ORIENTED] or turns):
            exact = factor(algebra, new, a, fq, d, tau, big, piv, ints)
            if exact != 0.0 and unit_tangent(algebra, big, piv, b, ints):
                sign = exact
                for j in range(n + 1):
                    tau_new[j] = b[j]
        control[ORIENTED] = sign  # of the last point; 0 where it is not known

        still = abs(tau_new[n]) * d[n] < STANDSTILL * max(d[n], memory[n])
        far = still and goes_far(z, new, tau_new, logs)
        closed = False
        if produced[1] >= 3:  # does the segment from z to new pass the start, in the same direction?
            along = 0.0
            for j in range(n + 1):
                along += tau[j] * (z_start[j] - z[j]) / d[j]
            if 0.0 < along <= 1.05 * length:
                near = 0.0
                for j in range(n + 1):
                    near += ((z_start[j] - z[j]) / d[j] - along * tau[j]) ** 2
                closed = np.sqrt(near) < 0.2 * length and same_direction(tau, tau_new, along / length, tau_start, d)

        for j in range(n + 1):
            pred[j] = z[j]
            z[j] = new[j]
            tau[j] = tau_new[j]
            out_z[k, j] = new[j]
            out_t[k, j] = tau_new[j] * d[j]
            out_d[k, j] = d[j]
        out_counts[k, TANGENT_SIGN] = 1 if tau[n] > 0.0 else -1
        out_counts[k, ORIENTATION] = 1 if sign > 0.0 else -1
        if control[NO_SPECTRA] == 0.0 and out_counts[k, UNSURE] == 0 and contradicts(out_counts[k], n):
            out_counts[k, UNSURE] = 1
        control[S] = max(control[S] + length, np.nextafter(control[S], np.inf))  # it increases, however short the step
        out_s[k] = control[S]
        rescale(z, pred, d, logs, common, length, tau)
        control[BEND] = max(max(first, UNBENT) / ds**2, 0.5 * control[BEND])
        if hides >= 0:
            narrow(z, d, memory, tau, hides, common)
            if more:
                show_parameter(z, d, logs, memory, tau, 0.0)
            control[BEND] = 0.0
            in_new_units(out_t, k, tau, d)
        else:
            grow_back(z, d, logs, memory, tau, common)
        produced[0] += 1
        produced[1] += 1
        if closed:
            return CLOSED
        if at_bound:
            return AT_BOUND
        if far:
            return UNBOUNDED

        grow = GROW if iterations <= 3 else (1.0 if iterations <= 5 else 0.6)
        if cos < cos_gentle:
            angle = np.arccos(cos)
            if angle * grow > control[ANGLE_TARGET]:
                grow = max(0.4, control[ANGLE_TARGET] / angle)
        if hides < 0:  # else the length was not that of the branch
            control[DS] = min(ds * grow, control[DS_MAX])
    return RUNNING


@entry(
    float64(
        RHS_TYPE, JAC_TYPE, RHS_TYPE, VECTOR, VECTOR, VECTOR, types.boolean, int64[::1],
        VECTOR, VECTOR, VECTOR, VECTOR, VECTOR, VECTOR, int64[::1], VECTOR, MATRIX, VECTOR,
    )
)  # fmt: skip
def describe(rhs, jac, dfdp, c, p0, direction, is_map, algebra, z, tau, d, tau_new, wr, wi, counts, f, a, fq):
    """Tangent, eigenvalues and counts at one point z that is on the branch; returns the orientation (0: singular)."""
    n = z.shape[0] - 1
    p = np.empty(2 * p0.shape[0])
    big = np.empty((n + 1, n + 1))
    piv = np.empty(n + 1, np.int32)
    ints = np.empty(8, np.int32)
    system(algebra, rhs, jac, dfdp, c, p0, direction, is_map, z, p, f, a, fq)
    sign = factor(algebra, z, a, fq, d, tau, big, piv, ints)
    if sign != 0.0 and not unit_tangent(algebra, big, piv, tau_new, ints):
        sign = 0.0
    work, band, vectors = np.empty(34 * n + 16), np.empty(n), np.empty((0, 0))
    spectrum(algebra, a, is_map, np.empty((n, n)), work, wr, wi, band, vectors, counts, ints)
    counts[TANGENT_SIGN] = 1 if tau_new[n] > 0.0 else -1
    counts[ORIENTATION] = 1 if sign > 0.0 else -1
    if counts[UNSURE] == 0 and (sign == 0.0 or contradicts(counts, n)):
        counts[UNSURE] = 1
    return sign
