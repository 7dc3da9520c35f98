"""A Dask cluster as the executor: a worker that is killed in the middle costs its running task only."""

import logging
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import ensemble_cases as cases
import numpy as np
import pytest
from dask import config
from distributed import Client, LocalCluster
from invariants import check_branch

import ntkcont as nc


@pytest.fixture(scope="module")
def client():
    options = {"distributed.scheduler.allowed-failures": 1}
    with (
        config.set(options),
        LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=logging.CRITICAL
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


def test_a_worker_that_is_killed_costs_its_running_task_only(client, tmp_path):
    gate = tmp_path / "gate"
    gate.mkdir()
    problems = [*cases.pitchforks(4), cases.problem(cases.waits, a=0.6, folder=str(gate), count=9)]
    executor = client.get_executor()
    with ThreadPoolExecutor(1) as caller:
        future = caller.submit(nc.ensemble, problems, executor, store=tmp_path / "store")
        while not any(gate.iterdir()) or len(list((tmp_path / "store").glob("*.npz"))) < 4:
            assert not future.done()
            time.sleep(0.02)
        done = {path: path.stat().st_mtime_ns for path in (tmp_path / "store").glob("*.npz")}
        first = next(gate.iterdir()).name.split(".")[0]
        os.kill(int(first), signal.SIGKILL)
        (gate / "go").touch()
        found = future.result(timeout=60)
    np.testing.assert_allclose(found.critical_values(), [0.0, 1 / 3, 2 / 3, 1.0, 0.6], atol=1e-9)
    for branch, a in zip(found, [0.0, 1 / 3, 2 / 3, 1.0, 0.6], strict=True):
        check_branch(branch, cases.pitchfork(a))
    assert {path: path.stat().st_mtime_ns for path in done} == done
    pids = {path.name.split(".")[0] for path in gate.iterdir()} - {"go"}
    assert len(pids) == 2
    assert str(os.getpid()) not in pids


def test_a_task_that_hangs_is_recorded(client, tmp_path):
    """Its worker ends itself, Dask gives the task to another one, which sees why."""
    (tmp_path / "gate").mkdir()
    problems = [cases.problem(cases.waits, a=0.1, folder=str(tmp_path / "gate"), count=9), *cases.pitchforks(2)]
    found = nc.ensemble(problems, client.get_executor(), store=tmp_path / "store", timeout=8.0)
    assert [member.outcome.name for member in found.members] == ["TIMEOUT", "DONE", "DONE"]
    assert "in waits" in found.members[0].traceback
