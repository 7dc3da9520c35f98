"""A model as sympy expressions by name: what the writers of other languages start from."""

from ntkcont.models.symbolic_form import SymbolicForm, activation, exact, symbol, symbolic_form

__all__ = ["SymbolicForm", "activation", "exact", "symbol", "symbolic_form"]
