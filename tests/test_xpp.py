"""XPP's .ode files: what they mean, and what is refused with its line.

Expected values of expressions are those of XPP itself (checked against XPPAUT 8.0), or arithmetic.
"""

import math

import numpy as np
import pytest

import ntkcont as nc
from ntkcont import InputError
from ntkcont.dialects.xpp import read_text
from ntkcont.errors import FileFormatError

MORRIS_LECAR = """\
# a neuron
dv/dt = (I+gl*(vl-v)+gk*w*(vk-v)-gca*minf(v)*(v-vca))/c
W' = phi*(winf(v)-w)*cosh((v-v3)/(2*v4))
minf(v)=.5*(1+tanh((v-v1)/v2))
winf(V)=.5*(1+tanh((v-v3)/v4))
par i=0,phi=.04, gca = 4.4
PARAM v1=-1.2 v2=18 V3=2 \\
  v4=30
p vk=-84,vl=-60,vca=120,gk=8,gl=2,c=20
init v=-60,w=0.01
aux ica=gca*minf(V)*(V-Vca)
@ total=150,dt=.25 , xlo=-75,PARMIN=-20,parmax=120,autovar=v
set hopf {i=100, v=-20}
done
this is not read
"""


def test_morris_lecar_is_the_classic_model():
    model = read_text(MORRIS_LECAR)
    classic = nc.classics.morris_lecar()
    names = {"I": "i", "phi": "phi", "gCa": "gca", "V3": "V3"}
    for x in ([-60.0, 0.01], [-20.0, 0.4], [10.0, 0.9]):
        params = {k: 77.0 if k == "i" else v for k, v in model.params.items()}
        upper = {k.lower(): v for k, v in params.items()}
        reference = {k: upper[k.lower()] for k in classic.params if k.lower() in upper}
        assert len(reference) == len(classic.params), names
        np.testing.assert_allclose(model.rhs(x, params), classic.rhs(x, reference), rtol=1e-13)
    assert model.states == ("v", "W")
    assert model.kind == "flow"


def test_ranges_and_initial_values_come_with_the_model():
    model = read_text(MORRIS_LECAR)
    assert model.start == {"v": -60.0, "W": 0.01}
    assert model.suggested == {"x0": {"v": -60.0, "W": 0.01}, "free": "i", "p_span": (-20.0, 120.0)}
    assert model.options["total"] == 150.0
    assert model.options["autovar"] == "v"
    assert model.sets["hopf"] == {"i": 100.0, "v": -20.0}
    branch = nc.continuation(model, **model.suggested)
    assert branch.special_points("H")[0].p == pytest.approx(93.857609, abs=1e-5)
    with pytest.raises(TypeError):
        model.options["total"] = 1.0


# expression, value at x=0.5, y=-2, a=2, b=3
VALUES = [
    ("2^3^2", 64.0),
    ("2**3", 8.0),
    ("-x^2", -0.25),
    ("-2^2", -4.0),
    ("x>a+b", 3.0),
    ("a*b>0", 2.0),
    ("1<2+3", 4.0),
    ("b>a^2", 1.0),
    ("a^2>b", 1.0),
    ("x>0&y<0", 1.0),
    ("x>1|y>0", 0.0),
    ("x&y", 1.0),
    ("x|0", 1.0),
    ("a*b&x*y", -2.0),
    ("a!=b", 1.0),
    ("a==2", 1.0),
    ("not(x)+5", 5.0),
    ("not(x>1)", 1.0),
    ("~x", -0.5),
    ("5/2/2", 1.25),
    ("2-3-4", -5.0),
    ("a-(b-1)", 0.0),
    ("a/(b*4)", 1 / 6),
    ("a*(-b)", -6.0),
    ("-(-x)", 0.5),
    ("(a+b)*(a-b)", -5.0),
    ("heav(0)", 1.0),
    ("heav(y)", 0.0),
    ("sign(0)+sign(y)", -1.0),
    ("flr(-1.5)", -2.0),
    ("mod(-1,3)", 2.0),
    ("mod(y,b)", 1.0),
    ("mod(-1,-3)", -4.0),
    ("mod(5,-3)", 2.0),
    ("log(a)", math.log(2)),
    ("ln(a)", math.log(2)),
    ("log10(a)", math.log10(2)),
    ("erf(x)+erfc(x)", 1.0),
    ("atan2(y,x)", math.atan2(-2, 0.5)),
    ("max(x,y)-min(x,y)", 2.5),
    ("if(x>0)then(1)else(2)+5", 6.0),
    ("if(a)then(7)else(8)", 7.0),
    ("if(x>1)then(1)else(if(y<0)then(2)else(3))", 2.0),
    ("1e-3+1.e2+.5+5.", 105.501),
    ("PI*A", 2 * math.pi),
    ("sum(1,3)of(i'*a)", 12.0),
    ("sum(0,1)of(shift(x,i'))", -1.5),
    ("sum(1,2)of(sum(0,i')of(i'))", 4.0),
    ("shift(a,1)", 3.0),
    ("sqrt(abs(y)) ^ 2", 2.0),
]


def test_signs_and_functions_mean_what_they_mean_in_xpp():
    lines = [f"z{k}'={expression}" for k, (expression, _) in enumerate(VALUES)]
    model = read_text("\n".join(["par a=2,b=3", "x'=0", "y'=0", *lines, "done", ""]))
    found = model.rhs([0.5, -2.0, *np.zeros(len(VALUES))])[2:]
    for (expression, value), got in zip(VALUES, found, strict=True):
        assert got == pytest.approx(value, abs=1e-13), expression


def test_maps_by_their_equation_and_by_their_method():
    henon = read_text("x(t+1)=1-a*x^2+y\ny(t+1)=b*x\npar a=1.4 b=.3\ndone\n")
    assert henon.kind == "map"
    np.testing.assert_allclose(henon.rhs([0.5, 0.2]), [1 - 1.4 * 0.25 + 0.2, 0.15], rtol=1e-15)
    assert read_text("x'=x/2\n@ meth=Discrete\ndone\n").kind == "map"
    assert read_text("x'=x/2\n@ meth=gear\ndone\n").kind == "flow"


def test_arrays_are_written_out():
    text = "par k[1..3]=.5\nx[1..3]' = -x[j] + k[j]*x[j+1]*x[j-1] + [j]\nx0=7\nx4=x[2]\nx[1..3](0)=2\ndone\n"
    model = read_text(text)
    assert model.states == ("x1", "x2", "x3")
    assert dict(model.params) == {"k1": 0.5, "k2": 0.5, "k3": 0.5}
    x = np.array([1.0, 2.0, 4.0])
    np.testing.assert_allclose(model.rhs(x), [-1 + 0.5 * 2 * 7 + 1, -2 + 0.5 * 4 * 1 + 2, -4 + 0.5 * 2 * 2 + 3])
    assert list(model.start.values()) == [2.0, 2.0, 2.0]
    loop = read_text("%[1..2]\nx[j]'=-y[j]\ny[j]'=x[j*1]\n%\ndone\n")
    assert loop.states == ("x1", "y1", "x2", "y2")
    np.testing.assert_allclose(loop.rhs([1.0, 2.0, 3.0, 4.0]), [-2.0, 1.0, -4.0, 3.0])


def test_named_quantities_derived_parameters_and_numbers():
    text = "y=x+f(2)\nx' = y*d - n\nf(u)=u*x+a\n!d=2*a\npar a=3\nnumber n=.5\naux z=y^2\naux late=t*x\ndone\n"
    model = read_text(text)
    assert dict(model.params) == {"a": 3.0}
    x, a = 0.7, 1.25
    assert model.rhs([x], {"a": a})[0] == pytest.approx((x + 2 * x + a) * 2 * a - 0.5, rel=1e-15)
    assert "z" in model.equations.aux
    assert len(model.notes) == 1
    assert "line 8" in model.notes[0]


def test_initial_values_may_be_formulas_of_parameters():
    model = read_text("x'=-x\ny'=-y\npar a=2\nx(0)=a^2+1\ninit Y=-.5\ndone\n")
    assert model.start == {"x": 5.0, "y": -0.5}


def test_a_function_may_have_the_name_of_one_of_ours():
    model = read_text("where(x,y)=x+2*y\nfloor(x)=10*x\nx'=if(x>0)then(where(x,1))else(0)+floor(x)+flr(2.5)\ndone\n")
    assert model.rhs([0.5])[0] == pytest.approx(2.5 + 5 + 2)


# text, line, what the message says
REFUSED = [
    ("x'=-x+w\nwiener w\n", 2, "noise"),
    ("x'=-x\nmarkov z 2\n{0} {1}\n{1} {0}\n", 2, "Markov"),
    ("x'=f(x)\ntable f f.tab\n", 2, "tables"),
    ("x'=1\nglobal 1 x-1 {x=0}\n", 2, "events"),
    ("x'=-x\n\nbdry x-1\n", 3, "boundary"),
    ("# c\nx'=-delay(x,tau)\npar tau=1\n", 2, "delays"),
    ("x'=-x(t-1)\n", 1, "delays"),
    ("x(t)=sin(t)+int{exp(-t)#x}\n", 1, "integral"),
    ("x'=int{exp(-t)#x}\n", 1, "integral"),
    ("volt x=1\n", 1, "integral"),
    ("x'=y\n0=x+y\nsolv y=1\n", 2, "algebraic"),
    ("x'=-x+y\nspecial y=conv(even,5,2,x,x)\n", 2, "special"),
    ("export {x} {y}\nx'=y\n", 1, "compiled"),
    ("#include more.ode\nx'=-x\n", 1, "not read"),
    ("x'=-x+cos(t)\n", 1, "time"),
    ("x'=-x+s(1)\ns(a)=a*t\n", 2, "time"),
    ("x'=ran(1)\n", 1, "random"),
    ("x'=besselj(0,x)\n", 1, "Bessel"),
    ("x'=-x+abcf\npar abcd=1\n", 1, "'abcf' is unknown; did you mean 'abcd'?"),
    ("x'=2x\n", 1, "products with"),
    ("x'=a*-x\npar a=1\n", 1, "parentheses"),
    ("x'=max(1,2,3)\n", 1, "max takes 2"),
    ("x'=f(1,2)\nf(x)=x\n", 1, "f takes (x)"),
    ("x'=(1+x\n", 1, "')' is missing"),
    ("x'=1+*x\n", 1, "not an expression"),
    ("x'=\n", 1, "missing"),
    ("x'=sin\n", 1, "call it"),
    ("x'=x$2\n", 1, "'$'"),
    ("x'=if(x>0)then(1)\n", 1, "'else' is missing"),
    ("x'=__import__('os')\n", 1, "'"),
    ("par a=1/3\nx'=a\n", 1, "plain number"),
    ("x'=x\nX'=2\n", 2, "already a variable as 'x' in line 1"),
    ("par a=1\nx'=x\npar A=2\n", 3, "already a parameter"),
    ("x'=x\nfoo bar\n", 2, "not a statement"),
    ("x'=x\ndx / dt = 3\n", 2, "without spaces"),
    ("x'=y[j]\n", 1, "[j]"),
    ("x[0..99999999]'=1\n", 1, "elements"),
    ("x[1..2]'=y[1..3]\n", 1, "two ranges"),
    ("%[1..3]\nx[j]'=1\n", 1, "not closed"),
    ("x'=1\ninit y=2\n", 2, "not a variable"),
    ("x'=a\na=b+1\nb=a\n", 2, "cycle"),
    ("x'=y\n!y=2*x\n", 2, "parameters only"),
    ("x'=1/(2-2)\n", 1, "division by zero"),
    ("x'=9^9^9^9^9\n", 1, "too large"),
    ("x'=sum(1,100000)of(x)\n", 1, "terms"),
    ("x'=sum(1,1999)of(sum(1,1999)of(x))\n", 1, "operands"),
    ("x'=sum(1,x)of(i')\n", 1, "whole number"),
    ("x'=shift(x,5)\n", 1, "none of the names"),
    ("2\nv x=0\no x\n", 1, "old format"),
    ("x'=1 \\\n + \\\n y\n", 1, "'y' is unknown"),
    ("x'=1\npar sin=2\n", 2, "cannot be the name"),
]


@pytest.mark.parametrize(("text", "line", "message"), REFUSED)
def test_what_is_not_supported_is_refused_with_its_line(text, line, message):
    with pytest.raises(InputError) as caught:
        read_text(text + "done\n", "model.ode")
    error = str(caught.value)
    assert error.startswith(f"model.ode, line {line} (")
    assert message in error
    written = text.splitlines()[line - 1].replace("\\", "").strip()
    assert written[:4] in error  # the line itself


@pytest.mark.parametrize("sign", ["(", "-(", "sin(", "x+("])
def test_deep_nesting_is_refused(sign):
    with pytest.raises(InputError, match="line 1"):
        read_text(f"x'={sign * 3000}x{')' * 3000}\ndone\n")


def test_long_sums_are_read():
    model = read_text(f"x'={'+'.join(['x'] * 500)}\ndone\n")
    assert model.rhs([0.5])[0] == 250.0


def test_files_that_are_none(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.ode: there is no such file"):
        nc.from_xpp(tmp_path / "none.ode")
    with pytest.raises(FileFormatError, match="folder"):
        nc.from_xpp(tmp_path)
    (tmp_path / "binary.ode").write_bytes(b"\x00\x01")
    with pytest.raises(FileFormatError, match="not a text file"):
        nc.from_xpp(tmp_path / "binary.ode")
    (tmp_path / "empty.ode").write_text("# nothing\n")
    with pytest.raises(InputError, match="there is no equation"):
        nc.from_xpp(tmp_path / "empty.ode")


def test_windows_line_ends_and_old_encodings(tmp_path):
    file = tmp_path / "m.ode"
    file.write_bytes("# caf\xe9\r\nx'=-x+a \\\r\n  +1\r\npar a=2\r\ndone\r\n".encode("latin-1"))
    model = nc.from_xpp(file)
    assert model.rhs([0.0])[0] == 3.0
    file.rename(tmp_path / "m.dif")
    assert nc.from_xpp(tmp_path / "m.dif").kind == "map"


# ---------------------------------------------------------------- writing


def models():
    rng = np.random.default_rng(1)
    W = rng.standard_normal((6, 6))
    many = nc.Model.from_equations(
        {
            "LongStateName1": "where(LongStateName1 > T, 1, 2)*sigmoid(LongStateName2) - exprel(LongStateName2)"
            " + mod(t1, 3)",
            "LongStateName2": "softplus(T*LongStateName1) - abs(LongStateName2) + sign(LongStateName1) + heaviside(T)"
            " + (1 if LongStateName1 > 0 and not LongStateName2 < T or T > 2 else 3) + abs(LongStateName2)**T"
            " + atan2(T, LongStateName1) + asinh(LongStateName2) + atanh(T/7) + erf(T) + log1p(T) - (-t1)**3"
            " + (LongStateName1 > 0)*3 - expm1(-T) + floor(LongStateName2/3) + max(T, LongStateName2) + 2**(-T)",
        },
        {"T": 1.2, "t": 0.5, "pi2": 3.0},
        aux={"t1": "T + t*LongStateName1 - pi2/1e-7"},
    )
    return {
        "morris_lecar": nc.classics.morris_lecar(),
        "hodgkin_huxley": nc.classics.hodgkin_huxley(),
        "henon": nc.classics.henon(),
        "along": nc.classics.morris_lecar().along({"I": 0.0, "phi": 0.04}, {"I": 100.0, "phi": 0.06}),
        "network": nc.RateRNN(W, b=rng.standard_normal(6)),
        "network map": nc.RateRNN(W, alpha=0.3, form="rate", phi="relu"),
        "many functions": many,
    }


@pytest.mark.parametrize("name", models())
def test_written_models_read_back_to_the_same_numbers(name):
    model = models()[name]
    rng = np.random.default_rng(2)
    x0 = rng.standard_normal(model.n)
    text = nc.to_xpp(model, x0)
    back = read_text(text)
    assert back.kind == model.kind
    assert list(back.start.values()) == x0.tolist()
    params = {name: 0.7 * value for name, value in model.params.items()}
    for _ in range(5):
        x = rng.standard_normal(model.n)
        renamed = {text.names[k]: v for k, v in params.items()}
        np.testing.assert_allclose(back.rhs(x, renamed), model.rhs(x, params), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("name", models())
def test_written_files_keep_to_the_limits_of_xpp(name):
    text = nc.to_xpp(models()[name])
    assert all(len(new) <= 9 and new == new.lower() for new in text.names.values())
    assert len(set(text.names.values())) == len(text.names)
    assert not {"t", "pi", "sin"} & set(text.names.values())
    assert max(map(len, text.splitlines())) <= 1000
    assert text.endswith("done\n")


def test_long_expressions_are_split_into_quantities():
    text = nc.to_xpp(nc.RateRNN(np.random.default_rng(3).standard_normal((40, 40))))
    assert "\npart41=" in text
    assert max(map(len, text.splitlines())) <= 1000


def test_the_free_parameter_comes_first_with_its_range():
    text = nc.to_xpp(nc.classics.morris_lecar(), free="phi", p_span=(0, 0.1))
    model = read_text(text)
    assert model.free == "phi"
    assert model.p_span == (0.0, 0.1)
    with pytest.raises(InputError, match="free: 'phy' is unknown; did you mean 'phi'"):
        nc.to_xpp(nc.classics.morris_lecar(), free="phy")
    with pytest.raises(InputError, match="p_span: got"):
        nc.to_xpp(nc.classics.morris_lecar(), p_span=(1, 0))


def test_compiled_code_cannot_be_written():
    compiled = nc.Model(kind="flow", states=("x",), params={}, build=lambda: None, jax_function=lambda x, p, theta: -x)
    with pytest.raises(InputError, match="compiled code"):
        nc.to_xpp(compiled)


def test_what_is_no_path_is_refused():
    with pytest.raises(nc.InputError, match=r"path: got int; give the path of an \.ode file"):
        nc.from_xpp(3)
