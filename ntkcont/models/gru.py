"""Gated recurrent units with weights as data, in PyTorch's convention: one compiled function for all of them."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ntkcont.errors import InputError
from ntkcont.kernels import gru_layout as layout
from ntkcont.models import network_input as read
from ntkcont.models.jax_twin import NetworkTwin, gru_function
from ntkcont.models.model import Array, Compiled, Model

if TYPE_CHECKING:
    from ntkcont.models.reproduces import Reproduction

__all__ = ["GRU"]


@dataclasses.dataclass(frozen=True, init=False, kw_only=True, eq=False, repr=False)
class GRU(Model):
    r"""A layer of n gated recurrent units, a map, with weights as ``torch.nn.GRU`` has them.

    With ``u = sum_k p_k c_k`` the total input and ``*`` elementwise,

    - ``r = sigmoid(W_ir u + b_ir + gain W_hr h + b_hr)``, the reset gate;
    - ``z = sigmoid(W_iz u + b_iz + gain W_hz h + b_hz)``, the update gate;
    - ``n = tanh(W_in u + b_in + r * (gain W_hn h + b_hn))``, the new state;
    - ``h <- (1 - z) * n + z * h``.

    The parameters are ``gain`` and one per named input.  The reset gate acts after the product with ``W_hn``, as in
    PyTorch, cuDNN, Flax, Equinox, and Keras with ``reset_after=True``; cells in which it acts before are another model.

    Parameters
    ----------
    W_ih : array_like, shape (3n, d), or None
        Input weights: the blocks of the gates r, z, n, one below the other.  None: no input.
    W_hh : array_like, shape (3n, n)
        Recurrent weights, in the same order; entry [i, j] of a block is the weight from unit j to unit i.
    b_ih, b_hh : array_like, shape (3n,), optional
        Biases in the same order, default zeros; they are part of `theta` in any case.
    inputs : mapping of str to array_like, shape (d,), optional
        Each name becomes a parameter (default value 0) that multiplies ``W_ih @ c``.
    W_out : array_like, shape (m, n), optional
        Readout weights; kept for readout kernels, they do not enter the dynamics.
    gain : float, default 1
        Default value of the parameter ``gain``.
    states : sequence of str, optional
        Names of the units, default z0, z1, ...

    Attributes
    ----------
    theta : dict
        The trainable arrays: "W_ih" (if given), "W_hh", "b_ih", "b_hh".
    drives : ndarray, shape (K, 3n)
        ``W_ih @ c_k`` of the K named inputs.

    Raises
    ------
    InputError
        The shapes of the weights are not those of a gated recurrent unit, or a number is not finite.

    References
    ----------
    K. Cho et al., "Learning phrase representations using RNN encoder-decoder", arXiv:1406.1078, equations 5-8.

    Examples
    --------
    >>> import numpy as np
    >>> import ntkcont as nc
    >>> rng = np.random.default_rng(0)
    >>> net = nc.GRU(rng.standard_normal((6, 1)), rng.standard_normal((6, 2)), inputs={"stim": [1.0]})
    >>> net.n, net.kind, list(net.params)
    (2, 'map', ['gain', 'stim'])
    >>> net.check([0.3, -0.2], {"stim": 0.5}).ok
    True
    """

    W_ih: Array | None
    W_hh: Array
    b_ih: Array
    b_hh: Array
    W_out: Array | None
    inputs: Mapping[str, Array]
    drives: Array

    def __init__(
        self,
        W_ih: ArrayLike | None,
        W_hh: ArrayLike,
        b_ih: ArrayLike | None = None,
        b_hh: ArrayLike | None = None,
        inputs: Mapping[str, ArrayLike] | None = None,
        W_out: ArrayLike | None = None,
        *,
        gain: float = 1.0,
        states: Sequence[str] | None = None,
    ) -> None:
        recurrent = _recurrent(W_hh)
        n = recurrent.shape[1]
        W_ih = _three_blocks(W_ih, n, "W_ih")
        named = read.read_inputs(inputs, W_ih, ("W_ih", "W_hh"))
        own = {
            "W_ih": W_ih,
            "W_hh": recurrent,
            "b_ih": _three_blocks(np.zeros(3 * n) if b_ih is None else b_ih, n, "b_ih"),
            "b_hh": _three_blocks(np.zeros(3 * n) if b_hh is None else b_hh, n, "b_hh"),
            "W_out": read.read_readout(W_out, n),
            "inputs": MappingProxyType(named),
            "drives": read.drives_of(named, W_ih, 3 * n),
        }
        for name, value in own.items():
            object.__setattr__(self, name, value)
        constants = layout.pack(W_hh=recurrent, b_ih=self.b_ih, b_hh=self.b_hh, drives=self.drives)
        theta = {name: own[name] for name in ("W_ih", "W_hh", "b_ih", "b_hh") if own[name] is not None}
        given = f", inputs {', '.join(named)}" if named else ""
        super().__init__(
            kind="map",
            states=read.read_states(states, n, ["gain", *named]),
            params={"gain": gain, **dict.fromkeys(named, 0.0)},
            build=_build,
            jax_function=NetworkTwin(gru_function, {"vectors": np.array(list(named.values())) if named else None}),
            constants=constants,
            theta=theta,
            input_size=None if W_ih is None else W_ih.shape[1],
            homogeneous=True,
            state_bound=1.0,  # h = n in (-1, 1); where z is 1 to rounding every h looks fixed
            description=f"GRU with {n} units: {0 if W_ih is None else W_ih.shape[1]} input channels{given}",
            digest=_digest(constants, theta, self.W_out),
        )

    @classmethod
    def from_state_dict(cls, sd: Mapping[str, Any], prefix: str | None = None, **options: Any) -> GRU:
        """Build the model from the weights of a ``torch.nn.GRUCell`` or ``torch.nn.GRU``, a dict of arrays or tensors.

        Parameters
        ----------
        sd : mapping of str to array or tensor
            Such as ``module.state_dict()``; torch itself is not needed.
        prefix : str, optional
            What stands before ``weight_hh`` in the names, such as "rnn." (the dot may be left out).  None: the one
            layer of the dict that has recurrent weights.
        **options
            All other arguments of :class:`GRU`: `inputs`, `W_out`, `states`, `gain`.  `W_out` may be the name of an
            array in `sd`, such as "fc.weight".

        Returns
        -------
        GRU

        Raises
        ------
        InputError
            The layer is another one (LSTM, plain RNN, several layers, both directions), there is none or more than
            one, or a shape disagrees.

        Examples
        --------
        >>> import numpy as np
        >>> import ntkcont as nc
        >>> sd = {"rnn.weight_ih_l0": np.ones((6, 1)), "rnn.weight_hh_l0": np.ones((6, 2))}
        >>> nc.GRU.from_state_dict(sd, prefix="rnn.", inputs={"stim": [1.0]}).description
        'GRU with 2 units: 1 input channels, inputs stim'
        """
        from ntkcont.models.gru_state_dict import gru_arrays

        return cls(**gru_arrays(sd, prefix, options))

    def reproduces(
        self,
        states: ArrayLike,
        inputs: ArrayLike | None = None,
        params: Mapping[str, float] | None = None,
        *,
        tol: float = 1e-5,
    ) -> Reproduction:
        """Compare the model with a recorded trial, step by step, and say what is wrong if they differ.

        From each recorded state one step is made and compared with the next recorded state.  If the two differ, the
        other orders of the gates, transposed blocks, an update gate of the opposite meaning, a reset gate that acts
        before the product, exchanged biases and shifted inputs are tried, alone and together.

        Parameters
        ----------
        states : array_like, shape (T, n)
            Recorded states of one trial, without noise.
        inputs : array_like, shape (T, d), optional
            Recorded inputs, multiplied by W_ih; both conventions are tried: the step from t to t + 1 sees
            ``inputs[t + 1]`` (PyTorch) or ``inputs[t]``.  None: the constant input that `params` gives.
        params : mapping, optional
            Values of ``gain`` and of the named inputs (those only without `inputs`), default the model's.
        tol : float, default 1e-5
            Largest error, relative to the largest state, that counts as reproduced (float32 recordings reach 1e-6).

        Returns
        -------
        Reproduction
            With ``error``, ``ok``, ``cause`` (in words) and more.

        Raises
        ------
        InputError
            Shapes do not fit the model, or a number is not finite.

        Examples
        --------
        >>> import numpy as np
        >>> import ntkcont as nc
        >>> rng = np.random.default_rng(0)
        >>> W_ih, W_hh, u = rng.standard_normal((6, 1)), rng.standard_normal((6, 2)), rng.standard_normal((9, 1))
        >>> h = [np.zeros(2)]
        >>> for t in range(1, 9):
        ...     a, m = W_ih @ u[t], W_hh @ h[-1]
        ...     r, z = np.split(1 / (1 + np.exp(-(a + m)[:4])), 2)
        ...     h.append((1 - z) * np.tanh(a[4:] + r * m[4:]) + z * h[-1])
        >>> nc.GRU(W_ih, W_hh).reproduces(h, u)
        reproduced: one-step error ... a step sees inputs[t + 1]
        """
        from ntkcont.models.gru_trial import gru_reproduction

        return gru_reproduction(self, states, inputs, params, tol=tol)


def _recurrent(W_hh: Any) -> Array:
    array = read.frozen_array(W_hh, "W_hh")
    if array.ndim == 2 and array.shape[1] and array.shape[0] == 3 * array.shape[1]:
        return array
    hint = ""
    if array.ndim == 2 and array.shape[1] == 3 * array.shape[0]:
        hint = "; give its transpose, W_hh.T, if its columns are in the order r, z, n"
    elif array.ndim == 2 and array.shape[0] == 4 * array.shape[1]:
        hint = "; (4n, n) are those of an LSTM, which is not supported"
    elif array.ndim == 2 and array.shape[0] == array.shape[1]:
        hint = "; (n, n) are those of a network without gates: use RateRNN"
    msg = f"W_hh: shape {array.shape} was given; it must be (3n, n), the blocks of the gates r, z, n{hint}"
    raise InputError(msg)


def _three_blocks(value: Any, n: int, argument: str) -> Array | None:
    """Return a bias (3n,) or input weights (3n, d) as a read-only array."""
    if value is None:
        return None
    array = read.frozen_array(value, argument)
    vector = argument.startswith("b")
    if array.ndim == (1 if vector else 2) and array.shape[0] == 3 * n and array.size:
        return array
    wanted = f"({3 * n},)" if vector else f"({3 * n}, d) for d inputs"
    hint = ""
    if not vector and array.ndim == 2 and array.shape[1] == 3 * n:
        hint = f"; give its transpose, {argument}.T"
    elif not vector and array.shape == (3 * n,):
        hint = f"; give {argument}[:, None] for one input"
    msg = f"{argument}: shape {array.shape} was given; with {n} units it must be {wanted}{hint}"
    raise InputError(msg)


def _build() -> Compiled:
    from ntkcont.kernels import gru

    return Compiled(gru.rhs, gru.jac, gru.dfdp)


def _digest(constants: Array, theta: Mapping[str, Array], W_out: Array | None) -> str:
    digest = hashlib.sha256(b"GRU")
    for name, array in {"constants": constants, **theta, "W_out": W_out}.items():
        if array is not None:
            digest.update(f"{name}{array.shape}".encode() + array.tobytes())
    return digest.hexdigest()
