"""The package says the same everywhere: version, licence, commands, dependencies; and importing it stays light."""

import ast
import configparser
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SETUP = configparser.ConfigParser()
SETUP.read(ROOT / "setup.cfg", encoding="utf-8")
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
README = (ROOT / "README.md").read_text(encoding="utf-8")
HEAVY = ("numba", "jax", "sympy", "scipy.linalg", "matplotlib", "pandas", "xarray")
COMMANDS = (
    "python3 -m venv .venv && . .venv/bin/activate && pip install . && ntkcont demo",
    "python3 -m venv .venv && . .venv/bin/activate && pip install '.[test]' && python -m pytest",
)


def requirement_names(text):
    return {re.match(r"[\w-]+", line).group().replace("-", "_") for line in text.split("\n") if line.strip()}


def modules_after(statement):
    code = f"import sys; {statement}; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(run.stdout.split())


@pytest.mark.parametrize("statement", ["import ntkcont", "import ntkcont.cli; ntkcont.cli.build_parser()"])
def test_importing_loads_nothing_heavy(statement):
    loaded = modules_after(statement)
    assert "ntkcont" in loaded
    assert not loaded.intersection(HEAVY)


def test_heavy_modules_are_named_as_python_names_them():
    loaded = modules_after("import numba, jax, sympy, scipy.linalg, matplotlib, pandas, xarray")
    assert loaded.issuperset(HEAVY)


def test_every_public_name_resolves():
    import ntkcont

    for name in ntkcont.__all__:
        assert getattr(ntkcont, name) is not None, name
    with pytest.raises(AttributeError, match="continuatoin"):
        _ = ntkcont.continuatoin


@pytest.mark.parametrize("command", COMMANDS)
def test_readme_command_stands_alone_on_its_line(command):
    lines = README.splitlines()
    assert lines.count(command) == 1
    before = lines[: lines.index(command)]
    assert sum(line.startswith("```") for line in before) % 2 == 1, "not inside a code block"


def test_metadata_stands_in_setup_cfg_alone():
    assert "project" not in PYPROJECT
    assert "setuptools" not in PYPROJECT.get("tool", {})
    assert SETUP["metadata"]["version"] == "attr: ntkcont.__version__"


def test_version_is_read_without_importing_the_package():
    tree = ast.parse((ROOT / "ntkcont/__init__.py").read_text(encoding="utf-8"))
    values = [
        node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign) and node.targets[0].id == "__version__" and isinstance(node.value, ast.Constant)
    ]
    import ntkcont

    assert values == [ntkcont.__version__]
    assert f"## {values[0]}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_licence_is_mit_everywhere():
    assert SETUP["metadata"]["license_expression"] == "MIT"
    assert (ROOT / "LICENSE").read_text(encoding="utf-8").startswith("MIT License\n")


def test_every_import_is_a_declared_dependency():
    declared = requirement_names(SETUP["options"]["install_requires"])
    extras = SETUP["options.extras_require"]
    optional = {
        name for extra in ("io", "torch", "optax", "pydstool", "xpplab") for name in requirement_names(extras[extra])
    }
    optional |= {"PyDSTool"} & {{"pydstool": "PyDSTool"}.get(name, name) for name in optional}
    known = declared | optional | set(sys.stdlib_module_names) | {"ntkcont"}
    imported = {}
    for file in (ROOT / "ntkcont").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module or ""]
            else:
                continue
            for name in names:
                imported.setdefault(name.split(".")[0], file)
    assert {name: file for name, file in imported.items() if name not in known} == {}
    unused = declared - set(imported)
    assert not unused, f"declared but never imported: {unused}"


def test_extras():
    extras = SETUP["options.extras_require"]
    assert requirement_names(extras["io"]) >= {"pandas", "xarray", "h5netcdf", "safetensors"}
    assert requirement_names(extras["cuda"]) == {"jax"}
    assert requirement_names(extras["torch"]) == {"torch"}
    assert requirement_names(extras["optax"]) == {"optax"}
    tools = {"pytest", "pytest_xdist", "hypothesis", "optax", "safetensors", "pydstool", "xpplab"}
    assert requirement_names(extras["test"]) >= tools
    assert "torch" not in requirement_names(extras["test"])  # too large: its tests are skipped without it


def test_ci_script_is_valid_bash():
    run = subprocess.run(["bash", "-n", ROOT / ".ci/run"], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")
