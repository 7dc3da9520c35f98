"""Ctrl-C: what was computed is kept, whenever it comes."""

from __future__ import annotations

import os
import signal

import numpy as np
import pytest

import ntkcont as nc
from ntkcont.kernels import stepping
from ntkcont.pathfollowing import diagrams, driver
from ntkcont.pathfollowing.interrupts import held_back
from tests.invariants import check_branch

RNG = np.random.default_rng(0)
NET = nc.RateRNN(1.2 * RNG.standard_normal((60, 60)) / np.sqrt(60))
PITCHFORK = nc.Model.from_equations({"x": "mu*x - x**3"}, {"mu": -1.0})


pytestmark = pytest.mark.usefixtures("ctrl_c")


def press():
    os.kill(os.getpid(), signal.SIGINT)


def test_ctrl_c_is_noted_and_comes_back_afterwards():
    with held_back() as came:
        press()
        assert came == [True]
    with pytest.raises(KeyboardInterrupt):
        press()


def test_a_handler_of_the_user_stays_in_charge():
    seen = []
    before = signal.signal(signal.SIGINT, lambda *_: seen.append(1))
    try:
        with held_back() as came:
            press()
        assert (came, seen) == ([], [1])
    finally:
        signal.signal(signal.SIGINT, before)


def test_ctrl_c_just_before_the_kernel_runs(monkeypatch):
    calls, advance = [], stepping.advance

    def interrupted(*args):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return advance(*args)

    monkeypatch.setattr(stepping, "advance", interrupted)
    branch = nc.continuation(NET, np.zeros(60), free="gain", p_span=(0.1, 1.2), params={"gain": 0.1})
    assert branch.status is nc.Status.INTERRUPTED
    assert len(branch) == 33  # the start and one call of 32 steps
    check_branch(branch, NET)


def test_ctrl_c_while_the_branch_is_put_together(monkeypatch):
    assemble = driver.assemble

    def pressed(*args):
        press()
        return assemble(*args)

    monkeypatch.setattr(driver, "assemble", pressed)
    branch = nc.continuation(PITCHFORK, [0.0], free="mu", p_span=(-1, 1))
    assert branch.status is nc.Status.INTERRUPTED
    assert branch.special_points.labels == ("EP", "BP", "EP")


def test_ctrl_c_while_branches_are_switched(monkeypatch):
    def pressed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(diagrams, "outgoing", pressed)
    diagram = nc.diagram(PITCHFORK, [0.0], free="mu", p_span=(-1, 1))
    assert len(diagram) == 1
    assert [(each.point, "interrupted" in each.reason) for each in diagram.unfollowed] == [("the rest", True)]
