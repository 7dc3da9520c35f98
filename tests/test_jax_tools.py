"""Float64 is a context, the compilation cache has a folder, and a device that is missing is named."""

from __future__ import annotations

import subprocess
import sys
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ntkcont as nc
from ntkcont.jax_tools import configured_jax, device, x64

GPU = any(d.platform == "gpu" for d in jax.devices())


def test_float64_inside_only():
    with x64():
        assert jnp.zeros(1).dtype == np.float64
        with x64():
            assert jnp.zeros(1).dtype == np.float64
        assert jnp.zeros(1).dtype == np.float64
    assert jnp.zeros(1).dtype == np.float32


def test_the_context_closes_after_an_exception():
    with pytest.raises(ZeroDivisionError), x64():
        raise ZeroDivisionError
    assert jnp.zeros(1).dtype == np.float32


def test_device():
    assert device("cpu").platform == "cpu"
    assert device(device("cpu")) is device("cpu")
    assert device().platform == ("gpu" if GPU else "cpu")


def test_unknown_device_is_named():
    with pytest.raises(nc.InputError, match=r"device: 'cdu' is unknown; did you mean 'cpu'\?"):
        device("cdu")


@pytest.mark.skipif(GPU, reason="there is a GPU")
def test_missing_gpu_is_named():
    with pytest.raises(
        nc.InputError, match=r"device: 'gpu' was asked for, but JAX sees no GPU; .* device='cpu' or None"
    ):
        device("gpu")


def in_new_process(code, folder, **environment):
    environment = {"NTKCONT_CACHE_DIR": str(folder), "PATH": "", "JAX_PLATFORMS": "cpu", **environment}
    paths = {"PYTHONPATH": ":".join(path for path in sys.path if path)}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], env={**environment, **paths}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


CODE = """
import jax
from ntkcont.jax_tools import x64
with x64():
    jax.jit(lambda x: 3 * x)(1.0)
print(jax.config.jax_compilation_cache_dir, jax.config.jax_persistent_cache_min_compile_time_secs)
"""


def test_compiled_functions_go_to_our_folder(tmp_path):
    assert in_new_process(CODE, tmp_path) == [str(tmp_path / "jax"), "0.0"]
    assert any((tmp_path / "jax").iterdir())


def test_the_folder_of_the_user_is_respected(tmp_path):
    theirs = tmp_path / "theirs"
    assert in_new_process(CODE, tmp_path / "ours", JAX_COMPILATION_CACHE_DIR=str(theirs)) == [str(theirs), "1.0"]
    assert not (tmp_path / "ours").exists()


def test_importing_the_tools_does_not_import_jax(tmp_path):
    code = "import sys, ntkcont.jax_tools; print('jax' in sys.modules)"
    assert in_new_process(code, tmp_path) == ["False"]


def test_configuring_twice_is_silent():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert configured_jax() is configured_jax() is jax
