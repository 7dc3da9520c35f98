"""The comparators that have a name: one line for each."""

from __future__ import annotations

import importlib

from ntkcont.errors import InputError, unknown_name
from ntkcont.peers.protocol import Peer

#: name: module and class
PEERS = {
    "pydstool": ("ntkcont.peers.pydstool", "PyDSTool"),
    "xpplab": ("ntkcont.peers.xpplab", "XPPLab"),
}


def peer_class(name: str) -> type:
    """Return the class of the comparator called `name`.

    Raises
    ------
    InputError
        There is none of that name.
    """
    if name not in PEERS:
        raise unknown_name(argument="against", got=name, allowed=PEERS)
    module, kind = PEERS[name]
    return getattr(importlib.import_module(module), kind)


def find_peer(against: str | Peer) -> Peer:
    """Return the comparator that `against` names or is."""
    if isinstance(against, str):
        return peer_class(against)()
    if isinstance(against, type) or not isinstance(against, Peer):
        shown = against.__name__ if isinstance(against, type) else type(against).__name__
        msg = (
            f"against: got {shown}; give {' or '.join(map(repr, PEERS))}, or an object with a name and a follow method"
        )
        raise InputError(msg)
    return against
