"""The ``[compare]`` table of a problem file: which other program, and its options."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from ntkcont.errors import InputError, unknown_name
from ntkcont.peers.protocol import Peer
from ntkcont.peers.registry import PEERS, peer_class
from ntkcont.problem_files.table import Table, is_number

COMPARE_KEYS = ("against", "within", *PEERS)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Comparing:
    """How ``ntkcont compare`` compares a problem.

    Parameters
    ----------
    against : str, default "pydstool"
        Name of the other program.
    within : float, default 0.01
        Scaled distance up to which special points count as the same.
    peers : mapping of str to Peer
        The programs that the file gives options for.
    """

    against: str = "pydstool"
    within: float = 0.01
    peers: Mapping[str, Peer] = dataclasses.field(default_factory=lambda: MappingProxyType({}))

    def peer(self, against: str | None = None) -> Peer:
        """Return the program called `against`, by default the one of the file, with the file's options."""
        name = against or self.against
        return self.peers[name] if name in self.peers else peer_class(name)()


def read_comparing(table: Table) -> Comparing:
    """Read the table.

    Raises
    ------
    InputError
        An unknown program, or an option that it does not have or that is not what it may be.
    """
    against = table.text("against", "pydstool")
    if against not in PEERS:
        where = table.where("against")
        raise unknown_name(where, against, PEERS)
    within = float(table.get("within", is_number, "a number", 0.01))
    if not within > 0:
        key = "within"
        raise table.wrong(key, "positive")
    return Comparing(
        against=against,
        within=within,
        peers=MappingProxyType({name: _peer(table, name) for name in PEERS if name in table}),
    )


def _peer(table: Table, name: str) -> Peer:
    kind: Any = peer_class(name)
    fields = {field.name: field.type for field in dataclasses.fields(kind)}
    options = table.table(name, tuple(fields))
    given: dict[str, Any] = {}
    for key in options:
        if fields[key] == "bool":
            given[key] = options.flag(key, False)
        elif fields[key] == "int":
            given[key] = options.get(key, lambda v: type(v) is int, "a whole number")
        else:
            given[key] = options.get(key, is_number, "a number")
    try:
        return kind(**given)
    except InputError as error:
        msg = f"[{options.name}] {error}"
        raise InputError(msg) from None
