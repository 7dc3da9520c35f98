"""Reading the arguments of a rate network: each array checked, copied and made read-only, or one clear sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ntkcont.errors import InputError

Array = NDArray[np.float64]


def frozen_array(value: Any, argument: str) -> Array:
    """Return `value` as a new read-only C-contiguous float64 array of finite numbers."""
    try:
        if np.iscomplexobj(value):
            raise TypeError
        array = np.array(value, dtype=float, order="C")
    except (TypeError, ValueError):
        msg = f"{argument}: {type(value).__name__} was given, which is not an array of real numbers; give a float array"
        raise InputError(msg) from None
    if not np.all(np.isfinite(array)):
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        msg = f"{argument}: the entry at {where} is {array[where]}; give finite numbers"
        raise InputError(msg)
    array.setflags(write=False)
    return array


def read_mask(mask: Any, n: int) -> Array | None:
    """Return the mask as a read-only float array, shape (n, n)."""
    if mask is None:
        return None
    array = frozen_array(mask.toarray() if hasattr(mask, "toarray") else mask, "mask")
    if array.shape != (n, n):
        msg = f"mask: shape {array.shape} was given; W is ({n}, {n}), so the mask must be ({n}, {n})"
        raise InputError(msg)
    return array


def read_sign(sign: Any, n: int) -> Array | None:
    """Return the signs of the presynaptic units as a read-only float array, shape (n,)."""
    if sign is None:
        return None
    array = frozen_array(sign, "sign")
    if array.shape != (n,):
        msg = f"sign: shape {array.shape} was given; give one sign per presynaptic unit (column of W), shape ({n},)"
        raise InputError(msg)
    if not np.all(np.abs(array) == 1.0):
        i = int(np.flatnonzero(np.abs(array) != 1.0)[0])
        msg = f"sign: the entry {i} is {array[i]:g}; each must be +1 (excitatory) or -1 (inhibitory)"
        raise InputError(msg)
    return array


def per_unit(value: Any, n: int, argument: str, low: float, high: float = np.inf) -> Array:
    """Return a scalar or per-unit quantity in (low, high] as a read-only array, shape (n,)."""
    array = frozen_array(value, argument)
    if array.shape not in ((), (n,)):
        msg = f"{argument}: shape {array.shape} was given; give one number, or one per unit, shape ({n},)"
        raise InputError(msg)
    array = np.broadcast_to(array, (n,)).copy()
    if not np.all((array > low) & (array <= high)):
        i = int(np.flatnonzero(~((array > low) & (array <= high)))[0])
        interval = f"in ({low:g}, {high:g}]" if np.isfinite(high) else f"larger than {low:g}"
        msg = f"{argument}: the value {array[i]:g} (unit {i}) was given; it must be {interval}"
        raise InputError(msg)
    array.setflags(write=False)
    return array


def read_vector(value: Any, n: int, argument: str) -> Array:
    """Return a vector with one entry per unit as a read-only array, zeros if None."""
    array = frozen_array(np.zeros(n) if value is None else value, argument)
    if array.shape != (n,):
        msg = f"{argument}: shape {array.shape} was given; the network has {n} units, so give shape ({n},)"
        raise InputError(msg)
    return array


def read_input_weights(W_in: Any, n: int) -> Array | None:
    """Return W_in as a read-only array, shape (n, d)."""
    if W_in is None:
        return None
    array = frozen_array(W_in, "W_in")
    if array.ndim != 2 or array.shape[0] != n or array.size == 0:
        hint = "; give its transpose, W_in.T" if array.ndim == 2 and array.shape[1] == n else ""
        hint = f"; give W_in[:, None] for one input (shape ({n}, 1))" if array.shape == (n,) else hint
        msg = (
            f"W_in: shape {array.shape} was given; the network has {n} units, so it must be ({n}, d) for d inputs{hint}"
        )
        raise InputError(msg)
    return array


def read_readout(W_out: Any, n: int) -> Array | None:
    """Return W_out as a read-only array, shape (m, n)."""
    if W_out is None:
        return None
    array = frozen_array(W_out, "W_out")
    if array.ndim != 2 or array.shape[1] != n or array.size == 0:
        hint = "; give its transpose, W_out.T" if array.ndim == 2 and array.shape[0] == n else ""
        msg = f"W_out: shape {array.shape} was given; with {n} units and m outputs it must be (m, {n}){hint}"
        raise InputError(msg)
    return array


def read_inputs(inputs: Any, W_in: Array | None, names: tuple[str, str] = ("W_in", "W")) -> dict[str, Array]:
    """Return the named input vectors, each of shape (d,); `names` are those of input and recurrent weights."""
    if inputs is None:
        return {}
    if not isinstance(inputs, Mapping) or not all(isinstance(name, str) and name for name in inputs):
        msg = f"inputs: {type(inputs).__name__} was given; give a mapping from names to vectors, {{'stim': [1.0, 0.0]}}"
        raise InputError(msg)
    through, recurrent = names
    if W_in is None:
        if not inputs:
            return {}
        shapes = "(n, d), or np.eye(n)" if through == "W_in" else "(3n, d)"
        msg = f"inputs: there is no {through} for them to act through; give {through} of shape {shapes}"
        raise InputError(msg)
    d = W_in.shape[1]
    read = {}
    for name, vector in inputs.items():
        array = frozen_array(vector, f"inputs[{name!r}]")
        if array.shape != (d,) and not (d == 1 and array.shape == ()):
            msg = f"inputs[{name!r}]: shape {array.shape} was given; {through} has {d} columns, so give shape ({d},)"
            raise InputError(msg)
        read[name] = frozen_array(array.reshape(d), name)
    if "gain" in read:
        msg = f"inputs: 'gain' is the parameter that multiplies {recurrent} already; choose another name for this input"
        raise InputError(msg)
    return read


def drives_of(named: Mapping[str, Array], W_in: Array | None, rows: int) -> Array:
    """Return what each named input adds, ``W_in @ c_k``, as a read-only array of shape (K, rows)."""
    drives = np.zeros((len(named), rows))
    if W_in is not None:
        for k, vector in enumerate(named.values()):
            drives[k] = W_in @ vector
    drives.setflags(write=False)
    return drives


def read_states(states: Sequence[str] | None, n: int, taken: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the units, z0, z1, ... if None."""
    names = tuple(f"z{i}" for i in range(n)) if states is None else tuple(states)
    if isinstance(states, str) or len(names) != n or len(set(names)) != n or not all(isinstance(s, str) for s in names):
        msg = f"states: {states!r} was given; give {n} different names, one per unit"
        raise InputError(msg)
    for name in taken:
        if name in names:
            msg = f"inputs: {name!r} is the name of a unit already; rename the input, or the units with states="
            raise InputError(msg)
    return names
