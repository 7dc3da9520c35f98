"""LaTeX as a person would write it."""

import numpy as np
import pytest

import ntkcont as nc
from ntkcont.models.latex_names import latex_name, latex_names


def lines(model, **options):
    text = model.to_latex(**options)
    assert text.startswith("\\begin{aligned}\n")
    assert text.endswith("\n\\end{aligned}")
    return text.split("\n")[1:-1]


def of(expression, kind="flow", states=("x", "y"), params=("a", "b")):
    model = nc.Model.from_equations(
        {name: expression if name == states[0] else name for name in states}, dict.fromkeys(params, 1.0), kind=kind
    )
    return lines(model)[0].removesuffix(" \\\\").split("&= ")[-1]


NAMES = {
    "x": "x",
    "gNa": r"g_{\mathrm{Na}}",
    "gCa": r"g_{\mathrm{Ca}}",
    "vK": r"v_{\mathrm{K}}",
    "E_L": r"E_{\mathrm{L}}",
    "Iapp": r"I_{\mathrm{app}}",
    "I_app": r"I_{\mathrm{app}}",
    "gsyn": r"g_{\mathrm{syn}}",
    "Cm": "C_{m}",
    "x12": "x_{12}",
    "minf": r"m_{\infty}",
    "h_inf": r"h_{\infty}",
    "tau": r"\tau",
    "tau_h": r"\tau_{h}",
    "tauh": r"\tau_{h}",
    "alpha2": r"\alpha_{2}",
    "theta_E": r"\theta_{\mathrm{E}}",
    "lambda": r"\lambda",
    "Omega": r"\Omega",
    "eps": r"\varepsilon",
    "a_b_c": "a_{b, c}",
    "gCa_T": r"g_{\mathrm{Ca}, \mathrm{T}}",
    "gain": r"\mathrm{gain}",
    "stim": r"\mathrm{stim}",
    "context1": r"\mathrm{context}_{1}",
    "Na_i": r"\mathrm{Na}_{i}",
    "pion": r"\mathrm{pion}",
    "_": r"\mathrm{\_}",
}


@pytest.mark.parametrize("name", NAMES)
def test_names(name):
    assert latex_name(name) == NAMES[name]


def test_names_that_would_look_the_same_are_written_in_full():
    assert latex_names(["gL", "g_L", "x"]) == {"gL": r"\mathrm{gL}", "g_L": r"\mathrm{g\_L}", "x": "x"}


EXPRESSIONS = {
    "a*x/(2*b)": r"\frac{a x}{2 b}",
    "-x + a": "a - x",
    "-x - y": "- x - y",
    "(1 + tanh((x - a)/b))/2": r"\frac{1 + \tanh\left(\frac{x - a}{b}\right)}{2}",
    "exp(-(x + 65)/18)": r"e^{- \frac{x + 65}{18}}",
    "0.1*(1 - x)": r"0.1 \left(1 - x\right)",
    "2.5*x": "2.5 x",
    "-x/2": r"- \frac{x}{2}",
    "x/3": r"\frac{x}{3}",
    "1e-7*x": "10^{-7} x",
    "2.5e-7*x": r"2.5 \cdot 10^{-7} x",
    "tanh(x)^2": r"\tanh^{2}\left(x\right)",
    "x**a": "x^{a}",
    "(x + y)**a": r"\left(x + y\right)^{a}",
    "sqrt(x)": r"\sqrt{x}",
    "1/x**2": r"\frac{1}{x^{2}}",
    "log(x)": r"\log\left(x\right)",
    "abs(x)": r"\left|x\right|",
    "floor(x)": r"\left\lfloor x\right\rfloor",
    "sign(x)": r"\operatorname{sgn}\left(x\right)",
    "heaviside(x - a)": r"\Theta\left(x - a\right)",
    "max(x, a)": r"\max\left(x, a\right)",
    "min(x, a)": r"\min\left(x, a\right)",
    "relu(x)": r"\max\left(0, x\right)",
    "softplus(x)": r"\log\left(1 + e^{x}\right)",
    "exprel(x)": r"\frac{e^{x} - 1}{x}",
    "where(x > 0, x, a)": r"\begin{cases} x & \text{if } 0 < x \\ a & \text{otherwise} \end{cases}",
    "where(x >= 0 and y != 1, x, where(x < -1, b, a))": (
        r"\begin{cases} x & \text{if } 0 \leq x \text{ and } y \neq 1 \\ b & \text{if } x < -1 \\ "
        r"a & \text{otherwise} \end{cases}"
    ),
}


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_expressions(expression):
    assert of(expression) == EXPRESSIONS[expression]


def test_morris_lecar():
    assert lines(nc.classics.morris_lecar()) == [
        r"\dot{v} &= \frac{I - g_{\mathrm{Ca}} m_{\infty} \left(v - v_{\mathrm{Ca}}\right) - g_{\mathrm{K}} w "
        r"\left(v - v_{\mathrm{K}}\right) - g_{\mathrm{L}} \left(v - v_{\mathrm{L}}\right)}{C} \\",
        r"\dot{w} &= \phi \left(w_{\infty} - w\right) \cosh\left(\frac{v - v_{3}}{2 v_{4}}\right) \\",
        r"m_{\infty} &= \frac{1 + \tanh\left(\frac{v - v_{1}}{v_{2}}\right)}{2} \\",
        r"w_{\infty} &= \frac{1 + \tanh\left(\frac{v - v_{3}}{v_{4}}\right)}{2}",
    ]


def test_maps_have_arrows():
    assert lines(nc.classics.henon())[1] == r"y &\mapsto b x"


def test_a_sigmoid_is_explained():
    model = nc.Model.from_equations({"x": "sigmoid(x)"}, {})
    assert lines(model) == [
        r"\dot{x} &= \sigma\left(x\right) \\",
        r"\sigma\left(x\right) &= \frac{1}{1 + e^{-x}}",
    ]


def test_names_may_be_given():
    model = nc.Model.from_equations({"v": "g*v"}, {"g": 1.0})
    assert lines(model, names={"g": r"\bar g", "v": "V"}) == [r"\dot{V} &= \bar g V"]
    with pytest.raises(nc.InputError, match="names: 'G' is unknown; did you mean 'g'"):
        model.to_latex(names={"G": "g"})


W = np.array([[0.0, 2.0], [2.0, 0.0]])
GAIN = nc.RateRNN(W).along({"gain": 0.5}, {"gain": 2.5})
NETWORKS = [
    (nc.RateRNN(W), [r"\dot{z} &= -z + g W \tanh\left(z\right)"]),
    (nc.RateRNN(W, tau=0.1, b=[1, 0]), [r"\tau \dot{z} &= -z + g W \tanh\left(z\right) + b"]),
    (nc.RateRNN(W, tau=[1, 2]), [r"\tau \odot \dot{z} &= -z + g W \tanh\left(z\right)"]),
    (
        nc.RateRNN(W, form="rate", phi="relu", phi_gain=2.0, W_in=W, inputs={"stim": [1, 0], "go": [0, 1]}),
        [
            r"\dot{z} &= -z + \left[\beta \left(g W z + W_{\mathrm{in}} u\right)\right]_{+} \\",
            r"u &= \mathrm{stim} \, c^{(1)} + \mathrm{go} \, c^{(2)}",
        ],
    ),
    (
        nc.RateRNN(W, alpha=0.2, sign=[1, -1], mask=W > 0),
        [
            r"z_{t+1} &= \left(1 - \alpha\right) z_t + \alpha \left(g W \tanh\left(z_t\right)\right) \\",
            r"W &= \left[\Omega\right]_{+} \operatorname{diag}(d) \odot M",
        ],
    ),
    (nc.RateRNN(W, form="rate", alpha=1.0), [r"z_{t+1} &= \tanh\left(g W z_t\right)"]),
    (
        nc.RateRNN(nc.LowRank(W[:, :1], W[:, 1:]), phi="sigmoid", phi_gain=[1, 2]),
        [
            r"\dot{z} &= -z + g U V^{\top} \sigma\left(\beta \odot z\right) \\",
            r"\sigma\left(x\right) &= \frac{1}{1 + e^{-x}}",
        ],
    ),
    (nc.RateRNN(nc.LowRank(W[:, :1], W[:, 1:], 0.5)), [r"\dot{z} &= -z + g (U V^{\top} + D) \tanh\left(z\right)"]),
    (GAIN, [r"\dot{z} &= -z + g W \tanh\left(z\right) \\", r"g &= 2 \mathrm{mix} + \frac{1}{2}"]),
]


@pytest.mark.parametrize(("model", "expected"), NETWORKS, ids=range(len(NETWORKS)))
def test_networks_are_in_matrix_form(model, expected):
    assert lines(model) == expected


def test_compiled_code_has_no_equations():
    def rhs(out, x, p):
        out[0] = p[0] - x[0]

    with pytest.raises(nc.InputError, match="compiled code"):
        nc.Model.from_numba(rhs, ["x"], {"mu": 1.0}).to_latex()


def test_braces_are_balanced_for_every_classic():
    for name in nc.classics.__all__:
        text = getattr(nc.classics, name)().to_latex()
        assert text.count("{") == text.count("}")
        assert text.count(r"\left") == text.count(r"\right")
