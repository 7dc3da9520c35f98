"""Problems of ensembles whose workers can import them: a pitchfork at p = a, and what can go wrong."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import numba
import numpy as np

import ntkcont as nc

OFFSET = 0.0  # part of the keys of problems that use it


def pitchfork(a: float) -> nc.Model:
    return nc.Model.from_equations({"x": "(p - a)*x - x**3"}, {"p": -1.0, "a": a + OFFSET})


def fails(a: float) -> nc.Model:
    msg = f"no model for a = {a}"
    raise ValueError(msg)


def fails_without(a: float, file: str) -> nc.Model:
    Path(file).read_text()
    return pitchfork(a)


def dies(a: float) -> nc.Model:
    os.kill(os.getpid(), signal.SIGKILL)
    return pitchfork(a)


def dies_once(a: float, marker: str) -> nc.Model:
    """Die in the first process that comes here."""
    try:
        Path(marker).touch(exist_ok=False)
    except FileExistsError:
        return pitchfork(a)
    return dies(a)


def waits(a: float, folder: str, count: int = 1, seconds: float = 60.0) -> nc.Model:
    """Say which process is here, and wait until the folder has a file "go" or `count` processes are here."""
    here = Path(folder)
    (here / f"{os.getpid()}.{a}").touch()
    end = time.monotonic() + seconds
    while not (here / "go").exists() and len({p.name.split(".")[0] for p in here.iterdir()}) < count:
        assert time.monotonic() < end
        time.sleep(0.02)
    return pitchfork(a)


@numba.njit
def _spin(x: np.ndarray) -> None:
    while x[0] < 1.0:
        x[1] += 1.0


def hangs(a: float) -> nc.Model:
    """Run compiled code that neither returns nor lets another thread run."""
    _spin(np.zeros(2))
    return pitchfork(a)


def blas_threads(a: float, folder: str) -> nc.Model:
    import threadpoolctl

    threads = [pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"]
    Path(folder, "threads").write_text(" ".join(map(str, threads)))
    return pitchfork(a)


def problem(model=pitchfork, **arguments) -> nc.Problem:
    return nc.Problem(model, {"a": 0.0, **arguments}, x0=0.0, free="p", p_span=(-2.0, 2.0))


def pitchforks(count: int) -> list[nc.Problem]:
    return [problem(a=a) for a in np.linspace(0.0, 1.0, count).tolist()]
