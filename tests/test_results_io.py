"""``load(save(b)) == b`` for any branch, and a file is either whole or as it was before."""

from __future__ import annotations

import dataclasses
import errno
import io
import json
import os
import subprocess
import sys
import zipfile

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import cusp_branch, hopf_branch, special

import ntkcont as nc
from ntkcont import FileFormatError, InputError, Status
from ntkcont.results.branch import Branch
from ntkcont.results.io import save
from ntkcont.results.load import load
from ntkcont.results.signatures import Signatures
from ntkcont.results.special_points import SpecialPoints

# ---------------------------------------------------------------- round trip

NAMES = st.lists(st.text(min_size=1, max_size=6).filter(lambda name: not name.endswith("\0")), unique=True, max_size=3)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.complex_numbers() | st.text(max_size=8)
ARRAYS = hnp.arrays(
    st.sampled_from([np.float64, np.complex128, np.int64, np.bool_, np.float32]),
    hnp.array_shapes(min_side=0, max_side=3),
)
NESTED = st.recursive(
    SCALARS | ARRAYS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


def arrays(draw, dtype, shape):
    return draw(hnp.arrays(dtype, shape))


@st.composite
def branches(draw):
    n, k = draw(st.integers(1, 3)), draw(st.integers(0, 4))
    states = tuple(f"z{i}" for i in range(n))
    points = []
    for i in range(draw(st.integers(0, 2))):
        ntk = draw(st.none() | st.dictionaries(st.text(max_size=5), NESTED, max_size=3))
        vectors = {"v": arrays(draw, np.complex128, n)} if draw(st.booleans()) else {}
        points.append(
            special(
                draw(st.sampled_from(["LP", "H", "UZ"])), draw(st.text(max_size=4)), draw(st.floats()),
                arrays(draw, np.float64, n), float(i), states, vectors=vectors, ntk=ntk,
                omega=draw(st.none() | st.floats()), eigenvalues=arrays(draw, np.complex128, n),
                normal_form=draw(st.dictionaries(st.text(max_size=4), NESTED, max_size=2)),
                converged=draw(st.booleans()), kind=draw(st.sampled_from(["flow", "map"])),
            )
        )  # fmt: skip
    kernel = None
    if draw(st.booleans()):
        kernel = {"top": arrays(draw, np.float64, k), "lambda_c": arrays(draw, np.complex128, k)}
        kernel = Signatures(kernel | {"eigenvalues": arrays(draw, np.float64, (k, 2))}, {"scales": draw(NESTED)})
    return Branch(
        kind=draw(st.sampled_from(["flow", "map"])),
        free=draw(st.text(min_size=1, max_size=4)),
        states=states,
        params={name: draw(st.floats()) for name in draw(NAMES)},
        p=arrays(draw, np.float64, k),
        x=arrays(draw, np.float64, (k, n)),
        s=np.arange(k) - 1.0,
        tangent=arrays(draw, np.float64, (k, n + 1)),
        eigenvalues=arrays(draw, np.complex128, (k, n)),
        stable=arrays(draw, np.bool_, k),
        n_unstable=arrays(draw, np.int64, k),
        special_points=SpecialPoints(points),
        ntk=kernel,
        status=draw(st.sampled_from(Status)),
        ends=(draw(st.sampled_from(Status)), draw(st.sampled_from(Status))),
        provenance=draw(st.dictionaries(st.text(max_size=6), NESTED, max_size=3)),
    )


@settings(max_examples=50)
@given(branch=branches())
def test_load_gives_back_what_save_wrote(branch, tmp_path_factory):
    path = tmp_path_factory.mktemp("roundtrip") / "b.npz"
    assert save(branch, path) == path
    assert load(path) == branch


def test_bits_survive(tmp_path):
    branch = dataclasses.replace(cusp_branch(), p=np.full(201, np.nextafter(1.0, 2.0)), model=None)
    path = branch.save(tmp_path / "b.npz")
    back = nc.load(path)
    assert back.p.tobytes() == branch.p.tobytes()
    assert back.model is None
    assert not back.x.flags.writeable
    assert back.special_points["LP1"].states == ("x",)


def test_the_header_is_plain_json(tmp_path):
    path = hopf_branch().save(tmp_path / "b.npz")
    with np.load(path, allow_pickle=False) as archive:
        header = json.loads(str(archive["header"]))
    assert header["format"] == "ntkcont branch"
    assert header["version"] == 1
    assert header["branch"]["free"] == "mu"
    assert header["special_points"][0]["label"] == "H"


def test_a_value_that_cannot_be_saved_is_named(tmp_path):
    branch = dataclasses.replace(hopf_branch(), provenance={"settings": {"f": [1.0, print]}})
    with pytest.raises(InputError, match=r"provenance\['settings'\]\['f'\]\[1\]: builtin_function_or_method cannot"):
        branch.save(tmp_path / "b.npz")
    objects = dataclasses.replace(hopf_branch(), provenance={"a": np.array([None, {}])})
    with pytest.raises(InputError, match=r"provenance\['a'\]: an array of dtype object cannot be saved"):
        objects.save(tmp_path / "b.npz")
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------- whole or as before


@pytest.mark.parametrize("step", ["replace", "fsync", "open"])
def test_a_failure_while_writing_leaves_the_old_file(tmp_path, monkeypatch, step):
    path = hopf_branch().save(tmp_path / "b.npz")

    def fail(*_args, **_kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(
        OSError, match=r"b\.npz: the branch could not be written \(No space left.*unchanged; free space"
    ):
        cusp_branch().save(path)
    monkeypatch.undo()
    assert load(path) == hopf_branch()
    assert [file.name for file in tmp_path.iterdir()] == ["b.npz"]


def test_an_interrupt_while_writing_leaves_the_old_file(tmp_path, monkeypatch):
    path = hopf_branch().save(tmp_path / "b.npz")

    def interrupt(*_args):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        cusp_branch().save(path)
    monkeypatch.undo()
    assert load(path) == hopf_branch()
    assert len(list(tmp_path.iterdir())) == 1


def test_a_full_disk_is_reported_and_leaves_the_old_file(tmp_path):
    path = hopf_branch().save(tmp_path / "b.npz")
    # the limit on the size of files fails in the middle of the data, as a full disk does
    code = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "sys.path.insert(0, sys.argv[2])\n"
        "from synthetic import cusp_branch\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))\n"
        "try:\n    cusp_branch().save(sys.argv[1])\n"
        "except OSError as error:\n    print(error)\n"
    )
    here = os.path.dirname(__file__)
    run = subprocess.run([sys.executable, "-c", code, path, here], capture_output=True, text=True, check=True)
    assert "the branch could not be written" in run.stdout
    assert "unchanged" in run.stdout
    assert load(path) == hopf_branch()
    assert len(list(tmp_path.iterdir())) == 1


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"missing/b\.npz: the branch could not be written .*nothing was written"
    ):
        hopf_branch().save(tmp_path / "missing" / "b.npz")


# ---------------------------------------------------------------- files that are not ours


def tampered(path, **changes):
    """Rewrite the header of a branch file."""
    with np.load(path) as archive:
        arrays = dict(archive)
    header = json.loads(str(arrays.pop("header")))
    header.update(changes)
    np.savez(path, header=np.array(json.dumps(header)), **arrays)


def test_a_newer_version_asks_for_an_upgrade(tmp_path):
    path = hopf_branch().save(tmp_path / "b.npz")
    tampered(path, version=3)
    with pytest.raises(
        FileFormatError, match=r"b\.npz: written in format version 3, this ntkcont reads up to 2; upgrade"
    ):
        load(path)


def write_other_npz(path):
    np.savez(path, a=np.arange(3))


def write_npy(path):
    with path.open("wb") as file:
        np.save(file, np.arange(3))


def write_pickle(path):
    np.savez(path, header=np.array([{"format": "ntkcont branch"}], dtype=object))


def write_other_format(path):
    hopf_branch().save(path)
    tampered(path, format="another program")


@pytest.mark.parametrize(
    "write",
    [
        lambda path: path.write_text("v,w\n1,2\n"),
        lambda path: path.write_bytes(b""),
        write_other_npz,
        write_npy,
        write_other_format,
        lambda path: np.savez(path, header=np.array("not json")),
        lambda path: np.savez(path, header=np.array("[1]")),
    ],
)
def test_a_file_that_is_not_ours_is_refused_by_name(tmp_path, write):
    path = tmp_path / "other.npz"
    write(path)
    with pytest.raises(FileFormatError, match=r"other\.npz: not a file of ntkcont; give a \.npz file that"):
        load(path)


def test_pickled_objects_are_never_read(tmp_path):
    path = tmp_path / "evil.npz"
    write_pickle(path)
    with pytest.raises(FileFormatError, match=r"evil\.npz"):
        load(path)


def test_a_folder_and_a_missing_file_are_named(tmp_path):
    with pytest.raises(FileFormatError, match="this is a folder"):
        load(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"none\.npz: there is no such file"):
        load(tmp_path / "none.npz")


@pytest.mark.parametrize("keep", [0.2, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_damaged(tmp_path, keep):
    path = cusp_branch().save(tmp_path / "b.npz")
    data = path.read_bytes()
    path.write_bytes(data[: int(keep * len(data))])
    with pytest.raises(FileFormatError, match=r"b\.npz: the file is damaged \(.*compute it again"):
        load(path)


def test_flipped_bits_are_noticed(tmp_path):
    path = cusp_branch().save(tmp_path / "b.npz")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(FileFormatError, match=r"b\.npz: the file is damaged"):
        load(path)


def test_a_missing_array_is_noticed(tmp_path):
    path = hopf_branch().save(tmp_path / "b.npz")
    source = io.BytesIO(path.read_bytes())
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(path, "w") as new:
        for item in old.namelist():
            if item != "a1.npy":
                new.writestr(item, old.read(item))
    with pytest.raises(FileFormatError, match=r"the file is damaged \(a1\)"):
        load(path)
