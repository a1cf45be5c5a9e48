"""Many fits on Ray and on Dask, all traffic on loopback: the bits of one machine, lost workers."""

import contextlib
import io
import os
import pickle
import warnings
from pathlib import Path

import joblib
import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.exceptions import ConvergenceWarning
from tests.tabular.small_portfolio import FEW

from deltarule import ManySearchCV, MLPClassifier, Network, StopFlag, train_many
from deltarule.cluster.ray_workers import on_loopback
from deltarule.errors import TrainingWarning
from deltarule.tabular import TableSettings, fit_table, portfolio_fit
from deltarule.tabular.portfolio import fit_portfolio
from deltarule.training import job_sharing
from deltarule.training.job_backend import chosen_backend

pytestmark = [
    pytest.mark.cluster,
    # Of the libraries that run the clusters, not of this one.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

X, Y = load_breast_cancer(return_X_y=True)
X = (X - X.mean(axis=0)) / X.std(axis=0)


@contextlib.contextmanager
def on_ray():
    ray = pytest.importorskip("ray", reason="Ray is not installed: make cluster installs it")
    from ray.util.joblib import register_ray

    with on_loopback():
        ray.init(
            _node_ip_address="127.0.0.1", include_dashboard=False, num_cpus=2, log_to_driver=False
        )
    register_ray()
    try:
        with joblib.parallel_config("ray", n_jobs=2):
            yield
    finally:
        ray.shutdown()


@contextlib.contextmanager
def on_dask():
    distributed = pytest.importorskip(
        "distributed", reason="Dask is not installed: make cluster installs it"
    )
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None
        ) as cluster,
        distributed.Client(cluster),
        joblib.parallel_config("dask"),
    ):
        yield


@pytest.fixture(scope="module", params=["ray", "dask"])
def cluster(request):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with {"ray": on_ray, "dask": on_dask}[request.param]():
            yield request.param


def here():
    """A context in which joblib trains in this process."""
    return joblib.parallel_config("threading", n_jobs=2)


def test_many_networks(cluster):
    net = Network([30, 8, 1], "tanh", output_activation="logistic", loss="log_loss")
    settings = {"seeds": range(6), "epochs": 5, "batch_size": 32, "validation": 0.2, "dropout": 0.1}
    assert chosen_backend() is not None
    sent = train_many(net, X, Y, **settings)
    with here():
        ours = train_many(net, X, Y, **settings)
    for one, other in zip(sent, ours, strict=True):
        np.testing.assert_array_equal(one.theta, other.theta)
        assert one.best_epoch == other.best_epoch
        losses = [[log.validation_loss for log in each.history.logs] for each in (one, other)]
        assert losses[0] == losses[1]


def test_a_search(cluster):
    def fitted():
        model = MLPClassifier((6,), max_iter=5, random_state=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            return ManySearchCV(model, {"alpha": [0.01, 1.0]}, cv=3).fit(X, Y)

    sent = fitted()
    with here():
        ours = fitted()
    for name in ("mean_test_score", "std_test_score", "params"):
        np.testing.assert_array_equal(sent.cv_results_[name], ours.cv_results_[name])
    np.testing.assert_array_equal(sent.predict_proba(X), ours.predict_proba(X))


def test_a_portfolio(cluster, monkeypatch):
    def fit_few(typed, *arguments, **options):
        return fit_portfolio(typed, *arguments, **options, configurations=FEW)

    monkeypatch.setattr(portfolio_fit, "fit_portfolio", fit_few)
    frame = load_diabetes(as_frame=True).frame

    def predicted():
        model = fit_table(frame, "target", TableSettings(seed=3), quality="fast")
        return model.predict(frame), model.portfolio.leaderboard()

    sent, board = predicted()
    with here():
        ours, our_board = predicted()
    np.testing.assert_array_equal(sent, ours)
    for one, other in zip(board, our_board, strict=True):
        one.pop("seconds"), other.pop("seconds")
        assert one == other


def killed_once(shared, k):
    """End the worker's process, the first time that it is called with 3."""
    marker, array = shared
    if k == 3 and not Path(marker).exists():
        Path(marker).touch()
        os._exit(1)
    return k, float(array.sum())


def test_a_lost_worker(cluster, tmp_path):
    array = np.random.default_rng(0).normal(size=100_000)
    shared = str(tmp_path / "killed"), array
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = dict(chosen_backend().completed(killed_once, shared, int, 8, StopFlag()))
    assert {k: outcome.result() for k, outcome in found.items()} == {
        k: (k, float(array.sum())) for k in range(8)
    }
    # Dask runs it again itself, unless the data was on the lost worker alone.
    lost = [each for each in caught if each.category is TrainingWarning]
    assert len(lost) == 1 or cluster == "dask"


def size_and_identity(shared, k):
    return os.getpid(), shared.__array_interface__["data"]


def test_ray_gets_an_array_once(cluster, monkeypatch):
    if cluster != "ray":
        pytest.skip("joblib's backend for Dask does so by itself")
    import ray

    put, sizes = [], []
    monkeypatch.setattr(ray, "put", lambda value, own=ray.put: put.append(value) or own(value))
    of = job_sharing._SharedCall.of
    monkeypatch.setattr(
        job_sharing._SharedCall,
        "of",
        lambda *given: sizes.append(len((call := of(*given)).content)) or call,
    )
    array = np.ones(1_000_000)
    found = list(chosen_backend().completed(size_and_identity, array, int, 6, StopFlag()))
    assert len(put) == 1
    assert put[0] is array
    assert max(sizes) < 10_000
    # All that a process computes reads the same memory.
    assert len({outcome.result() for _, outcome in found}) <= 2


def test_a_call_holds_references_in_place_of_arrays(cluster):
    if cluster != "ray":
        pytest.skip("of Ray's backend alone")
    arrays = [np.ones(50_000), np.arange(5), np.array([None] * 50_000)]
    seen = []
    call = job_sharing._SharedCall.of(lambda: arrays, lambda array: seen.append(array) or "ref")
    assert [each is arrays[0] for each in seen] == [True]
    assert call.references == ["ref"]
    with pytest.raises(pickle.UnpicklingError):
        pickle.load(io.BytesIO(call.content))
