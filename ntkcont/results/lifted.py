"""A branch of a reduced network as the branch of the network it stands for."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from ntkcont.errors import InputError
from ntkcont.results.branch import Branch
from ntkcont.results.frozen import nothing
from ntkcont.results.special_points import SpecialPoint, SpecialPoints

if TYPE_CHECKING:
    from ntkcont.models.reduced_rnn import ReducedRNN


def lifted(branch: Branch, model: ReducedRNN | None = None) -> Branch:
    """Return a branch of a reduced low-rank network with the states and eigenvalues of the network itself.

    Parameters
    ----------
    branch : Branch
        Of a model that :meth:`ntkcont.RateRNN.reduced` returned.
    model : ReducedRNN, optional
        That model, for a branch read from a file.

    Returns
    -------
    Branch
        With n states; special points keep their labels, evidence and normal forms (that of the reduced model is that
        of the network: both have the same centre manifold), arclength is that of the reduced branch.  Kernel signatures
        belong to the reduced states and are left out; :func:`ntkcont.annotate` evaluates those of the network.

    Raises
    ------
    InputError
        If the branch is not one of a reduced network, or keeps no states.

    Examples
    --------
    >>> import numpy as np
    >>> import ntkcont as nc
    >>> net = nc.RateRNN(nc.LowRank(np.ones((500, 1)), np.full((500, 1), 0.002)))
    >>> branch = nc.continuation(net.reduced(), [0.0], free="gain", p_span=(0.5, 1.5))
    >>> whole = nc.lifted(branch)
    >>> whole.n, whole.special_points.labels == branch.special_points.labels
    (500, True)
    """
    from ntkcont.models.reduced_rnn import ReducedRNN

    reduced = model or branch.model
    if not isinstance(reduced, ReducedRNN) or reduced.states != branch.states:
        msg = "branch: it is not one of net.reduced(); for a branch read from a file give model=net.reduced()"
        raise InputError(msg)
    if not branch.has_states:
        msg = "branch: it keeps no states to lift; compute it with ContinuationSettings(store_states='all')"
        raise InputError(msg)
    network = reduced.network

    def state(x: Any, tangent: Any, p: float) -> tuple[Any, Any]:
        params = {**branch.params, branch.free: float(p)}
        return reduced.lift(x, params), reduced.lift_tangent(x, tangent, branch.free, params)

    k = len(branch)
    x, tangent = np.empty((k, network.n)), np.empty((k, network.n + 1))
    for i in range(k):
        x[i], tangent[i] = state(branch.x[i], branch.tangent[i], branch.p[i])
    params = dict(branch.params)
    doubtful = [
        dataclasses.replace(place, x=reduced.lift(place.x, {**params, branch.free: place.p}))
        for place in branch.doubtful
    ]
    points: list[SpecialPoint] = []
    for point in branch.special_points:
        place, direction = state(point.x, point.tangent, point.p)
        points.append(
            dataclasses.replace(
                point,
                x=place,
                tangent=direction,
                eigenvalues=reduced.all_eigenvalues(point.eigenvalues),
                states=network.states,
                vectors={},
                ntk=None,
                model=network,
            )
        )
    eigenvalues = reduced.all_eigenvalues(branch.eigenvalues) if k else nothing((0, network.n), complex)
    described = {"digest": network.digest, "description": network.description, "kind": network.kind}
    return dataclasses.replace(
        branch, states=network.states, x=x, tangent=tangent, eigenvalues=eigenvalues,
        special_points=SpecialPoints(points), doubtful=tuple(doubtful), ntk=None, model=network,
        provenance={**branch.provenance, "model": described, "reduced": dict(branch.provenance.get("model", {}))},
    )  # fmt: skip
