"""A file that only grows: records of what a long run has computed, each complete or not there.

A run that is killed at any moment leaves the records before, and at most a torn one at the end, which is dropped.
"""

from __future__ import annotations

import io
import json
import os
import struct
import warnings
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np

from ntkcont.errors import FileFormatError, InputError
from ntkcont.results.io import Packer, unpack

try:
    import fcntl
except ImportError:  # not on Windows: nothing is locked there
    fcntl = None

MAGIC = b"ntkcont checkpoint 1\n"
_HEAD = struct.Struct("<QI")  # length and checksum of what follows


class Journal:
    """Records of a checkpoint file, read from the first on; new ones are appended behind the last.

    Parameters
    ----------
    path : path-like
        The file; made if it is not there.

    Raises
    ------
    FileFormatError
        If the file is something else.
    InputError
        If another process has it open.
    OSError
        If it can be neither read nor made.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        if not self.path.name or self.path.is_dir():
            msg = f"checkpoint: {str(path)!r} is a folder; give the name of a file in it"
            raise InputError(msg)
        try:
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
        except OSError as error:
            message = f"checkpoint: {self.path} could not be opened ({error.strerror}); choose another file"
            raise type(error)(error.errno, message) from error
        file = os.fdopen(handle, "r+b", buffering=0)
        self._file: IO[bytes] | None = file
        self._end = len(MAGIC)  # behind the last record that was read or written
        try:
            self._lock(file)
            self._begin(file)
        except BaseException:
            self.close()
            raise

    def _lock(self, file: IO[bytes]) -> None:
        if fcntl is None:
            return
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            msg = f"checkpoint: another process is writing {self.path}; wait for it, or give each run its own file"
            raise InputError(msg) from None
        except OSError:  # a file system without locks
            return

    def _begin(self, file: IO[bytes]) -> None:
        start = file.read(len(MAGIC))
        if start != MAGIC:
            if not MAGIC.startswith(start):
                msg = f"checkpoint: {self.path} is not a checkpoint of ntkcont and is left alone; give another file"
                raise FileFormatError(msg)
            file.seek(0)
            file.truncate()
            file.write(MAGIC)

    def read(self) -> Any:
        """Return the next record; None behind the last, where a torn one is cut off.

        Raises
        ------
        FileFormatError
            If the record is there in full but not what was written.
        """
        file = self._file
        if file is None:
            return None
        file.seek(self._end)
        head = _read(file, _HEAD.size)
        if len(head) == _HEAD.size:
            length, checksum = _HEAD.unpack(head)
            left = os.fstat(file.fileno()).st_size - self._end - _HEAD.size
            if 0 < length <= left:
                body = _read(file, length)
                if zlib.crc32(body) != checksum:
                    msg = f"checkpoint: {self.path} is damaged at byte {self._end}; delete it to compute anew"
                    raise FileFormatError(msg)
                self._end += _HEAD.size + length
                return _decoded(body)
        file.truncate(self._end)
        return None

    def write(self, record: Any) -> None:
        """Append a record; where that fails, warn, keep what is there and go on without the file."""
        file = self._file
        if file is None:
            return
        body = _encoded(record)
        whole = memoryview(_HEAD.pack(len(body), zlib.crc32(body)) + body)
        try:
            file.seek(self._end)
            while len(whole):
                whole = whole[file.write(whole) :]
        except OSError as error:
            file.truncate(self._end)
            self.close()
            warnings.warn(
                f"checkpoint: {self.path} could not be written ({error.strerror}); what is in it stays, and the run "
                "goes on without: free space and run again to go on from there",
                RuntimeWarning,
                stacklevel=2,
            )
        else:
            self._end += _HEAD.size + len(body)

    def close(self) -> None:
        """Close the file, so that another process may go on with it."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _read(file: IO[bytes], size: int) -> bytes:
    """Read up to `size` bytes from a file without a buffer, which may give them in pieces."""
    parts: list[bytes] = []
    while size:
        part = file.read(size)
        if not part:
            break
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _encoded(record: Any) -> bytes:
    packer = Packer()
    header = json.dumps(packer.pack(record, "record"), allow_nan=False)
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, header=np.array(header), **packer.arrays)
    return file.getvalue()


def _decoded(body: bytes) -> Any:
    with np.load(io.BytesIO(body), allow_pickle=False) as archive:
        arrays = {key: archive[key] for key in archive.files}
    return unpack(json.loads(str(arrays.pop("header"))), arrays)
