"""ManySearchCV: scikit-learn's grid search with one fit per core, in threads."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from typing import Any, Self

from joblib import parallel_config
from joblib.parallel import ThreadingBackend
from sklearn.model_selection import GridSearchCV

from deltarule.engines import make_engine
from deltarule.engines.threads import core_in_use, usable_threads
from deltarule.training import StopFlag
from deltarule.training.job_backend import chosen_backend
from deltarule.training.threads import one_blas_thread, run_in_worker_thread

__all__ = ["ManySearchCV"]


class _Task:
    """A task of joblib's, and what it raised."""

    def __init__(self) -> None:
        self.ended = threading.Event()
        self.error: Exception | None = None


class _OneCoreBackend(ThreadingBackend):
    """joblib's threads; each task uses one core, and ends when the search is aborted.

    joblib raises the first error to arrive, which depends on the number of threads. A task that
    failed therefore waits for those before it, and raises the error of the first one that failed.
    """

    flag: StopFlag

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._tasks: list[_Task] = []  # in the order in which they begin

    def submit(self, func: Callable[[], Any], callback: Any = None) -> Any:
        """Run a task on a thread."""
        return super().submit(self._with_one_core(func), callback)

    def apply_async(self, func: Callable[[], Any], callback: Any = None) -> Any:
        """Run a task on a thread; joblib before 1.5 calls this in place of :meth:`submit`."""
        return super().apply_async(self._with_one_core(func), callback)

    def abort_everything(self, ensure_ready: bool = True) -> Any:
        """End the running fits after Ctrl-C, or after an error in one of them."""
        self.flag.stop("given up")
        return super().abort_everything(ensure_ready)

    def _with_one_core(self, func: Callable[[], Any]) -> Callable[[], Any]:
        task, number = _Task(), len(self._tasks)
        self._tasks.append(task)

        def run() -> Any:
            try:
                with core_in_use(), run_in_worker_thread(self.flag), one_blas_thread():
                    return func()
            except Exception as error:  # noqa: BLE001  raised below
                task.error = error
            finally:
                task.ended.set()
            for each in self._tasks[: number + 1]:
                each.ended.wait()
                if each.error is not None:
                    raise each.error
            raise AssertionError("a task that failed has an error")

        return run


class ManySearchCV(GridSearchCV):
    """``GridSearchCV`` for networks: one fit per core, in one process that holds X once.

    The candidates, the folds, the scores, ``cv_results_``, ``best_params_`` and
    ``best_estimator_`` are those of scikit-learn's ``GridSearchCV``, number for number, and so
    are the parameters; two things differ. The fits run on threads of this process, so that
    neither the data nor a fitted network is copied between processes. And ``n_jobs=None``
    means all cores. Within ``joblib.parallel_config("ray")``, or with another backend that has
    processes of its own, the fits run there.

    Training releases Python's global lock while it computes, so that the threads run at the same
    time. For an estimator that holds the lock, ``GridSearchCV`` with its processes is faster.

    Parameters
    ----------
    estimator : estimator
        An ``MLPClassifier`` or ``MLPRegressor`` of this library, alone or in a pipeline.
    param_grid : dict or list of dict
        As in ``GridSearchCV``. Any parameter can vary, the architecture included.
    n_jobs : int, optional
        How many fits run at once. By default the environment variable
        ``DELTARULE_THREADS``, else the number of cores of this process.
    scoring, refit, cv, verbose, pre_dispatch, error_score, return_train_score
        As in ``GridSearchCV``.

    Attributes
    ----------
    cv_results_, best_estimator_, best_score_, best_params_, best_index_, scorer_, n_splits_, \
refit_time_, multimetric_, classes_, n_features_in_, feature_names_in_
        As in ``GridSearchCV``.

    Notes
    -----
    Ctrl-C ends the running fits and raises ``KeyboardInterrupt``. In the last fit, of the best
    candidate on all rows, it ends training and keeps the result, as in ``fit`` alone.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from deltarule import ManySearchCV, MLPClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> model = MLPClassifier((8,), batch_size=16, max_iter=300, random_state=0)
    >>> grid = {"learning_rate_init": [0.01, 0.05], "alpha": [0.01, 1.0]}
    >>> search = ManySearchCV(model, grid, cv=3).fit(X, y)
    >>> bool(search.best_score_ > 0.95), len(search.cv_results_["params"])
    (True, 4)
    """

    def fit(self, X: Any, y: Any = None, **params: Any) -> Self:
        """Fit all candidates on all folds, then the best candidate on all rows.

        Parameters
        ----------
        X : array-like, data frame or sparse matrix of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        **params
            For the estimator's ``fit``, the scorer and the splitter, as in ``GridSearchCV``:
            ``sample_weight``, ``groups``.

        Returns
        -------
        self

        Raises
        ------
        InputError
            If ``DELTARULE_THREADS`` is not a number; also what scikit-learn raises.
        """
        chosen = chosen_backend()
        if chosen is not None and self.n_jobs is None:
            with parallel_config(chosen.prepared(), n_jobs=chosen.n_jobs):
                return super().fit(X, y, **params)
        # Compiled here, in the main thread, where Ctrl-C can end it.
        make_engine("auto")
        backend = _OneCoreBackend()
        backend.flag = StopFlag()
        # scikit-learn changes the process-wide warning filters in each thread; threads that
        # overlap could leave them changed.
        with warnings.catch_warnings(), parallel_config(backend, n_jobs=usable_threads()):
            super().fit(X, y, **params)
        return self
