"""The one table of markers and colours, safe for colour-blind readers (Okabe and Ito's palette, distinct shapes)."""

from __future__ import annotations

from types import MappingProxyType
from typing import NamedTuple

from ntkcont.results.labels import LABELS


class Marker(NamedTuple):
    """How one kind of special point is drawn."""

    shape: str
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
