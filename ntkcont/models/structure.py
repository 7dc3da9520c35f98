"""The bordered Jacobian of a network with sparse or low-rank weights, as a sparse matrix.

For ``J = diag(rows) (gain W) diag(columns) - diag(leak)`` with low-rank weights ``W = U V^T + diag(D)`` the r numbers
``y = V^T diag(columns) dx`` become unknowns of their own, behind those of the bordered matrix:

    [ -leak + gain rows D columns   F_q   gain rows U ] [dx]
    [ tau_x                         tau_q      0      ] [dq]
    [ V^T diag(columns)             0         -1      ] [y ]

Eliminating y leaves the bordered matrix itself, so nothing is lost, and ``det = (-1)^r`` times its determinant.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ntkcont.kernels import rate_rnn_layout as layout
from ntkcont.models.activations import Phi, find_phi
from ntkcont.models.model import Array, Model
from ntkcont.models.network_weights import LowRank, sparse_pattern
from ntkcont.models.networks import RateRNN


@dataclasses.dataclass(frozen=True, eq=False)
class Structure:
    """The places of the numbers of the extended bordered matrix, in CSC order, and what they are made of.

    Attributes
    ----------
    network : RateRNN
    rank : int
        Number of unknowns that were added.
    size : int
        Order of the matrix, n + 1 + rank.
    indices, indptr : ndarray of int32
        The pattern, in CSC format.
    place : ndarray of int
        Position in the CSC data of each of the numbers of :meth:`numbers`; equal positions are added up.
    data, rows, columns : ndarray, shape (nnz,)
        The nonzeros of the effective sparse weights and where they are; empty for low-rank weights.
    leak : ndarray, shape (n,)
        1 / tau of a flow, alpha of a map.
    phi : Phi
        The activation.
    """

    network: RateRNN
    rank: int
    size: int
    indices: NDArray[np.int32]
    indptr: NDArray[np.int32]
    place: NDArray[np.int64]
    data: Array
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    leak: Array
    phi: Phi

    def numbers(self, x: Array, p: Array, fq: Array, d: Array, tau: Array) -> Array:
        """Return the CSC data at the state x (n,) and compiled parameters p, in scaled variables.

        Parameters
        ----------
        x, p : ndarray, shapes (n,) and (M,)
        fq : ndarray, shape (n,)
            Derivative in the free parameter.
        d, tau : ndarray, shape (n+1,)
            Scales of the variables, and the last row.
        """
        net, n, gain = self.network, len(x), p[0]
        slopes = self.slopes(x, p)
        outer, inner = self.leak, d[:n]
        if net.form == "synaptic":
            inner = inner * slopes
        else:
            outer = outer * slopes
        parts = [-self.leak * d[:n], fq * d[n], tau]
        if isinstance(net.W, LowRank):
            if net.W.diagonal is not None:
                parts[0] += gain * outer * net.W.diagonal * inner
            parts += [
                (gain * outer[:, None] * net.W.U).ravel(),
                (net.W.V * inner[:, None]).ravel(),
                -np.ones(self.rank),
            ]
        else:
            parts.append(gain * outer[self.rows] * self.data * inner[self.columns])
        return np.bincount(self.place, weights=np.concatenate(parts), minlength=len(self.indices)).astype(float)

    def slopes(self, x: Array, p: Array) -> Array:
        """Return ``g phi'`` of each unit, shape (n,)."""
        from ntkcont.kernels.activations import slopes

        net = self.network
        argument = net.phi_gain * (x if net.form == "synaptic" else self._input(x, p))
        if self.phi.number == layout.USER:
            found = np.array([self.phi.derivative(v) for v in argument])
        else:
            found = argument.copy()
            slopes(found, self.phi.number)
        return net.phi_gain * found

    def _input(self, x: Array, p: Array) -> Array:
        net = self.network
        W = net.W
        if isinstance(W, LowRank):
            recurrent = W @ x
        else:
            recurrent = np.bincount(self.rows, weights=self.data * x[self.columns], minlength=len(x))
        return p[0] * recurrent + p[1:] @ net.drives + net.b


def structure_of(model: Model) -> Structure | None:
    """Return the structure of a model that is a rate network with sparse or low-rank weights, else None."""
    network = model if model.base is None else model.base
    if not isinstance(network, RateRNN) or isinstance(network.W, np.ndarray):
        return None
    n, units = network.n, np.arange(network.n)
    last = np.full(n + 1, n)
    at = [(units, units), (units, last[:n]), (last, np.arange(n + 1))]
    rank, rows, columns, data = 0, units[:0], units[:0], np.empty(0)
    if isinstance(network.W, LowRank):
        rank = network.W.rank
        more = n + 1 + np.arange(rank)
        across, down = np.repeat(units, rank), np.tile(more, n)
        at += [(across, down), (down, across), (more, more)]
    else:
        rows, columns, factor = sparse_pattern(network.W, network.mask, network.sign)
        data = factor * (network.W.data if network.sign is None else np.maximum(network.W.data, 0.0))
        at.append((rows, columns))
    i, j = (np.concatenate([np.asarray(pair[k], dtype=np.int64) for pair in at]) for k in range(2))
    size = n + 1 + rank
    flat, place = np.unique(j * size + i, return_inverse=True)  # column by column
    return Structure(
        network=network,
        rank=rank,
        size=size,
        indices=(flat % size).astype(np.int32),
        indptr=np.searchsorted(flat, size * np.arange(size + 1)).astype(np.int32),
        place=place.ravel(),
        data=data,
        rows=rows,
        columns=columns,
        leak=1.0 / network.tau if network.alpha is None else network.alpha,
        phi=find_phi(network.phi),
    )


def matrix(structure: Structure, numbers: Any) -> Any:
    """Return the extended matrix (size, size) in CSC format."""
    from scipy import sparse

    shape = (structure.size, structure.size)
    return sparse.csc_matrix((numbers, structure.indices, structure.indptr), shape=shape)
