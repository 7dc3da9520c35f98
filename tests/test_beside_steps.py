"""Kernels evaluated on a second core beside the steps: the same branch, nothing lost, no deadlock."""

from __future__ import annotations

import os
import signal
import threading
import time

import numpy as np
import pytest
import threadpoolctl

import ntkcont as nc
from ntkcont.ntk.bound import BoundNTK
from ntkcont.pathfollowing import beside
from ntkcont.pathfollowing.beside import all_cores_busy, second_core
from tests.invariants import check_branch

N = 40
RNG = np.random.default_rng(0)
NET = nc.RateRNN(1.2 * RNG.standard_normal((N, N)) / np.sqrt(N), b=0.1 * RNG.standard_normal(N))
ALONG = {
    "free": "gain", "p_span": (0.1, 1.0), "params": {"gain": 0.1}, "direction": "+",
    "settings": nc.ContinuationSettings(ds=0.005, ds_max=0.005),
}  # fmt: skip
CHUNK = 32  # steps of a network of this size

needs_two_cores = pytest.mark.skipif(beside.cores() < 2, reason="there is one core only")


class Recorder:
    """An evaluator that notes the order and the threads of its calls."""

    beside_steps = True

    def __init__(self, during=lambda _: None):
        self.calls, self.threads, self.during = [], [], during
        self.metadata = {"kernel": "recorder"}

    def bind(self, *_, **__):
        return self

    def evaluate(self, *, x, p, tangent, eigenvalues):
        self.during(len(self.calls))
        self.calls.append(p.copy())
        self.threads.append(threading.current_thread())
        return {"norm": np.linalg.norm(x, axis=1)}

    def at_special(self, *, label, x, p, tangent, omega):
        return {"norm": float(np.linalg.norm(x))}


def continued(ntk, **more):
    with threadpoolctl.threadpool_limits(1, "blas"):
        branch = nc.continuation(NET, np.zeros(N), **ALONG, ntk=ntk, **more)
    check_branch(branch, NET)
    return branch


def in_order(branch, recorder):
    """Whether every point was evaluated once, in the order of the branch."""
    points = np.concatenate([p for p in recorder.calls if len(p) > 1])
    return len(branch.ntk["norm"]) == len(branch) and np.array_equal(points, branch["gain"][1 : len(points) + 1])


@needs_two_cores
def test_steps_go_on_while_the_kernel_is_evaluated():
    """The first evaluation ends only after points of the second chunk were reached: else it waits in vain."""
    reached = threading.Event()
    seen = []

    def stop(point):
        seen.append(point.p)
        if len(seen) > 1 + CHUNK:  # the start too is tried
            reached.set()
        return False

    waits = []
    recorder = Recorder(lambda number: waits.append(reached.wait(60)) if number == 0 else None)
    branch = continued(recorder, stop=stop)
    assert waits == [True]
    assert in_order(branch, recorder)
    assert branch.status is nc.Status.BOUND
    assert recorder.threads[0] is not threading.main_thread()


@pytest.mark.parametrize("cores", [1, 2])
def test_every_point_has_its_own_signatures(cores, monkeypatch):
    monkeypatch.setattr(beside, "cores", lambda: cores)
    recorder = Recorder()
    branch = continued(recorder)
    assert in_order(branch, recorder)
    np.testing.assert_array_equal(
        branch.ntk["norm"], np.linalg.norm(np.stack([branch[name] for name in NET.states], axis=1), axis=1)
    )
    apart = recorder.threads[0] is not threading.main_thread()
    assert apart == (cores == 2)


@pytest.mark.parametrize("kernel", ["equilibrium", "resolvent", "arclength"])
def test_one_core_gives_the_same_numbers_to_the_last_bit(kernel, monkeypatch):
    ntk = nc.ntk.StateNTK(kernel=kernel)
    two = continued(ntk)
    monkeypatch.setattr(beside, "cores", lambda: 1)
    one = continued(ntk)
    assert one == two


@pytest.mark.parametrize("cores", [(2, 1), (1, 2)])
def test_a_checkpoint_goes_on_with_another_number_of_cores(cores, monkeypatch, tmp_path):
    """What was recorded with a second core is read without one, at every length of the file."""
    ntk = nc.ntk.StateNTK()
    monkeypatch.setattr(beside, "cores", lambda: cores[0])
    whole = continued(ntk, checkpoint=tmp_path / "whole")
    body = (tmp_path / "whole").read_bytes()
    monkeypatch.setattr(beside, "cores", lambda: cores[1])
    calls, evaluate = [], BoundNTK.evaluate
    monkeypatch.setattr(BoundNTK, "evaluate", lambda *a, **k: calls.append(1) or evaluate(*a, **k))
    evaluations = []
    for share in (0.2, 0.4, 0.6, 0.8, 1.0):
        (tmp_path / "cut").write_bytes(body[: int(share * len(body))])
        calls.clear()
        assert continued(ntk, checkpoint=tmp_path / "cut") == whole
        assert (tmp_path / "cut").read_bytes() == body
        evaluations.append(len(calls))
    # what is in the file is not evaluated; the start and the special points are not in it
    assert evaluations == sorted(evaluations, reverse=True)
    assert evaluations[0] - evaluations[-1] >= 3


@pytest.mark.usefixtures("ctrl_c")
@pytest.mark.parametrize("cores", [1, 2])
def test_ctrl_c_loses_no_point_that_waits_for_its_kernel(cores, monkeypatch):
    monkeypatch.setattr(beside, "cores", lambda: cores)

    pressed = []

    def press(number):
        if number == 1 and not pressed:
            pressed.append(number)
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.2)

    recorder = Recorder(press)
    branch = continued(recorder)
    assert branch.status is nc.Status.INTERRUPTED
    assert len(branch) >= 1 + 2 * CHUNK
    assert in_order(branch, recorder)


def test_an_evaluator_that_fails_says_so(monkeypatch):
    monkeypatch.setattr(beside, "cores", lambda: 2)

    def fail(number):
        if number == 1:
            raise ZeroDivisionError("no kernel here")

    with pytest.raises(ZeroDivisionError, match="no kernel here"):
        continued(Recorder(fail))


def test_a_monitor_that_fails_ends_the_branch_where_it_failed():
    seen = []

    def monitor(point):
        seen.append(point.p)
        if len(seen) == CHUNK + 5:
            raise ValueError("enough")

    branch = continued(Recorder(), monitors=[monitor])
    assert branch.status is nc.Status.CALLBACK_ERROR
    assert len(branch) == 1 + 2 * CHUNK
    np.testing.assert_array_equal(seen, branch["gain"][1 : len(seen) + 1])


def test_where_all_cores_are_busy_nothing_starts_a_thread(monkeypatch):
    monkeypatch.setattr(beside, "cores", lambda: 8)
    recorder = Recorder()
    with all_cores_busy():
        continued(recorder)
    assert set(recorder.threads) == {threading.main_thread()}
    with second_core(True) as later:
        assert later(threading.current_thread)() is not threading.main_thread()
    with second_core(False) as later:
        assert later(threading.current_thread)() is threading.main_thread()


def test_a_small_system_stays_on_one_thread():
    """Its time is spent in Python, of which one thread runs at a time."""
    small = nc.RateRNN(0.5 * np.eye(3))
    assert not nc.ntk.StateNTK().bind(small, free="gain", params={}).beside_steps
    assert nc.ntk.StateNTK().bind(NET, free="gain", params={}).beside_steps


def test_members_of_an_ensemble_keep_to_their_core(tmp_path):
    """On two threads of an executor, each member evaluates its kernel in the thread that runs it."""
    from concurrent.futures import ThreadPoolExecutor

    started = []
    submit = ThreadPoolExecutor.submit

    class Watched(ThreadPoolExecutor):
        pass

    def noted(self, *args, **kwargs):
        started.append(type(self))
        return submit(self, *args, **kwargs)

    problems = [
        nc.Problem(nc.RateRNN, {"W": NET.theta["W"]}, x0=0.0, free="gain", p_span=(0.1, 0.4), params={"gain": 0.1},
                   direction="+", ntk=nc.ntk.StateNTK())
    ]  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ThreadPoolExecutor, "submit", noted)
        with Watched(2) as executor:
            nc.ensemble(problems, executor, store=tmp_path)
    assert started == [Watched]
