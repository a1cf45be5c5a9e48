"""Sparse matrices of every form and state: the result of the dense one, or one clear error."""

import re
import tracemalloc

import numpy as np
import pytest
from scipy import sparse

from deltarule import Model, Network, train
from deltarule.engines import make_predictor
from deltarule.errors import InputError
from deltarule.estimators import MLPClassifier, MLPRegressor

FORMATS = ("csr", "csc", "coo", "lil", "dok", "bsr", "dia")
RNG = np.random.default_rng(5)
DENSE = np.where(RNG.random((70, 37)) < 0.1, RNG.integers(1, 5, (70, 37)), 0).astype(float)
DENSE[3:6], DENSE[:, 11] = 0, 0
LABELS = (DENSE[:, :12].sum(axis=1) > 3).astype(int)
DTYPES = (np.float32, np.float64, np.int64, np.int8, np.uint16, np.bool_)


def unsorted():
    """Rows with columns out of order, all twice, and an explicit zero, said to be sorted."""
    X = sparse.csr_matrix(DENSE)
    values, columns, starts = [], [], [0]
    for i in range(len(DENSE)):
        row = slice(X.indptr[i], X.indptr[i + 1])
        values += [*(X.data[row][::-1] - 1), *np.ones(row.stop - row.start), 0.0]
        columns += [*X.indices[row][::-1], *X.indices[row], 11]
        starts.append(len(values))
    matrix = sparse.csr_matrix((np.array(values), np.array(columns), np.array(starts)), X.shape)
    np.testing.assert_array_equal(matrix.toarray(), DENSE)
    matrix.has_sorted_indices = matrix.has_canonical_format = True  # which is wrong
    return matrix


def with_long_indices():
    X = sparse.csr_array(DENSE)
    X.indices, X.indptr = X.indices.astype(np.int64), X.indptr.astype(np.int64)
    return X


FORMS = {
    **{name: lambda name=name: sparse.csr_matrix(DENSE).asformat(name) for name in FORMATS},
    **{f"{n} array": lambda n=n: sparse.coo_array(DENSE).asformat(n) for n in FORMATS},
    "unsorted": unsorted,
    "long indices": with_long_indices,
}


def model(net):
    return Model(net, net.initial(1))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", FORMS)
def test_every_form_gives_the_bits_of_the_dense_matrix(name, dtype):
    net = Network([37, 19, 3], output_activation="softmax", loss="cross_entropy", dtype=dtype)
    X = FORMS[name]()
    held = {key: getattr(X, key).copy() for key in ("data", "indices") if name == "unsorted"}
    expected = model(net).predict(DENSE)
    for threads in ("1", "3"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("DELTARULE_THREADS", threads)
            np.testing.assert_array_equal(model(net).predict(X), expected)
    np.testing.assert_array_equal(model(net).compile_predictor()(X), expected)
    options = {"epochs": 2, "batch_size": 16, "guard": "off"}
    found = train(net, X, LABELS, validation=(X, LABELS), **options)
    dense = train(net, DENSE, LABELS, validation=(DENSE, LABELS), **options)
    np.testing.assert_array_equal(found.theta, dense.theta)
    assert found.history.logs[-1].validation_loss == dense.history.logs[-1].validation_loss
    for key, value in held.items():
        np.testing.assert_array_equal(getattr(X, key), value)


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_type_of_entries_is_taken(dtype):
    net = Network([37, 5, 1], dtype=np.float32)
    X = sparse.csr_matrix(DENSE.astype(dtype))
    np.testing.assert_array_equal(model(net).predict(X), model(net).predict(DENSE.astype(dtype)))
    found = train(net, X, LABELS, epochs=1, guard="off")
    expected = train(net, DENSE.astype(dtype), LABELS, epochs=1, guard="off")
    np.testing.assert_array_equal(found.theta, expected.theta)


def test_engines_without_sparse_rows_predict_from_blocks():
    net = Network([37, 5, 1])
    X = sparse.csr_matrix(DENSE)
    predictor = make_predictor(net, net.initial(1), "reference")
    np.testing.assert_array_equal(predictor(X), predictor(DENSE))


@pytest.mark.parametrize("rows", [0, 1])
def test_no_rows_and_one_row(rows):
    net = Network([37, 5, 2])
    found = model(net).predict(sparse.csr_matrix(DENSE[:rows]))
    np.testing.assert_array_equal(found, model(net).predict(DENSE[:rows]))
    assert found.shape == (rows, 2)
    if rows == 0:
        with pytest.raises(InputError, match="X has no rows; expected at least one"):
            train(net, sparse.csr_matrix((0, 37)), np.zeros((0, 2)), epochs=1)


def damaged(**changes):
    X = sparse.csr_matrix(DENSE) if "csc" not in changes else sparse.csc_matrix(DENSE)
    for key, value in changes.items():
        if key != "csc":
            array = getattr(X, key).copy()
            array[value[0]] = value[1]
            setattr(X, key, array)
    return X


BAD = {
    "nan": (damaged(data=(9, np.nan)), r"X\[\d+, \d+\] is nan; expected finite numbers"),
    "beyond float32": (damaged(data=(9, -1e200)), r"X\[\d+, \d+\] is -inf; .*float32"),
    "too wide a column": (damaged(indices=(4, 37)), "X.indices holds 37; expected columns from 0"),
    "negative": (damaged(indices=(4, -1)), "X.indices holds -1; expected columns from 0 to 36"),
    "row": (damaged(indices=(4, 70), csc=()), "X.indices holds 70; expected rows from 0 to 69"),
    "falling starts": (damaged(indptr=(5, 10_000)), "X.indptr, of 71 numbers, does not divide"),
    "negative start": (damaged(indptr=(5, -1)), "does not divide"),
    "beyond the end": (damaged(indptr=(70, 100_000)), "does not divide"),
    "other width": (sparse.csc_array(DENSE[:, :30]), r"X has shape \(70, 30\); expected \(N, 37\)"),
    "complex": (sparse.csr_array(DENSE * 1j), "X has dtype complex128; expected numbers"),
    "one dimension": (sparse.coo_array(DENSE[0]), r"X has shape \(37,\); expected \(N, 37\)"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_matrix_of_rows_is_one_error(name):
    net = Network([37, 5, 1], dtype=np.float32)
    X, message = BAD[name]
    for call in (
        lambda: train(net, X, LABELS, epochs=1),
        lambda: train(net, DENSE, LABELS, validation=(X, LABELS), epochs=1),
        lambda: model(net).predict(X),
        lambda: model(net).compile_predictor()(X),
    ):
        with pytest.raises(InputError) as caught:
            call()
        assert re.search(message, str(caught.value)), str(caught.value)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", ["too wide a column", "negative", "row", "falling starts"])
def test_an_estimator_refuses_a_damaged_matrix(name):
    X, message = BAD[name]
    fitted = MLPClassifier((4,), max_iter=1).fit(DENSE, LABELS)
    for call in (lambda: MLPClassifier((4,)).fit(X, LABELS), lambda: fitted.predict(X)):
        with pytest.raises(InputError, match=message):
            call()


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("early_stopping", [False, True])
def test_estimators_give_the_dense_results(early_stopping):
    options = {"max_iter": 4, "early_stopping": early_stopping, "random_state": 0}
    for form in ("csr", "csc", "coo"):
        X = sparse.csr_matrix(DENSE).asformat(form)
        pair = [MLPClassifier((6,), **options).fit(each, LABELS) for each in (X, DENSE)]
        np.testing.assert_array_equal(*(each.coefs_[0] for each in pair))
        found, expected = pair
        np.testing.assert_array_equal(found.predict_proba(X), expected.predict_proba(DENSE))
        assert found.score(X, LABELS) == expected.score(DENSE, LABELS)
        assert found.validation_scores_ == expected.validation_scores_
        if early_stopping:
            continue
        for estimator, rows in ((found, X), (expected, DENSE)):
            estimator.partial_fit(rows, LABELS)
        np.testing.assert_array_equal(*(each.coefs_[0] for each in pair))
    data = (sparse.csr_matrix(DENSE[:20]), DENSE[:20, 0])
    found = MLPRegressor(hidden_layer_sizes=(6,), **options)
    found.fit(sparse.csr_matrix(DENSE), DENSE[:, 0], validation_data=data)
    expected = MLPRegressor(hidden_layer_sizes=(6,), **options)
    expected.fit(DENSE, DENSE[:, 0], validation_data=(DENSE[:20], DENSE[:20, 0]))
    losses = [each.history_.column("validation_loss") for each in (found, expected)]
    assert losses[0] == losses[1]
    assert all(loss is not None for loss in losses[0])


WIDE = sparse.random_array((6000, 5000), density=0.004, format="csr", rng=RNG, dtype=np.float32)


def peak(run):
    run()
    tracemalloc.start()
    try:
        run()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_prediction_takes_no_memory_of_the_size_of_all_rows(dtype):
    net = Network([5000, 8, 1], dtype=np.float32)
    trained = model(net)
    X = WIDE.astype(dtype)
    dense = WIDE.shape[0] * WIDE.shape[1] * 4
    assert peak(lambda: trained.predict(X)) < 0.02 * dense
    # What is compared: eight megabytes of dense rows for an engine that takes no sparse ones.
    assert peak(lambda: trained.predict(X[:3000], engine="reference")) > 0.05 * dense
