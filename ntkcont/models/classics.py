"""The zoo: well-known systems, ready to be continued.

Each function returns a :class:`ntkcont.Model` with the parameters of the source it names; other values are given to
``continuation(..., params={...})``.
"""

from __future__ import annotations

from typing import Literal

from ntkcont.errors import unknown_name
from ntkcont.models.model import Model
from ntkcont.models.normal_forms import flip, hopf, neimark_sacker, pitchfork, saddle_node, transcritical

__all__ = [
    "brusselator",
    "cusp",
    "fitzhugh_nagumo",
    "flip",
    "henon",
    "hodgkin_huxley",
    "hopf",
    "logistic",
    "lorenz",
    "morris_lecar",
    "neimark_sacker",
    "pitchfork",
    "saddle_node",
    "transcritical",
    "wilson_cowan",
]

_MORRIS_LECAR = {
    "I": {"gCa": 4.0, "v3": 12.0, "v4": 17.4, "phi": 0.066},
    "II": {"gCa": 4.4, "v3": 2.0, "v4": 30.0, "phi": 0.04},
}

# ------------------------------------------------------------------ neurons and populations


def morris_lecar(excitability: Literal["I", "II"] = "II") -> Model:
    r"""Return the Morris-Lecar neuron, states ``v`` (mV) and ``w``, in the parameters of Rinzel and Ermentrout.

    .. math::
        C \dot v = I - g_{Ca} m_\infty(v) (v - v_{Ca}) - g_K w (v - v_K) - g_L (v - v_L), \quad
        \dot w = \phi\, (w_\infty(v) - w) \cosh\frac{v - v_3}{2 v_4}

    Parameters
    ----------
    excitability : {"II", "I"}
        "II": rest is lost at a subcritical Hopf point, ``I = 93.8576``.  "I": at a fold on an invariant circle,
        ``I = 39.9632``.  Currents in uA/cm^2, conductances in mS/cm^2, time in ms.

    Returns
    -------
    Model
        A start at ``I = 0``: ``{"v": -60, "w": 0.01}``.

    Raises
    ------
    InputError
        `excitability` is neither.

    References
    ----------
    J. Rinzel, B. Ermentrout, "Analysis of neural excitability and oscillations", in Koch, Segev, Methods in Neuronal
    Modeling (1998), table 7.1.

    Examples
    --------
    >>> import ntkcont as nc
    >>> nc.classics.morris_lecar().states
    ('v', 'w')
    """
    if excitability not in _MORRIS_LECAR:
        argument = "excitability"
        raise unknown_name(argument, excitability, _MORRIS_LECAR)
    special = _MORRIS_LECAR[excitability]
    params = {"I": 0.0, "C": 20.0, "vK": -84.0, "gK": 8.0, "vCa": 120.0, "gCa": special["gCa"], "vL": -60.0, "gL": 2.0}
    params |= {"v1": -1.2, "v2": 18.0, "v3": special["v3"], "v4": special["v4"], "phi": special["phi"]}
    return Model.from_equations(
        {
            "v": "(I - gCa*minf*(v - vCa) - gK*w*(v - vK) - gL*(v - vL))/C",
            "w": "phi*(winf - w)*cosh((v - v3)/(2*v4))",
        },
        params,
        aux={"minf": "(1 + tanh((v - v1)/v2))/2", "winf": "(1 + tanh((v - v3)/v4))/2"},
    )


def fitzhugh_nagumo() -> Model:
    r"""Return the FitzHugh-Nagumo neuron: ``v' = v - v^3/3 - w + I``, ``w' = eps (v + a - b w)``.

    Hopf points at ``v = -+sqrt(1 - eps b)``: with ``a = 0.7, b = 0.8, eps = 0.08`` at ``I = 0.3313`` and
    ``I = 1.4187``.  A start at ``I = 0``: ``[-1.1994, -0.6243]``.

    References
    ----------
    R. FitzHugh, Biophysical Journal 1 (1961) 445, equations 1 and 2.

    Examples
    --------
    >>> import ntkcont as nc
    >>> float(nc.classics.fitzhugh_nagumo().jac([0.0, 0.0])[0, 1])
    -1.0
    """
    return Model.from_equations(
        {"v": "v - v**3/3 - w + I", "w": "eps*(v + a - b*w)"}, {"I": 0.0, "a": 0.7, "b": 0.8, "eps": 0.08}
    )


def hodgkin_huxley() -> Model:
    r"""Return the Hodgkin-Huxley axon of 1952 at 6.3 degrees: states ``v`` (mV), ``m``, ``h``, ``n``; time in ms.

    The convention is the modern one: v is the membrane potential, rest is near -65 mV and depolarisation positive
    (the paper's V is ``-65 - v``).  Capacitance in uF/cm^2, conductances in mS/cm^2, the current ``I`` in uA/cm^2.
    The rates that are 0/0 at -40 and -55 mV are evaluated smoothly.

    With ``vL = -54.387`` the gates at -65 mV are at rest ``m = 0.05293, h = 0.59612, n = 0.31768`` and no current
    flows there at ``I = 0``; start from these.  The rest state is lost at a subcritical Hopf point near ``I = 9.78``.

    References
    ----------
    A. L. Hodgkin, A. F. Huxley, Journal of Physiology 117 (1952) 500, equations 12, 13, 20, 21, 23, 24, 26 and table 3.

    Examples
    --------
    >>> import ntkcont as nc
    >>> import numpy as np
    >>> bool(np.all(np.isfinite(nc.classics.hodgkin_huxley().jac([-40.0, 0.1, 0.5, 0.3]))))
    True
    """
    return Model.from_equations(
        {
            "v": "(I - gNa*m**3*h*(v - vNa) - gK*n**4*(v - vK) - gL*(v - vL))/C",
            "m": "0.1*(v + 40)/(1 - exp(-(v + 40)/10))*(1 - m) - 4*exp(-(v + 65)/18)*m",
            "h": "0.07*exp(-(v + 65)/20)*(1 - h) - h/(1 + exp(-(v + 35)/10))",
            "n": "0.01*(v + 55)/(1 - exp(-(v + 55)/10))*(1 - n) - 0.125*exp(-(v + 65)/80)*n",
        },
        {"I": 0.0, "C": 1.0, "gNa": 120.0, "vNa": 50.0, "gK": 36.0, "vK": -77.0, "gL": 0.3, "vL": -54.387},
    )


def wilson_cowan() -> Model:
    r"""Return the Wilson-Cowan populations ``E`` and ``I``, with the input ``P`` to E and ``Q`` to I.

    .. math::
        \tau_E \dot E = -E + (1 - E)\, S_E(c_1 E - c_2 I + P), \quad
        \tau_I \dot I = -I + (1 - I)\, S_I(c_3 E - c_4 I + Q), \quad
        S(u) = \frac{1}{1 + e^{-a (u - \theta)}} - \frac{1}{1 + e^{a \theta}}

    ``E = I = 0`` is a fixed point at ``P = Q = 0``.  The parameters are those of the limit cycle (figure 11 of the
    source, at ``P = 1.25``), with time in units of its 8 ms, and 1 for the maximum of S in the factors ``1 - E``.

    References
    ----------
    H. R. Wilson, J. D. Cowan, Biophysical Journal 12 (1972) 1, equations 11, 12 and 15.

    Examples
    --------
    >>> import ntkcont as nc
    >>> nc.classics.wilson_cowan().rhs([0.0, 0.0])
    array([0., 0.])
    """
    return Model.from_equations(
        {
            "E": "(-E + (1 - E)*S(c1*E - c2*I + P, aE, thetaE))/tauE",
            "I": "(-I + (1 - I)*S(c3*E - c4*I + Q, aI, thetaI))/tauI",
        },
        {
            **{"P": 0.0, "Q": 0.0, "c1": 16.0, "c2": 12.0, "c3": 15.0, "c4": 3.0},
            **{"aE": 1.3, "thetaE": 4.0, "aI": 2.0, "thetaI": 3.7, "tauE": 1.0, "tauI": 1.0},
        },
        functions={"S": (["u", "a", "theta"], "sigmoid(a*(u - theta)) - sigmoid(-a*theta)")},
    )


# ------------------------------------------------------------------ chemistry, weather, catastrophes


def brusselator() -> Model:
    """Return the Brusselator: ``x' = A - (B + 1) x + x^2 y``, ``y' = B x - x^2 y``.

    Fixed point ``(A, B/A)``; Hopf point at ``B = 1 + A^2`` with frequency ``A``.

    References
    ----------
    I. Prigogine, R. Lefever, Journal of Chemical Physics 48 (1968) 1695, equation 2.

    Examples
    --------
    >>> import ntkcont as nc
    >>> nc.classics.brusselator().rhs([1.0, 1.5])
    array([0., 0.])
    """
    return Model.from_equations({"x": "A - (B + 1)*x + x**2*y", "y": "B*x - x**2*y"}, {"A": 1.0, "B": 1.5})


def lorenz() -> Model:
    """Return the Lorenz system: ``x' = sigma (y - x)``, ``y' = rho x - y - x z``, ``z' = x y - beta z``.

    A pitchfork of the origin at ``rho = 1``, Hopf points of the side branches
    ``x = y = +-sqrt(beta (rho - 1)), z = rho - 1`` at ``rho = sigma (sigma + beta + 3)/(sigma - beta - 1)``.

    References
    ----------
    E. N. Lorenz, Journal of the Atmospheric Sciences 20 (1963) 130, equations 25 to 27.

    Examples
    --------
    >>> import ntkcont as nc
    >>> nc.classics.lorenz().rhs([0.0, 0.0, 0.0])
    array([0., 0., 0.])
    """
    return Model.from_equations(
        {"x": "sigma*(y - x)", "y": "rho*x - y - x*z", "z": "x*y - beta*z"},
        {"rho": 0.5, "sigma": 10.0, "beta": 8 / 3},
    )


def cusp() -> Model:
    """Return the cusp normal form ``x' = mu + lam x - x^3``; folds at ``27 mu^2 = 4 lam^3``.

    Examples
    --------
    >>> import ntkcont as nc
    >>> float(nc.classics.cusp().rhs([1.0])[0])
    0.0
    """
    return Model.from_equations({"x": "mu + lam*x - x**3"}, {"mu": 0.0, "lam": 1.0})


# ------------------------------------------------------------------ maps


def logistic() -> Model:
    """Return the logistic map ``x <- r x (1 - x)``; the fixed point ``1 - 1/r`` doubles its period at ``r = 3``.

    References
    ----------
    R. M. May, Nature 261 (1976) 459, equation 3.

    Examples
    --------
    >>> import ntkcont as nc
    >>> nc.classics.logistic().rhs([0.5])
    array([0.5])
    """
    return Model.from_equations({"x": "r*x*(1 - x)"}, {"r": 2.0}, kind="map")


def henon() -> Model:
    """Return the Henon map ``x <- 1 - a x^2 + y``, ``y <- b x``.

    Fixed points ``x = (b - 1 +- sqrt((1 - b)^2 + 4 a))/(2 a)``, ``y = b x``; a fold at ``a = -(1 - b)^2/4`` and a
    period doubling at ``a = 3 (1 - b)^2/4``.

    References
    ----------
    M. Henon, Communications in Mathematical Physics 50 (1976) 69, equation 4.

    Examples
    --------
    >>> import ntkcont as nc
    >>> nc.classics.henon().rhs([0.0, 0.0])
    array([1., 0.])
    """
    return Model.from_equations({"x": "1 - a*x**2 + y", "y": "b*x"}, {"a": 0.2, "b": 0.3}, kind="map")
