"""Use an installed ntkcont from an empty folder: ``python smoke.py README.md VENV``."""

import re
import sys
from pathlib import Path

import numpy as np

import ntkcont as nc

readme, environment = Path(sys.argv[1]), Path(sys.argv[2])
assert environment.resolve() in Path(nc.__file__).resolve().parents, nc.__file__
assert (Path(nc.__file__).parent / "py.typed").exists()

model = nc.Model.from_equations({"x": "mu - x**2"}, params={"mu": 1.0})
branch = nc.continuation(model, {"x": 1.0}, free="mu", p_span=(-1.0, 2.0))
np.testing.assert_allclose(branch["x"] ** 2, branch["mu"], atol=1e-9)
assert abs(branch.special_points["LP1"].p) < 1e-10
branch.save("smoke.npz")
assert nc.load("smoke.npz") == branch

code = re.findall(r"^```python\n(.*?)^```$", readme.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
assert code, "the README shows no Python"
exec(compile("\n".join(code), str(readme), "exec"), {"__name__": "readme"})
assert Path("network.png").read_bytes().startswith(b"\x89PNG")
print("smoke test passed:", nc.__version__, "from", nc.__file__)
