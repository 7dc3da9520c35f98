"""Recurrent networks of rate units with weights as data: one compiled function for all of them."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from ntkcont.errors import InputError, unknown_name
from ntkcont.kernels import rate_rnn_layout as layout
from ntkcont.models import network_input as read
from ntkcont.models.activations import Phi, find_phi
from ntkcont.models.jax_twin import NetworkTwin, rate_function
from ntkcont.models.model import Array, Compiled, Model
from ntkcont.models.network_weights import LowRank, read_weights, sparse_pattern
from ntkcont.models.switching import Switching

if TYPE_CHECKING:
    from ntkcont.models.reduced_rnn import ReducedRNN
    from ntkcont.models.reproduces import Reproduction

__all__ = ["LowRank", "RateRNN"]


@dataclasses.dataclass(frozen=True, init=False, kw_only=True, eq=False, repr=False)
class RateRNN(Model):
    r"""A recurrent network of n rate units, as a flow or as a leaky map.

    With ``u = sum_k p_k c_k`` the total input,

    - synaptic form: ``a(z) = gain W phi(g z) + W_in u + b``;
    - rate form: ``a(z) = phi(g (gain W z + W_in u + b))``;
    - flow (``alpha=None``): ``tau z' = -z + a(z)``; map: ``z <- (1 - alpha) z + alpha a(z)``.

    The parameters are ``gain`` and one per named input.  Flow and map of one network share their fixed points.

    Parameters
    ----------
    W : array_like or sparse, shape (n, n), or LowRank
        ``W[i, j]`` is the weight from unit j to unit i.
    b : array_like, shape (n,), optional
        Bias, default zeros; it is part of `theta` in any case.
    W_in : array_like, shape (n, d), optional
        Input weights.
    inputs : mapping of str to array_like, shape (d,), optional
        Each name becomes a parameter (default value 0) that multiplies ``W_in @ c``.
    W_out : array_like, shape (m, n), optional
        Readout weights; kept for readout kernels, they do not enter the dynamics.
    phi : str, pair or triple, default "tanh"
        "tanh", "relu", "softplus", "sigmoid", "retanh" (``max(tanh, 0)``), or functions of one number
        ``(f, jax_f)`` or ``(f, derivative, jax_f)``, the first ones compilable by numba, the last traceable by JAX.
        Without a derivative, one is computed by differences of eighth order (for smooth f).  All are compared with
        each other at once.  The derivative of relu and retanh at exactly 0 is 0.
    phi_gain : float or array_like, shape (n,), default 1
        The gain g inside the activation.
    tau : float or array_like, shape (n,), default 1
        Time constants of a flow, in the unit of time of your choice; positive.
    alpha : float or array_like, shape (n,), optional
        Step of a map, in (0, 1]; 1 is the Elman network.  None: a flow.
    form : {"synaptic", "rate"}
        Whether the state is the synaptic current or the rate.
    mask : array_like, shape (n, n), optional
        Multiplies the weights: 0 where there is no connection.
    sign : array_like, shape (n,), optional
        +1 or -1 for each presynaptic unit (Dale's law); the effective weights are ``sign * relu(W) * mask``, with the
        sign of column j.
    gain : float, default 1
        Default value of the parameter ``gain``.
    states : sequence of str, optional
        Names of the units, default z0, z1, ...

    Attributes
    ----------
    theta : dict
        The trainable arrays, as given: "W" (or "U", "V" and, if there is one, the diagonal "D"; of a sparse W the
        nonzeros in CSR order), "W_in", "b".
    drives : ndarray, shape (K, n)
        ``W_in @ c_k`` of the K named inputs.

    Raises
    ------
    InputError
        W is not square, shapes disagree, a number is not finite, `phi` or `form` is unknown, `alpha` is outside
        (0, 1], both `tau` and `alpha` are given, a sign is not +1 or -1.

    References
    ----------
    D. Sussillo, O. Barak, "Opening the black box", Neural Computation 25 (2013), equation 4.1.

    Examples
    --------
    >>> import numpy as np
    >>> import ntkcont as nc
    >>> net = nc.RateRNN([[0.0, 2.0], [2.0, 0.0]], W_in=np.eye(2), inputs={"stim": [1.0, 1.0]})
    >>> net.rhs([0.0, 0.0], {"stim": 0.5})
    array([0.5, 0.5])
    >>> net.jac([0.0, 0.0])
    array([[-1.,  2.],
           [ 2., -1.]])
    """

    form: Literal["synaptic", "rate"]
    alpha: Array | None
    tau: Array
    phi: str | Phi
    phi_gain: Array
    W: Any
    b: Array
    W_in: Array | None
    W_out: Array | None
    mask: Array | None
    sign: Array | None
    inputs: Mapping[str, Array]
    drives: Array

    def __init__(
        self,
        W: Any,
        b: ArrayLike | None = None,
        W_in: ArrayLike | None = None,
        inputs: Mapping[str, ArrayLike] | None = None,
        W_out: ArrayLike | None = None,
        phi: Any = "tanh",
        phi_gain: ArrayLike = 1.0,
        tau: ArrayLike = 1.0,
        alpha: ArrayLike | None = None,
        form: Literal["synaptic", "rate"] = "synaptic",
        mask: ArrayLike | None = None,
        sign: ArrayLike | None = None,
        *,
        gain: float = 1.0,
        states: Sequence[str] | None = None,
    ) -> None:
        weights = read_weights(W)
        n = weights.shape[0]
        if form not in layout.FORMS:
            error = unknown_name("form", form, layout.FORMS)
            raise error
        activation = find_phi(phi)
        tau = read.per_unit(tau, n, "tau", 0.0)
        if alpha is not None:
            alpha = read.per_unit(alpha, n, "alpha", 0.0, 1.0)
            if np.any(tau != 1.0):
                msg = "tau: the leak of a map is alpha; give alpha = dt/tau alone, or alpha=None for a flow"
                raise InputError(msg)
        mask, sign = read.read_mask(mask, n), read.read_sign(sign, n)
        if isinstance(weights, LowRank) and (mask is not None or sign is not None):
            which = "mask" if sign is None else "sign"
            msg = f"{which}: it would make the low-rank W full; give W as an array, W = U @ V.T"
            raise InputError(msg)
        W_in = read.read_input_weights(W_in, n)
        named = read.read_inputs(inputs, W_in)
        drives = read.drives_of(named, W_in, n)
        own = {
            "form": form,
            "alpha": alpha,
            "tau": tau,
            "phi": activation if activation.number == layout.USER else activation.name,
            "phi_gain": read.per_unit(phi_gain, n, "phi_gain", -np.inf),
            "W": weights,
            "b": read.read_vector(b, n, "b"),
            "W_in": W_in,
            "W_out": read.read_readout(W_out, n),
            "mask": mask,
            "sign": sign,
            "inputs": MappingProxyType(named),
            "drives": drives,
        }
        for name, value in own.items():
            object.__setattr__(self, name, value)
        theta: dict[str, Array]
        if isinstance(weights, LowRank):
            theta = {"U": weights.U, "V": weights.V}
            if weights.diagonal is not None:
                theta["D"] = weights.diagonal
        else:
            theta = {"W": weights if isinstance(weights, np.ndarray) else weights.data}
        if W_in is not None:
            theta["W_in"] = W_in
        theta["b"] = self.b
        constants = self._pack(activation)
        units = read.read_states(states, n, ["gain", *named])
        kinked = activation.number in layout.KINKED
        super().__init__(
            kind="flow" if alpha is None else "map",
            states=units,
            params={"gain": gain, **dict.fromkeys(named, 0.0)},
            build=functools.partial(_build, activation),
            jax_function=self._jax_function(activation),
            constants=constants,
            theta=theta,
            input_size=None if W_in is None else W_in.shape[1],
            homogeneous=True,
            description=self._describe(activation),
            digest=self._hash(constants, theta, activation),
            switching=Switching(units, _build_arguments, functools.partial(layout.piece, constants))
            if kinked
            else None,
        )

    @classmethod
    def from_state_dict(cls, sd: Mapping[str, Any], keys: Mapping[str, Any] | None = None, **options: Any) -> RateRNN:
        """Build a network from the weights of anyone's module, a dict of arrays or tensors.

        Parameters
        ----------
        sd : mapping of str to array or tensor
            Such as ``module.state_dict()``; torch itself is not needed.
        keys : mapping, optional
            For each of "W", "b", "W_in", "W_out" (or "U" and "V" for low-rank weights) the name in `sd`; a list of
            names is added up (several biases); ``"name.T"`` or ``("name", "T")`` is transposed.
            None: the layouts of ``torch.nn.RNN``, ``RNNCell`` and of modules with parts h2h and i2h are recognised,
            and a warning says what was taken for what.
        **options
            All other arguments of :class:`RateRNN`: `alpha`, `form`, `phi`, `tau`, `inputs`, ...

        Returns
        -------
        RateRNN

        Raises
        ------
        InputError
            A name is not in `sd` (with the nearest ones), a shape disagrees (with the transpose, if that fits), or
            the layout is not recognised.

        Examples
        --------
        >>> import numpy as np
        >>> import ntkcont as nc
        >>> sd = {"rnn.h2h.weight": np.eye(3), "rnn.h2h.bias": np.ones(3), "rnn.i2h.bias": np.ones(3)}
        >>> keys = {"W": "rnn.h2h.weight", "b": ["rnn.h2h.bias", "rnn.i2h.bias"]}
        >>> net = nc.RateRNN.from_state_dict(sd, keys, alpha=0.2, form="rate", phi="relu")
        >>> net.b
        array([2., 2., 2.])
        """
        from ntkcont.models.state_dict import network_from_state_dict

        return network_from_state_dict(cls, sd, keys, options)

    def reduced(self) -> ReducedRNN:
        """Return the network in the r coordinates of its low-rank connectivity, in which nothing is lost.

        Returns
        -------
        ReducedRNN
            A model with the same fixed points, bifurcations and parameters; ``lift`` and ``all_eigenvalues`` lead back,
            ``nc.lifted(branch)`` does for a whole branch.

        Raises
        ------
        InputError
            W is not a :class:`LowRank`, phi is not "tanh", "softplus" or "sigmoid", or the leaks differ so much from
            unit to unit that there is nothing to reduce.

        References
        ----------
        F. Mastrogiuseppe, S. Ostojic, "Linking connectivity, dynamics, and computations in low-rank recurrent neural
        networks", Neuron 99 (2018).

        Examples
        --------
        >>> import numpy as np
        >>> import ntkcont as nc
        >>> net = nc.RateRNN(nc.LowRank(np.ones((500, 1)), np.full((500, 1), 0.002)))
        >>> branch = nc.continuation(net.reduced(), [0.0], free="gain", p_span=(0.5, 1.5))
        >>> round(branch.special_points["BP1"].p, 9)
        1.0
        """
        from ntkcont.models.reduced_rnn import ReducedRNN

        return ReducedRNN(self)

    # ---------------------------------------------------------------- weights

    def effective_W(self) -> Array:
        """Return the weights that act, ``sign * relu(W) * mask``, dense, shape (n, n)."""
        W = self.W.dense() if isinstance(self.W, LowRank) else self.W
        W = W.copy() if isinstance(W, np.ndarray) else W.toarray()
        if self.sign is not None:
            W = self.sign * np.maximum(W, 0.0)
        return W if self.mask is None else W * self.mask

    def _pack(self, activation: Phi) -> Array:
        if isinstance(self.W, LowRank):
            diagonal = np.zeros(self.W.shape[0]) if self.W.diagonal is None else self.W.diagonal
            storage, size, weights = layout.LOW_RANK, self.W.rank, [diagonal, self.W.U, self.W.V.T]
        elif isinstance(self.W, np.ndarray):
            storage, size, weights = layout.DENSE, 0, [self.effective_W()]
        else:
            rows, columns, factor = sparse_pattern(self.W, self.mask, self.sign)
            data = self.W.data if self.sign is None else np.maximum(self.W.data, 0.0)
            storage, size, weights = layout.SPARSE, rows.size, [data * factor, columns, self.W.indptr]
        return layout.pack(
            form=layout.FORMS[self.form],
            is_map=self.alpha is not None,
            phi=activation.number,
            rate=1.0 / self.tau if self.alpha is None else self.alpha,
            phi_gain=self.phi_gain,
            b=self.b,
            drives=self.drives,
            storage=storage,
            size=size,
            weights=weights,
        )

    def _jax_function(self, activation: Phi) -> NetworkTwin:
        """Return the twin of the compiled functions; it holds plain arrays, never the network."""
        dense, sparse = isinstance(self.W, np.ndarray), not isinstance(self.W, np.ndarray | LowRank)
        numbers = {
            "phi_gain": self.phi_gain,
            "leak": self.tau if self.alpha is None else self.alpha,
            "vectors": np.array(list(self.inputs.values())) if self.inputs else None,
            "mask": self.mask if dense else None,
            "sign": self.sign,
            "pattern": sparse_pattern(self.W, self.mask, self.sign) if sparse else None,
        }
        return NetworkTwin(rate_function(activation.jax, self.form == "rate", self.alpha is not None), numbers)

    # ---------------------------------------------------------------- words

    def _hash(self, constants: Array, theta: dict[str, Array], activation: Phi) -> str:
        digest = hashlib.sha256(activation.digest.encode())
        named = {"constants": constants, **theta, "mask": self.mask, "sign": self.sign, "W_out": self.W_out}
        for name, array in named.items():
            if array is not None:
                digest.update(f"{name}{array.shape}".encode() + array.tobytes())
        return digest.hexdigest()

    def _describe(self, activation: Phi) -> str:
        if isinstance(self.W, np.ndarray):
            weights = "dense W"
        elif isinstance(self.W, LowRank):
            weights = f"W of rank {self.W.rank}" + ("" if self.W.diagonal is None else " and a diagonal")
        else:
            weights = f"sparse W with {self.W.nnz} nonzeros"
        parts = [f"{self.form} form", f"phi {activation.name}", weights]
        leak = ("tau", self.tau) if self.alpha is None else ("alpha", self.alpha)
        for name, value in (("phi_gain", self.phi_gain), leak):
            parts.append(f"{name} {value[0]:g}" if np.all(value == value[0]) else f"{name} per unit")
        parts += [name for name in ("mask", "sign") if getattr(self, name) is not None]
        if self.inputs:
            parts.append("inputs " + ", ".join(self.inputs))
        return f"RateRNN with {self.b.size} units: " + ", ".join(parts)

    def reproduces(
        self,
        states: ArrayLike,
        inputs: ArrayLike | None = None,
        params: Mapping[str, float] | None = None,
        *,
        dt: float | None = None,
        tol: float = 1e-5,
    ) -> Reproduction:
        """Compare the network with a recorded trial, step by step, and say what is wrong if they differ.

        From each recorded state one step is made and compared with the next recorded state.  A flow makes an Euler
        step of length `dt`.  If the two differ, transposed W, the other form, other activations, shifted inputs, a
        wrong alpha and a missing bias are tried, alone and together.

        Parameters
        ----------
        states : array_like, shape (T, n)
            Recorded states of one trial, without noise.
        inputs : array_like, shape (T, d), optional
            Recorded inputs, multiplied by W_in; both conventions are tried: the step from t to t + 1 sees
            ``inputs[t + 1]`` (PyTorch) or ``inputs[t]``.  None: the constant input that `params` gives.
        params : mapping, optional
            Values of ``gain`` and of the named inputs (those only without `inputs`), default the network's.
        dt : float, optional
            Step of the recorded Euler integration, in the unit of `tau`; needed for flows.
        tol : float, default 1e-5
            Largest error, relative to the largest state, that counts as reproduced (float32 recordings reach 1e-6).

        Returns
        -------
        Reproduction
            With ``error``, ``ok``, ``cause`` (in words) and more.

        Raises
        ------
        InputError
            Shapes do not fit the network, a number is not finite, or `dt` is missing for a flow.

        Examples
        --------
        >>> import numpy as np
        >>> import ntkcont as nc
        >>> W = np.array([[0.0, 1.5], [-1.5, 0.0]])
        >>> z = [np.array([0.5, 0.1])]
        >>> for _ in range(20):
        ...     z.append(0.8 * z[-1] + 0.2 * W @ np.tanh(z[-1]))
        >>> nc.RateRNN(W, alpha=0.2).reproduces(z).ok
        True
        >>> nc.RateRNN(W.T, alpha=0.2).reproduces(z).cause
        'W is transposed: give W.T'
        """
        from ntkcont.models.rate_trial import rate_reproduction

        return rate_reproduction(self, states, inputs, params, dt=dt, tol=tol)


def _build(activation: Phi) -> Compiled:
    from ntkcont.kernels import rate_rnn

    if activation.number == layout.USER:
        return Compiled(*rate_rnn.functions_for(activation.numba, activation.derivative))
    return Compiled(rate_rnn.rhs, rate_rnn.jac, rate_rnn.dfdp)


def _build_arguments() -> Compiled:
    from ntkcont.kernels import rate_rnn

    return Compiled(rate_rnn.arguments, rate_rnn.arguments_jac, rate_rnn.arguments_dfdp)
