"""Variables measured in decades: even steps over any number of them, the same special points, and clear refusals."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from diagram_invariants import check_diagram
from scipy.optimize import brentq

import ntkcont as nc
from ntkcont import InputError, Status
from ntkcont.pathfollowing.decades import in_decades, log_scales
from tests.invariants import check_branch

LINE = nc.Model.from_equations({"x": "K - x"}, {"K": 1.0})
# a gene that activates itself: fixed points have K = x sqrt((1 + L - d x)/(d x - L))
GENE = nc.Model.from_equations({"x": "L + x^2/(K^2 + x^2) - d*x"}, {"K": 1.0, "L": 0.01, "d": 1.0})
TOGGLE = nc.Model.from_equations({"u": "a/(1 + v^2) - u", "v": "a/(1 + u^2) - v"}, {"a": 1.0})
SPAN = (1e-6, 1e6)


def gaps(p):
    """Distances of neighbouring points in decades."""
    return np.abs(np.diff(np.log10(p)))


def gene_folds(L, d):
    """The folds (K, x) of the gene from its closed form, by a dense scan for extrema of ln K in ln x."""

    def slope(u):
        x = np.exp(u)
        return 1.0 - 0.5 * d * x / (1.0 + L - d * x) - 0.5 * d * x / (d * x - L)

    low, high = np.log(L / d), np.log((1.0 + L) / d)
    grid = low + (high - low) * (0.5 - 0.5 * np.cos(np.linspace(1e-4, np.pi - 1e-4, 4001)))
    roots = [brentq(slope, a, b, xtol=1e-15) for a, b in itertools.pairwise(grid) if slope(a) * slope(b) < 0]
    return sorted((x * np.sqrt((1.0 + L - d * x) / (d * x - L)), x) for x in np.exp(roots))


def terms(branch):
    """|f| relative to the sum of the magnitudes of its terms, for the gene."""
    x, K, L, d = branch.x[:, 0], branch.p, branch.params["L"], branch.params["d"]
    parts = np.array([np.full_like(x, L), x**2 / (K**2 + x**2), -d * x])
    return np.abs(parts.sum(axis=0)) / np.abs(parts).sum(axis=0)


# ---------------------------------------------------------------- steps


@pytest.mark.parametrize("log", [("K",), ("K", "x")])
def test_twelve_decades_have_evenly_spread_points(log):
    branch = nc.continuation(LINE, [1.0], free="K", p_span=SPAN, log=log)
    check_branch(branch, LINE, p_span=SPAN)
    assert branch.ends == (Status.BOUND, Status.BOUND)
    assert branch.special_points.labels == ("EP", "EP")
    assert (branch.p[0], branch.p[-1]) == SPAN
    np.testing.assert_allclose(branch["x"], branch.p, rtol=1e-9)
    per_decade = np.histogram(np.log10(branch.p), bins=12)[0]
    assert per_decade.min() >= 4
    assert gaps(branch.p).max() <= 0.02 * 12 * 1.01  # ds_max of the whole span
    if "x" in log:  # steps are shorter beside the start only
        assert np.ptp(np.delete(per_decade, [5, 6])) <= 0.05 * per_decade.max(), per_decade
        assert gaps(branch.p).max() <= 0.02 * 1.05 / np.log(10.0)  # a factor of e in x is one unit of arclength


def test_a_state_in_decades_has_a_unit_of_arclength_for_each_factor_of_e():
    branch = nc.continuation(LINE, [1.0], free="K", p_span=(1e-3, 1e3), log=("K", "x"))
    # K: ln K / ln 1e6, x: ln x, both grow alike
    np.testing.assert_allclose(np.ptp(branch.s), np.hypot(1.0, np.log(1e6)), rtol=0.02)


def test_without_log_nothing_changes():
    plain = nc.continuation(GENE, [0.5], free="K", p_span=(0.1, 1.0), params={"K": 0.3})
    assert plain.log == ()
    assert plain == nc.continuation(GENE, [0.5], free="K", p_span=(0.1, 1.0), params={"K": 0.3}, log=[])


@pytest.mark.parametrize("high", [1e2, 1e4, 1e6, 1e8])
@pytest.mark.parametrize("x0", [0.5, 1.0])
def test_folds_are_those_of_the_equations_whatever_the_span(high, x0):
    branch = nc.continuation(GENE, [x0], free="K", p_span=(1e-6, high), params={"K": 1e-6}, log=("K",))
    check_branch(branch, GENE, p_span=(1e-6, high))
    assert branch.special_points.labels == ("EP", "LP", "LP", "EP")
    np.testing.assert_allclose(
        [point.p for point in branch.special_points("LP")], [0.510102073154, 0.198987122608], rtol=1e-11
    )
    assert (branch.p.min(), branch.p.max()) == (1e-6, high)
    assert terms(branch).max() < 1e-9


def test_on_and_off_levels_a_million_apart():
    params = {"K": 1e-2, "L": 1e-6, "d": 1e-3}
    branch = nc.continuation(GENE, [1000.0], free="K", p_span=(1e-2, 5e3), params=params, log=("K", "x"))
    assert branch.special_points.labels == ("EP", "LP", "LP", "EP")
    np.testing.assert_allclose([p.p for p in branch.special_points("LP")], [500.001, 1.99999899900], rtol=1e-9)
    assert branch.ends == (Status.BOUND, Status.BOUND)
    assert terms(branch).max() < 1e-9
    assert (branch["x"] > 0).all()
    assert gaps(branch["x"]).max() < 0.02
    assert branch["x"].max() / branch["x"].min() > 5e5


@pytest.mark.parametrize("seed", range(12))
def test_random_genes_over_many_decades(seed):
    rng = np.random.default_rng(seed)
    d = 10.0 ** rng.uniform(-6, 6)
    L = 10.0 ** rng.uniform(-8, 0.5)
    folds = gene_folds(L, d)
    unit = 1.0 / d
    span = (1e-3 * unit * min(L, 1.0), 1e3 * unit)
    K0 = span[0] if seed % 2 else span[1]
    x0 = (1.0 + L) / d if seed % 2 else L / d
    branch = nc.continuation(GENE, [x0], free="K", p_span=span, params={"L": L, "d": d, "K": K0}, log=("K", "x"))
    found = sorted((point.p, point["x"]) for point in branch.special_points if point.label != "EP")
    assert branch.ends == (Status.BOUND, Status.BOUND)
    assert len(found) == len(folds)
    np.testing.assert_allclose(np.array(found).reshape(-1, 2), np.array(folds).reshape(-1, 2), rtol=1e-7)
    assert terms(branch).max() < 1e-9


def test_maps_and_power_laws_in_decades():
    # Ricker's map, fixed point x = ln r, loses stability to a period doubling at r = e^2; x = 1e-3 .. 20
    ricker = nc.Model.from_equations({"x": "r*x*exp(-x)"}, {"r": 1.001}, kind="map")
    span = (1.001, 5e8)
    branch = nc.continuation(ricker, [1e-3], free="r", p_span=span, log=("r", "x"))
    check_branch(branch, ricker, p_span=span)
    (doubling,) = branch.special_points("PD")
    assert doubling.p == pytest.approx(np.e**2, rel=1e-10)
    np.testing.assert_allclose(branch["x"], np.log(branch.p), rtol=1e-7)


def test_a_state_in_decades_does_not_change_its_sign():
    branch = nc.continuation(
        LINE, [1.0], free="K", p_span=(-1.0, 1.0), params={"K": 1.0}, log=("x",),
        settings=nc.ContinuationSettings(max_steps=300),
    )  # fmt: skip
    assert (branch["x"] > 0).all()
    assert branch["x"].min() < 1e-2
    assert branch.p.max() == 1.0


def test_points_one_by_one():
    points = list(itertools.islice(nc.iterate(LINE, [1e-6], free="K", p_span=SPAN, params={"K": 1e-6}, log=("K",)), 30))
    p = np.array([point.p for point in points])
    assert gaps(p).max() < 0.3
    assert p[-1] > 1e-6 * 1.5


# ---------------------------------------------------------------- diagrams


def test_all_branches_of_a_switch_over_seven_decades():
    # u = a/(1 + v^2): the pitchfork is at u = v = 1, a = 2; beyond it u v = 1, u + v = a
    diagram = nc.diagram(TOGGLE, [[1e-3, 1e-3]], free="a", p_span=(1e-3, 1e4), params={"a": 1e-3}, log=("a", "u", "v"))
    check_diagram(diagram, TOGGLE, p_span=(1e-3, 1e4))
    assert diagram.special_points.names == ("BP1",)
    assert diagram.special_points["BP1"].p == pytest.approx(2.0, rel=1e-9)
    assert len(diagram) == 2
    assert diagram.log == ("a", "u", "v")
    split = diagram[1]
    np.testing.assert_allclose(split["u"] * split["v"], 1.0, rtol=1e-8)
    np.testing.assert_allclose(split["u"] + split["v"], split.p, rtol=1e-8)
    assert (split.p[0], split.p[-1]) == (1e4, 1e4)


@pytest.mark.parametrize("log", [("K",), ("K", "x")])
def test_branch_points_decades_apart_have_their_own_names_and_branches(log):
    others = "*".join(f"(x - {level})/(x + {level})" for level in ("1e-5", "1e-4", "1e2"))
    model = nc.Model.from_equations({"x": f"x*(x - K)/(x + K)*{others}"}, {"K": 1e-6})
    diagram = nc.diagram(model, [[1e-6]], free="K", p_span=SPAN, log=log)
    assert diagram.special_points.names == ("BP1", "BP2", "BP3")
    np.testing.assert_allclose([p.p for p in diagram.special_points], [1e-5, 1e-4, 1e2], rtol=1e-6)
    assert [origin.point for origin in diagram.origins] == [None, "BP1", "BP2", "BP3"]
    for branch, level in zip(diagram.branches[1:], (1e-5, 1e-4, 1e2), strict=True):
        np.testing.assert_allclose(branch["x"], level, rtol=1e-6)
        assert (branch.p.min(), branch.p.max()) == SPAN


# ---------------------------------------------------------------- two parameters


def test_the_folds_of_a_gene_in_two_parameters_over_decades():
    fold = nc.continuation(GENE, [1.0], free="K", p_span=SPAN, params={"K": 1e-6}, log=("K",)).special_points["LP1"]
    spans = (SPAN, (1e-8, 1.0))
    curve = nc.continuation(GENE, fold, free=("K", "L"), p_span=spans, log=("K", "L"))
    assert curve.log == ("K", "L")
    # both sheets of folds meet in a cusp at L = 1/8, x = 3/8, K^2 = x^3/(1 + L - x) ... from dK/dx = d2K/dx2 = 0
    x, K, L = curve["x"], curve["K"], curve["L"]
    np.testing.assert_allclose(L + x**2 / (K**2 + x**2), x, rtol=1e-8)
    np.testing.assert_allclose(2.0 * x * K**2 / (K**2 + x**2) ** 2, 1.0, rtol=1e-8)
    (cusp,) = curve.special_points("CP")
    assert (cusp["L"], cusp["x"]) == (pytest.approx(1 / 8, rel=1e-7), pytest.approx(3 / 8, rel=1e-7))
    np.testing.assert_allclose(L[[0, -1]], 1e-8, rtol=1e-12)
    assert max(gaps(K).max(), gaps(L).max()) < 0.3
    assert len(curve) < 1000


# ---------------------------------------------------------------- results and what goes on from them


def test_a_branch_remembers_what_was_measured_in_decades(tmp_path):
    branch = nc.continuation(GENE, [1.0], free="K", p_span=(1e-2, 1e2), params={"K": 1e-2}, log=["K", "x"])
    assert branch.log == ("K", "x")
    loaded = nc.load(branch.save(tmp_path / "branch.npz"))
    assert loaded == branch
    assert loaded.log == ("K", "x")
    assert branch.reversed().log == ("K", "x")
    longer = nc.extend(loaded, p_span=SPAN, model=GENE)
    assert longer.log == ("K", "x")
    assert (longer.p.min(), longer.p.max()) == SPAN
    assert gaps(longer.p).max() < 0.3
    assert [point.p for point in longer.special_points("LP")] == [point.p for point in branch.special_points("LP")]
    check_branch(longer, GENE, p_span=SPAN)
    with pytest.raises(InputError, match=r"'K' is measured in decades, but its p_span \(-1, 100\)"):
        nc.extend(branch, p_span=(-1, 100))
    assert len(nc.extend(branch, p_span=(-1, 100), log=())) > len(branch)


def test_a_linear_branch_extended_in_decades():
    branch = nc.continuation(LINE, [1.0], free="K", p_span=(0.5, 2.0))
    longer = nc.extend(branch, p_span=(1e-6, 2.0), log=("K",))
    assert longer.log == ("K",)
    assert longer.p.min() == 1e-6
    assert gaps(longer.p).max() < 0.3


def test_a_checkpoint_knows_what_was_measured_in_decades(tmp_path):
    arguments = {"free": "K", "p_span": (1e-2, 1e2), "params": {"K": 1e-2}}
    first = nc.continuation(GENE, [1.0], log=("K",), checkpoint=tmp_path / "run", **arguments)
    assert nc.continuation(GENE, [1.0], log=("K",), checkpoint=tmp_path / "run", **arguments) == first
    for log in ((), ("K", "x")):
        with pytest.raises(InputError, match="another log"):
            nc.continuation(GENE, [1.0], log=log, checkpoint=tmp_path / "run", **arguments)


def test_problems_of_ensembles_are_measured_in_decades():
    equations = {"equations": {"x": "L + x^2/(K^2 + x^2) - x"}, "params": {"K": 1e-6, "L": 0.01}}
    problem = nc.Problem(nc.Model.from_equations, equations, x0=1.0, free="K", p_span=SPAN, log=["K"])
    assert problem.log == ("K",)
    branch = problem.solve()
    assert branch.log == ("K",)
    np.testing.assert_allclose(branch.special_points["LP1"].p, 0.510102073154, rtol=1e-11)
    keys = {
        nc.Problem(nc.Model.from_equations, equations, x0=1.0, free="K", p_span=SPAN, log=log).key
        for log in ((), ("K",), ("K", "x"), ["K", "x"])
    }
    assert len(keys) == 3
    with pytest.raises(InputError, match=r"log: got 'K'; .*log=\('K',\)"):
        nc.Problem(nc.Model.from_equations, equations, x0=1.0, free="K", p_span=SPAN, log="K")


# ---------------------------------------------------------------- refusals

TWO = nc.Model.from_equations({"x": "K - x", "y": "x*gain - y"}, {"K": 1.0, "gain": 2.0})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"log": "K"}, r"log: got 'K'; .*log=\('K',\)"),
        ({"log": None}, r"log: got None; .*log=\('K',\)"),
        ({"log": (1,)}, r"log: got 1 among the names"),
        ({"log": ("K", "x", "K")}, r"log: 'K' is named 2 times"),
        ({"log": ("k",)}, r"log: 'k' is unknown; did you mean 'K'\?"),
        ({"log": ("gain",)}, r"log: 'gain' is a parameter that does not move here; it may be 'K', 'x', 'y'"),
        ({"log": ("K",), "p_span": (0.0, 2.0)}, r"p_span \(0, 2\) begins at zero; .*leave 'K' out of log"),
        ({"log": ("K",), "p_span": (-1.0, 2.0)}, r"p_span \(-1, 2\) holds values that are not positive"),
        ({"log": ("y",), "x0": [1.0, -1.0]}, r"log: 'y' .* x0 has y = -1; .*leave 'y' out of log"),
        ({"log": ("x",), "x0": [0.0, 1.0]}, r"log: 'x' .* x0 has x = 0"),
        ({"log": ("x",), "params": {"K": -1.0}, "p_span": (-2.0, 2.0)}, r"fixed point that x0 leads to has x = -1"),
    ],
)
@pytest.mark.parametrize("verb", [nc.continuation, nc.diagram, lambda *a, **k: next(iter(nc.iterate(*a, **k)))])
def test_what_cannot_be_measured_in_decades_is_refused_by_name(verb, changes, message):
    arguments = {"free": "K", "p_span": (1e-3, 1e3), **changes}
    x0 = arguments.pop("x0", [1.0, 2.0])
    with pytest.raises(InputError, match=message):
        verb(TWO, x0, **arguments)


def test_two_parameters_are_checked_alike():
    fold = nc.continuation(GENE, [1.0], free="K", p_span=(0.1, 1.0), params={"K": 0.1}).special_points["LP1"]
    for log, spans, message in (
        (("d",), ((0.1, 1), (0.001, 1)), "'d' is a parameter that does not move here; it may be 'K', 'L', 'x'"),
        (("L",), ((0.1, 1), (-1, 1)), r"'L' is measured in decades, but its p_span \(-1, 1\)"),
        ("K", ((0.1, 1), (0.001, 1)), r"log=\('K',\)"),
    ):
        with pytest.raises(InputError, match=message):
            nc.continuation(GENE, fold, free=("K", "L"), p_span=spans, log=log)


# ---------------------------------------------------------------- units


def test_units_of_steps():
    logs = log_scales(TWO, "K", (1e-3, 1e3), ("K", "y"))
    np.testing.assert_allclose(logs, [0.0, np.sqrt(2.0), np.log(1e6)], rtol=1e-15)
    both = log_scales(TWO, ("K", "gain"), ((1e-3, 1e3), (2.0, 3.0)), ("gain",))
    np.testing.assert_allclose(both, [0.0, 0.0, 0.0, np.log(1.5)], rtol=1e-15)
    at = in_decades(np.array([5.0, 5.0, 5.0]), np.array([3.0, 1e-9, 1e2]), logs)
    np.testing.assert_allclose(at, [5.0, 1e-9 * np.sqrt(2.0), 1e2 * np.log(1e6)], rtol=1e-15)
    np.testing.assert_array_equal(in_decades(np.ones(3), np.zeros(3), None), np.ones(3))
