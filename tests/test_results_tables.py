"""Tables carry names instead of indices, and can be written to files."""

from __future__ import annotations

import dataclasses
import importlib
import json

import numpy as np
import pandas
import pytest
import xarray
from synthetic import cusp_branch, hopf_branch

from ntkcont.results.signatures import Signatures


def test_dataframe_has_named_columns_of_the_branch():
    branch = cusp_branch()
    frame = branch.to_dataframe()
    assert list(frame.columns[:5]) == ["h", "x", "s", "stable", "n_unstable"]
    assert set(branch.ntk.scalars) <= set(frame.columns)
    assert "eigenvalues" not in frame.columns
    for name in ("h", "x", "s", "stable", "n_unstable", "top"):
        assert np.array_equal(frame[name], branch[name]), name
    assert frame.attrs["free"] == "h"
    frame.loc[0, "x"] = 5.0  # a copy: the branch stays as it is
    assert branch.x[0, 0] == -1.5


def test_dataframe_marks_the_rows_next_to_special_points():
    branch = cusp_branch()
    frame = branch.to_dataframe()
    assert list(frame.special[frame.special != ""]) == ["LP1", "LP2"]
    row = frame.index[frame.special == "LP1"][0]
    assert abs(branch.s[row] - branch.special_points["LP1"].s) == np.min(
        np.abs(branch.s - branch.special_points["LP1"].s)
    )


def test_dataframe_of_special_points():
    frame = cusp_branch().special_points.to_dataframe()
    assert list(frame.name) == ["LP1", "LP2"]
    assert frame.h[0] == cusp_branch().special_points[0].p
    assert frame.residual[1] == 1e-14
    assert list(hopf_branch().special_points.to_dataframe().omega) == [2.0]


def test_names_that_clash_are_told_apart():
    branch = dataclasses.replace(
        hopf_branch(), states=("top", "s"), ntk=Signatures({"top": np.arange(101.0), "mu": np.ones(101)}, {})
    )
    frame = branch.to_dataframe()
    assert list(frame.columns) == ["mu", "top", "s", "branch_s", "stable", "n_unstable", "ntk_top", "ntk_mu", "special"]
    assert np.array_equal(frame.ntk_top, np.arange(101.0))
    assert np.array_equal(frame.branch_s, branch.s)


def test_dataset_has_named_dimensions_and_coordinates():
    branch = cusp_branch()
    data = branch.to_xarray()
    assert dict(data.sizes) == {"point": 201, "state": 1, "eigenvalue": 1, "special_point": 2, "kernel_mode": 3}
    assert np.array_equal(data.h, branch.p)
    assert data.h.dims == ("point",)
    assert np.array_equal(data.x.sel(state="x"), branch.x[:, 0])
    assert np.array_equal(data.ntk_eigenvalues, branch.ntk.eigenvalues)
    assert data.ntk_eigenvalues.dims == ("point", "kernel_mode")
    assert np.array_equal(data.eigenvalues_real, branch.eigenvalues.real)
    assert np.array_equal(data.lambda_c_imag, branch.ntk.lambda_c.imag)
    assert float(data.special_p.sel(special_point="LP2")) == branch.special_points["LP2"].p
    assert data.attrs["status"] == str(branch.status)
    assert json.loads(data.attrs["params"]) == dict(branch.params)


@pytest.mark.parametrize("branch", [cusp_branch(), hopf_branch(), hopf_branch(k=3)])
def test_dataset_survives_netcdf(tmp_path, branch):
    data = branch.to_xarray()
    data.to_netcdf(tmp_path / "b.nc", engine="h5netcdf")
    with xarray.open_dataset(tmp_path / "b.nc", engine="h5netcdf") as back:
        xarray.testing.assert_equal(back.load(), data)
        assert back.attrs == data.attrs


def test_dataset_without_special_points_survives_netcdf(tmp_path):
    branch = cusp_branch(limit=0.4, kernel=False)
    branch = dataclasses.replace(branch, special_points=branch.special_points[:0])
    branch.to_xarray().to_netcdf(tmp_path / "b.nc", engine="h5netcdf")
    with xarray.open_dataset(tmp_path / "b.nc", engine="h5netcdf") as back:
        assert back.sizes["special_point"] == 0


def test_dataframe_survives_csv(tmp_path):
    frame = hopf_branch().to_dataframe()
    frame.to_csv(tmp_path / "b.csv", index=False)
    back = pandas.read_csv(tmp_path / "b.csv", keep_default_na=False)
    pandas.testing.assert_frame_equal(back, frame, rtol=1e-14)


@pytest.mark.parametrize(("method", "package"), [("to_dataframe", "pandas"), ("to_xarray", "xarray")])
def test_a_missing_package_says_how_to_install_it(monkeypatch, method, package):
    real = importlib.import_module

    def without(name, *args):
        if name == package:
            raise ModuleNotFoundError(name)
        return real(name, *args)

    monkeypatch.setattr(importlib, "import_module", without)
    with pytest.raises(ImportError, match=rf"{package} is needed .* pip install 'ntkcont\[io\]'"):
        getattr(cusp_branch(), method)()
