"""Signatures are arrays over the points, read as attributes or by name."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from ntkcont import InputError
from ntkcont.results.signatures import Signatures


def signatures():
    arrays = {"top": [4.0, 9.0, np.nan], "eigenvalues": np.ones((3, 2)), "lambda_c": [1j, 2.0, 3.0]}
    return Signatures(arrays, {"kernel": "equilibrium", "theta": ["W", "b"]})


def test_attribute_and_item_give_the_same_read_only_array():
    sig = signatures()
    assert sig.top is sig["top"]
    assert sig.names == ("top", "eigenvalues", "lambda_c")
    assert sig.scalars == ("top", "lambda_c")
    assert len(sig) == 3
    assert "top" in sig
    assert "trace" not in sig
    assert list(sig) == list(sig.names)
    assert "top" in dir(sig)
    with pytest.raises(ValueError, match="read-only"):
        sig.top[0] = 1.0


def test_take_keeps_names_and_metadata():
    sig = signatures().take([2, 0])
    assert np.isnan(sig.top[0])
    assert sig.top[1] == 4.0
    assert sig.metadata["theta"] == ("W", "b")
    assert len(signatures().take(np.array([True, False, True]))) == 2
    assert len(signatures().take(slice(1, None))) == 2


def test_a_wrong_name_gives_the_nearest():
    with pytest.raises(AttributeError, match="no signature 'topp'; did you mean 'top'"):
        _ = signatures().topp
    with pytest.raises(InputError, match="signature: 'lambda_cc' is unknown; did you mean 'lambda_c'"):
        signatures()["lambda_cc"]
    assert not hasattr(signatures(), "trace")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"a": [1.0], "b": [1.0, 2.0]}, r"arrays: the first axes differ \({'a': 1, 'b': 2}\)"),
        ({"take": [1.0]}, r"arrays\['take'\]: this name cannot be read as an attribute"),
        ({"two words": [1.0]}, "cannot be read as an attribute"),
        ({"a": ["text"]}, r"arrays\['a'\]: dtype <U4"),
        ({"a": 1.0}, r"arrays\['a'\]: dtype float64, shape \(\)"),
    ],
)
def test_what_does_not_fit_is_refused(arrays, message):
    with pytest.raises(InputError, match=message):
        Signatures(arrays)


def test_equality_and_pickle():
    assert signatures() == signatures()
    assert pickle.loads(pickle.dumps(signatures())) == signatures()
    assert signatures() != Signatures(signatures().arrays, {"kernel": "resolvent"})
    assert signatures() != signatures().take([0, 1, 1])
