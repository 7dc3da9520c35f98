"""`load_checkpoints` reads what torch saved, and refuses what torch could be made to run."""

from __future__ import annotations

import importlib.util
import os

import numpy as np
import pytest
from traps import Trap

import ntkcont as nc

needs_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")


@needs_torch
def test_files_of_torch(tmp_path):
    import torch

    torch.manual_seed(0)
    modules = {step: torch.nn.GRU(2, 3) for step in (0, 20, 100)}
    for step, module in modules.items():
        torch.save(module.state_dict(), tmp_path / f"gru_{step}.pt")
    torch.save([module.state_dict() for module in modules.values()], tmp_path / "all.pth")
    torch.save({step: {"model": m.state_dict(), "step": step} for step, m in modules.items()}, tmp_path / "by_step.pth")
    for found, steps in (
        (nc.load_checkpoints(tmp_path / "*.pt"), [0, 20, 100]),
        (nc.load_checkpoints([module.state_dict() for module in modules.values()]), [0, 1, 2]),
        (nc.load_checkpoints(tmp_path / "all.pth"), [0, 1, 2]),
        (nc.load_checkpoints(tmp_path / "by_step.pth", pick="model"), [0, 20, 100]),
        (nc.load_checkpoints(tmp_path / "gru_20.pt"), [20]),
    ):
        assert found.steps.tolist() == steps
        for plain, module in zip(found, [modules[20]] if steps == [20] else modules.values(), strict=True):
            assert type(plain) is dict
            assert set(plain) == set(module.state_dict())
            for name, tensor in module.state_dict().items():
                np.testing.assert_array_equal(plain[name], tensor.double().numpy())


@needs_torch
def test_half_precision_and_whole_numbers_of_torch(tmp_path):
    import torch
    from safetensors.torch import save_file

    tensors = {"W": torch.full((2, 2), 0.375, dtype=torch.bfloat16), "count": torch.tensor(3)}
    torch.save(tensors, tmp_path / "a_1.pt")
    save_file(tensors, tmp_path / "a_1.safetensors")
    for name in ("a_1.pt", "a_1.safetensors"):
        (found,) = nc.load_checkpoints(tmp_path / name)
        np.testing.assert_array_equal(found["W"], np.full((2, 2), 0.375))
        assert found["W"].dtype == np.float64
        assert found["count"].dtype == np.int64


@needs_torch
@pytest.mark.parametrize("what", ["trap", "module", "empty", "garbage", "truncated"])
def test_files_of_torch_that_are_refused(what, tmp_path, monkeypatch):
    import torch

    monkeypatch.chdir(tmp_path)
    path = tmp_path / "a_1.pt"
    if what in ("trap", "module"):
        torch.save({"W": Trap()} if what == "trap" else torch.nn.GRU(2, 3), path)
        message = r"a_1.pt holds Python objects besides tensors, whose reading could run code, .* with torch.save"
    else:
        torch.save({"W": torch.ones(100)}, path)
        path.write_bytes({"empty": b"", "garbage": b"garbage", "truncated": path.read_bytes()[:-60]}[what])
        message = r"a_1.pt (is not a file of torch.save|holds Python objects besides tensors, .*), or (is )?damaged"
    with pytest.raises(nc.FileFormatError, match=message) as caught:
        nc.load_checkpoints(path)
    assert "weights_only" not in str(caught.value)
    assert not os.path.exists("trapped")
