"""Networks of low rank in the coordinates of their connectivity: r states instead of n, and nothing lost."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ntkcont.errors import InputError
from ntkcont.kernels import rate_rnn_layout as layout
from ntkcont.models.activations import find_phi
from ntkcont.models.model import Array, Compiled, Model
from ntkcont.models.network_weights import LowRank
from ntkcont.models.networks import RateRNN


@dataclasses.dataclass(frozen=True, init=False, kw_only=True, eq=False, repr=False)
class ReducedRNN(Model):
    r"""A low-rank network restricted to the linear manifold on which its trajectories end.

    With ``W = U V^T`` and one leak for all units the state approaches ``z = gain U kappa + W_in u + b`` (synaptic form)
    or ``z = phi(g (gain U kappa + W_in u + b))`` (rate form, at rest), and the r numbers kappa obey

    ``tau kappa' = -kappa + V^T phi(g (gain U kappa + W_in u + b))``

    (maps: ``kappa <- (1 - alpha) kappa + alpha V^T phi(...)``) exactly.  Fixed points are those of the network; its n
    eigenvalues there are the r of the reduced model and n - r times -1/tau (multiplier 1 - alpha).  Units with few
    distinct leaks, such as an excitatory and an inhibitory population, have r states for each of them.

    Built by :meth:`ntkcont.RateRNN.reduced`.

    Attributes
    ----------
    network : RateRNN
        What was reduced.
    leaks : ndarray, shape (C,)
        The distinct time constants (flows) or alphas (maps); state ``kappa{c}_{k}``, or ``kappa{k}`` if C is 1.
    """

    network: RateRNN
    leaks: Array
    classes: NDArray[np.int64]

    def __init__(self, network: RateRNN) -> None:
        W = network.W
        if not isinstance(W, LowRank):
            msg = "reduced: W is not of low rank; give the network W=nc.LowRank(U, V), with W = U @ V.T"
            raise InputError(msg)
        if W.diagonal is not None:
            msg = (
                "reduced: W has a diagonal, with which the units do not move in r dimensions; follow the network "
                "itself with eigenvalues='adaptive', whose steps use the factors"
            )
            raise InputError(msg)
        activation = find_phi(network.phi)
        if activation.number in layout.KINKED or activation.number == layout.USER:
            msg = f"reduced: phi is {activation.name!r}; it may be 'tanh', 'softplus' or 'sigmoid' here"
            raise InputError(msg)
        leak = network.tau if network.alpha is None else network.alpha
        leaks, classes = np.unique(leak, return_inverse=True)
        n, r = W.shape[0], W.rank
        if len(leaks) * r >= n:
            what = "tau" if network.alpha is None else "alpha"
            msg = (
                f"reduced: {len(leaks)} different values of {what} and rank {r} make {len(leaks) * r} states, no fewer "
                f"than the {n} units; use the network itself"
            )
            raise InputError(msg)
        object.__setattr__(self, "network", network)
        object.__setattr__(self, "leaks", leaks)
        object.__setattr__(self, "classes", classes)
        rates = 1.0 / leaks if network.alpha is None else leaks
        header = np.zeros(8)
        header[:7] = [n, r, len(leaks), layout.FORMS[network.form], network.alpha is not None, activation.number,
                      network.drives.shape[0]]  # fmt: skip
        order, bounds = np.argsort(classes, kind="stable"), np.append(0, np.cumsum(np.bincount(classes)))
        units = [network.phi_gain[order], network.b[order], network.drives[:, order], W.U[order], W.V[order].T]
        one = len(leaks) == 1
        super().__init__(
            kind=network.kind,
            states=tuple(f"kappa{k}" if one else f"kappa{c}_{k}" for c in range(len(leaks)) for k in range(r)),
            params=network.params,
            build=_build,
            jax_function=_jax_function(network, activation.jax, classes, rates),
            constants=np.concatenate([np.ravel(part).astype(float) for part in (header, rates, bounds, *units)]),
            theta=network.theta,
            homogeneous=True,
            description=f"{network.description}\nreduced to {len(leaks) * r} states",
            digest=hashlib.sha256(f"{network.digest} reduced".encode()).hexdigest(),
        )

    def lift(self, kappa: ArrayLike, params: Mapping[str, float] | None = None) -> Array:
        """Return the state of the network, shape (n,), at the fixed point kappa of the reduced model.

        Parameters
        ----------
        kappa : array_like, shape (C r,)
        params : mapping, optional
            Parameter values, default the network's.

        Examples
        --------
        >>> import numpy as np
        >>> import ntkcont as nc
        >>> net = nc.RateRNN(nc.LowRank(np.ones((50, 1)), np.full((50, 1), 0.03)))
        >>> reduced = net.reduced()
        >>> branch = nc.continuation(reduced, [1.0], free="gain", p_span=(0.8, 1.2))
        >>> z = reduced.lift(branch.x[0], {"gain": branch.p[0]})
        >>> bool(np.max(np.abs(net.rhs(z, {"gain": branch.p[0]}))) < 1e-12)
        True
        """
        values = self.values(params)
        argument, phi = self._argument(self.state_vector(kappa, "kappa"), values, 1.0), find_phi(self.network.phi)
        if self.network.form == "synaptic":
            return argument
        from ntkcont.jax_tools import x64

        with x64():
            return np.array(phi.jax(self.network.phi_gain * argument))

    def _argument(self, kappa: Array, values: Array, bias: float) -> Array:
        """Return ``gain U kappa + drives + bias b``, shape (n,)."""
        W = self.network.W
        y = kappa.reshape(len(self.leaks), W.rank)
        seen = y[self.classes] if self.network.form == "synaptic" else y.sum(axis=0)[None, :]
        inside = values[0] * np.sum(W.U * seen, axis=1)
        return inside + values[1:] @ self.network.drives + bias * self.network.b

    def lift_tangent(self, kappa: ArrayLike, tangent: ArrayLike, free: str, params: Mapping[str, float]) -> Array:
        """Return the tangent (dz/ds, dp/ds) of the network, shape (n+1,), from that of the reduced model (C r + 1,)."""
        network = self.network
        kappa, tau = np.asarray(kappa, dtype=float), np.asarray(tangent, dtype=float)
        values, direction = self.values(params), self.line(free, params)[1]
        change = self._argument(tau[:-1], np.append(values[0], np.zeros(len(values) - 1)), 0.0)
        change = change + tau[-1] * self._argument(kappa, direction, 0.0)
        if network.form == "rate":
            slope = _slope(network, network.phi_gain * self._argument(kappa, values, 1.0))
            change = network.phi_gain * slope * change
        return np.append(change, tau[-1])

    def all_eigenvalues(self, eigenvalues: ArrayLike) -> NDArray[np.complex128]:
        """Return the n eigenvalues of the network (multipliers for maps) from the C r of the reduced model.

        Parameters
        ----------
        eigenvalues : array_like of complex, shape (..., C r)

        Returns
        -------
        ndarray of complex, shape (..., n)
            The given ones first, then -1/tau (1 - alpha) of each leak, as often as it has units, less r.
        """
        own = np.asarray(eigenvalues, dtype=complex)
        units = np.bincount(self.classes)
        quiet = -1.0 / self.leaks if self.network.alpha is None else 1.0 - self.leaks
        rest = np.repeat(quiet, units - self.network.W.rank)
        others = np.broadcast_to(rest.astype(complex), (*own.shape[:-1], rest.size))
        return np.concatenate([own, others], axis=-1)


def _slope(network: RateRNN, argument: Array) -> Array:
    """Return phi'(argument), elementwise."""
    import jax

    from ntkcont.jax_tools import x64

    with x64():
        phi = find_phi(network.phi).jax
        return np.array(jax.jvp(phi, (argument,), (np.ones_like(argument),))[1])


def _build() -> Compiled:
    from ntkcont.kernels import reduced_rnn

    return Compiled(reduced_rnn.rhs, reduced_rnn.jac, reduced_rnn.dfdp)


def _jax_function(
    network: RateRNN, phi: Callable[[Any], Any], classes: NDArray[np.int64], rates: Array
) -> Callable[[Any, Any, Any], Any]:
    """Return the twin of the compiled functions; it closes over plain arrays, never over the network."""
    vectors = np.array(list(network.inputs.values())) if network.inputs else None
    phi_gain, synaptic, is_map = network.phi_gain, network.form == "synaptic", network.alpha is not None
    count, r = len(rates), network.W.rank
    members = (classes[None, :] == np.arange(count)[:, None]).astype(float)
    rate = np.repeat(rates, r)

    def jax_function(x: Any, p: Any, theta: Any) -> Any:
        drive = theta["b"]
        if vectors is not None:
            drive = drive + theta["W_in"] @ (p[1:] @ vectors)
        y = x.reshape(count, r)
        inside = (theta["U"] * y[classes]).sum(axis=1) if synaptic else theta["U"] @ y.sum(axis=0)
        f = phi(phi_gain * (p[0] * inside + drive))
        collected = (members * f) @ theta["V"]
        if synaptic:
            collected = collected.sum(axis=0)[None, :] + 0.0 * collected
        a = collected.reshape(count * r)
        return (1.0 - rate) * x + rate * a if is_map else (a - x) * rate

    return jax_function
