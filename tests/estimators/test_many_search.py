"""ManySearchCV: GridSearchCV's numbers, on threads; and GridSearchCV itself with every backend."""

import signal
import sys
import threading
import time
import warnings

import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_wine
from sklearn.exceptions import ConvergenceWarning, FitFailedWarning, NotFittedError
from sklearn.metrics import make_scorer, mean_absolute_error
from sklearn.model_selection import GridSearchCV, GroupKFold, ShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator
from tests.processes import started
from tests.training.helpers import regression
from threadpoolctl import threadpool_info

from deltarule import ManySearchCV
from deltarule.errors import Diverged
from deltarule.estimators import MLPClassifier, MLPRegressor
from deltarule.training import StopFlag, train
from deltarule.training.threads import flag_of_this_thread, one_blas_thread, run_in_worker_thread

X_WINE, Y_WINE = load_wine(return_X_y=True)
X_WINE = StandardScaler().fit_transform(X_WINE)
X_DIABETES, Y_DIABETES = load_diabetes(return_X_y=True)
X_DIABETES, Y_DIABETES = X_DIABETES * 20, Y_DIABETES / 100
CLASSIFIER = MLPClassifier((6,), batch_size=20, max_iter=8, random_state=0)
REGRESSOR = MLPRegressor(hidden_layer_sizes=(6,), batch_size=50, max_iter=8, random_state=0)
TIMES = ("fit_time", "score_time")


@pytest.fixture(autouse=True)
def _few_epochs_are_few():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


def coefficients(model):
    return np.concatenate([part.ravel() for part in (*model.coefs_, *model.intercepts_)])


def assert_same_search(ours, theirs):
    assert ours.cv_results_.keys() == theirs.cv_results_.keys()
    for name, values in theirs.cv_results_.items():
        if not name.endswith(TIMES):
            np.testing.assert_array_equal(ours.cv_results_[name], values, err_msg=name)
    for name in ("best_index_", "best_params_", "best_score_", "n_splits_", "multimetric_"):
        assert hasattr(ours, name) == hasattr(theirs, name)
        assert getattr(ours, name, None) == getattr(theirs, name, None)
    if hasattr(theirs, "best_estimator_"):
        one, other = (
            est[-1] if hasattr(est, "steps") else est
            for est in (ours.best_estimator_, theirs.best_estimator_)
        )
        assert np.array_equal(coefficients(one), coefficients(other))


SEARCHES = {
    "classes": (
        CLASSIFIER,
        {"learning_rate_init": [0.001, 0.02], "alpha": [0.0, 1.0], "random_state": [0, 1]},
        {"cv": 3, "return_train_score": True},
        (X_WINE, Y_WINE),
    ),
    "architectures": (
        CLASSIFIER,
        [{"hidden_layer_sizes": [(3,), (5, 4)], "activation": ["tanh"]}, {"solver": ["sgd"]}],
        {"cv": 3},
        (X_WINE, Y_WINE),
    ),
    "numbers": (
        REGRESSOR,
        {"learning_rate_init": [0.001, 0.02], "dropout": [0.0, 0.3]},
        {"cv": ShuffleSplit(4, random_state=1), "scoring": "neg_mean_absolute_error"},
        (X_DIABETES, Y_DIABETES),
    ),
    "several scores": (
        REGRESSOR,
        {"learning_rate_init": [0.001, 0.02]},
        {
            "scoring": {"r2": "r2", "mae": make_scorer(mean_absolute_error)},
            "refit": "r2",
            "cv": 2,
        },
        (X_DIABETES, Y_DIABETES),
    ),
    "not refitted": (
        CLASSIFIER,
        {"early_stopping": [False, True]},
        {"refit": False, "cv": 2, "scoring": ["accuracy", "neg_log_loss"]},
        (X_WINE, Y_WINE),
    ),
    "a pipeline": (
        make_pipeline(StandardScaler(), CLASSIFIER),
        {"mlpclassifier__alpha": [0.0, 3.0], "standardscaler__with_mean": [True, False]},
        {"cv": 3},
        (X_WINE, Y_WINE),
    ),
    "sparse rows": (
        CLASSIFIER,
        {"alpha": [0.0, 3.0]},
        {"cv": 2},
        (sparse.csr_array(X_WINE * (X_WINE > 0)), Y_WINE),
    ),
    "a frame": (
        CLASSIFIER,
        {"alpha": [0.0, 3.0]},
        {"cv": 2},
        (pd.DataFrame(X_WINE, columns=[f"x{k}" for k in range(13)]), Y_WINE),
    ),
}


@pytest.mark.parametrize("n_jobs", [1, 2, None])
@pytest.mark.parametrize("name", SEARCHES)
def test_a_search_gives_grid_search_s_numbers(name, n_jobs):
    estimator, grid, options, data = SEARCHES[name]
    theirs = GridSearchCV(estimator, grid, **options).fit(*data)
    ours = ManySearchCV(estimator, grid, n_jobs=n_jobs, **options).fit(*data)
    assert_same_search(ours, theirs)


def test_weights_and_groups_reach_the_fits_and_the_splits():
    s, groups = np.linspace(0, 2, len(Y_WINE)), np.arange(len(Y_WINE)) % 5
    searches = [
        kind(CLASSIFIER, {"alpha": [0.0, 3.0]}, cv=GroupKFold(3), **more).fit(
            X_WINE, Y_WINE, sample_weight=s, groups=groups
        )
        for kind, more in ((ManySearchCV, {"n_jobs": 2}), (GridSearchCV, {}))
    ]
    assert_same_search(*searches)


def test_it_predicts_and_has_the_attributes_of_a_search():
    search = ManySearchCV(CLASSIFIER, {"alpha": [0.0, 3.0]}, cv=2, n_jobs=2)
    with pytest.raises(NotFittedError):
        search.predict(X_WINE)
    search.fit(X_WINE, Y_WINE)
    assert search.predict(X_WINE).shape == Y_WINE.shape
    assert search.predict_proba(X_WINE).shape == (len(Y_WINE), 3)
    assert search.score(X_WINE, Y_WINE) == search.best_estimator_.score(X_WINE, Y_WINE)
    assert list(search.classes_) == [0, 1, 2]
    assert search.n_features_in_ == 13
    again = clone(search)
    assert again.get_params()["estimator__max_iter"] == 8
    assert not hasattr(again, "best_estimator_")
    assert not hasattr(CLASSIFIER, "coefs_")


def test_check_estimator():
    model = MLPClassifier((4,), batch_size=10, max_iter=20, learning_rate_init=0.05, random_state=0)
    search = ManySearchCV(model, {"alpha": [0.01, 0.1]}, cv=2, n_jobs=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = check_estimator(search, on_fail=None)
    failed = [r["check_name"] for r in results if r["status"] not in ("passed", "skipped")]
    assert not failed
    assert len(results) > 50


WILD = {"solver": ["sgd"], "activation": ["identity"], "learning_rate_init": [1e-3, 1e9]}


def test_a_candidate_that_diverges_gets_the_error_score():
    options = {"cv": 2, "n_jobs": 2}
    with pytest.warns(FitFailedWarning, match="Diverged"):
        search = ManySearchCV(REGRESSOR, WILD, error_score=-99, **options).fit(
            X_DIABETES, Y_DIABETES
        )
    scores = search.cv_results_["mean_test_score"]
    assert scores[1] == -99
    assert scores[0] > -99
    assert search.best_index_ == 0
    with pytest.raises(Diverged):
        ManySearchCV(REGRESSOR, WILD, error_score="raise", **options).fit(X_DIABETES, Y_DIABETES)


class Ordered(MLPRegressor):
    """An estimator whose fit fails; that with alpha=0 last."""

    failed = None

    def _train(self, *args):
        if self.alpha:
            self.failed.set()
        else:
            assert self.failed.wait(20)
            time.sleep(0.2)  # until the other error has arrived
        raise ValueError(f"alpha {self.alpha}")


def test_of_fits_that_fail_the_first_candidate_s_error_is_raised(monkeypatch):
    monkeypatch.setattr(Ordered, "failed", threading.Event())
    model = Ordered(hidden_layer_sizes=(3,), max_iter=2, random_state=0)
    search = ManySearchCV(
        model, {"alpha": [0, 1]}, cv=[([0, 1], [2])], n_jobs=2, error_score="raise"
    )
    with pytest.raises(ValueError, match="alpha 0"):
        search.fit(X_DIABETES[:3], Y_DIABETES[:3])


# -- threads ------------------------------------------------------------------------------


class Told(MLPClassifier):
    """An estimator that stores the thread it is fitted on, and that thread's stop flag."""

    seen = None

    def _train(self, *args):
        thread = threading.current_thread()
        self.seen.append((thread is threading.main_thread(), flag_of_this_thread(), blas_threads()))
        super()._train(*args)


def blas_threads():
    return {each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"}


def test_fits_are_on_threads_that_keep_to_one_core_and_the_last_is_not(monkeypatch):
    monkeypatch.setattr(Told, "seen", [])
    before = list(warnings.filters)
    model = Told((3,), max_iter=2, random_state=0)
    ManySearchCV(model, {"alpha": [0.0, 1.0, 2.0]}, cv=2, n_jobs=2).fit(X_WINE, Y_WINE)
    *fits, last = Told.seen
    assert len(fits) == 6
    assert {(main, type(flag), *blas) for main, flag, blas in fits} == {(False, StopFlag, 1)}
    assert len({id(flag) for _, flag, _ in fits}) == 1
    assert last[:2] == (True, None)
    assert list(warnings.filters) == before


def test_limits_of_blas_that_overlap_are_lifted_by_the_last():
    before = blas_threads()
    first, second, third = (threading.Event() for _ in range(3))
    seen = []

    def early():
        with one_blas_thread():
            first.set()
            second.wait(10)
        third.set()

    def late():
        first.wait(10)
        with one_blas_thread():
            second.set()
            third.wait(10)
            seen.append(blas_threads())
        seen.append(blas_threads())

    threads = [threading.Thread(target=each) for each in (early, late)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [{1}, before]
    assert blas_threads() == before


def test_a_run_in_a_worker_thread_ends_with_the_others():
    net, X, Y = regression()
    flag = StopFlag()
    flag.stop("given up")
    with run_in_worker_thread(flag):
        assert train(net, X, Y, epochs=3).stopped == "given up"
        assert train(net, X, Y, epochs=3, stop=StopFlag()).stopped == "all epochs done"
    assert train(net, X, Y, epochs=3).stopped == "all epochs done"


SCRIPT = """
import os
import numpy as np
from deltarule import ManySearchCV, MLPRegressor

X = np.random.default_rng(0).normal(size=(400, 3))
told = lambda event: event.epoch == 3 and os.write(1, b"training\\n") and None
model = MLPRegressor(hidden_layer_sizes=(8,), max_iter=10**6, n_iter_no_change=10**6,
                     callbacks=[told])
search = ManySearchCV(model, {"alpha": [0.0, 1.0, 2.0]}, cv=2, n_jobs=2)
try:
    search.fit(X, X[:, 0])
except KeyboardInterrupt:
    print("ended", hasattr(search, "cv_results_"), flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="sends a signal as POSIX does")
def test_ctrl_c_ends_a_search_and_its_fits():
    with started(SCRIPT) as process:
        process.send_signal(signal.SIGINT)
        lines = process.stdout.read().splitlines()
        assert lines[-1] == "ended False"
        # The fits, of a million epochs each, have ended, and with them the process.
        assert process.wait(20) == 0


# -- scikit-learn's own -------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["loky", "multiprocessing", "threading"])
def test_grid_search_works_with_every_backend_of_joblib(backend):
    """Processes that are started, forked ones, and threads: the same numbers, and no hang."""
    grid = {"learning_rate_init": [0.001, 0.02], "dropout": [0.0, 0.2]}
    alone = GridSearchCV(CLASSIFIER, grid, cv=2).fit(X_WINE, Y_WINE)
    with warnings.catch_warnings():
        # What a forked child warns about, from Python 3.12 on, where the parent has threads.
        warnings.simplefilter("ignore", DeprecationWarning)
        with parallel_config(backend, n_jobs=2):
            search = GridSearchCV(CLASSIFIER, grid, cv=2).fit(X_WINE, Y_WINE)
    assert_same_search(search, alone)


def test_a_backend_with_processes_that_joblib_was_given_fits_there():
    grid = {"alpha": [0.01, 1.0]}
    here = ManySearchCV(CLASSIFIER, grid, cv=2).fit(X_WINE, Y_WINE)
    with parallel_config("loky", n_jobs=2):
        sent = ManySearchCV(CLASSIFIER, grid, cv=2).fit(X_WINE, Y_WINE)
        fitted_here = ManySearchCV(CLASSIFIER, grid, cv=2, n_jobs=2).fit(X_WINE, Y_WINE)
    assert_same_search(sent, here)
    assert_same_search(fitted_here, here)
