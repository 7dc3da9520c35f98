"""The labels of special points, what they mean, and the other spellings that are read."""

from __future__ import annotations

from types import MappingProxyType

from ntkcont.errors import unknown_name

#: Canonical label: what it stands for. A new kind of special point is registered by one line here.
LABELS = MappingProxyType(
    {
        "LP": "fold",
        "H": "Hopf",
        "BP": "branch point",
        "PD": "period doubling",
        "NS": "Neimark-Sacker",
        "NSad": "neutral saddle",
        "BC": "border collision",
        "EP": "end point",
        "UZ": "user zero",
        # codimension two, on curves in two parameters
        "CP": "cusp",
        "BT": "Bogdanov-Takens",
        "GH": "generalised Hopf",
        "ZH": "zero-Hopf",
        "HH": "Hopf-Hopf",
        "R1": "1:1 resonance",
        "R2": "1:2 resonance",
        "R3": "1:3 resonance",
        "R4": "1:4 resonance",
        "GPD": "generalised period doubling",
        "CH": "Chenciner",
        "LPPD": "fold-flip",
        "LPNS": "fold-Neimark-Sacker",
        "PDNS": "flip-Neimark-Sacker",
        "NSNS": "double Neimark-Sacker",
    }
)

#: Spellings of other programs, read but never printed.
ALIASES = MappingProxyType({"SN": "LP", "HB": "H", "TR": "NS"})


#: Labels of codimension two: points on curves in two parameters.
CODIMENSION_TWO = tuple(LABELS)[tuple(LABELS).index("CP") :]


def canonical(label: str) -> str:
    """Return the one spelling of a label; aliases and lower case are read.

    Parameters
    ----------
    label : str
        A key of `LABELS` or `ALIASES`.

    Raises
    ------
    InputError
        If it is neither; the message names the nearest.

    Examples
    --------
    >>> from ntkcont.results.labels import canonical
    >>> canonical("HB")
    'H'
    """
    if label in LABELS:
        return label
    if label in ALIASES:
        return ALIASES[label]
    folded = {key.lower(): key for key in (*ALIASES, *LABELS)}
    match = folded.get(str(label).lower())
    if match is None:
        raise unknown_name(argument="label", got=label, allowed=[*LABELS, *ALIASES])
    return ALIASES.get(match, match)


def canonical_name(name: str) -> str:
    """Return the name of a special point with its label in canonical spelling: ``"HB2"`` is ``"H2"``."""
    stem = name.rstrip("0123456789")
    return ALIASES.get(stem, stem) + name[len(stem) :]
