"""Run a comparator in a process of its own: task and result are JSON files, what it prints goes to a log."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ntkcont
from ntkcont.errors import PeerError


def installed(package: str) -> bool:
    """Return whether a package can be found, without importing it."""
    try:
        return importlib.util.find_spec(package) is not None
    except ValueError:  # a module without a spec was put into sys.modules
        return True


def run_child(module: str, task: Mapping[str, Any], *, peer: str, timeout: float) -> dict[str, Any]:
    """Run ``python -m MODULE TASK.json RESULT.json`` with this process's interpreter and return what it found.

    Parameters
    ----------
    module : str
        Module with a ``__main__`` part that reads the first file and writes the second.
    task : mapping
        What it shall do; JSON-able.
    peer : str
        Name of the other program, for messages.
    timeout : float
        Seconds until it is stopped.

    Raises
    ------
    PeerError
        It took too long or failed; the message ends with its own last words.
    """
    if not sys.executable:
        msg = f"{peer}: this Python does not know its own interpreter (sys.executable), so no process can be started"
        raise PeerError(msg)
    with tempfile.TemporaryDirectory(prefix="ntkcont-peer-", ignore_cleanup_errors=True) as folder:
        source, target, log = (Path(folder, name) for name in ("task.json", "result.json", "log.txt"))
        source.write_text(json.dumps(task), encoding="utf-8")
        command = [sys.executable, "-W", "ignore", "-m", module, str(source), str(target)]
        with log.open("wb") as words:
            try:
                done = subprocess.run(
                    command, cwd=folder, env=_environment(), timeout=timeout, check=False,
                    stdin=subprocess.DEVNULL, stdout=words, stderr=subprocess.STDOUT,
                )  # fmt: skip
            except subprocess.TimeoutExpired:
                msg = f"{peer} did not finish in {timeout:g} s; give it larger steps, a smaller p_span or more time"
                raise PeerError(msg) from None
        if done.returncode or not target.exists():
            said = _last_words(log)
            msg = f"{peer} failed (exit status {done.returncode}): {said}"
            raise PeerError(msg)
        return json.loads(target.read_text(encoding="utf-8"))


def _environment() -> dict[str, str]:
    """Return this process's environment with the package importable, no screen and one BLAS thread."""
    home = str(Path(ntkcont.__file__).resolve().parent.parent)
    path = os.pathsep.join(filter(None, (home, os.environ.get("PYTHONPATH", ""))))
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return {**os.environ, **threads, "PYTHONPATH": path, "MPLBACKEND": "Agg", "PYTHONIOENCODING": "utf-8"}


def _last_words(log: Path, most: int = 300) -> str:
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    said = lines[-1] if lines else "it said nothing"
    return said if len(said) <= most else "... " + said[-most:]
