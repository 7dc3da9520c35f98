"""Branches as AUTO's diagram file and as CSV, read back by readers that know only the formats."""

import csv
import dataclasses

import numpy as np
import pandas
import pytest
from synthetic import FOLD, cusp_branch, hopf_branch, special

import ntkcont as nc
from ntkcont import InputError, Status
from ntkcont.results.special_points import SpecialPoints


def read_auto(path):
    """Read a diagram file as AUTO-07p's manual describes it: rows that begin with 0 are headers, columns 19 wide."""
    header, rows = [], []
    for line in path.read_text().splitlines():
        (header if line.split()[0] == "0" else rows).append(line)
    titles = header[-1]
    assert titles[:20] == "   0    PT  TY  LAB "
    names = [titles[i : i + 19].strip() for i in range(20, len(titles), 19)]
    points = []
    for line in rows:
        integers = [int(line[a:b]) for a, b in ((0, 4), (4, 10), (10, 14), (14, 19))]
        values = [float(line[i : i + 19]) for i in range(19, len(line), 19)]
        assert len(values) == len(names)
        points.append((*integers, *values))
    return header, names, np.array(points)


@pytest.fixture
def cusp(tmp_path):
    branch = cusp_branch()
    return branch, *read_auto(branch.to_auto(tmp_path / "b.cusp"))


def test_columns_are_parameter_norm_and_states(cusp):
    branch, _, names, points = cusp
    assert names == ["h", "L2-NORM", "x"]
    rows = points[np.isin(points[:, 2], [0, 9])]
    np.testing.assert_allclose(rows[:, 4], branch.p, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(rows[:, 5], np.abs(branch.x[:, 0]), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(rows[:, 6], branch.x[:, 0], rtol=1e-10, atol=1e-12)


def test_sign_of_the_point_number_is_stability(cusp):
    branch, _, _, points = cusp
    assert np.array_equal(np.abs(points[:, 1]), np.arange(1, len(branch) + 3))  # two folds are rows of their own
    rows = points[np.isin(points[:, 2], [0, 9])]
    assert np.array_equal(rows[:, 1] < 0, branch.stable)
    assert np.all(points[:, 0] == 1)


def test_special_points_are_rows_at_their_exact_places(cusp):
    _, _, _, points = cusp
    folds = points[points[:, 2] == 2]
    np.testing.assert_allclose(folds[:, 6], [-FOLD, FOLD], rtol=1e-10)
    np.testing.assert_allclose(folds[:, 4], [FOLD - FOLD**3, FOLD**3 - FOLD], rtol=1e-10)
    labelled = points[points[:, 2] != 0]
    assert labelled[:, 2].tolist() == [9, 2, 2, 9]
    assert labelled[:, 3].tolist() == [1, 2, 3, 4]
    assert np.all(points[points[:, 2] == 0, 3] == 0)


def test_headers_say_what_the_columns_are(cusp):
    branch, header, _, _ = cusp
    limits = [float(word) for word in header[0].split()[1:]]
    np.testing.assert_allclose(limits, [branch.p.min(), branch.p.max(), 0.0, 1.5], rtol=1e-4, atol=1e-12)
    text = "\n".join(header)
    assert "NDIM=   1" in text
    assert "IPS =   1" in text
    assert "parnames = {1: 'h'}" in text
    assert "unames   = {1: 'x'}" in text
    assert header[-2].strip() == "0"


@pytest.mark.parametrize(
    ("label", "number"),
    [("BP", 1), ("LP", 2), ("H", 3), ("PD", 7), ("NS", 8), ("UZ", -4), ("NSad", None), ("BC", None)],
)
def test_type_numbers_are_those_of_auto(tmp_path, label, number):
    kind = "map" if label in ("PD", "NS") else "flow"
    branch = hopf_branch(kind=kind)
    points = SpecialPoints([special(label, f"{label}1", 0.003, np.zeros(2), 1.003, ("x", "y"), free="mu", kind=kind)])
    branch = dataclasses.replace(branch, special_points=points)
    header, _, rows = read_auto(branch.to_auto(tmp_path / "b"))
    inner = rows[1:-1]
    assert inner[inner[:, 2] != 0, 2].tolist() == ([] if number is None else [number])
    assert f"IPS ={1 if kind == 'flow' else -1:4d}" in "\n".join(header)


def test_an_end_that_failed_is_abnormal(tmp_path):
    branch = dataclasses.replace(cusp_branch(), ends=(Status.BOUND, Status.MIN_STEP))
    _, _, rows = read_auto(branch.to_auto(tmp_path / "b"))
    assert rows[[0, -1], 2].tolist() == [9, -9]


def test_many_states_many_points_and_chosen_columns(tmp_path):
    k, n = 10_050, 9
    x = np.linspace(0, 1, k)[:, None] * np.arange(1, n + 1)
    branch = dataclasses.replace(
        cusp_branch(kernel=False), states=tuple(f"a_long_name_of_{i}" for i in range(n)), x=x,
        p=np.linspace(0, 1e-120, k),
        s=np.arange(k), tangent=np.zeros((k, n + 1)), eigenvalues=np.zeros((k, n)), stable=np.ones(k, bool),
        n_unstable=np.zeros(k, int), special_points=SpecialPoints(),
    )  # fmt: skip
    _, names, rows = read_auto(branch.to_auto(tmp_path / "b"))
    assert len(names) == 8  # as AUTO: parameter, norm and six states
    assert rows[[0, 9998, 9999], 1].tolist() == [-1, -9999, -1]
    np.testing.assert_allclose(rows[:, 5], np.linalg.norm(x, axis=1), rtol=1e-10)
    np.testing.assert_allclose(rows[:, 4], branch.p, rtol=1e-10)
    _, names, rows = read_auto(branch.to_auto(tmp_path / "b", states=["a_long_name_of_8", "a_long_name_of_0"]))
    np.testing.assert_allclose(rows[:, 6:], x[:, [8, 0]], rtol=1e-10)
    _, names, rows = read_auto(branch.to_auto(tmp_path / "b", states=branch.states))
    assert len(names) == 11


def test_unknown_states_and_failed_writes(tmp_path):
    with pytest.raises(InputError, match="states: 'y' is unknown"):
        cusp_branch().to_auto(tmp_path / "b", states=["y"])
    assert not list(tmp_path.iterdir())
    with pytest.raises(OSError, match="could not be written"):
        cusp_branch().to_auto(tmp_path / "none" / "b")
    with pytest.raises(OSError, match="could not be written"):
        cusp_branch().to_csv(tmp_path / "none" / "b.csv")


def test_a_computed_branch(tmp_path):
    branch = nc.continuation(nc.classics.cusp(), [0.0], free="mu", p_span=(-1.0, 1.0))
    _, _, rows = read_auto(branch.to_auto(tmp_path / "b"))
    assert rows[rows[:, 2] != 0, 2].tolist() == [9, 2, 2, 9]
    np.testing.assert_allclose(np.abs(rows[rows[:, 2] == 2, 4]), 2 / 3 / np.sqrt(3), rtol=1e-10)
    assert len(rows) == len(branch) + 2


# ---------------------------------------------------------------- CSV


def test_csv_is_read_without_options(tmp_path):
    branch = cusp_branch()
    frame = pandas.read_csv(branch.to_csv(tmp_path / "b.csv"))
    assert list(frame.columns[:5]) == ["h", "x", "s", "stable", "n_unstable"]
    assert frame.columns[-1] == "special"
    for name in ("h", "x", "s", "top", "stable_rank"):
        assert np.array_equal(frame[name], branch[name]), name
    assert frame.stable.dtype == bool
    assert np.array_equal(frame.stable, branch.stable)
    assert np.array_equal(frame.n_unstable, branch.n_unstable)
    assert np.array_equal(frame.lambda_c_real, branch.ntk["lambda_c"].real)
    assert np.all(frame.lambda_c_imag == 0)
    assert frame.special.dropna().tolist() == ["LP1", "LP2"]


def test_csv_holds_fixed_parameters_and_empty_cells(tmp_path):
    branch = hopf_branch()
    x = branch.x.copy()
    x[3, 0] = np.nan
    branch = dataclasses.replace(branch, x=x)
    with branch.to_csv(tmp_path / "b.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["omega"] for row in rows} == {"2.0"}
    assert rows[3]["x"] == ""
    assert rows[50]["special"] == "H1"
    assert not (tmp_path / "b.csv").read_bytes().startswith(b"\xef\xbb\xbf")


def test_csv_replaces_a_file_only_when_complete(tmp_path, monkeypatch):
    path = tmp_path / "b.csv"
    path.write_text("old")

    def fail(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="unchanged"):
        cusp_branch().to_csv(path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("write", ["to_csv", "to_auto"])
def test_a_path_without_a_name_is_refused(write):
    branch = nc.continuation(nc.classics.cusp(), [0.0], free="mu", p_span=(-1.0, 1.0))
    with pytest.raises(nc.InputError, match=r"path: '\.' is a folder; give the name of a file in it"):
        getattr(branch, write)(".")
