"""`load_checkpoints` reads files and pytrees in the order of training, and names what does not fit."""

from __future__ import annotations

import collections
import dataclasses
import importlib.util
import os
import pickle
import random
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from traps import Trap

import ntkcont as nc
from ntkcont.models.step_names import steps_of

needs_equinox = pytest.mark.skipif(importlib.util.find_spec("equinox") is None, reason="equinox is not installed")


def weights(step):
    return {"W": np.full((3, 3), 0.25 * step), "b": np.arange(3.0) + step}


def write_npz(path, arrays):
    np.savez(path, **arrays)


def write_safetensors(path, arrays):
    from safetensors.numpy import save_file

    save_file(arrays, path)


WRITERS = {".npz": write_npz, ".safetensors": write_safetensors}
STEPS = (0, 50, 100, 1400)


@pytest.fixture(params=WRITERS)
def run(request, tmp_path):
    """A folder of checkpoints, written in an order of their own, beside files of other kinds."""
    for step in random.Random(0).sample(STEPS, len(STEPS)):
        WRITERS[request.param](tmp_path / f"step_{step}{request.param}", weights(step))
    (tmp_path / "log.txt").write_text("loss")
    return tmp_path, request.param


def check(checkpoints):
    assert checkpoints.steps.tolist() == list(STEPS)
    assert len(checkpoints) == len(STEPS)
    for step, found in zip(STEPS, checkpoints, strict=True):
        assert set(found) == {"W", "b"}
        for name, array in weights(step).items():
            np.testing.assert_array_equal(found[name], array)
            assert type(found[name]) is np.ndarray
            assert not found[name].flags.writeable


def test_a_folder_a_pattern_and_a_list_of_files(run):
    folder, suffix = run
    check(nc.load_checkpoints(folder))
    check(nc.load_checkpoints(str(folder)))
    check(nc.load_checkpoints(folder / f"step_*{suffix}"))
    check(nc.load_checkpoints([folder / f"step_{step}{suffix}" for step in (100, 0, 1400, 50)]))
    check(nc.load_checkpoints({step: str(folder / f"step_{step}{suffix}") for step in (100, 0, 1400, 50)}))


def test_a_sequence_with_slices_and_words(run):
    checkpoints = nc.load_checkpoints(run[0])
    assert repr(checkpoints) == "Checkpoints: 4 from step 0 to 1400; W (3, 3), b (3,)"
    part = checkpoints[1:3]
    assert part.steps.tolist() == [50, 100]
    assert part[0] is checkpoints[1]
    assert part.names == checkpoints.names[1:3]
    assert checkpoints[-1]["b"][0] == 1400.0
    assert repr(checkpoints[4:]) == "Checkpoints: none"
    again = nc.load_checkpoints(checkpoints)
    check(again)
    with pytest.raises(dataclasses.FrozenInstanceError):
        checkpoints.steps = ()


def test_given_steps_belong_to_files_in_the_order_of_their_names(tmp_path):
    for name in ("b2", "b10", "a"):
        np.savez(tmp_path / f"{name}.npz", W=np.full(1, len(name)))
    found = nc.load_checkpoints(tmp_path, steps=[3.5, 2, 1])
    assert found.steps.tolist() == [1.0, 2.0, 3.5]
    assert [float(w["W"][0]) for w in found] == [3.0, 2.0, 1.0]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["step_0.npz", "step_1400.npz"], [0, 1400]),
        (["model-0003.npz", "model-0012.npz"], [3, 12]),
        (["gru64_seed1_step20.npz", "gru64_seed1_step5.npz"], [20, 5]),
        (["epoch=2-step=400.npz", "epoch=3-step=600.npz"], [400, 600]),
        (["run3_epoch7_loss0.125.npz", "run3_epoch8_loss0.0625.npz"], [7, 8]),
        (["n64-100.npz", "n64-200.npz"], [100, 200]),
        (["checkpoint-500/model.npz", "checkpoint-1000/model.npz"], [500, 1000]),
        (["Iter 10.npz", "Iter 20.npz"], [10, 20]),
        (["best.npz"], [0]),
        (["run_2.npz"], [2]),
    ],
)
def test_steps_are_read_from_names(names, expected, tmp_path):
    assert steps_of([tmp_path / name for name in names]) == expected


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a_1.npz", "best.npz"], r"the name 'best.npz' says no training step; leave the file out"),
        (["a1_b2.npz", "a2_b3.npz"], r"not clear which number of 'a1_b2.npz' is the training step"),
        (["a1_2.npz"], r"not clear which number of 'a1_2.npz'"),
    ],
)
def test_names_that_say_no_step(names, message, tmp_path):
    with pytest.raises(nc.InputError, match=message):
        steps_of([tmp_path / name for name in names])


# ---------------------------------------------------------------- pytrees


class Frozen(Mapping):
    """What Flax's FrozenDict offers."""

    def __init__(self, inside):
        self.inside = inside

    def __getitem__(self, key):
        value = self.inside[key]
        return Frozen(value) if isinstance(value, dict) else value

    def __iter__(self):
        return iter(self.inside)

    def __len__(self):
        return len(self.inside)


@jax.tree_util.register_dataclass
@dataclasses.dataclass
class Module:
    """What an Equinox module is: a registered dataclass, here with a function among its leaves."""

    kernel: object
    layers: list
    phi: object


def test_pytrees_become_plain_and_double():
    tree = {
        "dense": Frozen({"kernel": {"inner": jnp.ones((2, 2), jnp.bfloat16)}}),
        "pair": (np.float32([0.1]), [np.int32([7]), True]),
        "scalar": 0.5,
        "name": "tanh",
    }
    found = nc.load_checkpoints([tree, collections.OrderedDict(tree)])
    assert found.steps.tolist() == [0, 1]
    for plain in found:
        assert type(plain) is dict
        assert type(plain["dense"]) is dict
        assert type(plain["dense"]["kernel"]) is dict
        assert plain["dense"]["kernel"]["inner"].dtype == np.float64
        np.testing.assert_array_equal(plain["dense"]["kernel"]["inner"], np.ones((2, 2)))
        assert type(plain["pair"]) is tuple
        np.testing.assert_array_equal(plain["pair"][0], np.float64([np.float32(0.1)]))
        assert plain["pair"][0].dtype == np.float64
        assert plain["pair"][1][0].dtype == np.int32
        assert plain["scalar"].shape == ()
        assert plain["name"] == "tanh"


def test_modules_stay_modules():
    run = [Module(jnp.full((2, 2), k, jnp.float32), [jnp.ones(3)], jnp.tanh) for k in range(3)]
    found = nc.load_checkpoints({10 * k: module for k, module in enumerate(run)})
    assert found.steps.tolist() == [0, 10, 20]
    assert type(found[2]) is Module
    np.testing.assert_array_equal(found[2].kernel, np.full((2, 2), 2.0))
    assert found[2].kernel.dtype == np.float64
    assert type(found[2].layers[0]) is np.ndarray
    assert found[2].phi is jnp.tanh


def test_the_caller_s_arrays_are_copied():
    tree = weights(0)
    found = nc.load_checkpoints([tree, weights(1)])
    tree["W"][:] = 9.0
    np.testing.assert_array_equal(found[0]["W"], weights(0)["W"])


@needs_equinox
def test_equinox_modules():
    import equinox as eqx

    cells = [eqx.nn.GRUCell(2, 3, key=jax.random.key(k)) for k in range(2)]
    found = nc.load_checkpoints(cells)
    assert type(found[1]) is type(cells[1])
    np.testing.assert_array_equal(found[1].weight_hh, np.asarray(cells[1].weight_hh, dtype=float))


def test_pick_takes_a_part(tmp_path):
    training = [{"model": weights(k), "optimizer": {"count": [1.0] * k}} for k in range(3)]
    by_key = nc.load_checkpoints(training, pick="model")
    by_function = nc.load_checkpoints(training, pick=lambda whole: whole["model"]["W"])
    np.testing.assert_array_equal(by_key[2]["W"], weights(2)["W"])
    np.testing.assert_array_equal(by_function[2], weights(2)["W"])
    with pytest.raises(nc.InputError, match=r"leaf 'optimizer.count.0'.*all checkpoints must be of one network"):
        nc.load_checkpoints(training)
    with pytest.raises(nc.InputError, match=r"pick: 'modle' is not in checkpoint 0; did you mean 'model'"):
        nc.load_checkpoints(training, pick="modle")
    with pytest.raises(nc.InputError, match=r"the function failed on checkpoint 0 \(KeyError"):
        nc.load_checkpoints(training, pick=lambda whole: whole["weights"])
    with pytest.raises(nc.InputError, match=r"pick: 3 was given; give a key, or a function"):
        nc.load_checkpoints(training, pick=3)


def test_a_float32_run_of_a_gru_becomes_models():
    rng = np.random.default_rng(0)
    run = {
        step: {
            "weight_ih_l0": rng.standard_normal((6, 1)).astype(np.float32),
            "weight_hh_l0": rng.standard_normal((6, 2)).astype(np.float32),
        }
        for step in (0, 10)
    }
    for step, found in zip((0, 10), nc.load_checkpoints(run), strict=True):
        np.testing.assert_array_equal(nc.GRU.from_state_dict(found).W_hh, run[step]["weight_hh_l0"])


# ---------------------------------------------------------------- what does not fit


def changed(**arrays):
    return [weights(0), weights(1), {**weights(2), **arrays}]


class HalfTensor:
    """Has the shape and one method of a tensor, not the others."""

    shape = (3,)

    def detach(self):
        return self


BAD = {
    "shape": (changed(W=np.ones((2, 2))), {}, r"leaf 'W' has shape \(2, 2\), in checkpoint 0 it has shape \(3, 3\)"),
    "kind": (changed(W="W"), {}, r"2: the leaf 'W' is no array, in checkpoint 0 it has shape \(3, 3\)"),
    "extra": (changed(c=np.ones(2)), {}, r"checkpoint 0: it has no leaf 'c', checkpoint 2 has"),
    "missing": ([weights(0), {"W": np.eye(3)}], {}, r"checkpoint 1: it has no leaf 'b', checkpoint 0 has"),
    "nan": (changed(b=np.array([0.0, np.nan, 0.0])), {}, r"checkpoint 2\['b'\]: the entry at \(1,\) is nan; leave out"),
    "objects": (changed(b=np.array([{}, 1], dtype=object)), {}, r"checkpoint 2\['b'\]: .* no array of numbers"),
    "leaf": (changed(b=object()), {}, r"checkpoint 2\['b'\]: object was given, which is no array of numbers"),
    "half a tensor": (changed(b=HalfTensor()), {}, r"checkpoint 2\['b'\]: HalfTensor was given, which is no array"),
    "complex": (changed(b=1j * np.ones(3)), {}, r"checkpoint 2\['b'\]: complex numbers were given; weights must be"),
    "no arrays": ([{}, {}], {}, r"checkpoint 0: it holds no arrays; give the weights"),
    "nothing": ([], {}, r"source: \[\] holds no checkpoints"),
    "state dict": (weights(0), {}, r"a mapping with the key 'W' was given; keys must be training steps"),
    "array": (np.ones((3, 2)), {}, r"source: ndarray was given; give a folder, a list of files or pytrees"),
    "number": (3, {}, r"source: int was given"),
    "mixed": ([weights(0), "step_1.npz"], {}, r"files and pytrees are mixed"),
    "steps": ([weights(0), weights(1)], {"steps": [0]}, r"steps: \[0\] was given; give one finite number for each"),
    "same step": ([weights(0), weights(1)], {"steps": [5, 5]}, r"checkpoint 5 and checkpoint 5 both have the step 5"),
    "words": ([weights(0)], {"steps": "first"}, r"steps: 'first' was given"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named(case):
    source, options, message = BAD[case]
    with pytest.raises(nc.InputError, match=message):
        nc.load_checkpoints(source, **options)


def test_shapes_that_differ_between_files_name_the_file(tmp_path):
    np.savez(tmp_path / "step_0.npz", W=np.eye(3))
    np.savez(tmp_path / "step_5.npz", W=np.eye(4))
    with pytest.raises(
        nc.InputError, match=r"5.npz: the leaf 'W' has shape \(4, 4\), in .*0.npz it has shape \(3, 3\)"
    ):
        nc.load_checkpoints(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.npz", b"not a zip", r"a.npz is not an .npz file of plain arrays, or damaged; write it with numpy.savez"),
        ("a.npz", b"", r"a.npz is not an .npz file"),
        ("a.npz", b"PK\x03\x04 truncated", r"a.npz is not an .npz file"),
        ("a.safetensors", b"", r"a.safetensors is not a .safetensors file, or damaged \(.*too small"),
        ("a.safetensors", b"\x08" + b"\x00" * 7 + b"garbage!", r"a.safetensors is not a .safetensors file"),
        ("a.pkl", b"", r"a.pkl: weights are read from .npz, .* reading a pickle runs whatever code is in it"),
        ("a.npy", b"", r"a.npy: weights are read from .* a single array has no name; write it with numpy.savez"),
        ("a.ckpt", b"", r"if torch wrote it, rename it to .pt"),
        ("a.msgpack", b"", r"it can be read with your framework, and the pytrees given"),
    ],
)
def test_files_that_are_not_ours(name, content, message, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(nc.FileFormatError, match=message):
        nc.load_checkpoints([tmp_path / name])


def test_a_truncated_file_is_damaged(run):
    folder, suffix = run
    file = folder / f"step_50{suffix}"
    file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(nc.FileFormatError, match=rf"step_50{suffix} is not .* or damaged"):
        nc.load_checkpoints(folder)


def test_pickles_are_never_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez("a_1.npz", W=np.array([Trap()], dtype=object))
    (tmp_path / "a_2.npz").write_bytes(pickle.dumps(Trap()))
    (tmp_path / "a_3.pkl").write_bytes(pickle.dumps(Trap()))
    for name in ("a_1.npz", "a_2.npz", "a_3.pkl"):
        with pytest.raises(nc.FileFormatError):
            nc.load_checkpoints(name)
    assert not os.path.exists("trapped")
    with open("a_3.pkl", "rb") as file:
        pickle.load(file)
    assert os.path.exists("trapped"), "the trap does not work"


def test_missing_files(tmp_path):
    for source, message in (
        (tmp_path / "step_1.npz", "there is no such file"),
        ([tmp_path / "step_1.npz"], "there is no such file"),
        (tmp_path / "step_*.npz", "no file matches this pattern"),
        (tmp_path, r"no files of weights \(.npz, .safetensors, .pt, .pth\) are in this folder"),
    ):
        with pytest.raises(FileNotFoundError, match=message):
            nc.load_checkpoints(source)


def test_a_folder_of_several_kinds(tmp_path):
    np.savez(tmp_path / "step_0.npz", W=np.eye(3))
    write_safetensors(tmp_path / "step_1.safetensors", {"W": np.eye(3)})
    with pytest.raises(nc.InputError, match=r"several kinds .*\(.npz, .safetensors\); give a pattern, '.*\*.npz'"):
        nc.load_checkpoints(tmp_path)


def test_a_single_bare_array(tmp_path):
    with (tmp_path / "a.npz").open("wb") as file:
        np.save(file, np.eye(3))
    with pytest.raises(nc.FileFormatError, match="a single array without a name"):
        nc.load_checkpoints(tmp_path / "a.npz")


@pytest.mark.parametrize(
    ("package", "name", "message"),
    [
        ("safetensors", "a.safetensors", r"safetensors is not installed; pip install 'ntkcont\[io\]'"),
        ("torch", "a.pt", r"torch is not installed; pip install 'ntkcont\[torch\]'"),
    ],
)
def test_missing_packages_are_named(package, name, message, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, package, None)
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(nc.InputError, match=message):
        nc.load_checkpoints(tmp_path / name)


def test_an_unsafe_torch_is_refused(tmp_path, monkeypatch):
    old = type(jax)("torch")
    old.__version__ = "2.5.1+cpu"
    monkeypatch.setitem(__import__("sys").modules, "torch", old)
    (tmp_path / "a.pt").write_bytes(b"")
    with pytest.raises(nc.InputError, match=r"torch 2.5.1\+cpu .* run code .*; upgrade to torch 2.6"):
        nc.load_checkpoints(tmp_path / "a.pt")
