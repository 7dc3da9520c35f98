"""Special points are found by number, name and label, under any of the accepted spellings."""

from __future__ import annotations

import dataclasses
import pickle

import numpy as np
import pytest
from synthetic import special

from ntkcont import InputError
from ntkcont.results.labels import ALIASES, LABELS, canonical
from ntkcont.results.special_points import SpecialPoints

STATES = ("v", "w")


def points():
    return SpecialPoints(
        [
            special("LP", "LP1", 0.5, [1.0, 2.0], 1.0, STATES),
            special("HB", "H1", 1.5, [3.0, 4.0], 2.0, STATES, omega=0.7, vectors={"v": [1, 1j]}),
            special("LP", "LP2", 2.5, [5.0, 6.0], 3.0, STATES, params={"h": 2.5, "C": 20.0}),
        ]
    )


@pytest.mark.parametrize(("alias", "label"), list(ALIASES.items()))
def test_aliases_are_read_and_never_printed(alias, label):
    assert canonical(alias) == label
    assert canonical(alias.lower()) == label
    point = special(alias, f"{label}1", 0, [0, 0], 0.0, STATES)
    assert point.label == label
    found = SpecialPoints([point])
    assert found[f"{alias}1"] is point
    assert len(found(alias)) == 1


def test_every_label_has_one_spelling():
    assert all(canonical(label) == label for label in LABELS)
    with pytest.raises(InputError, match="label: 'HOPF' is unknown"):
        canonical("HOPF")


def test_lookup_by_number_name_and_label():
    found = points()
    assert found[0].name == "LP1"
    assert found[-1].name == "LP2"
    assert found[1:].names == ("H1", "LP2")
    assert isinstance(found[1:], SpecialPoints)
    assert found["H1"].omega == 0.7
    assert found("LP").names == ("LP1", "LP2")
    assert found("SN") == found("LP")
    assert len(found("PD")) == 0
    assert [point.name for point in found] == ["LP1", "H1", "LP2"]
    assert found.labels == ("LP", "H", "LP")
    assert "H1" in found
    assert "HB1" in found
    assert "H2" not in found
    assert found[0] in found


def test_a_wrong_name_says_what_there_is():
    with pytest.raises(InputError, match="special point: 'LP3' is unknown; did you mean 'LP"):
        points()["LP3"]
    with pytest.raises(InputError, match=r"'HB' is a label; all of them are points\('H'\), one is points\['H1'\]"):
        points()["HB"]
    with pytest.raises(InputError, match="this branch has none"):
        SpecialPoints()["H1"]
    with pytest.raises(InputError, match="did you mean"):
        points()("NSAd2")
    twice = SpecialPoints([special("UZ", "half", p, [0, 0], p, STATES) for p in (1.0, 2.0)])
    with pytest.raises(InputError, match=r"2 are called 'half'; choose by number or by label, points\('UZ'\)"):
        twice["half"]


def test_a_point_reads_states_and_parameters_by_name():
    point = points()["LP2"]
    assert point["w"] == 6.0
    assert point["h"] == 2.5
    assert point["C"] == 20.0
    with pytest.raises(InputError, match="name: 'vv' is unknown; did you mean 'v'"):
        point["vv"]


def test_points_are_read_only_and_compare_by_data():
    point = points()["H1"]
    with pytest.raises(ValueError, match="read-only"):
        point.x[0] = 0.0
    assert point == points()["H1"]
    assert point != points()["LP1"]
    assert pickle.loads(pickle.dumps(point)) == point
    assert point.vectors["v"].dtype == np.complex128
    assert not point.vectors["v"].flags.writeable


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x": [1.0]}, r"x: shape \(1,\) was given; it must be \(2,\)"),
        ({"tangent": [1.0, 2.0]}, r"tangent: shape \(2,\) was given; it must be \(3,\)"),
        ({"vectors": {"v": [1.0]}}, r"vectors\['v'\]: shape \(1,\)"),
        ({"bracket": 1.0}, r"bracket: got 1.0; it must be two arclengths"),
        ({"kind": "flux"}, "kind: 'flux' is unknown"),
    ],
)
def test_what_does_not_fit_is_refused(changes, message):
    x = changes.pop("x", [0.0, 0.0])
    with pytest.raises(InputError, match=message):
        special("LP", "LP1", 0.0, x, 0.0, STATES, **changes)


def test_repr_warns_of_a_point_that_did_not_converge():
    assert "NOT converged" in repr(special("LP", "LP1", 0, [0, 0], 0.0, STATES, converged=False))
    assert "Hopf" in repr(points()["H1"])
    assert "omega=0.7" in repr(points()["H1"])


def test_a_point_with_a_kernel_differs_from_the_same_point_without_one():
    point = special("LP", "LP1", 0.5, [1.0, 2.0], 0.1, STATES)
    annotated = dataclasses.replace(point, ntk={"top": 2.0})
    assert annotated != dataclasses.replace(point, ntk=None)
    assert dataclasses.replace(point, ntk=None) != annotated
    assert annotated == dataclasses.replace(point, ntk={"top": 2.0})
