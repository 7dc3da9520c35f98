"""The documentation is true: its Python runs, its problem files are read, its links lead somewhere."""

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import numpy as np
import pytest

import ntkcont

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page, language):
    text = page.read_text(encoding="utf-8")
    return [
        (text[: match.start()].count("\n") + 2, match.group(2))
        for match in FENCE.finditer(text)
        if match.group(1) == language
    ]


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=lambda page: page.name)
def test_python_of_a_page_runs_from_top_to_bottom(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": "page"}
    for line, code in blocks(page, "python"):
        exec(compile("\n" * (line - 1) + code, str(page), "exec"), namespace)
    assert namespace["nc"] is ntkcont


def test_readme_shows_at_most_a_dozen_lines_first():
    code = blocks(ROOT / "README.md", "python")[0][1]
    assert 5 <= len([line for line in code.splitlines() if line.strip()]) <= 12


def test_problem_files_of_the_documentation_are_read(tmp_path):
    from ntkcont.problem_files import read_problem

    rng = np.random.default_rng(0)
    arrays = {
        "rnn.h2h.weight": rng.standard_normal((4, 4)),
        "rnn.h2h.bias": np.zeros(4),
        "rnn.i2h.bias": np.zeros(4),
        "rnn.i2h.weight": rng.standard_normal((4, 2)),
        "z0": np.zeros(4),
    }
    np.savez(tmp_path / "weights.npz", **arrays)
    texts = [code for _, code in blocks(ROOT / "docs/problem-files.md", "toml")]
    assert len(texts) == 4
    for text in texts:
        file = tmp_path / "problem.toml"
        file.write_text(text)
        problem = read_problem(file)
        assert problem.arguments["free"] in problem.model.params


def anchors(page):
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_and_headings(page):
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    broken = []
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            broken.append(target)
    assert broken == []


MODULES = sorted(module.name for module in pkgutil.walk_packages(ntkcont.__path__, "ntkcont."))


@pytest.mark.parametrize("name", [name for name in MODULES if name != "ntkcont.__main__"])
def test_examples_in_docstrings(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    result = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    assert result.failed == 0, capsys.readouterr().out
