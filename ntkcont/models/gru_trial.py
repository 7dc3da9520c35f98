"""What may be wrong with a gated recurrent unit that does not make the recorded steps."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ntkcont.models.model import Array
from ntkcont.models.reproduces import (
    Candidate,
    Reproduction,
    Trial,
    largest,
    read_trial,
    reproduction,
    shift_in_words,
)

if TYPE_CHECKING:
    from ntkcont.models.gru import GRU

_MOST_CHANGES = 3
_WORDS = {
    "W_hh": "each block of W_hh is transposed: transpose the blocks",
    "update": "z weighs the new state in the recorded model: change the sign of the z blocks of all weights and biases",
    "reset": (
        "the reset gate acts before the product with W_hn (Keras with reset_after=False): that is another model, "
        "write it with Model.from_jax"
    ),
    "biases": "b_ih and b_hh are exchanged: exchange them",
}
_NOTHING = (
    "no change of the order of the gates, of W_hh, of the biases' places or of the input timing explains it; are these "
    "states of this layer, and were all biases given?"
)


class _Variant(NamedTuple):
    """What may be wrong: which block holds r, z and n; the step from t to t + 1 sees ``inputs[t + shift]``."""

    order: tuple[int, ...] = (0, 1, 2)
    transposed: bool = False
    opposite: bool = False
    before: bool = False
    exchanged: bool = False
    shift: int = 0


@dataclasses.dataclass(kw_only=True)
class _GRUTrial(Trial[_Variant]):
    """The recorded steps, and the model as plain arrays; currents are W_ih u; blocks on the first axis."""

    W: Array  # gain W_hh, (3, n, n)
    b_ih: Array  # (3, n)
    b_hh: Array
    products: dict[bool, Array] = dataclasses.field(init=False, default_factory=dict)

    def recurrent(self, transposed: bool) -> Array:
        """Return W_hh h of every step, shape (3, T - 1, n)."""
        if transposed not in self.products:
            self.products[transposed] = np.array([self.z @ (block if transposed else block.T) for block in self.W])
        return self.products[transposed]

    def step_errors(self, variant: _Variant) -> Array:
        """Return the steps of a variant minus the recorded ones."""
        rows, n = self.rows(variant.shift), self.z.shape[1]
        h, (at_r, at_z, at_n) = self.z[rows], variant.order
        b_ih, b_hh = (self.b_hh, self.b_ih) if variant.exchanged else (self.b_ih, self.b_hh)
        driven = self.seen(variant.shift).reshape(len(h), 3, n).transpose(1, 0, 2) + b_ih[:, None]
        product = self.recurrent(variant.transposed)[:, rows] + b_hh[:, None]
        r, z = (0.5 + 0.5 * np.tanh(0.5 * (driven[k] + product[k])) for k in (at_r, at_z))
        if variant.before:
            block = self.W[at_n] if variant.transposed else self.W[at_n].T
            inside = (r * h) @ block + b_hh[at_n]
        else:
            inside = r * product[at_n]
        candidate = np.tanh(driven[at_n] + inside)
        kept = 1.0 - z if variant.opposite else z
        return (1.0 - kept) * candidate + kept * h - self.after[rows]


def gru_reproduction(
    net: GRU,
    states: ArrayLike,
    inputs: ArrayLike | None,
    params: Mapping[str, float] | None,
    *,
    tol: float,
) -> Reproduction:
    """Do the work of :meth:`ntkcont.GRU.reproduces`."""
    values, n = net.values(params), net.n
    z, currents = read_trial(states, inputs, n, values[1:] @ net.drives, net.W_ih, "W_ih")
    trial = _GRUTrial(
        z=z[:-1],
        after=z[1:],
        currents=currents,
        W=values[0] * net.W_hh.reshape(3, n, n),
        b_ih=net.b_ih.reshape(3, n),
        b_hh=net.b_hh.reshape(3, n),
    )
    own = [_Variant(shift=shift) for shift in ((0,) if inputs is None else (1, 0))]
    shifts = (0,) if inputs is None else (1, 0, 2, -1)

    def candidates(part: _GRUTrial, _: _Variant) -> Iterator[Candidate]:
        return _candidates(part, shifts)

    return reproduction(trial, own, candidates, _in_words, _NOTHING, tol)


def _candidates(trial: _GRUTrial, shifts: tuple[int, ...]) -> Iterator[Candidate]:
    """Yield the number of changes, the changes and the error that they leave, the fewest changes first."""
    either = (False, True)
    variants = itertools.product(itertools.permutations(range(3)), either, either, either, either, shifts)
    described = [(_changes(variant), variant) for variant in map(_Variant._make, variants)]
    for count in range(1, _MOST_CHANGES + 1):
        for changes, variant in described:
            if len(changes) == count and len(trial.z[trial.rows(variant.shift)]) > 0:
                yield count, changes, largest(trial.step_errors(variant))


def _changes(variant: _Variant) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    if variant.order != (0, 1, 2):
        names = dict(zip(variant.order, "rzn", strict=True))
        changes["order"] = tuple(names[k] for k in range(3))
    if variant.transposed:
        changes["W_hh"] = "transposed"
    if variant.opposite:
        changes["update"] = "opposite"
    if variant.before:
        changes["reset"] = "before"
    if variant.exchanged:
        changes["biases"] = "exchanged"
    if variant.shift not in (0, 1):  # both of these are conventions, not errors
        changes["inputs"] = variant.shift
    return changes


def _in_words(changes: Mapping[str, Any]) -> str:
    words = []
    for name, value in changes.items():
        if name == "order":
            words.append(f"the blocks are in the order {', '.join(value)}: reorder all weights and biases to r, z, n")
        elif name == "inputs":
            words.append(shift_in_words(value))
        else:
            words.append(_WORDS[name])
    return "; and ".join(words)
