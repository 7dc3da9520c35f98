"""The model: one right-hand side, compiled for the continuation and traceable for the kernels."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ntkcont.errors import InputError
from ntkcont.models.closed import Closed
from ntkcont.models.evaluation import Array, Compiled, Evaluated

if TYPE_CHECKING:
    from ntkcont.models.check import CheckReport
    from ntkcont.models.equations import Equations
    from ntkcont.models.switching import Switching


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Model(Evaluated, Closed):
    """A dynamical system with named states and named parameters.

    Build one with :meth:`from_equations`, :meth:`from_numba`, :meth:`from_jax` or ``ntkcont.RateRNN``; the constructor
    itself is for new kinds of models.

    Parameters
    ----------
    kind : {"flow", "map"}
        ``x' = f(x, p)`` or ``x <- G(x, p)``.
    states : tuple of str
        Names of the n states.
    params : mapping
        Names and default values of the m parameters, in order.
    build : callable
        Returns the :class:`Compiled` functions; called once, on first use.
    jax_function : callable
        ``f(x, p, theta) -> (n,)``, traceable by JAX, with p the M compiled parameters; with `input_size` also
        ``f(x, p, theta, u)``.
    constants : ndarray, shape (nc,)
        The block ``c`` of the compiled functions (weights of a network), default empty.
    theta : pytree
        Trainable parameters that are not in ``params`` (weights), default none.
    input_size : int or None
        Number d of channels of the time-dependent input u, which is zero unless trials are driven; None: there is none.
    homogeneous : bool
        Whether all states are the same quantity (units of a network), so that they share one scale.
    state_bound : float or None
        All fixed points are known to have ``|x_i| <= state_bound``; what a search finds elsewhere is rounding.
    description : str
        What the provenance of a branch says about the model.
    digest : str
        Changes whenever the model does; part of the provenance.
    offset, matrix : ndarray, shapes (M,) and (M, m), or None
        The compiled parameters are ``offset + matrix @ values``; None: they are the values.
    base : Model or None
        The model that this one was made from by :meth:`along`, with its structure (a ``RateRNN`` stays reachable).
    iterated : (Model, int) or None
        The map, and how often it is applied, of a model that :meth:`power` made; both share compiled parameters.
    equations : Equations or None
        What :meth:`from_equations` was given, in terms of the M compiled parameters; kept for other languages.
    start : mapping or None
        The initial values, by name, of the file or object that the model was read from; it may be given as `x0`.
    switching : Switching or None
        What chooses between the smooth pieces of a model that is smooth in pieces; None: it is smooth, or its kinks
        are unknown.
    """

    kind: Literal["flow", "map"]
    states: tuple[str, ...]
    params: Mapping[str, float]
    build: Callable[[], Compiled]
    jax_function: Callable[..., Any]
    constants: Array = dataclasses.field(default_factory=lambda: np.zeros(0))
    theta: Any = dataclasses.field(default_factory=dict)
    input_size: int | None = None
    homogeneous: bool = False
    state_bound: float | None = None
    description: str = ""
    digest: str = ""
    offset: Array | None = None
    matrix: Array | None = None
    base: Model | None = None
    iterated: tuple[Model, int] | None = None
    equations: Equations | None = None
    start: Mapping[str, float] | None = None
    switching: Switching | None = None

    def __post_init__(self) -> None:
        if self.kind not in ("flow", "map"):
            msg = f"kind: {self.kind!r} is unknown; it may be 'flow' or 'map'"
            raise InputError(msg)
        object.__setattr__(self, "states", tuple(self.states))
        object.__setattr__(self, "params", MappingProxyType({k: float(v) for k, v in self.params.items()}))

    # ---------------------------------------------------------------- constructors

    @classmethod
    def from_equations(
        cls,
        equations: Mapping[str, Any],
        params: Mapping[str, float],
        *,
        aux: Mapping[str, Any] | None = None,
        functions: Mapping[str, tuple[Sequence[str], Any]] | None = None,
        kind: Literal["flow", "map"] = "flow",
    ) -> Model:
        """Build a model from equations written as text or as sympy expressions.

        Derivatives are exact; the generated code is kept on disk, so that a known model starts at once.

        Parameters
        ----------
        equations : mapping of str to str, sympy expression or number
            The right-hand side of each state.  Text is arithmetic (``+ - * / ** ^ // %``; ``^`` is a power),
            comparisons with ``and, or, not``, ``a if x > 0 else b``, ``where(condition, a, b)``,
            ``Piecewise((a, condition), ..., (b, True))`` and functions: exp expm1 log log10 log2 log1p sqrt sin cos tan
            asin acos atan atan2 sinh cosh tanh asinh acosh atanh erf sigmoid softplus relu exprel abs sign floor ceil
            heaviside (1/2 at 0, or a second argument) mod pow min max; ``exprel(x) = (exp(x) - 1)/x``.  Any name that
            is not declared is an error; the time is not available.
        params : mapping of str to float
            Names and default values of the parameters.
        aux : mapping, optional
            Named expressions of states, parameters and each other, in any order.
        functions : mapping of str to (argument names, expression), optional
            Functions that equations, aux and each other may call, such as ``{"f": (["u"], "1/(1 + u**2)")}``.
        kind : {"flow", "map"}
            ``x' = f(x, p)`` or ``x <- f(x, p)``.

        Returns
        -------
        Model

        Raises
        ------
        InputError
            A name is unknown or means two things, aux form a cycle, or the text is more than arithmetic.

        Notes
        -----
        Removable singularities such as ``(v - v0)/(1 - exp(-(v - v0)/k))`` are recognised and evaluated smoothly.
        Derivatives of min, max, abs, sign, heaviside and piecewise functions hold branch by branch.

        Examples
        --------
        >>> import ntkcont as nc
        >>> model = nc.Model.from_equations({"x": "mu + lam*x - x**3"}, {"mu": 0.0, "lam": 1.0})
        >>> model.jac({"x": 1.0}, {"lam": 2.0})
        array([[-1.]])
        """
        from ntkcont.models.equations import model_from_equations

        return model_from_equations(equations, params, aux=aux, functions=functions, kind=kind)

    @classmethod
    def from_numba(
        cls,
        rhs: Callable[..., Any],
        states: Sequence[str],
        params: Mapping[str, float],
        *,
        jac: Callable[..., Any] | None = None,
        kind: Literal["flow", "map"] = "flow",
    ) -> Model:
        """Build a model from a function that numba can compile; it is compiled anew in every process.

        Parameters
        ----------
        rhs : callable
            ``rhs(out, x, p)`` writes the n values into `out`; `p` holds the parameters in the order of `params`.
            Plain Python, or already jitted.  An exception raised inside it ends a continuation with its status.
        states : sequence of str
            Names of the n states.
        params : mapping of str to float
            Names and default values of the parameters.
        jac : callable, optional
            ``jac(out, x, p)`` writes the nonzero entries of the Jacobian.  None: central differences of fourth order
            with adapted steps; so are the derivatives in the parameters always.
        kind : {"flow", "map"}
            ``x' = f(x, p)`` or ``x <- f(x, p)``.

        Returns
        -------
        Model
            Its JAX twin calls the compiled code back; second and third derivatives (normal forms) are differences,
            good to some 7 and 4 digits, or 10 and 7 with an exact `jac`.

        Raises
        ------
        InputError
            numba cannot compile a function, or it raises, changes `x` or `p`, or does not fill `out`.

        Examples
        --------
        >>> import ntkcont as nc
        >>> def rhs(out, x, p):
        ...     out[0] = p[0] - x[0] ** 2
        >>> nc.Model.from_numba(rhs, ["x"], {"mu": 4.0}).rhs([1.0])
        array([3.])
        """
        from ntkcont.models.numba_model import model_from_numba

        return model_from_numba(rhs, states, params, jac=jac, kind=kind)

    @classmethod
    def from_jax(
        cls,
        f: Callable[..., Any],
        states: int | Sequence[str],
        params: Mapping[str, float],
        *,
        theta: Any = None,
        inputs: int | Mapping[str, Any] | None = None,
        kind: Literal["flow", "map"] = "flow",
    ) -> Model:
        """Build a model from a JAX function and any pytree of weights.

        Compiled code calls the function back through Python (some 40 us a call), so a RateRNN or equations are faster
        where they fit.  On a busy machine JAX's threads cost more than that:
        ``jax.config.update("jax_cpu_enable_async_dispatch", False)`` at the start of a program avoids them.

        Parameters
        ----------
        f : callable
            ``f(x, p, theta) -> (n,)``, traceable by JAX: x of shape (n,), p a mapping from parameter names to scalars.
        states : int or sequence of str
            How many states there are (named x0, x1, ... and taken for one quantity), or their names.
        params : mapping
            Names and default values of the parameters.
        theta : pytree, optional
            Trainable weights; floating leaves are kept in float64.
        inputs : int, or mapping of str to array_like, shape (d,), optional
            f takes a fourth argument u (d,): the time-dependent input of trials, zero elsewhere.  How many channels d
            there are, or named constant inputs: each name is a parameter (default 0) whose vector it adds to u.
        kind : {"flow", "map"}
            ``x' = f`` or ``x <- f``.

        Returns
        -------
        Model

        Raises
        ------
        InputError
            f cannot be traced, or returns anything but one float64 array of shape (n,); a leaf of theta is no array.

        Examples
        --------
        >>> import jax.numpy as jnp
        >>> import numpy as np
        >>> import ntkcont as nc
        >>> def f(x, p, theta):
        ...     return -x + p["g"] * theta["W"] @ jnp.tanh(x)
        >>> model = nc.Model.from_jax(f, states=2, params={"g": 2.0}, theta={"W": np.eye(2)})
        >>> model.jac([0.0, 0.0])
        array([[1., 0.],
               [0., 1.]])
        """
        from ntkcont.models.jax_model import model_from_jax

        return model_from_jax(f, states, params, theta=theta, inputs=inputs, kind=kind)

    # ---------------------------------------------------------------- derived models

    def check(self, x: Any, params: Mapping[str, float] | None = None) -> CheckReport:
        """Compare the derivatives with finite differences, and the compiled functions with their JAX twin.

        Parameters
        ----------
        x : array_like, shape (n,), or mapping
            The state at which to compare.
        params : mapping, optional
            Parameter values, default the model's.

        Returns
        -------
        CheckReport
            Its ``ok`` says whether all agree, its text where they disagree most, by names.

        Examples
        --------
        >>> import ntkcont as nc
        >>> nc.classics.cusp().check([0.5]).ok
        True
        """
        from ntkcont.models.check import check_model

        return check_model(self, x, params)

    def along(self, p0: Mapping[str, float], p1: Mapping[str, float]) -> Model:
        """Return the model with one parameter "mix" that moves several parameters together.

        Parameters
        ----------
        p0, p1 : mapping of str to float
            Values of the same parameters at ``mix = 0`` and ``mix = 1``; in between they are interpolated linearly.

        Returns
        -------
        Model
            "mix" (0 by default; "mix2" if there is one) replaces the named parameters; ``base`` is this model, whose
            compiled functions it shares.

        Raises
        ------
        InputError
            A name is unknown, or is in only one of `p0` and `p1`.

        Examples
        --------
        >>> import ntkcont as nc
        >>> path = nc.classics.cusp().along({"mu": 0.0, "lam": 0.0}, {"mu": 1.0, "lam": 2.0})
        >>> path.rhs([1.0], {"mix": 0.5})
        array([0.5])
        """
        from ntkcont.models.derived import along

        return along(self, p0, p1)

    def power(self, k: int) -> Model:
        """Return the k-th iterate of a map; its fixed points are the orbits whose period divides k.

        Parameters
        ----------
        k : int
            How often the map is applied, at least 1.

        Returns
        -------
        Model
            With the same parameters and weights.

        Raises
        ------
        InputError
            The model is a flow, or `k` is not a positive integer.

        Examples
        --------
        >>> import ntkcont as nc
        >>> nc.classics.logistic().power(2).jac([0.0], {"r": 3.0})
        array([[9.]])
        """
        from ntkcont.models.derived import power

        return power(self, k)

    def to_latex(self, names: Mapping[str, str] | None = None) -> str:
        r"""Return the equations as LaTeX, aligned; a network in matrix form.

        Parameters
        ----------
        names : mapping of str to str, optional
            The LaTeX of some states, parameters or aux quantities; the others follow from their names: ``gCa`` and
            ``g_Ca`` are a g with the upright index Ca, ``tau_h`` and ``minf`` what they say.

        Returns
        -------
        str
            ``\begin{aligned} ... \end{aligned}``, to be put into an equation.

        Raises
        ------
        InputError
            The model is compiled code (``from_numba``, ``from_jax``), or a name is unknown.

        Notes
        -----
        Of a network, z are the units, W, W_in and b its arrays, g the parameter ``gain``, u the total input, tau,
        alpha and beta (``phi_gain``) its constants if they are not 1.

        Examples
        --------
        >>> import ntkcont as nc
        >>> model = nc.Model.from_equations({"v": "(I - gL*(v - vL))/C"}, {"I": 0, "gL": 1, "vL": -60, "C": 1})
        >>> print(model.to_latex())
        \begin{aligned}
        \dot{v} &= \frac{I - g_{\mathrm{L}} \left(v - v_{\mathrm{L}}\right)}{C}
        \end{aligned}
        >>> print(nc.RateRNN([[0.0, 2.0], [2.0, 0.0]], tau=0.1).to_latex())
        \begin{aligned}
        \tau \dot{z} &= -z + g W \tanh\left(z\right)
        \end{aligned}
        """
        from ntkcont.models.latex import model_to_latex

        return model_to_latex(self, names)

    def __repr__(self) -> str:
        shown = ", ".join(self.states[:6]) + (", ..." if self.n > 6 else "")
        names = ", ".join(f"{k}={v:g}" for k, v in list(self.params.items())[:8])
        names += ", ..." if len(self.params) > 8 else ""
        plural = "s" if self.n > 1 else ""
        return f"<{type(self).__name__}: {self.kind} with {self.n} state{plural} ({shown}); parameters {names}>"
