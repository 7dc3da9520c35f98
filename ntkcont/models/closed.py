"""What :class:`ntkcont.models.model.Model` offers for closed systems, whose states have constant sums."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from ntkcont.models.model import Model


class Closed:
    """Models with conserved quantities."""

    def eliminate(
        self, totals: Any = None, states: Sequence[str] | None = None, params: Mapping[str, float] | None = None
    ) -> Model:
        """Return the model with states replaced by conserved quantities, whose totals become parameters.

        A closed system (``A' = -kf A + kr B = -B'``) has a fixed point for every total ``A + B``, so that its Jacobian
        is singular everywhere; the reduced model has none of that, and can be followed in the total as well.

        Parameters
        ----------
        totals : mapping, array_like of shape (n,), or number, optional
            A state, as an array, by name, or anything with ``.x``: the totals are those of this state, and their
            parameters are called ``S_total`` after the first state that is in no other quantity.  Or
            ``{name of the parameter: (sum of states, total)}``, such as ``{"T": ("S + ES + P", 3.0)}``; without the
            sum, ``{"T": 3.0}``, where there is one quantity only or the name is the default; without the total,
            ``{"T": "S + ES + P"}``, that of the model's initial values.  None: the model's initial values.
        states : sequence of str, optional
            The states that are replaced, one for each quantity; default: those in one quantity only, the last ones.
            A state that becomes small loses digits in its difference, so let it stay.
        params : mapping, optional
            Values of parameters, which become those of the new model; default the model's.  If a quantity is conserved
            only for these values of some parameters (a rate that is zero), these are no parameters any longer.

        Returns
        -------
        Model
            With fewer states.  The replaced ones are among its ``aux_names``: ``branch["P"]`` still exists.

        Raises
        ------
        InputError
            Nothing is conserved, `totals` names a sum that is not, or the states cannot be replaced; or the model is
            compiled code (``from_numba``, ``from_jax``), which cannot be rewritten.

        Examples
        --------
        >>> import ntkcont as nc
        >>> model = nc.Model.from_equations({"A": "kr*B - kf*A", "B": "kf*A - kr*B"}, {"kf": 1.0, "kr": 2.0})
        >>> reduced = model.eliminate({"total": ("A + B", 3.0)})
        >>> reduced
        <Model: flow with 1 state (A); parameters kf=1, kr=2, total=3>
        >>> reduced.aux({"A": 2.0})
        {'B': 1.0}
        """
        from ntkcont.models.elimination import eliminate

        return eliminate(cast("Model", self), totals, states, params)
