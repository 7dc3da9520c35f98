"""Branches in ``.npz`` files: a versioned JSON header and plain arrays, written atomically, read without pickle."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import os
import secrets
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ntkcont.errors import FileFormatError, InputError
from ntkcont.results.archive import read_arrays
from ntkcont.results.branch import Branch
from ntkcont.results.deferred import Deferred
from ntkcont.results.doubtful import Doubtful
from ntkcont.results.frozen import is_nothing, nothing
from ntkcont.results.signatures import Signatures
from ntkcont.results.special_points import SpecialPoint, SpecialPoints

FORMAT = "ntkcont branch"
VERSION = 2  # 1: without arrays that are nan throughout and not stored

Arrays = dict[str, NDArray[Any]]

_ARRAYS = ("p", "x", "s", "tangent", "eigenvalues", "stable", "n_unstable")


# ---------------------------------------------------------------- nested values to JSON and arrays


class Packer:
    """Turns nested values into JSON; arrays go beside it, under numbered keys."""

    def __init__(self) -> None:
        self.arrays: dict[str, NDArray[Any]] = {}

    def array(self, value: Any, where: str) -> str:
        """Keep an array; return its key."""
        a = np.asarray(value)
        if a.dtype.kind not in "fcbiuUS":
            msg = f"{where}: an array of dtype {a.dtype} cannot be saved; keep numbers or text"
            raise InputError(msg)
        key = f"a{len(self.arrays)}"
        self.arrays[key] = a
        return key

    def pack(self, value: Any, where: str) -> Any:
        """Return JSON for a value; `where` names it in errors."""
        if value is None or isinstance(value, bool | str | int):
            return str(value) if isinstance(value, str) else value
        if isinstance(value, float):
            return value if math.isfinite(value) else {"$float": repr(value)}
        if isinstance(value, complex):
            return {"$complex": [self.pack(value.real, where), self.pack(value.imag, where)]}
        if isinstance(value, np.generic):
            return self.pack(value.item(), where)
        if isinstance(value, np.ndarray):
            return {"$array": self.array(value, where)}
        if isinstance(value, Deferred):
            value = value.kept  # saving computes nothing
        if isinstance(value, Mapping):
            items = {str(k): self.pack(v, f"{where}[{k!r}]") for k, v in value.items()}
            return {"$dict": items} if any(key.startswith("$") for key in items) else items
        if isinstance(value, tuple | list):
            return [self.pack(v, f"{where}[{i}]") for i, v in enumerate(value)]
        msg = f"{where}: {type(value).__name__} cannot be saved; keep numbers, text, arrays, lists and dicts"
        raise InputError(msg)


def unpack(value: Any, arrays: dict[str, NDArray[Any]]) -> Any:
    """Return the nested values that `Packer.pack` described; sequences come back as tuples."""
    if isinstance(value, list):
        return tuple(unpack(v, arrays) for v in value)
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        (key, inner), *_ = value.items()
        if key == "$float":
            return float(inner)
        if key == "$complex":
            real, imag = (unpack(part, arrays) for part in inner)
            return complex(real, imag)
        if key == "$array":
            return arrays[inner]
        if key == "$dict":
            return {k: unpack(v, arrays) for k, v in inner.items()}
    return {k: unpack(v, arrays) for k, v in value.items()}


# ---------------------------------------------------------------- atomic files


def write_atomically(path: Path, write: Any, what: str) -> None:
    """Call ``write(file)`` on a temporary file beside `path`, flush it to disk and rename it: all or nothing.

    Raises
    ------
    InputError
        The path has no name, such as ``"."``.
    OSError
        With the path, the cause and what to do; a file that was there before is left as it was.
    """
    if not path.name:
        msg = f"path: {str(path)!r} is a folder; give the name of a file in it"
        raise InputError(msg)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.part")
    try:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    except OSError as error:
        raise _not_written(path, error, what) from error
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        if isinstance(error, OSError):
            raise _not_written(path, error, what) from error
        raise


def _not_written(path: Path, error: OSError, what: str) -> OSError:
    reason = error.strerror or str(error) or type(error).__name__
    before = "the file that was there is unchanged" if path.exists() else "nothing was written"
    message = f"{path}: {what} could not be written ({reason}); {before}; free space or choose another folder"
    return type(error)(error.errno, message)


# ---------------------------------------------------------------- branches


def save(branch: Branch, path: str | os.PathLike[str]) -> Path:
    """Write a branch to a ``.npz`` file.

    Parameters
    ----------
    branch : Branch
        Everything but ``branch.model`` is written, bit for bit.
    path : path-like
        The file; an existing one is replaced only when the new one is complete on disk.

    Returns
    -------
    pathlib.Path
        The path.

    Raises
    ------
    InputError
        If the provenance or a special point holds something that is neither a number, text nor an array.
    OSError
        If the file cannot be written; the message says why, and an older file is left alone.

    Notes
    -----
    The file is a zip archive of ``.npy`` arrays. ``header`` is a JSON text: ``format``, ``version``, names, status,
    provenance and special points, in which ``{"$array": key}`` stands for an array of that key.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import ntkcont as nc
    >>> net = nc.RateRNN([[0.0, 1.2], [1.2, 0.0]])
    >>> branch = nc.continuation(net, [0.0, 0.0], free="gain", p_span=(0.5, 1.5))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     nc.load(branch.save(pathlib.Path(folder, "b.npz"))) == branch
    True
    """
    path = Path(path)
    packer = Packer()
    version = VERSION if not branch.has_states else 1  # older programs read what they can
    write_archive(path, {"format": FORMAT, "version": version, **pack_branch(branch, packer)}, packer, "the branch")
    return path


def write_archive(path: Path, header: dict[str, Any], packer: Packer, what: str) -> None:
    """Write a header and the arrays beside it to one file, atomically."""
    text = np.array(json.dumps(header, allow_nan=False))

    def write(file: IO[bytes]) -> None:
        np.savez(file, allow_pickle=False, header=text, **packer.arrays)

    write_atomically(path, write, what)


def pack_branch(branch: Branch, packer: Packer) -> dict[str, Any]:
    """Return what the header says of a branch; its arrays go to the packer."""
    header: dict[str, Any] = {}
    header["branch"] = {
        "kind": branch.kind,
        "free": branch.free,
        "states": packer.pack(branch.states, "states"),
        "params": packer.pack(branch.params, "params"),
        "status": branch.status.name,
        "ends": [end.name for end in branch.ends],
        "provenance": packer.pack(branch.provenance, "provenance"),
    }
    header["arrays"] = {name: _pack_column(getattr(branch, name), name, packer) for name in _ARRAYS}
    shared = {name: getattr(branch, name) for name in _SHARED}
    header["special_points"] = [pack_point(point, packer, shared) for point in branch.special_points]
    header["doubtful"] = pack_doubtful(branch.doubtful, packer)
    header["ntk"] = None
    if branch.ntk is not None:
        header["ntk"] = {
            "arrays": {name: packer.array(a, f"ntk.{name}") for name, a in branch.ntk.arrays.items()},
            "metadata": packer.pack(branch.ntk.metadata, "ntk.metadata"),
        }
    return header


def _pack_column(column: NDArray[Any], name: str, packer: Packer) -> Any:
    if is_nothing(column):
        return {"nan": list(column.shape), "dtype": column.dtype.str}
    return packer.array(column, name)


def _unpack_column(packed: Any, arrays: Arrays) -> NDArray[Any]:
    if isinstance(packed, dict):
        return nothing(tuple(int(size) for size in packed["nan"]), packed["dtype"])
    return arrays[packed]


POINT_FIELDS = tuple(f.name for f in dataclasses.fields(SpecialPoint) if f.name != "model")
_SHARED = ("states", "free", "kind")  # nearly always those of the branch: written only where they differ


def pack_point(point: SpecialPoint, packer: Packer, shared: Mapping[str, Any]) -> dict[str, Any]:
    """Return JSON of every field of a point but its model, and but those that are as in `shared`."""
    fields = {field: getattr(point, field) for field in POINT_FIELDS}
    kept = {field: value for field, value in fields.items() if field not in shared or value != shared[field]}
    return {field: packer.pack(value, f"special_points[{point.name!r}].{field}") for field, value in kept.items()}


def pack_doubtful(places: Sequence[Doubtful], packer: Packer) -> list[Any]:
    """Return JSON of every field of doubtful places; none are written as an empty list."""
    fields = [{f.name: getattr(place, f.name) for f in dataclasses.fields(place)} for place in places]
    return [packer.pack(each, f"doubtful[{i}]") for i, each in enumerate(fields)]


def unpack_doubtful(header: Mapping[str, Any], arrays: Arrays) -> tuple[Doubtful, ...]:
    """Return the doubtful places of a header; older files have none."""
    return tuple(Doubtful(**unpack(each, arrays)) for each in header.get("doubtful", ()))


#: Format of a file: the newest version that is read, and what makes the result of header and arrays.
Readers = Mapping[str, tuple[int, Callable[[dict[str, Any], Arrays], Any]]]


def read_archive(path: str | os.PathLike[str], readers: Readers) -> Any:
    """Return the result that a file of one of these formats holds.

    Raises
    ------
    FileFormatError
        If the file is of none of these formats, damaged, or of a newer version; the message names it and says what to
        do.
    FileNotFoundError
        If there is no such file.
    """
    path = Path(path)
    with _errors_named(path):
        arrays = read_arrays(path)
        if "header" not in arrays:
            raise _not_ours(path)
        header, build = _header(path, arrays.pop("header"), readers)
    for a in arrays.values():
        a.flags.writeable = False
    try:
        return build(header, arrays)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _damaged(path, error) from error


@contextlib.contextmanager
def _errors_named(path: Path) -> Iterator[None]:
    """Turn whatever is wrong with a file of ours into a FileFormatError that names it."""
    if not path.exists():
        msg = f"{path}: there is no such file; check the path"
        raise FileNotFoundError(msg)
    if path.is_dir():
        msg = f"{path}: this is a folder; give a .npz file in it"
        raise FileFormatError(msg)
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, ValueError, EOFError, OSError, KeyError, NotImplementedError) as error:
        if isinstance(error, FileFormatError | PermissionError):
            raise
        with path.open("rb") as file:
            is_zip = file.read(4) == b"PK\x03\x04"
        if not is_zip:
            raise _not_ours(path) from error
        raise _damaged(path, error) from error


def _header(path: Path, array: NDArray[Any], readers: Readers) -> tuple[dict[str, Any], Callable[..., Any]]:
    try:
        header = json.loads(str(array))
        newest, build = readers[header["format"]]
        version = int(header["version"])
    except (ValueError, KeyError, TypeError) as error:
        raise _not_ours(path) from error
    if version > newest:
        msg = f"{path}: written in format version {version}, this ntkcont reads up to {newest}; upgrade ntkcont"
        raise FileFormatError(msg)
    return header, build


def _not_ours(path: Path) -> FileFormatError:
    return FileFormatError(f"{path}: not a file of ntkcont; give a .npz file that branch.save or another result wrote")


def _damaged(path: Path, error: Exception) -> FileFormatError:
    reason = str(error).strip("'\"") or type(error).__name__
    return FileFormatError(f"{path}: the file is damaged ({reason}); compute it again or take a backup")


def unpack_branch(header: dict[str, Any], arrays: Arrays) -> Branch:
    """Return the branch that `pack_branch` described."""
    from ntkcont.status import Status

    saved: dict[str, Any] = {key: unpack(value, arrays) for key, value in header["branch"].items()}
    saved["status"] = Status[saved["status"]]
    saved["ends"] = tuple(Status[name] for name in saved["ends"])
    columns: dict[str, Any] = {name: _unpack_column(header["arrays"][name], arrays) for name in _ARRAYS}
    points = []
    for packed in header["special_points"]:
        fields = {key: unpack(value, arrays) for key, value in packed.items()}
        points.append(SpecialPoint(**{name: saved[name] for name in _SHARED} | fields))
    ntk = None
    if header["ntk"] is not None:
        names = header["ntk"]["arrays"]
        ntk = Signatures({name: arrays[key] for name, key in names.items()}, unpack(header["ntk"]["metadata"], arrays))
    doubtful = unpack_doubtful(header, arrays)
    return Branch(**saved, **columns, special_points=SpecialPoints(points), doubtful=doubtful, ntk=ntk)
