"""The result of a continuation in two parameters: columns, files, tables, text."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import ntkcont as nc
from ntkcont import FileFormatError, InputError

MODEL = nc.Model.from_equations({"x": "h + mu*x - x**3", "y": "c*x - y"}, {"h": -1.0, "mu": 1.0, "c": 2.0})
BRANCH = nc.continuation(MODEL, [-1.3, -2.6], free="h", p_span=(-1, 1))
CURVE = nc.continuation(
    MODEL, BRANCH.special_points["LP1"], free=("h", "mu"), p_span=((-1, 1), (-0.5, 1.5)),
    settings=nc.ContinuationSettings(ds_max=0.1),
)  # fmt: skip


def test_columns_by_name_are_read_only():
    assert CURVE.columns[:5] == ("h", "mu", "x", "y", "c")
    np.testing.assert_array_equal(CURVE["h"], CURVE.p[:, 0])
    np.testing.assert_array_equal(CURVE["y"], CURVE.x[:, 1])
    assert set(CURVE["c"]) == {2.0}
    assert set(CURVE["labels"]) == {"LP"}
    assert CURVE.stable.all()
    for name in CURVE.columns[:5]:
        with pytest.raises(ValueError, match="read-only"):
            CURVE[name][0] = 1.0
    with pytest.raises(InputError, match=r"column: 'hh' is unknown; did you mean 'h'\?"):
        CURVE["hh"]


def test_files_hold_everything_but_the_model(tmp_path):
    path = CURVE.save(tmp_path / "curve.npz")
    back = nc.load(path)
    assert back == CURVE
    assert back.model is None
    assert back.special_points["CP1"]["mu"] == CURVE.special_points["CP1"]["mu"]
    assert back.provenance["p_span"] == ((-1.0, 1.0), (-0.5, 1.5))
    assert pickle.loads(pickle.dumps(CURVE)) == CURVE
    assert copy.deepcopy(CURVE) is CURVE
    short = nc.continuation(MODEL, BRANCH.special_points["LP1"], free=("h", "mu"), p_span=((-1, 1), (0, 1)))
    assert short != CURVE


def test_files_say_what_they_hold(tmp_path):
    curve, branch = CURVE.save(tmp_path / "curve.npz"), BRANCH.save(tmp_path / "branch.npz")
    assert (nc.load(curve), nc.load(branch)) == (CURVE, BRANCH)
    curve.write_bytes(curve.read_bytes()[:2000])
    with pytest.raises(FileFormatError, match=r"curve\.npz: the file is damaged"):
        nc.load(curve)


def test_text_names_ends_and_both_parameters():
    text = repr(CURVE)
    first, head, *rows = text.splitlines()
    assert first.startswith(f"Curve of fold (LP) points of a flow in h and mu: {len(CURVE)} points, h from -0.707107")
    assert "low end: left the span at mu = 1.5; high end: left the span at mu = 1.5" in first
    assert head.split()[:5] == ["name", "h", "mu", "x", "y"]
    assert [row.split()[0] for row in rows] == ["EP1", "CP1", "EP2"]
    assert "<td>CP1</td>" in CURVE._repr_html_()


def test_data_frame():
    frame = CURVE.to_dataframe()
    assert list(frame) == [
        "h", "mu", "x", "y", "s", "label", "stable", "n_unstable", "omega", "coefficient", "special",
    ]  # fmt: skip
    np.testing.assert_array_equal(frame["mu"], CURVE["mu"])
    assert frame["special"].iloc[0] == "EP1"
    assert "CP1" in set(frame["special"])
    assert frame.attrs["params"]["c"] == 2.0


@pytest.mark.parametrize("free", ["h", "mu"])
def test_a_point_of_codimension_two_starts_a_branch(free):
    branch = nc.continuation(MODEL, CURVE.special_points["CP1"], free=free, p_span=(-1, 1), direction="+")
    np.testing.assert_allclose(branch["h"] + branch["mu"] * branch["x"], branch["x"] ** 3, atol=1e-8)
    assert branch.p[-1] == 1.0


def test_curves_are_no_branches():
    with pytest.raises(InputError, match=r"branch: got CriticalCurve; only a Branch in one free parameter"):
        nc.extend(CURVE)
    with pytest.raises(InputError, match=r"branch: got CriticalCurve"):
        nc.plot.bifurcation_diagram(CURVE)


def test_shapes_are_checked():
    fields = {name: getattr(CURVE, name) for name in CURVE.__dataclass_fields__}
    with pytest.raises(InputError, match=r"p: shape \(3, 2\) was given"):
        nc.CriticalCurve(**{**fields, "p": np.zeros((3, 2))})
    with pytest.raises(InputError, match="arclength must increase"):
        nc.CriticalCurve(**{**fields, "s": CURVE.s[::-1]})
    with pytest.raises(InputError, match=r"free: .* two parameters"):
        nc.CriticalCurve(**{**fields, "free": ("h",)})
