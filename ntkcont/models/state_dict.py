"""Weights of anyone's module: from a dict of arrays or tensors to the arrays of a rate network."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ntkcont.errors import InputError, nearest, unknown_name
from ntkcont.models.weight_trees import NOT_A_TENSOR, from_tensor

ROLES = ("W", "b", "W_in", "W_out", "U", "V", "D")
_SUPPORTED = (
    "supported are torch.nn.RNN and RNNCell with one layer and one direction, modules with parts h2h and i2h, and any "
    "(n, n) weights named with keys="
)

# name of a layout: patterns of the keys (after any prefix), and what the module computes if nothing else is said
_LAYOUTS: dict[str, tuple[dict[str, tuple[str, ...]], dict[str, Any]]] = {
    "torch.nn.RNN": (
        {"W": (r"weight_hh(_l0)?",), "W_in": (r"weight_ih(_l0)?",), "b": (r"bias_hh(_l0)?", r"bias_ih(_l0)?")},
        {"form": "rate", "alpha": 1.0, "phi": "tanh"},
    ),
    "h2h and i2h": (
        {
            "W": (r"(h2h|hidden2hidden|h_to_h|recurrent_layer|rec)\.weight",),
            "W_in": (r"(i2h|input2h|input2hidden|i_to_h|input_layer|inp)\.weight",),
            "b": (
                r"(h2h|hidden2hidden|h_to_h|recurrent_layer|rec)\.bias",
                r"(i2h|input2h|input2hidden|i_to_h|input_layer|inp)\.bias",
            ),
        },
        {},
    ),
    "W_hh, W_rec": (
        {
            "W": (r"(W|w|weight)_?(hh|rec|res)", r"w_?rec(urrent)?", r"W|J"),
            "W_in": (r"(W|w|weight)_?(ih|in|inp|xh)", r"w_?in(put)?"),
            "b": (r"(b|bias)(_?(hh|h|rec))?", r"b_?ih"),
        },
        {},
    ),
}


def network_from_state_dict(
    cls: Any, sd: Mapping[str, Any], keys: Mapping[str, Any] | None, options: dict[str, Any]
) -> Any:
    """Build the network of :meth:`ntkcont.RateRNN.from_state_dict`."""
    if not isinstance(sd, Mapping):
        msg = f"sd: {type(sd).__name__} was given; give a mapping from names to arrays, such as module.state_dict()"
        raise InputError(msg)
    for name in ROLES:
        if name in options:
            msg = f"{name}: an array was given beside the state dict; name it in keys, {{{name!r}: 'its key'}}"
            raise InputError(msg)
    guessed = ""
    if keys is None:
        _check_gates(sd)
        keys, defaults, guessed = _guess(sd)
        options = {**defaults, **options}
    arrays = {role: _read(sd, role, source) for role, source in _checked(keys).items()}
    _check_shapes(arrays, keys)
    if guessed:
        warnings.warn(guessed, stacklevel=3)
    if "U" in arrays:
        from ntkcont.models.network_weights import LowRank

        weights: Any = LowRank(arrays.pop("U"), arrays.pop("V"), arrays.pop("D", None))
    else:
        weights = arrays.pop("W")
    return cls(weights, **arrays, **options)


def _checked(keys: Mapping[str, Any]) -> Mapping[str, Any]:
    if not isinstance(keys, Mapping):
        msg = f"keys: {type(keys).__name__} was given; give a mapping, {{'W': 'rnn.h2h.weight', 'b': [...]}}"
        raise InputError(msg)
    for role in keys:
        if role not in ROLES:
            argument = "keys"
            raise unknown_name(argument, role, ROLES)
    if ("W" in keys) == ("U" in keys) or ("U" in keys) != ("V" in keys):
        msg = f"keys: {list(keys)} was given; name the recurrent weights, either 'W' or both 'U' and 'V'"
        raise InputError(msg)
    if "D" in keys and "U" not in keys:
        msg = "keys: 'D' is the diagonal beside 'U' and 'V'; with 'W' it is part of that"
        raise InputError(msg)
    return keys


def as_array(value: Any, name: str) -> np.ndarray:
    """Return a numpy array from an array or a tensor of any library that has torch's methods."""
    try:
        array = np.array(from_tensor(value))
        if np.iscomplexobj(array):
            raise TypeError
        return array.astype(float)
    except NOT_A_TENSOR:
        msg = f"sd[{name!r}]: {type(value).__name__} was given, no array of real numbers; give an array or a tensor"
        raise InputError(msg) from None


def _one(sd: Mapping[str, Any], role: str, source: Any) -> np.ndarray:
    transposed = False
    if isinstance(source, tuple) and len(source) == 2 and source[1] == "T":
        source, transposed = source[0], True
    elif isinstance(source, str) and source not in sd and source.endswith(".T"):
        source, transposed = source[:-2], True
    if not isinstance(source, str):
        msg = f"keys[{role!r}]: {source!r} was given; give a name in the dict, 'name.T' for its transpose, or a list"
        raise InputError(msg)
    if source not in sd:
        raise InputError(_missing(sd, role, source))
    array = as_array(sd[source], source)
    return array.T if transposed else array


def _missing(sd: Mapping[str, Any], role: str, name: str) -> str:
    inside = [key for key, value in sd.items() if isinstance(value, Mapping)]
    if inside:
        return f"keys[{role!r}]: {name!r} is not in the dict, but it holds other dicts; give sd[{inside[0]!r}]"
    last = name.rsplit(".", 1)[-1]
    prefixed = [key for key in sd if key.endswith("." + name) or name.endswith("." + key)]
    similar = prefixed or ([] if last == name else [key for key in sd if key.endswith("." + last)])
    hint = "did you mean " + " or ".join(map(repr, prefixed)) + "?" if prefixed else nearest(name, sd)
    if not prefixed and hint.startswith("it may be") and similar:
        hint = "did you mean " + " or ".join(map(repr, similar[:3])) + "?"
    return f"keys[{role!r}]: {name!r} is not in the dict; {hint}"


def _read(sd: Mapping[str, Any], role: str, source: Any) -> np.ndarray:
    if not isinstance(source, list):
        return _one(sd, role, source)
    if not source:
        msg = f"keys[{role!r}]: the list is empty; leave {role!r} out, or name what adds up to it"
        raise InputError(msg)
    parts = [_one(sd, role, name) for name in source]
    if len({part.shape for part in parts}) > 1:
        shapes = ", ".join(f"{name!r} {part.shape}" for name, part in zip(source, parts, strict=True))
        msg = f"keys[{role!r}]: what should add up has different shapes: {shapes}; name arrays of one shape"
        raise InputError(msg)
    return np.sum(parts, axis=0)


def layer_kind(shape: tuple[int, ...]) -> str:
    """Return "RNN", "GRU" or "LSTM" from the shape of the recurrent weights, "" if it is that of none."""
    gates = shape[0] // shape[1] if len(shape) == 2 and shape[1] and shape[0] % shape[1] == 0 else 0
    return {1: "RNN", 3: "GRU", 4: "LSTM"}.get(gates, "")


def _check_shapes(arrays: dict[str, np.ndarray], keys: Mapping[str, Any]) -> None:
    """Find what RateRNN would refuse, and word it with the names of the dict."""
    W = arrays.get("W")
    if W is not None and (W.ndim != 2 or W.shape[0] != W.shape[1]):
        kind = layer_kind(W.shape)
        if kind in ("GRU", "LSTM"):
            hint = "; for a GRU use GRU.from_state_dict" if kind == "GRU" else ""
            msg = f"keys['W']: {keys['W']!r} has the shape {W.shape} of a torch.nn.{kind}, which is no RateRNN; "
            raise InputError(msg + _SUPPORTED + hint)
        msg = f"keys['W']: {keys['W']!r} has shape {W.shape}: not square; name an (n, n) array of recurrent weights"
        raise InputError(msg)
    n = arrays["U" if W is None else "W"].shape[0]
    for role, axis in (("W_in", 0), ("W_out", 1)):
        array = arrays.get(role)
        if array is None or (array.ndim == 2 and array.shape[axis] == n):
            continue
        wanted = f"({n}, d)" if role == "W_in" else f"(m, {n})"
        hint = "name an array of that shape"
        if array.ndim == 2 and array.shape[1 - axis] == n:
            hint = f"its transpose fits: {keys[role] + '.T'!r}" if isinstance(keys[role], str) else "transpose it"
        msg = f"keys[{role!r}]: {keys[role]!r} has shape {array.shape}; with {n} units it must be {wanted}; {hint}"
        raise InputError(msg)
    if "b" in arrays and arrays["b"].size == n:
        arrays["b"] = arrays["b"].reshape(n)  # (1, n) and (n, 1) are common


def _match(sd: Mapping[str, Any], patterns: Sequence[str]) -> list[str]:
    """Return the keys that match one of the patterns after any prefix."""
    return [key for key in sd if any(re.fullmatch(rf"(.*\.)?({pattern})", str(key)) for pattern in patterns)]


def _guess(sd: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any], str]:
    deeper = [key for key in sd if re.search(r"weight_hh_l[1-9]|_reverse$", str(key))]
    if deeper:
        msg = f"keys: the dict holds several layers or directions ({deeper[0]!r}); name those of one layer with keys="
        raise InputError(msg)
    for layout, (patterns, defaults) in _LAYOUTS.items():
        found = {role: _match(sd, pattern) for role, pattern in patterns.items()}
        if len(found["W"]) != 1 or len(found["W_in"]) > 1:
            continue
        keys: dict[str, Any] = {"W": found["W"][0]}
        if found["W_in"]:
            keys["W_in"] = found["W_in"][0]
        if found["b"]:
            keys["b"] = found["b"]
        said = ", ".join(f"{role} = {' + '.join(v) if isinstance(v, list) else v}" for role, v in keys.items())
        extra = "".join(f", {name}={value!r}" for name, value in defaults.items())
        return keys, defaults, f"from_state_dict guessed: {said}{extra} (layout {layout}); give keys= to say so"
    square = [key for key, v in sd.items() if len(shape := tuple(np.shape(v))) == 2 and shape[0] == shape[1]]
    hint = f"square arrays are {', '.join(map(repr, square[:5]))}" if square else f"it holds {_listing(sd)}"
    msg = f"keys: the layout of the dict was not recognised; name the weights, keys={{'W': ..., 'b': ...}}; {hint}"
    raise InputError(msg)


def _check_gates(sd: Mapping[str, Any]) -> None:
    """Refuse gated layers by their names, before their layout is guessed."""
    found = _match(sd, (r"weight_hh(_l\d+)?(_reverse)?",))
    kinds = [layer_kind(tuple(np.shape(sd[key]))) for key in found]
    if _match(sd, (r"weight_hr_l\d+.*",)):
        kinds = ["LSTM"]  # one with projections
    gated = next((kind for kind in kinds if kind in ("GRU", "LSTM")), None)
    if gated is not None:
        hint = "; for a GRU use GRU.from_state_dict" if gated == "GRU" else ""
        msg = f"sd: it holds a torch.nn.{gated} ({found[0]!r}), which is no RateRNN; {_SUPPORTED}{hint}"
        raise InputError(msg)


def _listing(sd: Mapping[str, Any]) -> str:
    return ", ".join(f"{key!r} {tuple(np.shape(value))}" for key, value in list(sd.items())[:8]) or "nothing"
