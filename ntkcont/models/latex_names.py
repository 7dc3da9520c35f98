"""Names of states and parameters as mathematics: ``gCa`` is a g with the index Ca, ``minf`` an m at infinity."""

from __future__ import annotations

import re
from collections.abc import Iterable

_SMALL = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon phi chi psi "
    "omega"
)
_LARGE = "Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega"
GREEK = {name: rf"\{name}" for name in f"{_SMALL} {_LARGE}".split()}
GREEK |= {"eps": r"\varepsilon", "lam": r"\lambda", "lmbda": r"\lambda", "Lam": r"\Lambda", "sig": r"\sigma"}
_IONS = ("Na", "Ca", "Cl", "Mg", "Kr", "Li")
_HEADS = "|".join(sorted(GREEK, key=len, reverse=True))
_SPLIT = re.compile(rf"(?P<head>{_HEADS}|[A-Za-z])(?P<rest>.*)", re.DOTALL)
_AT_INFINITY = ("inf", "infty", "infinity", "oo")


def latex_name(name: str) -> str:
    r"""Return a name as LaTeX.

    Parameters
    ----------
    name : str
        Underscores separate indices; a single letter or a Greek one before a capital, digits or ``inf`` has the rest
        as its index; other names of several letters are set upright.

    Returns
    -------
    str

    Examples
    --------
    >>> from ntkcont.models.latex_names import latex_name
    >>> print(latex_name("gCa"), latex_name("tau_h"), latex_name("minf"), latex_name("x12"), latex_name("stim"))
    g_{\mathrm{Ca}} \tau_{h} m_{\infty} x_{12} \mathrm{stim}
    """
    first, *indices = [part for part in name.split("_") if part] or [name]
    if len(indices) > 0 and len(first) == 1:
        return _indexed(first, [_index(part) for part in indices])
    head, own = _word(first)
    return _indexed(head, [*own, *[_index(part) for part in indices]])


def latex_names(names: Iterable[str]) -> dict[str, str]:
    """Return all names as LaTeX, upright and in full where two would look the same."""
    names = list(dict.fromkeys(names))
    shown = {name: latex_name(name) for name in names}
    twice = {text for text in shown.values() if list(shown.values()).count(text) > 1}
    return {name: rf"\mathrm{{{_escaped(name)}}}" if text in twice else text for name, text in shown.items()}


def _indexed(head: str, indices: list[str]) -> str:
    return f"{head}_{{{', '.join(indices)}}}" if indices else head


def _word(word: str) -> tuple[str, list[str]]:
    """Return a word as a head and its indices."""
    if word in GREEK:
        return GREEK[word], []
    if len(word) == 1:
        return word if word.isascii() and word.isalpha() else rf"\mathrm{{{_escaped(word)}}}", []
    found = _SPLIT.fullmatch(word)
    if found is None or word in _IONS:
        return rf"\mathrm{{{_escaped(word)}}}", []
    head, rest = found.group("head"), found.group("rest")
    shown = GREEK.get(head, head)
    if rest.isdigit() or rest in _AT_INFINITY:
        return shown, [_index(rest)]
    capital = rest[:1].isupper() and (len(head) > 1 or head.islower() or len(rest) == 1)
    single = len(rest) == 1 and head in GREEK  # tauh
    current = head in "IVEg" and 2 <= len(rest) <= 4 and rest.islower() and word != "gain"  # Iapp, gsyn
    membrane = len(rest) == 1 and rest.islower() and head.isupper()  # Cm
    if capital or single or current or membrane:
        return shown, [_index(rest)]
    digits = re.fullmatch(r"([A-Za-z]+?)(\d+)", word)
    if digits:
        inner, own = _word(digits.group(1))
        return inner, [*own, digits.group(2)]
    return rf"\mathrm{{{_escaped(word)}}}", []


def _index(part: str) -> str:
    if part in _AT_INFINITY:
        return r"\infty"
    if part.isdigit() or len(part) == 1:
        return part if part.islower() or part.isdigit() else rf"\mathrm{{{part}}}"
    return GREEK.get(part, rf"\mathrm{{{_escaped(part)}}}")


def _escaped(word: str) -> str:
    return word.replace("_", r"\_")
