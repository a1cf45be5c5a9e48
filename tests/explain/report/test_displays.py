"""The plots of a model, in scikit-learn's convention."""

import matplotlib as mpl
import numpy as np
import pytest
from sklearn.inspection import PartialDependenceDisplay
from sklearn.metrics import ConfusionMatrixDisplay, PredictionErrorDisplay
from tests.explain.report.tables import FEW, NAMES, table_of, trained

from deltarule import TabularClassifier, TabularRegressor
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


@pytest.mark.parametrize("task", ["three", "number"])
def test_the_estimators_have_the_same_plots(task):
    frame = table_of(task)
    y = np.asarray(frame.pop("y"))
    kind = TabularRegressor if task == "number" else TabularClassifier
    training, rest = np.arange(100), np.arange(100, 160)
    X, X_rest = ({name: cells[at] for name, cells in frame.items()} for at in (training, rest))
    model = kind(configurations=FEW, quality="fast").fit(X, y[training])
    assert drawn(model.plot_leaderboard()).measure == (
        "squared error" if task == "number" else "log loss"
    )
    assert len(drawn(model.plot_learning_curves()).curves) >= 1
    if task == "number":
        found = drawn(model.plot_residuals(X_rest, y[rest])).residuals
        np.testing.assert_allclose(found.predicted, model.predict(X_rest))
        np.testing.assert_allclose(found.intervals, model.predict_interval(X_rest))
        assert found.coverage is not None
    else:
        matrix = drawn(model.plot_confusion_matrix(X_rest, y[rest]))
        right = (model.predict(X_rest) == y[rest]).sum()
        assert np.trace(matrix.confusion_matrix) == right
        drawn(model.plot_calibration(X_rest, y[rest]))
        with pytest.raises(InputError, match="y has the labels"):
            model.plot_calibration(X_rest, np.full(60, "new"))
    assert drawn(model.plot_importance(X_rest, y[rest])).importance.rows == 60
    drawn(model.plot_partial_dependence(X_rest, y[rest], NAMES[0]))
    with pytest.raises(InputError, match="X has 60 rows and y 3"):
        model.scored_rows(X_rest, y[:3])
