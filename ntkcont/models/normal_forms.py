"""Normal forms of the bifurcations of codimension one, as models; reached through ``ntkcont.classics``.

References
----------
Y. A. Kuznetsov, Elements of Applied Bifurcation Theory (2004), chapters 3 and 4 and section 7.4.
"""

from __future__ import annotations

from typing import Literal

from ntkcont.errors import unknown_name
from ntkcont.models.model import Model


def saddle_node() -> Model:
    """Return the fold ``x' = mu + x^2``: fixed points ``+-sqrt(-mu)``, eigenvalues ``+-2 sqrt(-mu)``.

    Examples
    --------
    >>> import ntkcont as nc
    >>> float(nc.classics.saddle_node().jac([-1.0])[0, 0])
    -2.0
    """
    return Model.from_equations({"x": "mu + x**2"}, {"mu": -1.0})


def transcritical() -> Model:
    """Return the transcritical bifurcation ``x' = mu x - x^2``: branches 0 and mu exchange stability at ``mu = 0``.

    Examples
    --------
    >>> import ntkcont as nc
    >>> float(nc.classics.transcritical().jac([0.0])[0, 0])
    -1.0
    """
    return Model.from_equations({"x": "mu*x - x**2"}, {"mu": -1.0})


def pitchfork(criticality: Literal["supercritical", "subcritical"] = "supercritical") -> Model:
    """Return the pitchfork ``x' = mu x + a x^3``, with ``a = -1`` (supercritical) or ``+1``.

    Parameters
    ----------
    criticality : {"supercritical", "subcritical"}
        Whether the side branches ``x = +-sqrt(-mu/a)`` are stable.

    Returns
    -------
    Model

    Raises
    ------
    InputError
        `criticality` is neither.

    Examples
    --------
    >>> import ntkcont as nc
    >>> nc.classics.pitchfork("subcritical").params["a"]
    1.0
    """
    return Model.from_equations({"x": "mu*x + a*x**3"}, {"mu": -1.0, "a": _sign(criticality)})


def hopf(criticality: Literal["supercritical", "subcritical"] = "supercritical") -> Model:
    """Return the Hopf normal form ``z' = (mu + i omega) z + l z |z|^2``, ``z = x + i y``, ``l = -1`` or ``+1``.

    Hopf point at ``mu = 0`` with frequency ``omega``; the cycle has radius ``sqrt(-mu/l)``.

    Parameters
    ----------
    criticality : {"supercritical", "subcritical"}
        Sign of the cubic coefficient.

    Returns
    -------
    Model

    Raises
    ------
    InputError
        `criticality` is neither.

    Examples
    --------
    >>> import ntkcont as nc
    >>> nc.classics.hopf().jac([0.0, 0.0])
    array([[-1., -1.],
           [ 1., -1.]])
    """
    return Model.from_equations(
        {"x": "mu*x - omega*y + l*x*(x**2 + y**2)", "y": "omega*x + mu*y + l*y*(x**2 + y**2)"},
        {"mu": -1.0, "omega": 1.0, "l": _sign(criticality)},
    )


def flip(criticality: Literal["supercritical", "subcritical"] = "supercritical") -> Model:
    """Return the period-doubling normal form, the map ``x <- -(1 + mu) x - a x^3`` with ``a = -1`` or ``+1``.

    Period doubling at ``mu = 0``; the 2-cycle is ``x = +-sqrt(-mu/a)``.

    Parameters
    ----------
    criticality : {"supercritical", "subcritical"}
        Whether the 2-cycle is stable.

    Returns
    -------
    Model

    Raises
    ------
    InputError
        `criticality` is neither.

    Examples
    --------
    >>> import ntkcont as nc
    >>> float(nc.classics.flip().jac([0.0], {"mu": 0.0})[0, 0])
    -1.0
    """
    return Model.from_equations({"x": "-(1 + mu)*x - a*x**3"}, {"mu": -0.5, "a": _sign(criticality)}, kind="map")


def neimark_sacker(criticality: Literal["supercritical", "subcritical"] = "supercritical") -> Model:
    """Return the Neimark-Sacker normal form, the map ``z <- exp(i theta) z (1 + mu + d |z|^2)``, ``d = -1`` or ``+1``.

    The multipliers of the origin, ``(1 + mu) exp(+-i theta)``, cross the unit circle at ``mu = 0``; the invariant
    circle has radius ``sqrt(-mu/d)``.

    Parameters
    ----------
    criticality : {"supercritical", "subcritical"}
        Sign of the cubic coefficient.

    Returns
    -------
    Model

    Raises
    ------
    InputError
        `criticality` is neither.

    Examples
    --------
    >>> import ntkcont as nc
    >>> nc.classics.neimark_sacker().kind
    'map'
    """
    return Model.from_equations(
        {"x": "r*(x*cos(theta) - y*sin(theta))", "y": "r*(x*sin(theta) + y*cos(theta))"},
        {"mu": -0.5, "theta": 1.0, "d": _sign(criticality)},
        aux={"r": "1 + mu + d*(x**2 + y**2)"},
        kind="map",
    )


def _sign(criticality: str) -> float:
    signs = {"supercritical": -1.0, "subcritical": 1.0}
    if not isinstance(criticality, str) or criticality not in signs:
        argument = "criticality"
        raise unknown_name(argument, criticality, signs)
    return signs[criticality]
