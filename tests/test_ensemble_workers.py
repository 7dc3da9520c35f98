"""Worker processes: one that dies or hangs costs its own task, and the others go on."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import ensemble_cases as cases
import numpy as np
import pytest
from invariants import check_branch

import ntkcont as nc
from ntkcont.ensembles.workers import WorkerDied, Workers, cores


@pytest.fixture(scope="module")
def workers():
    with Workers(2) as executor:
        yield executor


def test_a_death_a_hang_and_an_error_stop_nothing_else(workers, tmp_path):
    """All in one ensemble: a worker that always dies, one that dies once, one that hangs in compiled code."""
    problems = [
        cases.problem(cases.hangs, a=0.1),
        cases.problem(cases.dies, a=0.2),
        cases.problem(cases.dies_once, a=0.3, marker=str(tmp_path / "marker")),
        cases.problem(cases.fails, a=0.4),
        *cases.pitchforks(5),
    ]
    found = nc.ensemble(problems, workers, store=tmp_path / "store", timeout=8.0)
    names = [member.outcome.name for member in found.members]
    assert names == ["TIMEOUT", "DIED", "DONE", "FAILED", *["DONE"] * 5]
    np.testing.assert_allclose(found.critical_values()[[2, *range(4, 9)]], [0.3, 0, 0.25, 0.5, 0.75, 1], atol=1e-9)
    for branch, a in zip(found.done, [0.3, 0, 0.25, 0.5, 0.75, 1], strict=True):
        check_branch(branch, cases.pitchfork(a))
    late, dead = found.members[:2]
    assert late.error == "it took longer than the timeout of 8 s"
    assert "in hangs" in late.traceback  # where it was
    assert "exit code -9" in dead.error
    assert list((tmp_path / "store" / ".claims").iterdir()) == []
    again = nc.ensemble(problems, workers, store=tmp_path / "store", timeout=8.0)
    assert again.members == found.members


def test_two_processes_work_side_by_side_with_one_blas_thread_each(workers, tmp_path):
    (tmp_path / "gate").mkdir()
    problems = [cases.problem(cases.waits, a=a, folder=str(tmp_path / "gate"), count=2) for a in (0.0, 1.0)]
    problems.append(cases.problem(cases.blas_threads, a=0.5, folder=str(tmp_path)))
    found = nc.ensemble(problems, workers, store=tmp_path / "store")
    np.testing.assert_allclose(found.critical_values(), [0.0, 1.0, 0.5], atol=1e-9)
    assert str(os.getpid()) not in {path.name.split(".")[0] for path in (tmp_path / "gate").iterdir()}
    assert set((tmp_path / "threads").read_text().split()) == {"1"}


def test_the_workers_as_an_executor(workers):
    assert workers.submit(divmod, 7, 2).result() == (3, 1)
    with pytest.raises(ZeroDivisionError):
        workers.submit(divmod, 7, 0).result()
    with pytest.raises(WorkerDied, match=r"exit code 3"):
        workers.submit(os._exit, 3).result()
    assert workers.submit(divmod, 7, 2).result() == (3, 1)
    assert 1 <= cores() <= (os.cpu_count() or 1)


def test_a_pool_that_breaks_is_replaced(tmp_path, caplog):
    """All processes of a ProcessPoolExecutor end when one dies."""
    problems = [cases.problem(cases.dies_once, a=0.5, marker=str(tmp_path / "marker")), *cases.pitchforks(3)]
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        found = nc.ensemble(problems, pool, store=tmp_path / "store")
    np.testing.assert_allclose(found.critical_values(), [0.5, 0.0, 0.5, 1.0], atol=1e-9)
    assert "new processes go on" in caplog.text


SCRIPT = """
import sys
sys.path.insert(0, {tests!r})
import ensemble_cases as cases
import ntkcont as nc
{guard}
    found = nc.ensemble(cases.pitchforks(4), workers=2, store={store!r})
    print([member.outcome.name for member in found.members])
"""


def script(tmp_path, guard):
    return SCRIPT.format(tests=str(Path(__file__).parent), guard=guard, store=str(tmp_path / "store"))


def test_a_script_without_a_guard_is_told_so(tmp_path):
    file = tmp_path / "script.py"
    file.write_text(script(tmp_path, "if True:"))
    done = subprocess.run([sys.executable, str(file)], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert done.stderr.count("Traceback") == 1
    assert "InputError: executor: each process of an ensemble imports the script" in done.stderr
    assert "if __name__ == '__main__':" in done.stderr


def test_a_script_from_standard_input_is_told_so(tmp_path):
    code = script(tmp_path, "if True:")
    given = {"capture_output": True, "text": True, "timeout": 120, "check": False}
    done = subprocess.run([sys.executable, "-"], input=code, **given)
    assert done.returncode == 1
    assert "InputError: executor: the script was read from standard input" in done.stderr
    assert done.stderr.count("Traceback") == 1
    done = subprocess.run([sys.executable, "-c", code.replace("store'", "other'")], **given)
    assert "['DONE', 'DONE', 'DONE', 'DONE']" in done.stdout, done.stderr


INTERRUPTED = """
import sys
sys.path.insert(0, {tests!r})
import ensemble_cases as cases
import ntkcont as nc
if __name__ == "__main__":
    problems = [*cases.pitchforks(2), cases.problem(cases.hangs, a=0.1), cases.problem(cases.hangs, a=0.2)]
    found = nc.ensemble(problems, workers=2, store={store!r})
    print([member.outcome.name for member in found.members])
"""


def test_ctrl_c_keeps_what_is_finished_and_leaves_no_process(ctrl_c, tmp_path):
    file, store = tmp_path / "script.py", tmp_path / "store"
    file.write_text(INTERRUPTED.format(tests=str(Path(__file__).parent), store=str(store)))
    process = subprocess.Popen(
        [sys.executable, str(file)], stdout=-1, stderr=-1, text=True, start_new_session=True
    )  # fmt: skip
    limit = time.monotonic() + 120
    while len(list(store.glob("*.npz"))) < 2:
        assert time.monotonic() < limit
        time.sleep(0.2)
    time.sleep(1.0)  # both processes hang now
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert "['DONE', 'DONE', 'MISSING', 'MISSING']" in out, err
    limit = time.monotonic() + 30
    while group_lives(process.pid):
        assert time.monotonic() < limit
        time.sleep(0.2)


def group_lives(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
