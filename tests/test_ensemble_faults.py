"""Nothing is lost, and nothing half-written is read: full disks, damaged files, killed and simultaneous writers."""

import errno
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import ensemble_cases as cases
import numpy as np
import pytest
from invariants import check_branch

import ntkcont as nc


@pytest.fixture(scope="module")
def threads():
    with ThreadPoolExecutor(1) as executor:
        yield executor


@pytest.fixture
def stored(threads, tmp_path):
    """Three pitchforks in a store."""
    problems = cases.pitchforks(3)
    return problems, nc.ensemble(problems, threads, store=tmp_path / "store")


def check(found, expected):
    np.testing.assert_allclose(found.critical_values(), expected, atol=1e-9)
    for a, branch in zip(expected, found, strict=True):
        check_branch(branch, cases.pitchfork(a))


# ---------------------------------------------------------------- damaged files


def flip(content):
    at = content.index(np.array([-2.0]).tobytes()) + 3  # inside the column p, whose first number is -2
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


@pytest.mark.parametrize(
    "damage",
    [lambda content: b"", lambda content: content[:100], lambda content: content[:-30], flip, lambda content: b"text"],
    ids=["empty", "begun", "nearly whole", "one bit", "something else"],
)
def test_a_damaged_file_is_named_and_computed_again_on_request(damage, stored, threads):
    problems, found = stored
    path = found.members[1].path
    path.write_bytes(damage(path.read_bytes()))
    again = nc.ensemble(problems, threads, store=found.store)
    assert [m.outcome.name for m in again.members] == ["DONE", "CORRUPT", "DONE"]
    assert str(path) in again.members[1].error
    with pytest.raises(nc.InputError, match=r"recompute='corrupt' computes it again"):
        again[1]
    assert [m.outcome.name for m in nc.load(found.store).members].count("CORRUPT") == 1
    check(nc.ensemble(problems, threads, store=found.store, recompute="corrupt"), [0.0, 0.5, 1.0])


def test_a_damaged_record_of_a_failure(threads, tmp_path):
    problems = [cases.problem(cases.fails, a=1.0)]
    nc.ensemble(problems, threads, store=tmp_path)
    (path,) = tmp_path.glob("*.json")
    path.write_text(path.read_text()[:50])
    (member,) = nc.ensemble(problems, threads, store=tmp_path).members
    assert member.outcome is nc.Outcome.CORRUPT
    assert str(path) in member.error
    (member,) = nc.ensemble(problems, threads, store=tmp_path, recompute="corrupt").members
    assert member.error == "ValueError: no model for a = 1.0"


# ---------------------------------------------------------------- full disks


def test_a_full_disk_stops_with_a_clear_error_and_keeps_what_is_there(threads, tmp_path, monkeypatch):
    problems = cases.pitchforks(4)
    done = []
    sync = os.fsync

    def full_after_two(handle):
        if len(done) >= 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        done.append(handle)
        sync(handle)

    monkeypatch.setattr(os, "fsync", full_after_two)
    with pytest.raises(OSError, match=r"npz: the branch could not be written \(No space left.*branches are left"):
        nc.ensemble(problems, threads, store=tmp_path)
    monkeypatch.undo()
    assert len(list(tmp_path.glob("*.npz"))) == 2
    assert list(tmp_path.glob(".*.part")) == []
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.npz")}
    check(nc.ensemble(problems, threads, store=tmp_path), [0.0, 1 / 3, 2 / 3, 1.0])
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_a_store_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"store: .*file cannot be a folder for results"):
        nc.ensemble([], store=tmp_path / "file")


# ---------------------------------------------------------------- other processes


def python(code, store, **options):
    """Run code with the cases imported in a process of its own."""
    head = "import os, signal, sys, ensemble_cases as cases, ntkcont as nc\n"
    head += "from concurrent.futures import ThreadPoolExecutor\nexecutor, store = ThreadPoolExecutor(1), sys.argv[1]\n"
    paths = os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])
    environment = os.environ | {"PYTHONPATH": paths}
    return subprocess.Popen([sys.executable, "-W", "error", "-c", head + code, str(store)], env=environment, **options)


def test_a_process_that_is_killed_while_it_writes_leaves_no_half_file(stored, threads):
    problems, found = stored
    code = "os.fsync = lambda handle: os.kill(os.getpid(), signal.SIGKILL)\n"
    code += "nc.ensemble([cases.problem(a=0.75)], executor, store=store)"
    assert python(code, found.store).wait(timeout=60) == -signal.SIGKILL
    assert len(list(found.store.glob(".*.part"))) == 1  # what it had written
    late = [*problems, cases.problem(a=0.75)]
    assert len(nc.load(found.store)) == 3
    check(nc.ensemble(late, threads, store=found.store), [0.0, 0.5, 1.0, 0.75])
    assert list(found.store.glob(".*.part")) == []


def test_two_processes_share_a_store_and_compute_each_member_once(threads, tmp_path):
    """The other process is in the middle of a member when this one comes to it."""
    store, gate = tmp_path / "store", tmp_path / "gate"
    gate.mkdir()
    names = f"a={{}}, folder={str(gate)!r}, count=9"
    code = f"nc.ensemble([cases.problem(cases.waits, {names.format(0.5)})], executor, store=store)"
    other = python(code, store)
    try:
        while not any(gate.iterdir()):
            assert other.poll() is None
        problems = [cases.problem(cases.waits, a=0.5, folder=str(gate), count=9), *cases.pitchforks(2)]
        with ThreadPoolExecutor(1) as caller:
            future = caller.submit(nc.ensemble, problems, threads, store=store)
            while len(list(store.glob("*.npz"))) < 2:  # the others are not kept waiting
                assert not future.done()
            (gate / "go").touch()
            check(future.result(timeout=60), [0.5, 0.0, 1.0])
    finally:
        (gate / "go").touch()
        assert other.wait(timeout=60) == 0
    assert len([path for path in gate.iterdir() if path.name != "go"]) == 1


def test_a_timeout_needs_processes(threads, tmp_path):
    with pytest.raises(nc.InputError, match=r"timeout: the executor runs tasks in this process"):
        nc.ensemble(cases.pitchforks(1), threads, store=tmp_path, timeout=10)
