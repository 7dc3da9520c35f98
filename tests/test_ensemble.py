"""Ensembles: the branches of many problems, kept, read again, and put together."""

import dataclasses
import importlib
import sys
from concurrent.futures import ThreadPoolExecutor

import ensemble_cases as cases
import numpy as np
import pytest
from invariants import check_branch

import ntkcont as nc
from ntkcont.results.ensemble_files import read_member


@pytest.fixture(scope="module")
def threads():
    with ThreadPoolExecutor(1) as executor:
        yield executor


@pytest.fixture(scope="module")
def solved(threads, tmp_path_factory):
    """Five pitchforks, one of them given twice, and one that fails."""
    problems = [*cases.pitchforks(5), cases.problem(cases.fails, a=0.5), cases.problem(a=0.25)]
    return problems, nc.ensemble(problems, threads, store=tmp_path_factory.mktemp("store"))


def test_branches_come_in_the_order_of_the_problems(solved):
    _, found = solved
    expected = [0.0, 0.25, 0.5, 0.75, 1.0, np.nan, 0.25]
    np.testing.assert_allclose(found.critical_values(), expected, atol=1e-9)
    np.testing.assert_allclose(found.critical_values("BP"), expected, atol=1e-9)
    assert np.isnan(found.critical_values("H")).all()
    np.testing.assert_allclose(found.critical_values(which="all"), [0.0, 0.25, 0.5, 0.75, 1.0, 0.25], atol=1e-9)
    for a, branch in zip(expected[:5], found[:5], strict=True):
        assert branch.params["a"] == a
        check_branch(branch, cases.pitchfork(a), p_span=(-2.0, 2.0))


def test_a_failure_is_kept_with_its_traceback_and_stops_nothing(solved):
    _, found = solved
    (member,) = found.failures
    assert member.outcome is nc.Outcome.FAILED
    assert member.error == "ValueError: no model for a = 0.5"
    assert "ensemble_cases.py" in member.traceback
    assert "6 done, 1 failed" in repr(found)
    assert "no model for a = 0.5" in repr(found)
    with pytest.raises(nc.InputError, match=r"no model for a = 0.5"):
        found[5]
    assert len(found.done) == 6


def test_a_second_call_computes_nothing(solved, threads, monkeypatch):
    problems, found = solved
    monkeypatch.setattr(cases.nc, "continuation", None)
    files = {path: path.stat().st_mtime_ns for path in found.store.glob("*.*")}
    again = nc.ensemble(problems, threads, store=found.store)
    assert {path: path.stat().st_mtime_ns for path in found.store.glob("*.*")} == files
    assert again.members == found.members
    assert [a == b for a, b in zip(again.done, found.done, strict=True)] == [True] * 6


def test_failures_are_tried_again_on_request(threads, tmp_path):
    file = tmp_path / "needed"
    problems = [cases.problem(cases.fails_without, a=0.5, file=str(file))]
    store = tmp_path / "store"
    assert nc.ensemble(problems, threads, store=store).members[0].outcome is nc.Outcome.FAILED
    file.write_text("now")
    assert nc.ensemble(problems, threads, store=store).members[0].outcome is nc.Outcome.FAILED
    again = nc.ensemble(problems, threads, store=store, recompute="failed")
    np.testing.assert_allclose(again.critical_values(), 0.5, atol=1e-9)
    assert [path.suffix for path in store.glob("*.*") if path.is_file()] == [".npz"]  # the failure is forgotten
    file.unlink()
    worse = nc.ensemble(problems, threads, store=store, recompute=("failed", "all"))
    assert worse.members[0].outcome is nc.Outcome.FAILED
    assert len(list(store.glob("*.npz.old"))) == 1  # no branch is ever deleted


def test_the_folder_can_be_opened_without_the_problems(solved):
    problems, found = solved
    opened = nc.load(found.store)
    assert len(opened) == 6
    assert {m.key for m in opened.members} == {p.key for p in problems}
    np.testing.assert_allclose(opened.coordinate("a"), [0.0, 0.25, 0.5, 0.5, 0.75, 1.0])
    path = found.members[1].path
    assert nc.load(path) == found[1]  # an ordinary branch file
    assert read_member(found.store, found.members[1].key) == found.members[1]


def test_columns_over_all_members_at_given_parameters(solved):
    _, found = solved
    upper = nc.Problem(cases.pitchfork, {"a": 0.0}, x0=1.0, free="p", p_span=(-2.0, 2.0), params={"p": 1.0})
    with ThreadPoolExecutor(1) as executor:
        curved = nc.ensemble([upper], executor, store=found.store / "upper")
    p = np.array([0.5, 1.0, 1.9])
    np.testing.assert_allclose(curved.values("x", p), [np.sqrt(p)], atol=2e-4)  # linear between points
    np.testing.assert_allclose(curved.values("norm", p), [np.sqrt(p)], atol=2e-4)
    assert np.isnan(curved.values("x", [-1.0, 2.5])).all()  # it turns back at p = 0 and ends at 2
    stable = found.values("stable", [-1.0, 1.5])
    np.testing.assert_array_equal(stable, [[1, 0]] * 5 + [[np.nan] * 2] + [[1, 0]])


def test_one_dataset_of_all_members(solved, tmp_path):
    _, found = solved
    data = found.to_xarray()
    assert data["outcome"].values.tolist() == ["done"] * 5 + ["failed", "done"]
    np.testing.assert_array_equal(data["a"], [0.0, 0.25, 0.5, 0.75, 1.0, 0.5, 0.25])
    for i, member in enumerate(found.members):
        k = int(data["n_points"][i])
        assert np.isnan(data["x"][i, k:]).all()
        if member.outcome is not nc.Outcome.DONE:
            assert k == 0
            continue
        one = found[i].to_xarray()
        for name in one.data_vars:
            dims = tuple(slice(size) for size in one[name].shape)
            np.testing.assert_array_equal(data[name].values[i][dims], one[name].values)
        np.testing.assert_array_equal(data["p"].values[i, :k], one["p"].values)
    data.to_netcdf(tmp_path / "all.nc", engine="h5netcdf")
    small = found.to_xarray(["stable", "special_p"])
    assert "x" not in small
    np.testing.assert_allclose(small["special_p"][0, 1], 0.0, atol=1e-9)
    with pytest.raises(nc.InputError, match=r"variables: 'stabel' is unknown; did you mean 'stable'"):
        found.to_xarray(["stabel"])


def test_members_of_different_size(threads, tmp_path):
    problems = [
        nc.Problem(nc.RateRNN, {"W": np.eye(n)}, x0=0.0, free="gain", p_span=(0.2, 0.9), params={"gain": 0.5})
        for n in (1, 3)
    ]
    found = nc.ensemble(problems, threads, store=tmp_path)
    for branch, n in zip(found, (1, 3), strict=True):
        check_branch(branch, nc.RateRNN(np.eye(n)))
    data = found.to_xarray()
    assert data["x"].sizes["state"] == 3
    assert np.isnan(data["x"][0, :, 1:]).all()
    assert "state" not in data.coords
    np.testing.assert_array_equal(found.coordinate("gain"), [0.5, 0.5])


# ---------------------------------------------------------------- keys

SCRIPT = '''
import ntkcont as nc
GAIN = 1.0
def scale(w):
    """Whatever."""
    return GAIN * w
def network(w):
    # build it
    return nc.RateRNN([[scale(w)]])
'''


def key_of(script, folder, monkeypatch, **changes):
    (folder / "some_script.py").write_text(script)
    monkeypatch.syspath_prepend(folder)
    sys.modules.pop("some_script", None)
    importlib.invalidate_caches()
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    import linecache

    linecache.clearcache()
    module = importlib.import_module("some_script")
    fields = {"x0": 0.0, "free": "gain", "p_span": (0.1, 2), "params": {"gain": 0.1}}
    return nc.Problem(module.network, {"w": 1.0}, **{**fields, **changes}).key


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("GAIN = 1.0", "GAIN = 2.0", False),
        ("GAIN * w", "GAIN * w**2", False),
        ("scale(w)]]", "scale(w) + 1]]", False),
        ("Whatever.", "Something.", True),
        ("# build it", "# make it", True),
        ("import ntkcont as nc", "import math\nimport ntkcont as nc", True),
    ],
)
def test_the_code_of_the_user_is_part_of_the_key(old, new, same, tmp_path, monkeypatch):
    before = key_of(SCRIPT, tmp_path, monkeypatch)
    assert (key_of(SCRIPT.replace(old, new), tmp_path, monkeypatch) == before) is same


def test_everything_that_changes_the_branch_changes_the_key():
    base = nc.Problem(nc.RateRNN, {"W": np.eye(2), "b": [0.0, 0.1]}, x0=0.0, free="gain", p_span=(0.1, 2))
    changed = [
        {"arguments": {"W": np.eye(2), "b": [0.0, 0.2]}},
        {"arguments": {"W": np.eye(2)}},
        {"model": nc.GRU},
        {"x0": 0.5},
        {"p_span": (0.1, 3)},
        {"params": {"gain": 0.2}},
        {"direction": "+"},
        {"settings": nc.ContinuationSettings(ds_max=0.01)},
        {"events": (nc.Fold(),)},
        {"stop": ("BP", 1)},
        {"ntk": nc.ntk.StateNTK(theta="b")},
        {"ntk": nc.ntk.StateNTK(theta="W")},
    ]
    keys = [base.key, *(dataclasses.replace(base, **change).key for change in changed)]
    assert len(set(keys)) == len(keys)
    same = nc.Problem(nc.RateRNN, {"b": (0.0, 0.1), "W": np.eye(2)}, x0=0, free="gain", p_span=[0.1, 2.0])
    assert same.key == base.key


def test_order_of_equations_counts():
    one, two = {"x": "p - x", "y": "x - y"}, {"y": "x - y", "x": "p - x"}
    keys = [
        nc.Problem(nc.Model.from_equations, {"equations": e, "params": {"p": 0.0}}, x0=0, free="p", p_span=(0, 1)).key
        for e in (one, two)
    ]
    assert keys[0] != keys[1]


# ---------------------------------------------------------------- bad input

GOOD = {"x0": 0.0, "free": "p", "p_span": (-1, 1)}


@pytest.mark.parametrize(
    ("arguments", "change", "message"),
    [
        ((nc.RateRNN(np.eye(1)),), {}, r"model: got RateRNN; give the function that makes the model"),
        ((lambda: None,), {}, r"model: .*lambda.*top level of a module"),
        ((cases.pitchfork, {"a": nc.RateRNN(np.eye(1))}), {}, r"arguments\['a'\]: got a RateRNN, .* its arguments"),
        ((cases.pitchfork, {"a": object()}), {}, r"arguments\['a'\]: object cannot be part of a problem"),
        ((cases.pitchfork, [1]), {}, r"arguments: got list; give a mapping"),
        ((cases.pitchfork,), {"free": 3}, r"free: got 3"),
        ((cases.pitchfork,), {"p_span": (1, 0)}, r"p_span: got \(1, 0\)"),
        ((cases.pitchfork,), {"x0": "zero"}, r"x0: got str"),
        ((cases.pitchfork,), {"stop": lambda point: True}, r"stop.*lambda.*top level"),
    ],
)
def test_problems_say_what_cannot_travel(arguments, change, message):
    with pytest.raises(nc.InputError, match=message):
        nc.Problem(*arguments, **{**GOOD, **change})


@pytest.mark.parametrize(
    ("problems", "options", "message"),
    [
        (cases.pitchforks(1)[0], {}, r"problems: got Problem; give a list"),
        ([1], {}, r"problems\[0\]: got int"),
        ([], {"recompute": "faild"}, r"recompute: 'faild' is unknown; did you mean 'failed'"),
        ([], {"executor": 3}, r"executor: got int"),
        ([], {"workers": 0}, r"workers: got 0"),
        ([], {"workers": 2, "executor": ThreadPoolExecutor(1)}, r"workers: it belongs to the default executor"),
        ([], {"timeout": -1}, r"timeout: got -1"),
    ],
)
def test_bad_arguments_are_named(problems, options, message, tmp_path):
    with pytest.raises(nc.InputError, match=message):
        nc.ensemble(problems, store=tmp_path, **options)


def test_questions_that_have_no_answer(solved, tmp_path):
    _, found = solved
    with pytest.raises(nc.InputError, match=r"no member has an argument 'b'; they have a"):
        found.coordinate("b")
    with pytest.raises(nc.InputError, match=r"which: got 'last'"):
        found.critical_values(which="last")
    empty = nc.ensemble([], store=tmp_path)
    with pytest.raises(nc.InputError, match=r"no branch yet"):
        _ = empty.p_span
    with pytest.raises(nc.FileFormatError, match=r"without results of an ensemble"):
        nc.load(tmp_path)


def test_progress_goes_to_the_error_stream(threads, tmp_path, capsys):
    nc.ensemble(cases.pitchforks(2), threads, store=tmp_path, progress=True)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "2/2" in captured.err
    nc.ensemble(cases.pitchforks(3), threads, store=tmp_path)
    assert capsys.readouterr() == ("", "")
