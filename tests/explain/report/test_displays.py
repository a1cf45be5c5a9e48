"""The plots of a model, in scikit-learn's convention."""

import matplotlib as mpl
import numpy as np
import pytest
from sklearn.inspection import PartialDependenceDisplay
from sklearn.metrics import ConfusionMatrixDisplay, PredictionErrorDisplay
from tests.explain.report.tables import NAMES, trained

from deltarule.errors import InputError
from deltarule.tabular.diagnostics import permutation_importance

mpl.use("Agg")


@pytest.fixture(autouse=True)
def closed():
    import matplotlib.pyplot as plt

    yield
    plt.close("all")


def drawn(display):
    display.figure_.canvas.draw()
    axes = np.ravel(display.ax_)
    assert all(each is None or each.figure is display.figure_ for each in axes)
    return display


def test_plots_of_the_training():
    _, model = trained("two")
    board = drawn(model.plot_leaderboard())
    assert board.leaderboard == model.report["leaderboard"]
    assert board.ax_.get_xlabel() == "out-of-fold log loss"
    curves = drawn(model.plot_learning_curves())
    assert [each.name for each in curves.curves] == [
        each.configuration.name for each in model.members()
    ]
    assert curves.ax_[0].get_ylabel() == "log loss"
    _, network = trained("number", "network")
    assert "½ squared error" in drawn(network.plot_learning_curves()).ax_[0].get_ylabel()
    with pytest.raises(InputError, match="single network"):
        network.plot_leaderboard()


@pytest.mark.parametrize("task", ["two", "three"])
def test_plots_of_classes(task):
    table, model = trained(task)
    matrix = drawn(model.plot_confusion_matrix(table))
    assert isinstance(matrix, ConfusionMatrixDisplay)
    assert matrix.confusion_matrix.sum() == model.report["rows"]["test"]
    reliability = drawn(model.plot_calibration(table))
    assert 0 <= reliability.calibration.error <= 1
    assert np.array_equal(reliability.prob_true, reliability.calibration.observed)
    with pytest.raises(InputError, match="a plot of residuals is of a model of numbers"):
        model.plot_residuals(table)


def test_plots_of_numbers():
    table, model = trained("number")
    display = drawn(model.plot_residuals(table))
    assert isinstance(display, PredictionErrorDisplay)
    np.testing.assert_allclose(display.y_true - display.y_pred, display.residuals.residuals)
    with pytest.raises(InputError, match="calibration is of a model of classes"):
        model.plot_calibration(table)


@pytest.mark.parametrize("task", ["number", "three"])
def test_plots_of_columns(task):
    table, model = trained(task)
    importance = drawn(model.plot_importance(table, most=2))
    expected = permutation_importance(model.scored_rows(table))
    assert np.array_equal(importance.importance.mean, expected.mean)
    assert len(importance.ax_.get_yticks()) == 2
    display = drawn(model.plot_partial_dependence(table, NAMES))
    assert isinstance(display, PartialDependenceDisplay)
    assert [each.column for each in display.partial_dependence] == list(NAMES)
    strongest = model.plot_partial_dependence(table).partial_dependence
    assert strongest[0].column == expected.columns[0]


def test_axes_can_be_given():
    from matplotlib.figure import Figure

    table, model = trained("two")
    axes = Figure().add_subplot()
    assert model.plot_calibration(table, ax=axes).ax_ is axes
    axes = Figure().add_subplot()
    assert model.plot_importance(table, ax=axes).ax_ is axes
