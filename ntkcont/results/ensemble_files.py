"""What lies in the folder of an ensemble: a branch file or a record of the failure for each member, by its key."""

from __future__ import annotations

import dataclasses
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ntkcont.errors import FileFormatError
from ntkcont.results import io
from ntkcont.results.ensemble import Ensemble, Found, Member, Outcome
from ntkcont.status import Status

FAILURE = "ntkcont ensemble failure"
FAILURE_VERSION = 1
_HEADER: io.Readers = {io.FORMAT: (io.VERSION, lambda header, arrays: (header, arrays))}


def branch_path(store: Path, key: str) -> Path:
    """Return where the branch of a member is kept."""
    return store / f"{key}.npz"


def failure_path(store: Path, key: str) -> Path:
    """Return where the record of its failure is kept."""
    return store / f"{key}.failed.json"


def read_member(store: Path, key: str, arguments: Mapping[str, Any] | None = None) -> Member:
    """Return what the store knows of a member; its file is read as a whole, with all checksums.

    Parameters
    ----------
    store : Path
        The folder.
    key : str
        The digest of the problem.
    arguments : mapping, optional
        Arguments of the problem; default those in the file.
    """
    path = branch_path(store, key)
    given = None if arguments is None else dict(arguments)
    try:
        return _done(path, key, io.read_archive(path, _HEADER), given)
    except FileNotFoundError:
        return _failure(failure_path(store, key), key, given)
    except FileFormatError as error:
        return Member(key=key, outcome=Outcome.CORRUPT, arguments=given or {}, path=path, error=str(error))


def _done(path: Path, key: str, content: tuple[dict[str, Any], io.Arrays], given: dict[str, Any] | None) -> Member:
    header, arrays = content
    try:
        branch, member = header["branch"], header.get("member", {})
        special = [Found(*(io.unpack(q[name], arrays) for name in Found._fields)) for q in header["special_points"]]
        special = [found for found in special if found.converged]  # older files list the others as well
        low, high = branch["provenance"]["p_span"]
        return Member(
            key=key,
            outcome=Outcome.DONE,
            arguments=member.get("arguments", {}) if given is None else given,
            path=path,
            seconds=float(member.get("seconds", "nan")),
            status=Status[branch["status"]],
            free=str(branch["free"]),
            p_span=(float(low), float(high)),
            special=tuple(special),
            doubtful=io.unpack_doubtful(header, arrays),
            log=tuple(str(name) for name in io.unpack(branch["provenance"].get("log", ()), arrays)),
        )
    except (KeyError, TypeError, ValueError) as error:
        msg = f"{path}: the file is damaged (its header has no {error}); recompute='corrupt' computes it again"
        raise FileFormatError(msg) from error


def _failure(path: Path, key: str, given: dict[str, Any] | None) -> Member:
    unreadable = f"{path}: a damaged record of a failure, or one of a newer version; upgrade ntkcont or delete it"
    try:
        record = json.loads(path.read_bytes())
        if record["format"] != FAILURE or record["version"] > FAILURE_VERSION:
            return Member(key=key, outcome=Outcome.CORRUPT, arguments=given or {}, error=unreadable)
        return Member(
            key=key,
            outcome=Outcome[record["outcome"]],
            arguments=record["arguments"] if given is None else given,
            error=str(record["error"]),
            traceback=str(record["traceback"]),
            seconds=math.nan if record["seconds"] is None else float(record["seconds"]),
        )
    except FileNotFoundError:
        return Member(key=key, outcome=Outcome.MISSING, arguments=given or {})
    except (KeyError, TypeError, ValueError):
        return Member(key=key, outcome=Outcome.CORRUPT, arguments=given or {}, error=unreadable)


def write_failure(store: Path, member: Member) -> None:
    """Keep the record of a failure, atomically; a branch that was there before it gets another name."""
    fields = dataclasses.asdict(member)
    record = {name: fields[name] for name in ("key", "arguments", "error", "traceback")}
    record["seconds"] = None if math.isnan(member.seconds) else member.seconds
    record |= {"format": FAILURE, "version": FAILURE_VERSION, "outcome": member.outcome.name}
    text = json.dumps(record, indent=1).encode()
    io.write_atomically(failure_path(store, member.key), lambda file: file.write(text), "the record of a failure")
    old = branch_path(store, member.key)
    if old.exists():
        os.replace(old, old.with_name(f"{old.name}.old"))


def open_store(store: str | os.PathLike[str]) -> Ensemble:
    """Return what lies in the folder of an ensemble, sorted by the arguments of the problems.

    Raises
    ------
    FileFormatError
        The folder holds no results of an ensemble.
    """
    folder = Path(store)
    names = {path.name for path in folder.iterdir()}
    keys = {name.removesuffix(end) for end in (".npz", ".failed.json") for name in names if name.endswith(end)}
    members = [read_member(folder, key) for key in sorted(keys) if not key.startswith(".")]
    if not members:
        msg = f"{folder}: this is a folder without results of an ensemble; give that of nc.ensemble, or a .npz file"
        raise FileFormatError(msg)
    return Ensemble(sorted(members, key=_order), folder)


def _order(member: Member) -> list[tuple[str, bool, Any]]:
    return [(name, isinstance(value, str), value) for name, value in sorted(member.arguments.items())]
