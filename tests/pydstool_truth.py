"""Models in PyDSTool's words with their right-hand sides in numpy, and what PyDSTool itself says (as a child process).

Run as a script it makes true Generators of all cases, evaluates their ``Rhs``, brings them in with ``from_pydstool``,
and prints JSON.
"""

import json
import sys

import numpy as np
from numpy import exp, sqrt, tanh

CASES = {
    "functions, if and powers": (
        {
            "varspecs": {
                "v": "(I - g*f(v)*v)/C + heav(v-0.1)*w^2 + w**3 - pow(v,2)*-w",
                "w": "if((v>0)and(w<2), exp(-v), if(not(w>1), w, 2*w)) - w",
            },
            "fnspecs": {"f": (["v"], "0.5*(1+tanh((v-v1)/v2))")},
            "pars": {"I": 1.0, "g": 0.5, "C": 2.0, "v1": 0.1, "v2": 0.3},
        },
        lambda v, w, I, g, C, v1, v2: [  # noqa: E741
            (I - g * 0.5 * (1 + tanh((v - v1) / v2)) * v) / C + (v > 0.1) * w**2 + w**3 + v**2 * w,
            (exp(-v) if v > 0 and w < 2 else w if not w > 1 else 2 * w) - w,
        ],
    ),
    "precedence of powers": (
        {
            "varspecs": {"x": "-x^2*y + 2*x**y - y^2^0.5 + (x+y)**2/3 - 2**-x", "y": "pow(x+1,2)*y - a*x"},
            "pars": {"a": 1.5},
        },
        lambda x, y, a: [
            -(x**2) * y + 2 * x**y - y ** (2**0.5) + (x + y) ** 2 / 3 - 2 ** (-x),
            (x + 1) ** 2 * y - a * x,
        ],
    ),
    "for and sum": (
        {
            "varspecs": {
                "z[i]": "for(i,0,2, -z[i] + k*sum(j,0,2, w[j]*tanh(z[j])) + [i]*0.1)",
                "s": "sum(i,0,2,2*z[i]+1) - s",
            },
            "pars": {"k": 0.3, "w0": 1.0, "w1": -0.5, "w2": 0.25},
        },
        lambda z0, z1, z2, s, k, w0, w1, w2: [
            *(-z + k * (w0 * tanh(z0) + w1 * tanh(z1) + w2 * tanh(z2)) + 0.1 * i for i, z in enumerate((z0, z1, z2))),
            2 * (z0 + z1 + z2) + 3 - s,
        ],
    ),
    "a chain of neighbours": (
        {"varspecs": {"z0": "a-z0", "z[i]": "for(i,1,2, z[i-1] - z[i]**3)"}, "pars": {"a": 0.3}},
        lambda z0, z1, z2, a: [a - z0, z0 - z1**3, z1 - z2**3],
    ),
    "auxiliary variables and functions of nothing": (
        {
            "varspecs": {"v": "I - m(v)*v + half()", "ica": "m(v)*(v-2)+I"},
            "auxvars": ["ica"],
            "fnspecs": {"m": (["v"], "1/(1+exp(-(v-vh)/0.2))"), "half": ([], "I*0.5")},
            "pars": {"I": 0.4, "vh": 0.1},
        },
        lambda v, I, vh: [I - v / (1 + exp(-(v - vh) / 0.2)) + 0.5 * I],  # noqa: E741
    ),
    "reuse terms": (
        {
            "varspecs": {"v": "tv*w - (v-vs)*g", "w": "tanh(v)*2 - w + (v-vs)"},
            "reuseterms": {"tanh(v)": "tv", "(v-vs)": "dv", "g*u": "never"},
            "pars": {"g": 0.4, "vs": 0.1},
        },
        lambda v, w, g, vs: [tanh(v) * w - (v - vs) * g, 2 * tanh(v) - w + v - vs],
    ),
    "functions of functions": (
        {
            "varspecs": {"x": "h(x,2) - x", "y": "g(y)*x"},
            "fnspecs": {"g": (["x"], "a*x"), "h": (["x", "n"], "g(x)**n/(1+g(x)**n)")},
            "pars": {"a": 0.7},
        },
        lambda x, y, a: [(a * x) ** 2 / (1 + (a * x) ** 2) - x, a * y * x],
    ),
    "initial values and bounds": (
        {
            "varspecs": {"x": "initcond(x) - x + getbound(x,1)*0.1 + getindex(\"y\")", "y": "-a*x"},
            "pars": {"a": 1.0},
            "xdomain": {"x": [-3, 7]},
            "ics": {"x": 0.3, "y": 0.3},
        },
        lambda x, y, a: [0.3 - x + 0.7 + 1, -a * x],
    ),
    "conditions as numbers": (
        {
            "varspecs": {
                "x": "(x>0)*x + (x<y)*2 - if(x, 1, 2) + if((x>0)or(y>0), x*y, -1) + if(x==0.5,3,4)",
                "y": "-a*y",
            },
            "pars": {"a": 1.0},
        },
        lambda x, y, a: [
            (x > 0) * x + (x < y) * 2 - (1 if x else 2) + (x * y if x > 0 or y > 0 else -1) + (3 if x == 0.5 else 4),
            -a * y,
        ],
    ),
    "functions of the library": (
        {
            "varspecs": {
                "x": "sin(x)+cos(x)+atan(x)+sqrt(abs(x))+log(1+x*x)+sinh(x)+fabs(x)+floor(x)+ceil(x)+hypot(x,y)"
                "+fmod(x,0.3)+log(x*x+2,3)+mod(-x,0.7)+sign(-x)+degrees(x)+radians(y)+e*x+pi+expm1(x)+trunc(-x*4)",
                "y": "atan2(y,x)+max(x,y)-min(1,y)+a*1.5e-3*x+2E-1+special_expm1(x)+log10(x*x+1)+acos(0.1*tanh(x))",
            },
            "pars": {"a": 1.0},
        },
        lambda x, y, a: [
            np.sin(x) + np.cos(x) + np.arctan(x) + sqrt(abs(x)) + np.log(1 + x * x) + np.sinh(x) + abs(x)
            + np.floor(x) + np.ceil(x) + np.hypot(x, y) + np.fmod(x, 0.3) + np.log(x * x + 2) / np.log(3)
            + np.mod(-x, 0.7) + np.sign(-x) + np.degrees(x) + np.radians(y) + np.e * x + np.pi + np.expm1(x)
            + np.trunc(-4 * x),
            np.arctan2(y, x) + max(x, y) - min(1, y) + a * 1.5e-3 * x + 0.2 + np.expm1(x) + np.log10(x * x + 1)
            + np.arccos(0.1 * tanh(x)),
        ],
    ),
    "a map": (
        {"varspecs": {"x": "1-a*x^2+y", "y": "b*x"}, "pars": {"a": 1.4, "b": 0.3}, "ttype": "int"},
        lambda x, y, a, b: [1 - a * x**2 + y, b * x],
    ),
}  # fmt: skip
STATES = [0.3, 0.55, 1.2, 0.8]


def states_of(names, k):
    """Return the k-th test state: positive first, then with negative values where powers allow them."""
    values = [STATES[(i + k) % len(STATES)] for i in range(len(names))]
    return dict(zip(names, values, strict=True))


def keyed(case):
    """Return the keys of a case as PyDSTool's ``args`` want them."""
    keys = dict(case)
    if "ttype" in keys:
        keys["ttype"] = int
        keys["tdomain"] = [0, 100]
    else:
        keys["tdata"] = [0, 1]
    return keys


def main():
    from ntkcont.peers.pydstool_child import shim

    shim.install()
    import PyDSTool

    import ntkcont as nc

    def generator(keys):
        make = PyDSTool.Generator.MapSystem if "ttype" in keys else PyDSTool.Generator.Vode_ODEsystem
        return make(PyDSTool.args(**keys))

    def values(gen, x):
        found = gen.Rhs(0, x, gen.pars)
        return {name: float(v) for name, v in zip(gen.funcspec.vars, found, strict=True)}

    results = {}
    for name, (case, _) in CASES.items():
        gen = generator({"name": "case", **keyed(case)})
        model, again = nc.from_pydstool(gen), nc.from_pydstool(PyDSTool.args(**{"name": "case", **keyed(case)}))
        points = []
        for k in range(len(STATES)):
            x = states_of(model.states, k)
            ours = [dict(zip(m.states, m.rhs(x).tolist(), strict=True)) for m in (model, again)]
            points.append({"x": x, "rhs": values(gen, x), "generator": ours[0], "args": ours[1]})
        results[name] = {"kind": model.kind, "class": type(gen).__name__, "points": points}
    written = {}
    for name, keys in json.loads(sys.stdin.read()).items():
        if "ttype" in keys:
            keys["ttype"] = int
        keys["fnspecs"] = {f: tuple(pair) for f, pair in keys["fnspecs"].items()}
        points = keys.pop("points")
        gen = generator(keys)
        written[name] = [values(gen, x) for x in points]
    inserted = generator(
        {"name": "inserted", "varspecs": {"v": "I - q*v"}, "pars": {"I": 0.4}, "ics": {"v": 0.1}, "tdata": [0, 1],
         "vfcodeinsert_start": "q=3.0", "ignorespecial": ["q"]}
    )  # fmt: skip
    import warnings

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = nc.from_pydstool(inserted)
    branch = nc.continuation(model, model.start, free="I", p_span=(-1.0, 1.0))
    called = {
        "warnings": [str(w.message) for w in caught if "from_pydstool" in str(w.message)],
        "rhs": model.rhs([0.5]).tolist(),
        "jac": model.jac([0.5]).tolist(),
        "slope": float(np.max(np.abs(3.0 * branch["v"] - branch["I"]))),
        "stable": bool(np.all(branch.stable)),
        "ends": [float(branch.p.min()), float(branch.p.max())],
    }
    sys.stdout.write("RESULT " + json.dumps({"cases": results, "written": written, "called": called}) + "\n")


if __name__ == "__main__":
    main()
