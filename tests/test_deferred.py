"""Results that are computed when first read."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import warnings

import numpy as np
import pytest

import ntkcont as nc
from ntkcont.results.deferred import Deferred
from ntkcont.results.frozen import FrozenDict

CUSP = nc.Model.from_equations({"x": "h + x - x**3"}, {"h": -1.0})


def test_it_is_computed_once_and_only_when_read():
    calls = []
    values = Deferred(lambda: calls.append(1) or {"a": np.ones(2)})
    assert not calls
    assert copy.deepcopy(values) is values
    assert not calls
    assert list(values) == ["a"]
    assert values == {"a": np.ones(2)}
    assert len(calls) == 1
    with pytest.raises(ValueError, match="read-only"):
        values["a"][0] = 2.0
    assert type(pickle.loads(pickle.dumps(values))) is FrozenDict


def test_saving_sending_and_comparing_compute_nothing(tmp_path, monkeypatch):
    branch = nc.continuation(CUSP, [-1.3], free="h", p_span=(-2, 2), events=[nc.UserZero("x", lambda q: q["x"])])
    again = nc.continuation(CUSP, [-1.3], free="h", p_span=(-2, 2), events=[nc.UserZero("x", lambda q: q["x"])])
    diagram = nc.diagram(CUSP, [-1.3], free="h", p_span=(-2, 2))
    with monkeypatch.context() as patch:

        def computed(*_):
            raise AssertionError("a normal form was computed")

        patch.setattr(Deferred, "values_now", property(computed))
        repr(branch), branch._repr_html_(), repr(diagram), repr(branch.special_points[1])
        branch.to_dataframe(), branch.special_points.to_dataframe(), branch.to_xarray()
        branch.to_csv(tmp_path / "b.csv"), branch.to_auto(tmp_path / "b.auto")
        loaded = nc.load(branch.save(tmp_path / "b.npz"))
        sent = pickle.loads(pickle.dumps(branch))
        assert nc.load(diagram.save(tmp_path / "d.npz")) == diagram
        assert loaded == sent == branch == again
    for point in (loaded.special_points["LP1"], sent.special_points["LP1"]):
        assert set(point.normal_form) == {"note"}
        assert "nc.normal_form(model, point)" in point.normal_form["note"]
        assert abs(nc.normal_form(CUSP, point)["a"]) == pytest.approx(3**0.5)
    assert loaded.special_points("UZ")[0].normal_form == {}
    assert abs(branch.special_points["LP1"].normal_form["a"]) == pytest.approx(3**0.5)
    assert loaded == branch  # what is not known follows from the rest


def test_what_was_read_is_stored_and_compared(tmp_path):
    branch = nc.continuation(CUSP, [-1.3], free="h", p_span=(-2, 2))
    expected = dict(branch.special_points["LP2"].normal_form)
    loaded = nc.load(branch.save(tmp_path / "b.npz"))
    assert loaded.special_points["LP2"].normal_form == expected
    assert set(loaded.special_points["LP1"].normal_form) == {"note"}
    assert nc.load(loaded.save(tmp_path / "again.npz")) == loaded
    point = loaded.special_points["LP2"]
    assert point != dataclasses.replace(point, normal_form={**expected, "a": 0.0})
    assert point == dataclasses.replace(point, normal_form=Deferred(None))
    assert point != dataclasses.replace(point, normal_form=Deferred(None), p=0.0)


def test_a_failure_becomes_a_note():
    assert Deferred(lambda: {"a": 1 / 0}) == {"note": "not computed: ZeroDivisionError: division by zero"}


def test_a_warning_reaches_the_reader_and_costs_nothing():
    def compute():
        warnings.warn("near another point", RuntimeWarning, stacklevel=1)
        return {"a": 1.0}

    values = Deferred(compute)
    with pytest.warns(RuntimeWarning, match="near another point"):
        assert values["a"] == 1.0
    assert values == {"a": 1.0}


def test_special_points_have_their_normal_form(tmp_path):
    branch = nc.continuation(CUSP, [-1.3], free="h", p_span=(-2, 2))
    # at x = -1/sqrt(3) and 1/sqrt(3): f_xx/2 = -3 x, with v of either sign
    assert [abs(q.normal_form["a"]) for q in branch.special_points("LP")] == pytest.approx([3**0.5, 3**0.5])
    assert branch.special_points[0].normal_form == {}
    loaded = nc.load(branch.save(tmp_path / "cusp.npz"))
    assert loaded == branch
    assert loaded.special_points["LP1"].normal_form["a"] == branch.special_points["LP1"].normal_form["a"]
    assert pickle.loads(pickle.dumps(loaded.special_points["LP1"])) == loaded.special_points["LP1"]


def test_the_continuation_alone_loads_no_jax():
    import subprocess
    import sys

    code = (
        "import sys, ntkcont as nc\n"
        "m = nc.Model.from_equations({'x': 'h + x - x**3'}, {'h': -1.0})\n"
        "b = nc.continuation(m, [-1.3], free='h', p_span=(-2, 2))\n"
        "repr(b)\n"
        "print('jax' in sys.modules, len(b.special_points('LP')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "2"]
