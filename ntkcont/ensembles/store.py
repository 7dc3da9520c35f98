"""The folder of an ensemble as a worker sees it: who computes a member, and how its result gets there whole."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from pathlib import Path
from typing import IO

import filelock

from ntkcont.results import io
from ntkcont.results.branch import Branch
from ntkcont.results.ensemble import Member, Outcome
from ntkcont.results.ensemble_files import branch_path, failure_path, write_failure

#: What a traceback begins with that the watchdog of a worker wrote before it ended the process.
_TIMED_OUT = "Timeout ("


def stamp(store: Path, key: str) -> str:
    """Return what changes when another process replaces the result of a member; empty without one."""
    found = []
    for path in (branch_path(store, key), failure_path(store, key)):
        with contextlib.suppress(FileNotFoundError):
            status = path.stat()
            found.append(f"{path.suffix} {status.st_mtime_ns} {status.st_size} {status.st_ino}")
    return ", ".join(found)


class Claim:
    """The right to compute a member: a lock that the system takes back when the process ends, however it ends.

    Parameters
    ----------
    store : Path
        The folder.
    key : str
        The digest of the problem.
    """

    def __init__(self, store: Path, key: str) -> None:
        self.store, self.key = store, key
        folder = store / ".claims"
        folder.mkdir(exist_ok=True)
        self.trace = folder / f"{key}.trace"
        self._lock = filelock.FileLock(str(folder / f"{key}.lock"))

    def acquire(self, *, wait: bool) -> bool:
        """Return whether the claim is ours now; with `wait`, wait for another process to give it up."""
        try:
            self._lock.acquire(timeout=-1 if wait else 0)
        except filelock.Timeout:
            return False
        for left in self.store.glob(f".{self.key}.*.part"):  # of a process that was killed while it wrote
            left.unlink(missing_ok=True)
        return True

    def release(self) -> None:
        """Give the claim up.  Whoever waits for it looks first whether the result is there."""
        self._lock.release()

    def settle(self) -> None:
        """Forget what only an unfinished member needs."""
        self.trace.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # Windows deletes no open file
            Path(self._lock.lock_file).unlink(missing_ok=True)

    def timed_out(self) -> str:
        """Return the traceback of a worker that ended itself after the timeout; empty if none did."""
        with contextlib.suppress(FileNotFoundError):
            text = self.trace.read_text(encoding="utf-8", errors="replace")
            return text if text.startswith(_TIMED_OUT) else ""
        return ""


def open_trace(claim: Claim) -> IO[str]:
    """Open the file to which the watchdog will write."""
    return claim.trace.open("w", encoding="utf-8")


def write_branch(store: Path, member: Member, branch: Branch) -> None:
    """Keep a branch as an ordinary branch file with a note about its member; a failure before it is forgotten."""
    packer = io.Packer()
    note = {"key": member.key, "arguments": packer.pack(member.arguments, "arguments"), "seconds": member.seconds}
    header = {"format": io.FORMAT, "version": io.VERSION, **io.pack_branch(branch, packer), "member": note}
    io.write_archive(branch_path(store, member.key), header, packer, "the branch")
    failure_path(store, member.key).unlink(missing_ok=True)


def write_timeout(store: Path, member: Member, timeout: float | None, trace: str) -> None:
    """Keep the record of a member that took too long."""
    error = "it took longer than the timeout" + ("" if timeout is None else f" of {timeout:g} s")
    write_failure(store, dataclasses.replace(member, outcome=Outcome.TIMEOUT, error=error, traceback=trace))


def prepare_store(store: str | os.PathLike[str]) -> Path:
    """Return the folder, made if it does not exist.

    Raises
    ------
    OSError
        It cannot be made, or is no folder; the message says so.
    """
    folder = Path(store).absolute()
    try:
        (folder / ".claims").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        message = f"store: {folder} cannot be a folder for results ({reason}); give another one"
        raise type(error)(error.errno, message) from error
    return folder
