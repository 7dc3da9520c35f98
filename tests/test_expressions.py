"""What text may not do, and what the errors say: nothing from a problem file is ever evaluated."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import time

import pytest
import sympy as sp

import ntkcont as nc


def build(text, **rest):
    rest.setdefault("aux", {"minf": "(1 + tanh(v))/2"})
    return nc.Model.from_equations({"v": text, "w": "-w"}, {"gNa": 1.0, "gK": 2.0}, **rest)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("v.real", r"attribute access is not allowed \(near 'v.real'\)"),
        ("().__class__", r"attribute access is not allowed"),
        ("v + w.__class__.__bases__", r"attribute access"),
        ("v[0]", r"subscripts and lists are not allowed \(near 'v\[0\]'\)"),
        ("[v for v in w]", r"subscripts and lists"),
        ("{v}", r"braces are not allowed"),
        ("lambda u: u", r"assignments, slices and lambda are not allowed"),
        ("(lambda: v)()", r"lambda are not allowed"),
        ("(u := v)", r"assignments, slices and lambda"),
        ("'text'", r"text in quotes is not allowed"),
        ('exp("v")', r"text in quotes"),
        ("f'{v}'", r"text in quotes"),
        ("v; w", r"an expression is a single one"),
        ("v = w", r"a single '=' is not allowed; compare with '=='"),
        ("exp(x=v)", r"a single '='"),
        ("v # comment", r"comments are not allowed"),
        ("v @ w", r"'@' is not part of an arithmetic expression"),
        ("~v", r"'~' is not part"),
        ("v!", r"'!' is not part"),
        ("$v", r"'\$' is not part"),
        ("v\\\nw", r"is not part"),
        ("__import__(v)", r"the function '__import__' is unknown"),
        ("eval(v)", r"the function 'eval' is unknown"),
        ("open(v)", r"the function 'open' is unknown"),
        ("exec(v) + print(w)", r"the function 'exec' is unknown"),
        ("exp(*v)", r"starred arguments are not allowed|not an expression"),
        ("exp(**v)", r"plain arguments|not an expression"),
        ("(exp)(v)(w)", r"only functions by name can be called"),
        ("(v, w)", r"a tuple is only allowed inside Piecewise"),
        ("v in w", r"the name 'in' is unknown|not an expression"),
        ("v is w", r"not an expression"),
        ("import os", r"not an expression"),
        ("yield v", r"not an expression"),
        ("await v", r"not an expression"),
        ("for", r"the name 'for' is unknown"),
        ("lambda", r"the name 'lambda' is unknown"),
    ],
)
def test_more_than_arithmetic_is_refused(text, message):
    with pytest.raises(nc.InputError, match=r"^equations\['v'\]: .*(" + message + ")") as caught:
        build(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gNA*v", r"the name 'gNA' is unknown; did you mean 'gNa'\?"),
        ("gNa*vv", r"the name 'vv' is unknown"),
        ("min_f*v", r"the name 'min_f' is unknown; did you mean 'minf'\?"),
        ("tnah(v)", r"the function 'tnah' is unknown; did you mean 'tanh'"),
        ("Tanh(v)", r"the function 'Tanh' is unknown; did you mean 'tanh'"),
        ("v*sin(t)", r"the time 't' is not available; only autonomous equations"),
        ("time*v", r"the time 'time' is not available"),
        ("gNa(v)", r"'gNa' is not a function; write products with '\*'"),
        ("exp + v", r"'exp' is a function; call it, as in exp\(\.\.\.\)"),
        ("where + v", r"'where' is a function"),
        ("exp(v, w)", r"exp takes 1 argument, 2 were given"),
        ("atan2(v)", r"atan2 takes 2 arguments, 1 were given"),
        ("max()", r"max takes at least 1 argument, 0 were given"),
        ("2v", r"'2v' is neither a number nor a name; write products with '\*'"),
        ("1j*v", r"'1j' is neither a number nor a name"),
        ("0x10", r"'0x10' is neither"),
        ("v w", r"this is not an expression"),
        ("v +", r"this is not an expression"),
        ("* v", r"this is not an expression"),
        ("v + (w", r"1 '\(' not closed"),
        ("v) + (w", r"there is a '\)' without its '\('"),
        ("", r"the text is empty"),
        ("   ", r"the text is empty"),
        ("where(v, 1, 2)", r"a condition such as 'x > 0' is needed"),
        ("where(v > 0, 1)", r"where takes 3 arguments"),
        ("Piecewise((1, v > 0))", r"the last pair of Piecewise must be \(value, True\)"),
        ("Piecewise(v, w)", r"Piecewise takes pairs"),
        ("1/0", r"not finite \(a division by zero"),
        ("v/(2 - 2)", r"not finite \(a division by zero"),
        ("v % 0", r"a division by zero"),
        ("log(0)*v", r"not finite \(a division by zero or the logarithm of zero\)"),
        ("sqrt(-1)*v", r"not real"),
        ("log(-2) + v", r"not real"),
        ("(-8)**(1/3)", r"not real"),
        ("1e999*v", r"the number 1e999 is too large for a float"),
    ],
)
def test_mistakes_are_named(text, message):
    with pytest.raises(nc.InputError, match=r"^equations\['v'\]: .*(" + message + ")") as caught:
        build(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("9**9**9", r"too large for a float"),
        ("9**9**9**9", r"too large for a float"),
        ("v**9**9**9", r"too large for a float"),
        ("pow(9, pow(9, 9))", r"too large for a float"),
        ("exp(exp(exp(9)))", r"too large for a float"),
        ("(2*v)**999999999", r"a power is too high"),
        ("(((2*v)**1000)**1000)**1000", r"a power is too high"),
        ("v**-123456", r"a power is too high"),
        ("(" * 150 + "v" + ")" * 150, r"more than 100 parentheses are open at once"),
        ("-" * 3000 + "v", r"nested too deeply"),
        ("not " * 3000 + "v", r"nested too deeply"),
        ("2**" * 3000 + "v", r"nested too deeply|too large"),
        ("v" + " if v > 0 else v" * 3000, r"nested too deeply"),
        ("+".join(["v"] * 30_000), r"nested too deeply or too long"),
        ("v" * 200_000, r"the text has 200000 characters; split it"),
        ("9" * 5000, r"too large for a float"),
    ],
    ids=lambda text: text[:24],
)
def test_bombs_are_refused_quickly(text, message):
    start = time.perf_counter()
    with pytest.raises(nc.InputError, match=r"^equations\['v'\]: .*(" + message + ")") as caught:
        build(text)
    assert len(str(caught.value)) < 250
    assert time.perf_counter() - start < 20  # these would run for hours


def test_expressions_that_double_are_refused_quickly():
    aux = {"a0": "sin(v) + cos(v)"} | {f"a{i}": f"sin(a{i - 1}) + cos(a{i - 1})" for i in range(1, 60)}
    with pytest.raises(nc.InputError, match=r"^aux\['a\d+'\]: the expression expands to more than \d+ operations"):
        build("a59", aux=aux)
    functions = {"f0": (["x"], "x*x + 1")} | {f"f{i}": (["x"], f"f{i - 1}(x) - f{i - 1}(2*x)") for i in range(1, 60)}
    with pytest.raises(nc.InputError, match=r"expand to more than \d+ operations"):
        build("f59(v)", functions=functions)


def test_long_but_honest_expressions_are_read():
    text = " + ".join(f"{i}*v*w" for i in range(1, 701))
    model = nc.Model.from_equations({"v": text, "w": "-w"}, {})
    assert model.rhs([2.0, 1.0])[0] == 2 * 700 * 701 / 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"aux": {"a": "b + 1", "b": "c", "c": "a"}}, r"^aux and functions: a -> b -> c -> a is a cycle"),
        ({"aux": {"a": "a"}}, r"a -> a is a cycle"),
        ({"functions": {"f": (["x"], "g(x)"), "g": (["x"], "f(x)")}}, r"f -> g -> f is a cycle"),
        ({"aux": {"a": "gNA"}}, r"^aux\['a'\]: the name 'gNA' is unknown; did you mean 'gNa'"),
        ({"aux": {"a": "v.x"}}, r"^aux\['a'\]: attribute access"),
        ({"functions": {"f": (["u"], "u + y")}}, r"^functions\['f'\]: the name 'y' is unknown"),
        ({"functions": {"f": "u + 1"}}, r"^functions\['f'\]: got 'u \+ 1'; write names of arguments"),
        ({"functions": {"f": (["u", "u"], "u")}}, r"^functions\['f'\]: two arguments have the same name"),
        ({"functions": {"f": (["1"], "2")}}, r"^functions\['f'\]: got"),
        ({"aux": {"v": "1"}}, r"the name 'v' is both a state and an aux expression"),
        ({"functions": {"gK": (["u"], "u")}}, r"the name 'gK' is both a parameter and a function"),
        ({"aux": {"if": "1"}}, r"^aux: 'if' is not a name"),
        ({"aux": {"a b": "1"}}, r"^aux: 'a b' is not a name"),
        ({"aux": ["a"]}, r"^aux: got list; it must be a mapping"),
        ({"aux": {"a": None}}, r"^aux\['a'\]: got None; an expression is text, a sympy expression or a number"),
        ({"kind": "flwo"}, r"^kind: 'flwo' is unknown"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(nc.InputError, match=message):
        build("v", **arguments)


def test_bad_calls_of_named_functions_and_names_that_mean_two_things():
    with pytest.raises(nc.InputError, match=r"^equations\['v'\]: f takes \(u, k\), but 1 arguments were given"):
        build("f(v)", functions={"f": (["u", "k"], "u + k")})
    with pytest.raises(nc.InputError, match=r"the name 'x' is both a state and a parameter; rename one"):
        nc.Model.from_equations({"x": "x"}, {"x": 1.0})
    with pytest.raises(nc.InputError, match=r"^equations: empty"):
        nc.Model.from_equations({}, {})
    with pytest.raises(nc.InputError, match=r"^params\['a'\]: got nan; it must be one finite number"):
        nc.Model.from_equations({"x": "a"}, {"a": float("nan")})


def test_sympy_input_that_cannot_be_compiled():
    x, y = sp.symbols("x y")
    cases = [
        (sp.I * x, r"the imaginary unit of sympy is in the expression; .*Symbol\('I'\)"),
        (x + y, r"the name 'y' is unknown"),
        (sp.gamma(x), r"gamma of sympy cannot be compiled"),
        (sp.Integral(x, x), r"Integral of sympy cannot be compiled"),
        (sp.Piecewise((x, x > 0)), r"the last pair of Piecewise"),
        (sp.Function("g")(x), r"the function 'g' is unknown"),
        (sp.Function("x")(sp.Symbol("t")), r"the time 't' is not available"),
        (x > 0, r"^$"),
        (sp.Matrix([x]), r"got Matrix|an expression is text|cannot be compiled"),
    ]
    for expr, message in cases:
        if message == "^$":
            assert nc.Model.from_equations({"x": expr}, {}).rhs([2.0])[0] == 1.0  # a condition is 1 or 0
            continue
        with pytest.raises(nc.InputError, match=message):
            nc.Model.from_equations({"x": expr}, {})


SECOND = """
import sys, time
start = time.perf_counter()
import ntkcont as nc
model = nc.Model.from_equations({"v": "I - v**3 + min(v, w)*tanh(a)", "w": "v - w"}, {"I": 0.5}, aux={"a": "v*w"})
value = model.rhs([0.5, 0.25]), model.jac([0.5, 0.25]), model.dfdp([0.5, 0.25], "I")
print("sympy" in sys.modules, "jax" in sys.modules, repr(float(value[0][0])))
"""


def test_the_second_process_reads_the_cache_and_never_imports_sympy(tmp_path):
    environment = os.environ | {"NTKCONT_CACHE_DIR": str(tmp_path)}
    environment.pop("NUMBA_CACHE_DIR", None)

    def run():
        done = subprocess.run(
            [sys.executable, "-c", SECOND], env=environment, capture_output=True, text=True, check=True
        )
        return done.stdout.split()

    first = run()
    files = {f: f.stat().st_mtime_ns for f in (tmp_path / "models").rglob("*.*") if f.suffix in (".py", ".nbc")}
    assert len([f for f in files if f.suffix == ".nbc"]) == 3
    second = run()
    assert first[0] == "True"
    assert second[0] == "False"
    assert first[1] == second[1] == "False"
    assert first[2] == second[2]
    assert {f: f.stat().st_mtime_ns for f in (tmp_path / "models").rglob("*.*") if f.suffix in (".py", ".nbc")} == files


def test_bad_equations_leave_nothing_behind(tmp_path):
    code = "import ntkcont as nc\nnc.Model.from_equations({'x': '__import__(x)'}, {})"
    environment = os.environ | {"NTKCONT_CACHE_DIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert "InputError: equations['x']: the function '__import__' is unknown" in done.stderr
    assert list((tmp_path / "models").glob("*")) == []


@pytest.mark.parametrize(
    "text",
    [
        "cosh(v**pi)",
        "sinh(v**1.2345678)*tan(w**pi)",
        "1/((v + w + gNa + gK)**500*exp(v) + 2*v)",
    ],
)
def test_what_a_computer_algebra_system_ponders_for_ever_is_read_quickly(text):
    start = time.perf_counter()
    model = build(text)
    assert time.perf_counter() - start < 20
    with_floats = text.replace("cosh", "math.cosh").replace("sinh", "math.sinh").replace("tan", "math.tan")
    scope = {"math": math, "exp": math.exp, "pi": math.pi, "v": 0.4, "w": 0.3, "gNa": 1.0, "gK": 2.0}
    assert model.rhs([0.4, 0.3])[0] == pytest.approx(eval(with_floats, scope), rel=1e-12)  # the test's own text
