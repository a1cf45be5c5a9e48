"""loss, class_weight, validation and n_jobs of the tabular estimators, and scikit-learn's tools."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit
from sklearn.pipeline import make_pipeline

from deltarule import LOSSES, InputError, MLPClassifier, MLPRegressor
from deltarule import TabularClassifier as Classifier
from deltarule import TabularRegressor as Regressor
from deltarule.tabular.portfolio import Configuration

FEW_EPOCHS = (Configuration("linear", "standard", learning_rate=2e-2, epochs=10),)
SMALL = (Configuration("relu", "standard", (16,), learning_rate=1e-2, epochs=60),)


@pytest.fixture(scope="module")
def skewed():
    """Rows whose targets have exponential noise: mean 1, median ln 2, 90 % quantile ln 10."""
    random = np.random.default_rng(0)
    X = random.normal(size=(600, 2))
    return X, X[:, 0] + random.exponential(size=600)


@pytest.mark.parametrize(
    ("loss", "centre"),
    [
        (None, 1.0),
        ("squared_error", 1.0),
        ("absolute_error", np.log(2)),
        ("quantile", np.log(2)),
        (LOSSES.get("quantile", levels=0.9), np.log(10)),
    ],
    ids=str,
)
def test_a_loss_predicts_what_minimises_it(skewed, loss, centre):
    X, y = skewed
    model = clone(Regressor(configurations=SMALL, loss=loss)).fit(X, y)
    assert np.mean(model.predict(X) - X[:, 0]) == pytest.approx(centre, abs=0.2)


def test_huber_is_between_the_median_and_the_mean(skewed):
    X, y = skewed
    centre = np.mean(Regressor(configurations=SMALL, loss="huber").fit(X, y).predict(X) - X[:, 0])
    assert np.log(2) < centre < 1


def test_poisson_predicts_means_above_0():
    random = np.random.default_rng(1)
    X = random.normal(size=(500, 2))
    y = random.poisson(np.exp(X[:, 0] - 1))
    model = Regressor(configurations=SMALL, loss="poisson").fit(X, y)
    predicted = model.predict(X)
    assert predicted.min() >= 0
    assert np.corrcoef(predicted, np.exp(X[:, 0] - 1))[0, 1] > 0.85
    assert predicted.mean() == pytest.approx(y.mean(), rel=0.15)
    with pytest.raises(InputError, match="'poisson' and the least target is -1"):
        model.fit(X, y - 1)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_brier_is_the_score_of_the_leaderboard(skewed, n_classes):
    X, y = skewed
    labels = np.digitize(y, [1.0, 2.0][: n_classes - 1])
    model = Classifier(configurations=SMALL, loss="brier").fit(X, labels)
    assert model.score(X, labels) > 0.6
    score = ((model.oof_prediction_ - np.eye(n_classes)[labels]) ** 2).sum(axis=1).mean()
    # The temperature is chosen after the score.
    assert score == pytest.approx(model.leaderboard_["oof_loss"][0], rel=0.02)
    assert score <= model.leaderboard_["oof_loss"][0]


def test_class_weights_are_row_weights(skewed):
    X, y = skewed
    labels = np.where(y > 2.5, "rare", "usual")
    weights = {"rare": 3.0}
    of_rows = np.where(labels == "rare", 3.0, 1.0)
    plain, weighted = (
        Classifier(configurations=SMALL, class_weight=each) for each in (None, weights)
    )
    expected = plain.fit(X, labels, sample_weight=of_rows).predict_proba(X)
    np.testing.assert_array_equal(weighted.fit(X, labels).predict_proba(X), expected)
    share = np.mean(labels == "rare")
    balanced = Classifier(configurations=SMALL, class_weight="balanced").fit(X, labels)
    rare = balanced.predict_proba(X)[:, 0].mean()
    assert rare > plain.fit(X, labels).predict_proba(X)[:, 0].mean() + 0.1
    assert rare > share + 0.1


def test_networks_of_time_know_the_past_alone():
    """Each fifth of the second half has a level and a mean of its own, known from itself alone."""
    block = np.r_[np.zeros(100, dtype=int), np.repeat([1, 2, 3, 4, 5], 20)]
    X = pd.DataFrame({"block": [f"b{k}" for k in block]})
    y = np.array([0.0, 6, -5, 7, -6, 5])[block] + np.random.default_rng(0).normal(size=200)
    errors = {}
    for validation in ("auto", "time"):
        model = Regressor(configurations=SMALL, validation=validation).fit(X, y)
        errors[validation] = np.nanmean((model.oof_prediction_ - y)[100:] ** 2)
    assert errors["auto"] < 3
    assert errors["time"] > 20
    assert (np.isnan(model.oof_prediction_) == (block == 0)).all()
    assert np.isfinite(model.predict_interval(X)).all()


def test_a_splitter_decides_the_folds(skewed):
    X, y = skewed
    model = Regressor(configurations=SMALL, validation=TimeSeriesSplit(2)).fit(X, y)
    assert len(model.portfolio_.members[0].models) == 2
    assert np.isnan(model.oof_prediction_).sum() == 200
    assert model.score(X, y) > 0.3


def test_any_number_of_jobs_gives_the_same_bits(skewed):
    X, y = skewed
    one, all_cores = (
        Regressor(configurations=SMALL, n_jobs=each).fit(X, y).predict(X) for each in (1, -1)
    )
    np.testing.assert_array_equal(one, all_cores)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"loss": "log_loss"}, "loss is log_loss, and the targets are numbers; expected one of sq"),
        ({"validation": "days"}, "validation is 'days'; expected 'auto', 'groups', 'time' or"),
        ({"validation": "groups"}, "validation is 'groups', and fit was given none"),
        ({"n_jobs": 0}, "n_jobs is 0; expected a whole number above 0"),
    ],
)
def test_settings_are_refused(skewed, settings, message):
    with pytest.raises(InputError, match=message):
        Regressor(configurations=SMALL, **settings).fit(*skewed)


def test_settings_of_classes_are_refused(skewed):
    X, y = skewed
    with pytest.raises(InputError, match="the targets are classes; expected one of log_loss, br"):
        Classifier(configurations=SMALL, loss="huber").fit(X, y > 1)
    with pytest.raises(InputError, match="class_weight is 'even'; expected None, 'balanced' or"):
        Classifier(configurations=SMALL, class_weight="even").fit(X, y > 1)
    with pytest.raises(InputError, match="'time', and there are 9 rows; expected at least 10"):
        Classifier(configurations=SMALL, validation="time").fit(X[:9], np.arange(9) % 2)


def test_a_pipeline_with_frames_and_a_search(skewed):
    X, y = skewed
    frame = pd.DataFrame({"a": X[:, 0], "b": X[:, 1], "kind": np.where(X[:, 1] > 0, "x", "y")})
    frame.loc[::7, "a"] = np.nan
    prepared = make_column_transformer(
        (SimpleImputer(), ["a"]), remainder="passthrough", verbose_feature_names_out=False
    ).set_output(transform="pandas")
    pipeline = make_pipeline(prepared, Regressor(configurations=SMALL))
    search = GridSearchCV(pipeline, {"tabularregressor__loss": ["huber", "squared_error"]}, cv=2)
    assert search.fit(frame, y).best_score_ > 0.2
    names = search.best_estimator_[-1].feature_names_in_
    assert list(names) == ["a", "b", "kind"]


def test_labels_of_a_pandas_categorical_are_text(skewed):
    X, y = skewed
    labels = pd.Series(np.where(y > 1, "late", "early"), dtype="category")
    predicted = Classifier(configurations=SMALL).fit(X, labels).predict(X)
    assert set(predicted) == {"early", "late"}


@pytest.mark.parametrize(
    ("labels", "kind"),
    [
        (pd.Series([3, 4]).astype("category"), "i"),
        (pd.Categorical([3, 4], categories=[4, 3], ordered=True), "i"),
        (pd.Series([False, True]).astype("category"), "b"),
        (pd.Series([3, 4], dtype="Int64").astype("category"), "i"),
        (pd.Series([3, 4], dtype="Int8"), "i"),
        (pd.Series([False, True], dtype="boolean"), "b"),
        (pd.Series([3, 4], dtype="int64[pyarrow]"), "i"),
        (pd.Series(["a", "b"]).astype("category"), "O"),
        (pd.Series(["a", "b"], dtype="string"), "O"),
        (pl.Series([3, 4]), "i"),
        (pl.Series([False, True]), "b"),
        (pl.Series(["a", "b"], dtype=pl.Categorical), "O"),
    ],
    ids=lambda each: str(getattr(each, "dtype", "")),
)
def test_labels_of_frames_come_back_in_the_type_of_their_values(skewed, labels, kind):
    X, target = skewed
    rows = (target > 1).astype(int)[:100]
    y = labels.gather(rows) if isinstance(labels, pl.Series) else labels.take(rows)
    model = Classifier(configurations=FEW_EPOCHS, quality="fast").fit(X[:100], y)
    predicted = model.predict(X[:100])
    assert model.classes_.dtype.kind == predicted.dtype.kind == kind
    assert model.classes_.tolist() == sorted(labels)
    right = np.mean([each == truth for each, truth in zip(predicted, y, strict=True)])
    assert right > 0.6
    assert model.score(X[:100], y) == pytest.approx(right)


@pytest.mark.parametrize("dtype", ["Int64", "boolean", "category", "string", "object"])
def test_missing_labels_of_pandas_are_refused(skewed, dtype):
    y = pd.Series([True, False] * 10, dtype=object)
    y[2] = None
    if dtype == "string":
        y = y.map({True: "a", False: "b"})
    with pytest.raises(InputError, match="in row 3; expected a label in every row"):
        Classifier(configurations=SMALL).fit(skewed[0][:20], y.astype(dtype))


def test_verbose_shows_the_best_loss_so_far(skewed, capsys):
    X, y = skewed
    pair = [Configuration(name, "standard", epochs=5) for name in ("first", "second")]
    model = Regressor(configurations=pair, quality="fast", n_jobs=1, verbose=True).fit(X, y)
    score = model.portfolio_.members[0].score
    first, second = capsys.readouterr().err.splitlines()
    assert first == "training first"
    # The second may begin just before the loss of the first is known.
    best = f" (best so far: first, out-of-fold squared error {score:.4g})"
    assert second in ("training second", f"training second{best}")


@pytest.mark.parametrize("cell", ["Ulm", np.nan])
@pytest.mark.parametrize("estimator", [MLPClassifier, MLPRegressor])
def test_text_and_missing_cells_lead_to_the_tabular_estimators(estimator, cell):
    X = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": [4.0, 5.0, cell]})
    name = estimator.__name__.replace("MLP", "Tabular")
    with pytest.raises(InputError, match=rf"{name} takes text, categories and missing cells"):
        estimator().fit(X, [0, 1, 0])
