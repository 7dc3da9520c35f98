"""The picture of a training run shows its events, and the loss in whatever form it comes."""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest

import ntkcont as nc
from tests.training import recorded, scalar


@pytest.fixture(scope="module")
def record():
    path = scalar([1.5, 1.5, 1.5], [-0.5, 0.0, 0.5], steps=[0, 10, 20])
    return recorded(path, box=(-4, 4), ntk=nc.ntk.StateNTK(theta="b"))


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


def lines(ax, gid):
    return [line for line in ax.get_lines() if line.get_gid() == gid]


def test_panels_share_the_axis_of_training_steps_and_events_are_lines_on_all(record):
    before = dict(mpl.rcParams)
    figure = nc.plot.training(record, loss=[1.0, 0.5, 0.01])
    assert dict(mpl.rcParams) == before
    axes = figure.axes
    assert [ax.get_ylabel().split("\n")[0] for ax in axes] == [
        "loss", "attractors", "fixed points", r"Re $\lambda$", "largest NTK", "participation",
    ]  # fmt: skip
    assert axes[-1].get_xlabel() == "training step"
    for ax in axes:
        assert ax.get_xlim() == (0.0, 20.0)
        for event in record:
            (line,) = lines(ax, f"line {event.name}")
            np.testing.assert_allclose(line.get_xdata(), event.s)
    colors = [lines(axes[0], f"line {event.name}")[0].get_color() for event in record]
    assert colors[0] != colors[1]  # one is born, one dies


def test_the_number_of_attractors_is_a_staircase_with_steps_at_the_events(record):
    (line,) = lines(nc.plot.training(record).axes[0], "attractors")
    first, last = (event.s for event in record)
    np.testing.assert_allclose(line.get_xdata(), [0, first, first, last, last, 20])
    np.testing.assert_array_equal(line.get_ydata(), [1, 1, 2, 2, 1, 1])


@pytest.mark.parametrize(
    ("loss", "steps"),
    [
        ([3.0, 2.0, 1.0], [0, 10, 20]),
        (np.linspace(3, 1, 21), np.arange(21)),
        (np.linspace(3, 1, 20), np.arange(20)),
        (np.array([[0, 3.0], [5, 2.0], [18, 1.0], [20, 1.0]]), [0, 5, 18, 20]),
    ],
)
def test_the_loss_in_all_forms(record, loss, steps):
    (line,) = lines(nc.plot.training(record, loss=loss).axes[0], "loss")
    np.testing.assert_allclose(line.get_xdata(), steps)
    np.testing.assert_allclose(line.get_ydata(), np.asarray(loss)[:, 1] if np.ndim(loss) == 2 else loss)


def test_without_a_kernel_its_panels_are_left_out():
    record = recorded(scalar([0.5, 1.5]), box=(-4, 4))
    assert len(nc.plot.training(record).axes) == 3


def test_bad_input_is_one_clear_sentence(record):
    with pytest.raises(nc.InputError, match=r"loss: shape \(7,\) was given"):
        nc.plot.training(record, loss=np.ones(7))
    with pytest.raises(nc.InputError, match="record: got list"):
        nc.plot.training([])
    with pytest.raises(nc.InputError, match="condition: got 3"):
        nc.plot.training(record, condition=3)
