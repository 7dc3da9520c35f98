"""The one table of markers and colours, safe for colour-blind readers (Okabe and Ito's palette, distinct shapes)."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, NamedTuple

from ntkcont.results.labels import LABELS


class Marker(NamedTuple):
    """How one kind of special point is drawn."""

    shape: Any  # of matplotlib: a letter, or (points, style, angle)
    color: str
    size: float  # points


MARKERS = MappingProxyType(
    {
        "LP": Marker("s", "#0072B2", 5.0),
        "H": Marker("o", "#D55E00", 5.8),
        "BP": Marker("D", "#009E73", 5.0),
        "PD": Marker("^", "#CC79A7", 6.2),
        "NS": Marker("v", "#E69F00", 6.2),
        "NSad": Marker("x", "#888888", 4.2),
        "BC": Marker("P", "#56B4E9", 6.0),
        "EP": Marker("|", "#000000", 6.0),
        "UZ": Marker("*", "#F0E442", 8.0),
        "CP": Marker((3, 0, 180), "#332288", 6.4),
        "BT": Marker("p", "#AA4499", 7.0),
        "GH": Marker("h", "#88CCEE", 6.6),
        "ZH": Marker("8", "#DDCC77", 6.2),
        "HH": Marker("X", "#117733", 6.4),
        "R1": Marker((4, 1, 0), "#332299", 7.4),
        "R2": Marker((4, 1, 45), "#44AA99", 7.4),
        "R3": Marker((3, 1, 0), "#882255", 7.4),
        "R4": Marker((6, 1, 0), "#661100", 7.4),
        "GPD": Marker("<", "#6699CC", 6.0),
        "CH": Marker(">", "#999933", 6.0),
        "LPPD": Marker("d", "#AA4466", 6.2),
        "LPNS": Marker("H", "#4477AA", 6.4),
        "PDNS": Marker((5, 1, 180), "#CCBB44", 7.4),
        "NSNS": Marker((8, 1, 0), "#228833", 7.4),
    }
)
_OTHER = Marker("h", "#FFFFFF", 6.0)

#: Colours for several curves in one panel.
CURVES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
#: Colour of simulated cycles.
CYCLE = "#AA3377"


def marker_of(label: str) -> Marker:
    """Return the marker of a label; a plain hexagon for one that the table does not have."""
    return MARKERS.get(label, _OTHER)


def legend_text(label: str) -> str:
    """Return what the legend says: ``fold (LP)``."""
    return f"{LABELS[label]} ({label})" if label in LABELS else label
