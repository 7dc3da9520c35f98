"""The examples in the docstrings of networks and JAX models run as written."""

from __future__ import annotations

import doctest
import importlib

import pytest

import ntkcont as nc

NAMES = [
    "jax_tools:x64",
    "jax_tools:device",
    "models.model:Model.from_jax",
    "models.networks:RateRNN",
    "models.networks:RateRNN.from_state_dict",
    "models.networks:RateRNN.reproduces",
    "models.networks:LowRank",
]


@pytest.mark.parametrize("name", NAMES)
def test_example(name):
    module, path = name.split(":")
    found = importlib.import_module(f"{nc.__name__}.{module}")
    for part in path.split("."):
        found = getattr(found, part)
    tests = [test for test in doctest.DocTestFinder(recurse=False).find(found, path) if test.examples]
    assert len(tests) == 1
    runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert runner.run(tests[0]).failed == 0
