"""A run that is written down as it goes: killed at any moment, it goes on and gives the same branch."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

import ntkcont as nc
from ntkcont.kernels import stepping
from ntkcont.pathfollowing import detector, near_boundary
from ntkcont.results import journal
from tests.invariants import check_branch

W = 1.3 * np.random.default_rng(1).standard_normal((20, 20)) / np.sqrt(20)
NET = nc.RateRNN(W)
FINE = nc.ContinuationSettings(ds=0.004, ds_max=0.004)
KERNEL = nc.ntk.StateNTK(theta=["b"])
RELU = nc.RateRNN(
    0.4 * np.random.default_rng(3).standard_normal((5, 5)), b=np.linspace(-0.3, 0.4, 5), W_in=np.ones((5, 1)),
    inputs={"h": [1.0]}, phi="relu",
)  # fmt: skip


def networks(**keywords):
    return nc.continuation(NET, np.zeros(20), free="gain", p_span=(0.3, 1.2), ntk=KERNEL, settings=FINE, **keywords)


def in_pieces(**keywords):
    """A branch with border collisions, which changes its equations on the way."""
    return nc.continuation(RELU, np.zeros(5), free="h", p_span=(-1.0, 2.0), **keywords)


def closed(**keywords):
    isola = nc.Model.from_equations({"x": "1 - x**2 - mu**2"}, {"mu": 0.0})
    return nc.continuation(isola, [1.0], free="mu", p_span=(-2.0, 2.0), **keywords)


def adaptively(**keywords):
    """A branch with few full spectra, of which only those at special points are kept."""
    W = np.random.default_rng(2).standard_normal((70, 70)) / np.sqrt(70)
    settings = nc.ContinuationSettings(eigenvalues="adaptive", store_states="special")
    return nc.continuation(nc.RateRNN(W), np.zeros(70), free="gain", p_span=(0.8, 1.4), settings=settings, **keywords)


RUNS = {"network": networks, "closed": closed}


@pytest.fixture(scope="module", params=RUNS)
def finished(request, tmp_path_factory):
    """A run, its uninterrupted branch and the bytes of its finished checkpoint."""
    run = RUNS[request.param]
    branch = run()
    check_branch(branch, branch.model)
    path = tmp_path_factory.mktemp("finished") / "c"
    assert run(checkpoint=path) == branch
    return run, branch, path.read_bytes()


def records(data: bytes) -> list[int]:
    """Return where the records of a checkpoint end."""
    ends = [len(journal.MAGIC)]
    while ends[-1] < len(data):
        ends.append(ends[-1] + 12 + int.from_bytes(data[ends[-1] : ends[-1] + 8], "little"))
    return ends


def test_killed_at_any_byte_it_goes_on_and_gives_the_same_branch(finished, tmp_path):
    run, branch, data = finished
    rng = np.random.default_rng(0)
    cuts = [0, 5, *records(data)[:3], *records(data)[-2:], *rng.integers(0, len(data), 6).tolist(), len(data) - 1]
    path = tmp_path / "c"
    for cut in cuts:
        path.write_bytes(data[:cut])
        assert run(checkpoint=path) == branch, f"cut at byte {cut}"
        assert path.read_bytes() == data, f"cut at byte {cut}"


def test_what_is_in_the_file_is_not_computed_again(finished, tmp_path, monkeypatch):
    run, branch, data = finished
    path = tmp_path / "c"
    path.write_bytes(data)

    real = stepping.advance

    def refused(*arguments):
        control = next((each for each in arguments if np.shape(each) == (stepping.N_CONTROL,)), None)
        if control is not None and np.isinf(control[stepping.P_LOW]):
            return real(*arguments)  # a look at what is between two points goes no farther than that, and has no span
        raise AssertionError

    monkeypatch.setattr(stepping, "advance", refused)
    monkeypatch.setattr(detector, "special_point", refused)
    assert run(checkpoint=path) == branch


def test_a_killed_process_goes_on(tmp_path):
    """SIGKILL in the middle of the steps: the rerun computes only what the file lacks."""
    script = """
        import sys, numpy as np, ntkcont as nc
        from ntkcont.kernels import stepping

        W = 1.3 * np.random.default_rng(1).standard_normal((60, 60)) / np.sqrt(60)
        steps = []

        def count(point):
            steps.append(point.p)
            if len(steps) == 70:  # in the third chunk
                print("70 steps", flush=True)

        inner = stepping.advance
        calls = []
        stepping.advance = lambda *arguments: calls.append(1) or inner(*arguments)
        settings = nc.ContinuationSettings(ds_max=1e-3, ds=1e-3)
        branch = nc.continuation(
            nc.RateRNN(W), np.zeros(60), free="gain", p_span=(0.2, 1.2), settings=settings, monitors=[count],
            direction="-", checkpoint=sys.argv[1] if len(sys.argv) > 2 else None,
        )
        branch.save(sys.argv[-1])
        print(len(calls))
    """
    code = textwrap.dedent(script)
    path, out = tmp_path / "c", tmp_path / "resumed.npz"
    command = [sys.executable, "-c", code]
    with subprocess.Popen([*command, str(path), str(out)], stdout=subprocess.PIPE, text=True) as killed:
        assert killed.stdout is not None
        assert killed.stdout.readline() == "70 steps\n"
        time.sleep(0.05)
        killed.send_signal(signal.SIGKILL)
    assert killed.returncode == -signal.SIGKILL
    assert not out.exists()
    resumed = subprocess.run([*command, str(path), str(out)], capture_output=True, text=True, check=True)
    whole = subprocess.run([*command, str(tmp_path / "whole.npz")], capture_output=True, text=True, check=True)
    calls = [int(run.stdout.split()[-1]) for run in (resumed, whole)]
    assert 0 < calls[0] <= calls[1] - 2, calls
    assert nc.load(out) == nc.load(tmp_path / "whole.npz")


def test_a_branch_in_pieces(tmp_path):
    branch = in_pieces()
    assert "BC" in branch.special_points.labels
    path = tmp_path / "c"
    assert in_pieces(checkpoint=path) == branch
    data = path.read_bytes()
    for end in records(data)[1::4]:
        path.write_bytes(data[:end])
        assert in_pieces(checkpoint=path) == branch


def test_adaptive_spectra(tmp_path, monkeypatch):
    branch = adaptively()
    assert "BP" in branch.special_points.labels
    path = tmp_path / "c"
    assert adaptively(checkpoint=path) == branch
    data = path.read_bytes()
    path.write_bytes(data[: records(data)[7]])
    assert adaptively(checkpoint=path) == branch
    assert path.read_bytes() == data
    monkeypatch.setattr(near_boundary, "eigenvalues_and_some_vectors", None)  # all of them are in the file
    assert adaptively(checkpoint=path) == branch


def test_ctrl_c_returns_what_there_is_and_the_rerun_goes_on(tmp_path, monkeypatch):
    calls, advance = [], stepping.advance

    def interrupted(*arguments):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return advance(*arguments)

    path = tmp_path / "c"
    with monkeypatch.context() as patch:
        patch.setattr(stepping, "advance", interrupted)
        assert networks(checkpoint=path).status is nc.Status.INTERRUPTED
    before = len(records(path.read_bytes()))
    assert networks(checkpoint=path) == networks()
    assert len(records(path.read_bytes())) > before


def test_another_run_is_refused(tmp_path):
    path = tmp_path / "c"
    networks(checkpoint=path)
    data = path.read_bytes()
    start = np.zeros(20)
    with pytest.raises(nc.InputError, match=r"checkpoint: .*c is of a run with another p_span, ntk; give it to that"):
        nc.continuation(NET, start, free="gain", p_span=(0.3, 1.1), settings=FINE, checkpoint=path)
    settings = nc.ContinuationSettings(ds_max=0.01)
    with pytest.raises(nc.InputError, match="another settings;"):
        nc.continuation(NET, start, free="gain", p_span=(0.3, 1.2), ntk=KERNEL, settings=settings, checkpoint=path)
    with pytest.raises(nc.InputError, match="another model, ntk;"):
        nc.continuation(
            nc.RateRNN(2 * W), start, free="gain", p_span=(0.3, 1.2), ntk=KERNEL, settings=FINE, checkpoint=path
        )
    # what is in functions and matrices: a readout, a constant in a closure, another stop
    other = nc.ntk.StateNTK(theta=["b"], readout=np.eye(20)[:2])
    with pytest.raises(nc.InputError, match="another ntk;"):
        nc.continuation(NET, start, free="gain", p_span=(0.3, 1.2), ntk=other, settings=FINE, checkpoint=path)
    assert path.read_bytes() == data


def test_another_stop_function_is_noticed(tmp_path):
    path = tmp_path / "c"
    networks(checkpoint=path, stop=lambda point: point.p < 0.3)
    with pytest.raises(nc.errors.FileFormatError, match=r"holds steps from .* where this run asks for steps from 1.0"):
        networks(checkpoint=path, stop=lambda point: point.p < 0.9)


def test_files_that_are_no_checkpoints(tmp_path):
    path = tmp_path / "thesis.txt"
    path.write_text("Chapter 1")
    with pytest.raises(nc.errors.FileFormatError, match=r"thesis.txt is not a checkpoint of ntkcont and is left alone"):
        closed(checkpoint=path)
    assert path.read_text() == "Chapter 1"
    with pytest.raises(nc.InputError, match="is a folder; give the name of a file in it"):
        closed(checkpoint=tmp_path)
    with pytest.raises(OSError, match=r"could not be opened .*; choose another file"):
        closed(checkpoint=tmp_path / "missing" / "c")
    family = nc.Model.from_equations({"x": "p + q*x + x**2"}, {"p": -1.0, "q": 0.0})
    fold = nc.continuation(family, [-1.0], free="p", p_span=(-2, 1)).special_points["LP1"]
    with pytest.raises(nc.InputError, match="checkpoint: it belongs to branches in one free parameter"):
        nc.continuation(family, fold, free=("p", "q"), p_span=((-2, 2), (-1, 1)), checkpoint=path)


def test_a_damaged_record_is_named(tmp_path):
    path = tmp_path / "c"
    closed(checkpoint=path)
    data = bytearray(path.read_bytes())
    at = records(bytes(data))[1]
    data[at + 200] ^= 1
    path.write_bytes(data)
    with pytest.raises(nc.errors.FileFormatError, match=rf"c is damaged at byte {at}; delete it to compute anew"):
        closed(checkpoint=path)


def test_a_file_in_use_is_refused(tmp_path):
    path = tmp_path / "c"
    held = journal.Journal(path)
    with pytest.raises(nc.InputError, match=r"another process is writing .*c; wait for it, or give each run its own"):
        closed(checkpoint=path)
    held.close()
    closed(checkpoint=path)


def test_a_full_disk_costs_only_the_file(tmp_path, monkeypatch):
    path = tmp_path / "c"
    whole = networks(checkpoint=path)
    data = path.read_bytes()
    limit = records(data)[6] + 100
    path.unlink()
    fdopen = os.fdopen

    class Full:
        """A disk with room for `limit` bytes."""

        def __init__(self, file):
            self.file = file

        def __getattr__(self, name):
            return getattr(self.file, name)

        def write(self, piece):
            room = limit - self.file.tell()
            if room <= 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return self.file.write(piece[:room])

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdopen", lambda *a, **k: Full(fdopen(*a, **k)))
        patch.setattr(journal, "fcntl", None)
        with pytest.warns(RuntimeWarning, match=r"c could not be written \(No space left on device\); what is in it"):
            assert networks(checkpoint=path) == whole
    assert path.read_bytes() == data[: records(data)[6]]
    assert networks(checkpoint=path) == whole
    assert path.read_bytes() == data


def test_from_the_command_line(tmp_path):
    from ntkcont.cli import main

    file = tmp_path / "fold.toml"
    file.write_text(
        '[model.equations]\nx = "mu - x**2"\n[model.params]\nmu = 1.0\n'
        '[continuation]\nx0 = 1.0\nfree = "mu"\np_span = [-1.0, 2.0]\n[outputs]\nnpz = "b.npz"\n'
    )
    path = tmp_path / "c"
    assert main(["run", str(file), "--out", str(tmp_path), "--checkpoint", str(path)]) == 0
    size = Path(path).stat().st_size
    assert size > 1000
    assert main(["run", str(file), "--out", str(tmp_path), "--checkpoint", str(path)]) == 0
    assert path.stat().st_size == size
