"""How the drop-in estimators predict: one row at once, by the engine, from the weights of now."""

import copy
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError

pytest.importorskip("numba")

from deltarule.engines import ReferenceEngine, predictor_cache
from deltarule.errors import InputError
from deltarule.estimators import MLPClassifier, MLPRegressor, mlp_predict
from deltarule.maths import forward

RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 5))
TARGETS = {
    "one number": (MLPRegressor, X[:, 0] ** 2),
    "two numbers": (MLPRegressor, X[:, :2] ** 2),
    "two classes": (MLPClassifier, np.where(X[:, 0] > 0, "yes", "no")),
    "three classes": (MLPClassifier, np.digitize(X[:, 0], [-0.5, 0.5]) * 10),
    "several labels": (MLPClassifier, (X[:, :3] > 0).astype(int)),
}
METHODS = {MLPRegressor: ("predict",), MLPClassifier: ("predict", "predict_proba")}


def fitted(task="one number", dtype=np.float32, **settings):
    kind, y = TARGETS[task]
    model = kind(hidden_layer_sizes=(7, 20), max_iter=3, random_state=0, **settings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(X.astype(dtype), y.astype(dtype) if kind is MLPRegressor else y)


def row(dtype=np.float32, i=3):
    return X[i : i + 1].astype(dtype)


@pytest.fixture
def long_path(monkeypatch):
    """Counts how often scikit-learn's checks are run."""
    seen = []

    def counted(*args, **more):
        seen.append(args)
        return plain(*args, **more)

    plain = mlp_predict.validate_rows
    monkeypatch.setattr(mlp_predict, "validate_rows", counted)
    return seen


# -- the short path -----------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("task", TARGETS)
def test_one_row_is_predicted_as_among_many(task, dtype, long_path):
    model = fitted(task, dtype)
    for name in METHODS[type(model)]:
        method = getattr(model, name)
        many = method(X.astype(dtype))
        long_path.clear()
        for i in range(len(X)):
            one = method(row(dtype, i))
            assert one.dtype == many.dtype
            assert one.shape == many[i : i + 1].shape
            assert np.array_equal(one, many[i : i + 1])
        assert not long_path


def test_a_pickled_or_copied_estimator_predicts_the_same(long_path):
    model = fitted("three classes")
    expected = model.predict_proba(row())
    for twin in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model), copy.copy(model)):
        assert np.array_equal(twin.predict_proba(row()), expected)
        long_path.clear()
        assert np.array_equal(twin.predict_proba(row()), expected)
        assert not long_path
    assert not hasattr(clone(model), "coefs_")


@pytest.mark.parametrize(
    "other",
    [
        row(np.float64),
        np.asfortranarray(np.concatenate([row()] * 2))[:1],
        row().tolist(),
        np.ma.masked_array(row()),
        sparse.csr_matrix(row()),
        pd.DataFrame(row()),
    ],
    ids=lambda other: type(other).__name__,
)
def test_unusual_rows_go_through_the_full_checks(other, long_path):
    model = fitted()
    expected = model.predict(row())
    long_path.clear()
    assert np.array_equal(model.predict(other), expected)
    assert len(long_path) == 1


@pytest.mark.parametrize("task", ["one number", "three classes"])
@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.array([[1, 2, np.nan, 4, 5]], np.float32), "Input X contains NaN"),
        (np.array([[1, 2, np.inf, 4, 5]], np.float32), "Input X contains infinity"),
        (np.ones((1, 4), np.float32), "X has 4 features, but MLP.* is expecting 5"),
        (np.ones((5, 1), np.float32), "X has 1 features, but"),
        (np.ones(5, np.float32), "Expected 2D array, got 1D array"),
        (np.ones((1, 1, 5), np.float32), "dim 3"),
        (np.ones((0, 5), np.float32), "Found array with 0 sample"),
    ],
    ids=str,
)
def test_bad_rows_are_refused_in_scikit_learns_words(bad, message, task):
    model = fitted(task)
    model.predict(row())
    with pytest.raises(ValueError, match=message):
        model.predict(bad)


def test_an_unfitted_estimator_is_refused():
    for kind in METHODS:
        with pytest.raises(NotFittedError):
            kind().predict(row())
        with pytest.raises(NotFittedError):
            kind().compile_predictor()


def test_feature_names_are_checked():
    model = fitted()
    frame = pd.DataFrame(X, columns=list("abcde"), dtype=np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(frame, TARGETS["one number"][1])
    model.predict(frame)
    with pytest.warns(UserWarning, match="valid feature names"):
        model.predict(row())


# -- from the current coefficients ----------------------------------------------------------------


@pytest.mark.parametrize("engine", ["auto", "reference"])
def test_edited_or_replaced_coefficients_are_used(engine):
    model = fitted(engine=engine)
    zero = [np.zeros_like(each) for each in model.intercepts_]

    def differs():
        """Whether both paths see the change, and agree with an estimator that never was other."""
        now, many = model.predict(row()), model.predict(X.astype(np.float32))
        fresh = pickle.loads(pickle.dumps(model)).predict(row())
        assert np.array_equal(now, fresh)
        assert now[0] == pytest.approx(many[3], rel=1e-5, abs=1e-6)
        assert np.array_equal(now, model.predict(row()))
        return not np.array_equal(now, before)

    before = model.predict(row())
    assert not differs()
    model.coefs_[1][2, 3] += 1
    assert differs()
    before = model.predict(row())
    model.intercepts_[2][0] -= 0.5
    assert differs()
    before = model.predict(row())
    model.coefs_[0] = model.coefs_[0] * 2
    assert differs()
    before = model.predict(row())
    model.intercepts_ = zero
    assert differs()
    before = model.predict(row())
    model.coefs_ = [np.asfortranarray(each + 0.1, dtype=float) for each in model.coefs_]
    assert differs()
    before = model.predict(row())
    model.coefs_[2][:] = 3
    assert differs()


def test_a_new_fit_is_used_and_predicting_changes_no_attribute():
    model = fitted("two classes")
    model.predict(row())
    held = {name: id(value) for name, value in vars(model).items()}
    before = model.predict_proba(row())
    model.predict_proba(X.astype(np.float32))
    assert {name: id(value) for name, value in vars(model).items()} == held
    model.partial_fit(X.astype(np.float32), TARGETS["two classes"][1])
    after = model.predict_proba(row())
    assert not np.array_equal(after, before)
    assert np.array_equal(after[0], model.predict_proba(X.astype(np.float32))[3])


def test_the_current_engine_parameter_predicts(monkeypatch):
    model = fitted()
    net = model.network_
    theta = net.pack([c.T for c in model.coefs_], model.intercepts_)
    exact = forward(net, theta, row()).output.ravel()
    assert model.predict(row()) == pytest.approx(exact, rel=1e-5)
    assert id(model) in predictor_cache._ENTRIES
    for engine in ("reference", "checked", ReferenceEngine, ReferenceEngine()):
        model.set_params(engine=engine)
        assert np.array_equal(model.predict(row()), exact)
        assert id(model) not in predictor_cache._ENTRIES
    model.set_params(engine="auto")
    model.predict(row())
    assert id(model) in predictor_cache._ENTRIES
    monkeypatch.setenv("DELTARULE_ENGINE", "reference")
    assert np.array_equal(model.predict(row()), exact)


def test_two_estimators_that_compare_equal_keep_their_own():
    class Equal(MLPRegressor):
        def __eq__(self, other):
            return True

        __hash__ = None

    def one(seed):
        model = Equal(hidden_layer_sizes=(4,), max_iter=2, random_state=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            return model.fit(X, TARGETS["one number"][1])

    models = [one(0), one(1)]
    both = [model.predict(row(float)) for model in models]
    assert both[0] != both[1]
    assert [model.predict(row(float)) for model in models] == both


# -- the predictor --------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("engine", ["auto", "reference"])
@pytest.mark.parametrize("task", TARGETS)
def test_a_compiled_predictor_gives_what_the_method_gives(task, engine, dtype):
    model = fitted(task, dtype, engine=engine)
    rows = X.astype(dtype)
    if type(model) is MLPRegressor:
        pairs = {"outputs": (model.compile_predictor(), model.predict(rows).reshape(90, -1))}
    else:
        pairs = {
            "probabilities": (model.compile_predictor(), model.predict_proba(rows)),
            "labels": (model.compile_predictor("labels"), model.predict(rows)),
            "outputs": (model.compile_predictor("outputs"), model._outputs(rows)),
        }
    model.coefs_[0][:] = 0  # a snapshot does not see it
    for predictor, expected in pairs.values():
        for twin in (predictor, pickle.loads(pickle.dumps(predictor))):
            assert np.array_equal(twin(rows), expected)
            if engine == "auto":
                assert all(np.array_equal(twin(rows[i]), expected[i]) for i in range(20))
            assert twin(rows[0]).shape == expected[0].shape
            # A list comes as float64; a text by itself is as long as it is.
            assert twin(rows[0].tolist()).dtype.kind == expected.dtype.kind


def test_an_unknown_kind_of_predictor_is_refused():
    with pytest.raises(InputError, match=r"what is 'logits'; expected one of 'probabilities'"):
        fitted("two classes").compile_predictor("logits")
    with pytest.raises(InputError, match="x has 2 numbers"):
        fitted("two classes").compile_predictor("labels")([1, 2])


def test_labels_that_were_sparse_are_sparse():
    y = sparse.csr_matrix(TARGETS["several labels"][1])
    model = MLPClassifier((4,), max_iter=2, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X, y)
    many, one = model.predict(X), model.predict(X[:1])
    assert sparse.issparse(many)
    assert sparse.issparse(one)
    assert (one != many[:1]).nnz == 0
