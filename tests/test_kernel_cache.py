"""Kernels are compiled once, by one of many processes, and never those of another version."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import ntkcont

PACKAGE = Path(ntkcont.__file__).parent
SMALL = "ntkcont.kernels.iterate"  # one kernel, compiled in a second


def start(code, cache, root=PACKAGE.parent):
    environment = os.environ | {"NTKCONT_CACHE_DIR": str(cache), "PYTHONPATH": str(root)}
    environment.pop("NUMBA_CACHE_DIR", None)
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code], env=environment, text=True, stdout=-1, stderr=-1, cwd=root
    )


def output(process):
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return out.split()


REPORT = f"""
import importlib
from ntkcont.kernels import cache
cache.listeners.append(lambda name, seconds, is_new: print(name, is_new))
importlib.import_module({SMALL!r})
"""


@pytest.mark.slow
def test_eight_processes_that_start_together_compile_once(tmp_path):
    together = [output(p) for p in [start(REPORT, tmp_path) for _ in range(8)]]
    assert {tuple(words[::2]) for words in together} == {("iterate.iterate_map",)}
    assert sorted(words[1] for words in together) == ["False"] * 7 + ["True"]
    assert len(list(tmp_path.rglob("*.nbc"))) == 1


UPGRADED = """
from numba import float64
from ntkcont.kernels.cache import entry
from ntkcont.kernels.{helper} import factor
@entry(float64(float64))
def scaled(x):
    return factor() * x
"""


def test_an_upgrade_never_runs_old_kernels(tmp_path):
    """A helper in another file changes, which numba's own cache does not see."""
    shutil.copytree(PACKAGE, tmp_path / "ntkcont", ignore=shutil.ignore_patterns("__pycache__"))
    kernels, cache = tmp_path / "ntkcont/kernels", tmp_path / "cache"
    (kernels / "scaled.py").write_text(UPGRADED.format(helper="helper"))
    code = "from ntkcont.kernels.scaled import scaled; print(scaled(1.0))"
    for value in ("2.0", "3.0"):
        helper = f"from ntkcont.kernels.cache import inner\n@inner\ndef factor():\n    return {value}\n"
        (kernels / "helper.py").write_text(helper)
        assert output(start(code, cache, tmp_path)) == [value]
    assert len(list(cache.glob("kernels-*"))) == 2


def test_a_cache_folder_that_cannot_be_written_is_replaced_for_the_run(tmp_path):
    (tmp_path / "file").write_text("")
    code = REPORT + "import sys, ntkcont.cache_folder as c; print(c.user_cache()); print(c.user_cache().exists())"
    process = start(code, tmp_path / "file" / "cache")
    out, err = process.communicate(timeout=300)
    name, is_new, folder, existed = out.split()
    assert (name, is_new, existed, process.returncode) == ("iterate.iterate_map", "True", "True", 0)
    assert err.count("\n") == 1
    assert err.startswith(f"cannot write to the cache folder {tmp_path / 'file' / 'cache'}: compiled code goes to")
    assert not Path(folder).exists()  # it goes with the process


def test_workers_share_the_folder_that_replaces_one_without_permission(tmp_path):
    (tmp_path / "file").write_text("")
    code = f"""
import logging, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from ntkcont.ensembles.workers import Workers
from ntkcont.cache_folder import user_cache
with Workers(1) as workers:
    print(user_cache() == workers.submit(user_cache).result())
"""
    process = start(code, tmp_path / "file" / "cache")
    out, err = process.communicate(timeout=300)
    assert (out.split(), process.returncode) == (["True"], 0)
    assert err.count("cannot write") == 1


EVERYTHING = """
import importlib, pkgutil
from ntkcont import kernels
from ntkcont.kernels import cache
cache.listeners.append(lambda name, seconds, is_new: print(name, is_new))
for module in pkgutil.iter_modules(kernels.__path__, "ntkcont.kernels."):
    importlib.import_module(module.name)
"""


@pytest.mark.slow
def test_after_a_warmup_nothing_is_compiled(capfd):
    """In the cache of the other tests, where most is there already."""
    from ntkcont.kernels.cache import kernel_cache

    cache = kernel_cache().parent
    environment = os.environ | {"NTKCONT_CACHE_DIR": str(cache)}
    command = [sys.executable, "-W", "error", "-m", "ntkcont", "warmup"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    assert said[0] == f"compiled code is kept in {kernel_cache()}"
    assert [line.split()[0] for line in said if line.endswith(" runs")][-1] == "GRU"
    after = output(start(EVERYTHING, cache))
    names, compiled = after[::2], set(after[1::2])
    assert {"stepping.advance", "response.largest", "gru.rhs"} <= set(names)
    assert compiled == {"False"}
    assert {line.split()[0] for line in said[1:] if line.endswith(("compiled", "was there"))} == set(names)
