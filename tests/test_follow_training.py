"""Births and deaths along a training run: closed forms, brute force at every checkpoint, nothing invented."""

import numpy as np
import pytest

import ntkcont as nc
from tests.training import recorded, scalar

FOLD = 1.5 * np.sqrt(1 / 3) - np.arctanh(np.sqrt(1 / 3))  # bias at which z = 1.5 tanh z + b folds


def rotation(angle, sizes, **options):
    """Two units that rotate: eigenvalues of W are size * exp(+-i angle)."""
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return nc.TrainingPath([size * turn for size in sizes], lambda W: nc.RateRNN(W, **options))


CASES = {
    "pitchfork": (lambda: scalar([0.5, 0.8, 1.5]), [("BP", "pitchfork", 1 + 0.2 / 0.7, (1, 3), (1, 2))]),
    "pitchfork on a checkpoint": (lambda: scalar([0.5, 1.0, 1.5]), [("BP", "pitchfork", 1.0, (1, 3), (1, 2))]),
    "pitchfork backwards": (lambda: scalar([1.5, 0.5]), [("BP", "pitchfork", 0.5, (3, 1), (2, 1))]),
    "two folds": (
        lambda: scalar([1.5, 1.5, 1.5], [-0.5, 0.0, 0.5]),
        [("LP", "fold", 1 - FOLD / 0.5, (0, 2), (0, 1)), ("LP", "fold", 1 + FOLD / 0.5, (2, 0), (1, 0))],
    ),
    "an island": (  # the upper state lives on a closed curve, which nothing but a search at checkpoint 1 finds
        lambda: scalar([1.5, 1.5, 1.5], [-0.5, 0.0, -0.5]),
        [("LP", "fold", 1 - FOLD / 0.5, (0, 2), (0, 1)), ("LP", "fold", 1 + FOLD / 0.5, (2, 0), (1, 0))],
    ),
    "Hopf": (lambda: rotation(np.pi / 3, [1.0, 1.5, 3.0]), [("H", "Hopf", 1 + 0.5 / 1.5, (1, 1), (1, 0))]),
    "Neimark-Sacker": (
        lambda: rotation(np.pi / 3, [0.5, 0.75, 1.25], alpha=1.0),
        [("NS", "Neimark-Sacker", 1.5, (1, 1), (1, 0))],
    ),
    "period doubling": (
        lambda: scalar([-0.5, -0.75, -1.25], alpha=1.0),
        [("PD", "period doubling", 1.5, (1, 1), (1, 0))],
    ),
    "border collision": (
        lambda: scalar([2.0, 2.0, 2.0], [-1.0, -0.4, 1.0], form="rate", phi="relu"),
        [("BC", "border collision", 1 + 0.4 / 1.4, (2, 0), (1, 0))],
    ),
    "nothing": (lambda: scalar([0.5, 0.9, 0.2, 0.7], [0.1, -0.3, 0.2, 0.0]), []),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_events_of_known_paths(case):
    make, expected = case
    path = make()
    record = recorded(path, box=(-4, 4))
    assert [(event.label, event.type) for event in record] == [row[:2] for row in expected]
    for event, (_, _, s, fixed, attractors) in zip(record, expected, strict=True):
        assert event.s == pytest.approx(s, abs=1e-8)
        assert event.fixed_points == fixed
        assert event.attractors == attractors
        assert event.converged
        on_checkpoint = abs(s - round(s)) < 1e-12
        assert event.bracket == ((round(s), round(s)) if on_checkpoint else (np.floor(s), np.ceil(s)))
    assert record.notes == ()


def outlier_network():
    """A network of 64 units whose leading eigenvalue of W is real, with its vectors."""
    rng = np.random.default_rng(0)
    W = 0.5 * rng.standard_normal((64, 64)) / 8
    m = rng.standard_normal(64)
    m /= np.linalg.norm(m)
    n = rng.standard_normal(64)
    n -= (n @ m) * m
    n = 0.6 * m + 0.8 * n / np.linalg.norm(n)
    W = W + 1.5 * np.outer(m, n)
    values, right = np.linalg.eig(W)
    lead = int(np.argmax(values.real))
    left_values, left = np.linalg.eig(W.T)
    v, w = right[:, lead].real, left[:, int(np.argmax(left_values.real))].real
    return W, float(values[lead].real), np.outer(v, w) / (w @ v)


def test_a_large_network_whose_outlier_crosses():
    # its other eigenvalues stay below 0.6, so that 0 loses its stability where the outlier passes 1
    W, leading, projector = outlier_network()
    outliers = np.array([0.6, 0.75, 0.9, 1.2, 1.5])
    path = nc.TrainingPath([W + (a - leading) * projector for a in outliers], nc.RateRNN, steps=100 * np.arange(5))
    record = recorded(path)
    assert [event.type for event in record] == ["pitchfork"]
    assert record.events[0].s == pytest.approx(np.interp(1.0, outliers, path.steps), abs=1e-6)
    assert record.attractors().tolist() == [1, 1, 1, 2, 2]
    assert record.fixed_points().tolist() == [1, 1, 1, 3, 3]


# ---------------------------------------------------------------- really trained networks


def trained(seed, *, bias, iterations=600, every=50, size=16):
    """Train a leaky map to follow a bistable one, by gradient descent; return checkpoints and losses."""
    import jax
    import jax.numpy as jnp

    from ntkcont.jax_tools import x64

    rng = np.random.default_rng(seed)
    G = 0.3 * rng.standard_normal((size, size)) / 4
    v = rng.standard_normal(size)
    v /= np.linalg.norm(v)
    w = v + 0.5 * rng.standard_normal(size) / 4
    teacher = {"W": G + 1.5 * np.outer(v, w / (w @ v)), "b": np.zeros(size)}
    student = {"W": 0.3 * rng.standard_normal((size, size)) / 4, "b": np.zeros(size)}
    z0 = 0.5 * rng.standard_normal((8, size)) / 2
    if bias:
        teacher["b"] = 0.1 * rng.standard_normal(size)

    def run(q):
        def step(z, _):
            z = z + 0.1 * (-z + jnp.tanh(z) @ q["W"].T + q["b"])
            return z, z

        return jax.lax.scan(step, jnp.asarray(z0), None, length=100)[1]

    with x64():
        target = run(teacher)
        value_and_grad = jax.jit(jax.value_and_grad(lambda q: 0.5 * jnp.mean(jnp.sum((run(q) - target) ** 2, -1))))
        checkpoints, losses = [], []
        for i in range(iterations + 1):
            value, gradient = value_and_grad(student)
            losses.append(float(value))
            if i % every == 0:
                checkpoints.append({name: np.asarray(a) for name, a in student.items()})
            move = ("W", "b") if bias else ("W",)
            student = {**student, **{name: student[name] - 0.02 * gradient[name] for name in move}}
    return checkpoints, losses, z0


def network(q):
    return nc.RateRNN(q["W"], b=q["b"], alpha=0.1)


@pytest.fixture(scope="module")
def symmetric():
    return trained(3, bias=False)


@pytest.fixture(scope="module")
def biased():
    return trained(3, bias=True)


def brute_force(net, z0, rng):
    """Return all fixed points that many starts lead to."""
    starts = np.concatenate([size * rng.standard_normal((200, net.n)) for size in (0.1, 0.5, 1.0, 2.0, 4.0)])
    return nc.find_fixed_points(net, starts=np.concatenate([starts, z0]))


@pytest.mark.parametrize("interpolation", ["linear", "cubic"])
@pytest.mark.parametrize("run", ["symmetric", "biased"])
def test_counts_agree_with_brute_force_at_every_checkpoint(run, interpolation, request):
    checkpoints, _, z0 = request.getfixturevalue(run)
    path = nc.TrainingPath(checkpoints, network, steps=50 * np.arange(13), interpolation=interpolation)
    record = recorded(path, z0)
    rng = np.random.default_rng(1)
    points = [brute_force(network(q), z0, rng) for q in checkpoints]
    assert record.fixed_points().tolist() == [len(each) for each in points]
    assert record.attractors().tolist() == [int(each.stable.sum()) for each in points]
    assert record.notes == ()
    assert sum(event.born for event in record) == record.attractors()[-1] - record.attractors()[0]
    # the attractors themselves are those of the branches
    last = points[-1]
    ends = [branch.x[[0, -1]][np.abs(branch.p[[0, -1]] - 600) < 1e-6] for branch in record.branches()]
    ends = np.concatenate(ends)
    for x in last.x:
        assert np.min(np.max(np.abs(ends - x), axis=1)) < 1e-8


def test_the_flagship_run_has_its_pitchfork_where_the_loss_falls(symmetric):
    checkpoints, losses, _ = symmetric
    np.testing.assert_allclose(
        np.array(losses)[[0, 400, 450, 500, 550]], [2.330, 2.313, 2.297, 1.576, 0.154], rtol=1e-2
    )
    path = nc.TrainingPath(checkpoints, network, steps=50 * np.arange(13))
    record = recorded(path)
    (event,) = record.events
    assert (event.type, event.bracket, event.change) == ("pitchfork", (450.0, 500.0), "birth of an attractor")
    critical = [np.linalg.eigvals(q["W"] - np.eye(16)).real.max() for q in checkpoints]
    assert critical[9] == pytest.approx(-0.408, abs=2e-3)
    assert critical[10] == pytest.approx(0.198, abs=2e-3)
    # where the leading eigenvalue of the interpolated weights is 1
    t = (event.s - 450) / 50
    between = (1 - t) * checkpoints[9]["W"] + t * checkpoints[10]["W"]
    assert np.linalg.eigvals(between).real.max() == pytest.approx(1.0, abs=1e-9)


# ---------------------------------------------------------------- conditions, kernels, starts


def driven(**options):
    """One unit, whose input moves it through the folds."""
    checkpoints = [{"W": np.array([[w]]), "b": np.array([b])} for w, b in ((1.5, -0.5), (1.5, 0.0), (1.5, 0.5))]

    def build(q):
        return nc.RateRNN(q["W"], b=q["b"], W_in=[[1.0]], inputs={"stim": [1.0]})

    return nc.TrainingPath(checkpoints, build, steps=[0, 100, 200], **options)


def test_several_inputs_are_followed_apart():
    record = recorded(driven(), box=(-4, 4), conditions=[{"stim": 0.0}, {"stim": 0.25}])
    at = 100 * (1 + np.array([-FOLD, FOLD, -FOLD - 0.25, FOLD - 0.25]) / 0.5)
    expected = sorted(zip(at, (0, 0, 1, 1), (1, -1, 1, -1), strict=True))
    assert len(record) == 4
    for event, (s, condition, born) in zip(record, expected, strict=True):
        assert event.s == pytest.approx(s, abs=1e-6)
        assert (event.condition, event.born) == (condition, born)
    assert record.attractors(condition=0).tolist() == [1, 2, 1]
    assert record.attractors([40.0, 60.0], condition=1).tolist() == [2, 2]
    assert len(record.births) == len(record.deaths) == 2
    assert "stim=0.25" in repr(record)


def test_the_kernel_comes_along():
    kernel = nc.ntk.StateNTK(theta=["W", "b"])
    path = driven()
    record = recorded(path, box=(-4, 4), ntk=kernel)
    (branch,) = record.branches()
    assert branch.ntk is not None
    # D_b z = -1/A and D_W z = -tanh z/A, and A = 1.5 sech^2 - 1
    z = branch["z0"]
    A = 1.5 / np.cosh(z) ** 2 - 1
    far = np.abs(A) > 1e-3
    np.testing.assert_allclose(branch["top"][far], ((1 + np.tanh(z) ** 2) / A**2)[far], rtol=1e-8)
    point = record.point(record.events[0])
    assert point.ntk is not None
    assert {"XF", "wF", "g"} <= set(point.ntk)


STARTS = {
    "random": None,
    "common": np.linspace(-3, 3, 9)[:, None],
    "for each": np.tile([[1.0], [-1.0]], (3, 1, 1)),
    "of different numbers": [np.ones((1, 1)), -np.ones((2, 1)), np.ones((4, 1))],
}


@pytest.mark.parametrize("starts", STARTS.values(), ids=STARTS)
def test_starts_in_all_forms(starts):
    record = recorded(driven(), starts)
    assert [event.type for event in record] == ["fold", "fold"]


def test_a_search_that_sees_all_again_and_again_invents_nothing():
    rng = np.random.default_rng(5)
    W = 0.9 * rng.standard_normal((8, 8)) / np.sqrt(8)
    checkpoints = [{"W": W + 0.1 * rng.standard_normal((8, 8)), "b": 0.3 * rng.standard_normal(8)} for _ in range(6)]
    path = nc.TrainingPath(checkpoints, lambda q: nc.RateRNN(q["W"], b=q["b"]))
    record = recorded(path, 2 * rng.standard_normal((500, 8)))
    for k, q in enumerate(checkpoints):
        points = brute_force(nc.RateRNN(q["W"], b=q["b"]), np.zeros((1, 8)), rng)
        assert record.fixed_points()[k] == len(points)
        assert record.attractors()[k] == points.stable.sum()
    assert sum(event.born for event in record) == record.attractors()[-1] - record.attractors()[0]


# ---------------------------------------------------------------- the record


def test_the_record_is_saved_and_read_without_pickle(tmp_path):
    record = recorded(driven(), box=(-4, 4), conditions=[{"stim": 0.0}, {"stim": 0.25}], ntk=nc.ntk.StateNTK(theta="b"))
    again = nc.load(record.save(tmp_path / "run.npz"))
    assert again == record
    assert repr(again) == repr(record)


def test_the_tables_say_what_happened():
    record = recorded(driven(), box=(-4, 4))
    text = repr(record)
    assert "between 0 and 100" in text
    assert "birth of an attractor" in text
    assert "attractors 1 -> 1" in text
    assert "between 100 and 200" in record._repr_html_()
    frame = record.to_dataframe()
    assert frame["type"].tolist() == ["fold", "fold"]
    np.testing.assert_allclose(frame["s"], [event.s for event in record])
    assert frame["attractors_after"].tolist() == [1, 0]


def test_what_was_not_followed_is_noted():
    record = recorded(scalar([0.5, 1.5]), np.zeros((1, 1)), depth=0)
    assert any("depth=0" in note for note in record.notes)


def test_an_interrupt_keeps_the_conditions_that_are_done(monkeypatch):
    from ntkcont.training import follow

    calls = []

    def search(*arguments, **keywords):
        calls.append(keywords["params"])
        if len(calls) == 5:  # at the second checkpoint of the second condition
            raise KeyboardInterrupt
        return nc.find_fixed_points(*arguments, **keywords)

    monkeypatch.setattr(follow, "find_fixed_points", search)
    record = recorded(driven(), box=(-4, 4), conditions=[{"stim": 0.0}, {"stim": 0.25}])
    assert record.conditions == ({"stim": 0.0},)
    assert len(record) == 2
    assert record.notes == ("interrupted before stim=0.25",)


def test_steps_beyond_the_run_are_refused():
    record = recorded(driven(), box=(-4, 4))
    first, last = record.steps[[0, -1]]
    for count in (record.attractors, record.fixed_points):
        assert count([first, last]).tolist() == count()[[0, -1]].tolist()
        for wrong, shown in ((last + 900.0, f"{last + 900:g}"), ([first, first - 1.0], f"{first - 1:g}")):
            with pytest.raises(
                nc.InputError, match=rf"s: {shown} was given; the run goes from step {first:g} to {last:g}"
            ):
                count(wrong)
        for wrong in (np.nan, "late", [[first]]):
            with pytest.raises(nc.InputError, match=r"s: .* was given; the run goes from step"):
                count(wrong)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"path": nc.RateRNN([[1.0]])}, "path: got RateRNN"),
        ({"starts": np.zeros((2, 1)), "box": (-1, 1)}, "starts, box: both"),
        ({"starts": np.zeros((2, 3))}, r"starts: shape \(2, 3\)"),
        ({"starts": np.full((2, 1), np.nan)}, "a number is not finite"),
        ({"starts": "here"}, "starts: str"),
        ({"conditions": {"stim": 1}}, "conditions: got"),
        ({"conditions": [3]}, r"conditions\[0\]: got 3"),
        ({"conditions": [{"stmi": 1}]}, "did you mean 'stim'"),
        ({"conditions": [{"s": 1}]}, r"conditions\[0\]: 's' is unknown"),
        ({"box": (5, 6)}, "box: no fixed point was found"),
    ],
)
def test_bad_input_is_one_clear_sentence(arguments, message):
    with pytest.raises(nc.InputError, match=message):
        nc.follow_training(**{"path": driven(), **arguments})
    with pytest.raises(nc.InputError, match="condition: got 7"):
        nc.follow_training(driven(), box=(-4, 4)).attractors(condition=7)
