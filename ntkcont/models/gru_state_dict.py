"""Weights of a PyTorch layer of gated recurrent units: from a dict of arrays or tensors to the arrays of a GRU."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from ntkcont.errors import InputError, nearest
from ntkcont.models.state_dict import as_array, layer_kind

_RECURRENT = re.compile(r"(?P<prefix>(?:.*\.)?)weight_hh(?:_l(?P<layer>\d+))?(?P<reverse>_reverse)?")
_ROLES = ("W_ih", "W_hh", "b_ih", "b_hh")
_SUPPORTED = "supported are torch.nn.GRUCell and torch.nn.GRU with one layer and one direction"


def gru_arrays(sd: Mapping[str, Any], prefix: str | None, options: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of the GRU of :meth:`ntkcont.GRU.from_state_dict`."""
    if not isinstance(sd, Mapping):
        msg = f"sd: {type(sd).__name__} was given; give a mapping from names to arrays, such as module.state_dict()"
        raise InputError(msg)
    for name in _ROLES:
        if name in options:
            msg = f"{name}: an array was given beside the state dict; put it into the dict, or call GRU itself"
            raise InputError(msg)
    found = [match for key in sd if (match := _RECURRENT.fullmatch(str(key)))]
    prefix = _chosen(sd, prefix, list(dict.fromkeys(match["prefix"] for match in found)))
    layers = [match for match in found if match["prefix"] == prefix]
    _check_layer(sd, prefix, layers)
    suffix = "" if layers[0]["layer"] is None else f"_l{layers[0]['layer']}"
    arrays: dict[str, Any] = {}
    for role, name in zip(_ROLES, ("weight_ih", "weight_hh", "bias_ih", "bias_hh"), strict=True):
        key = f"{prefix}{name}{suffix}"
        if key in sd:
            arrays[role] = as_array(sd[key], key)
        elif name == "weight_ih":
            msg = f"sd: it holds {layers[0][0]!r}, but no {key!r}; give the whole state dict of the layer"
            raise InputError(msg)
    readout = options.get("W_out")
    if isinstance(readout, str):
        if readout not in sd:
            msg = f"W_out: {readout!r} is not in the dict; {nearest(readout, sd)}"
            raise InputError(msg)
        options = {**options, "W_out": as_array(sd[readout], readout)}
    return {**arrays, **options}


def _chosen(sd: Mapping[str, Any], prefix: str | None, prefixes: list[str]) -> str:
    """Return the prefix of the layer."""
    shown = ", ".join(map(repr, prefixes))
    if not prefixes:
        inside = [key for key, value in sd.items() if isinstance(value, Mapping)]
        hint = f"it holds other dicts; give sd[{inside[0]!r}]" if inside else _SUPPORTED
        msg = f"sd: no layer with recurrent weights (weight_hh or weight_hh_l0) is in the dict; {hint}"
        raise InputError(msg)
    if prefix is None:
        if len(prefixes) > 1:
            msg = f"prefix: the dict holds several recurrent layers; give the prefix of one, {shown}"
            raise InputError(msg)
        return prefixes[0]
    for candidate in (prefix, f"{prefix}."):
        if candidate in prefixes:
            return candidate
    msg = f"prefix: {prefix!r} was given, but the recurrent layers of the dict begin with {shown}"
    raise InputError(msg)


def _check_layer(sd: Mapping[str, Any], prefix: str, layers: list[re.Match[str]]) -> None:
    """Refuse what is no single layer of gated recurrent units, and name it."""
    shape = tuple(np.shape(sd[layers[0][0]]))
    projected = f"{prefix}weight_hr_l0" in sd
    kind = "LSTM" if projected else layer_kind(shape)  # (4n, projection)
    what = [f"{len({m['layer'] for m in layers})} layers"] if any(m["layer"] not in (None, "0") for m in layers) else []
    what += ["both directions"] if any(m["reverse"] for m in layers) else []
    what += ["projections"] if projected else []
    if kind == "GRU" and not what:
        return
    named = f"torch.nn.{kind}" if kind else f"layer with {layers[0][0]!r} of shape {shape}"
    hint = "; for one RNN layer use RateRNN.from_state_dict" if kind == "RNN" and not what else ""
    detail = f" with {' and '.join(what)}" if what else ""
    what = f"its part {prefix!r} is" if prefix else "it holds"
    msg = f"sd: {what} a {named}{detail}, which is not supported; {_SUPPORTED}{hint}"
    raise InputError(msg)
