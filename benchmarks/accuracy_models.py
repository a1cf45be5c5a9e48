"""The models that ``python -m benchmarks.accuracy`` compares: deltarule's, and other libraries'.

Each is a function ``fit(X, y, task, seed, threads)`` of a pandas frame whose texts are categories,
and of class numbers or numbers. It returns a model with ``predict_proba`` or ``predict``. The
other libraries have their default settings.
"""

from __future__ import annotations

import functools
import importlib.util
import runpy
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

__all__ = ["MODELS", "Fit", "installed", "model_named", "sklearn_mlp"]

Fit = Callable[[Any, Any, str, int, int], Any]

_MOST_LEVELS = 255  # that HistGradientBoosting takes


def _categories(X: Any) -> list[str]:
    return [name for name in X.columns if str(X[name].dtype) == "category"]


def fit_deltarule(
    X: Any, y: Any, task: str, seed: int, threads: int, *, without: str = "", **settings: Any
) -> Any:
    """Fit the portfolio; ``without`` names a configuration to leave out."""
    from deltarule import TabularClassifier, TabularRegressor
    from deltarule.tabular.portfolio import default_configurations

    if without:
        known = default_configurations(task)
        settings["configurations"] = [each for each in known if each.name != without]
        if len(settings["configurations"]) == len(known):
            names = ", ".join(each.name for each in known)
            raise ValueError(f"there is no configuration {without!r}; expected one of {names}")
    cls = TabularClassifier if task == "classification" else TabularRegressor
    return cls(random_state=seed, **settings).fit(X, y)


def sklearn_mlp(task: str, numbers: Sequence[Any], texts: Sequence[Any], seed: int) -> Any:
    """Return scikit-learn's MLP behind a median imputer, a one-hot encoder and a standard scaler.

    ``numbers`` and ``texts`` are the columns of both kinds, as ``ColumnTransformer`` takes them.
    """
    from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
    from sklearn.impute import SimpleImputer
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    encode = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), numbers),
            ("texts", OneHotEncoder(handle_unknown="ignore", sparse_output=False), texts),
        ]
    )
    if task == "classification":
        return make_pipeline(encode, MLPClassifier(random_state=seed))
    network = MLPRegressor(random_state=seed)
    return make_pipeline(encode, TransformedTargetRegressor(network, transformer=StandardScaler()))


def fit_sklearn_mlp(X: Any, y: Any, task: str, seed: int, threads: int) -> Any:
    """Fit :func:`sklearn_mlp`."""
    texts = _categories(X)
    numbers = [name for name in X.columns if name not in texts]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it has not converged
        return sklearn_mlp(task, numbers, texts, seed).fit(X, y)


class _Encoded:
    """A model whose frames are changed by a function first."""

    def __init__(self, model: Any, encode: Callable[[Any], Any]) -> None:
        self._model, self._encode = model, encode

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._model, name)
        return (lambda X: found(self._encode(X))) if callable(found) else found


def fit_hist_gradient_boosting(X: Any, y: Any, task: str, seed: int, threads: int) -> Any:
    """Fit scikit-learn's HistGradientBoosting; categories of many levels are numbers to it."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    many = [name for name in _categories(X) if len(X[name].cat.categories) > _MOST_LEVELS]

    def encode(frame: Any) -> Any:
        return frame.assign(**{name: frame[name].cat.codes for name in many})

    cls = (
        HistGradientBoostingClassifier
        if task == "classification"
        else HistGradientBoostingRegressor
    )
    return _Encoded(cls(random_state=seed).fit(encode(X), y), encode)


def _numbered(frame: Any) -> Any:
    """Return a frame whose columns have names without the characters that libraries refuse."""
    return frame.set_axis([f"x{i}" for i in range(frame.shape[1])], axis=1)


def fit_lightgbm(X: Any, y: Any, task: str, seed: int, threads: int) -> Any:
    """Fit LightGBM, to which categories are categories."""
    import lightgbm

    cls = lightgbm.LGBMClassifier if task == "classification" else lightgbm.LGBMRegressor
    model = cls(n_jobs=threads, random_state=seed, verbose=-1)
    return _Encoded(model.fit(_numbered(X), y), _numbered)


def fit_xgboost(X: Any, y: Any, task: str, seed: int, threads: int) -> Any:
    """Fit XGBoost, to which categories are categories."""
    import xgboost

    cls = xgboost.XGBClassifier if task == "classification" else xgboost.XGBRegressor
    model = cls(n_jobs=threads, random_state=seed, enable_categorical=True)
    return _Encoded(model.fit(_numbered(X), y), _numbered)


def fit_catboost(X: Any, y: Any, task: str, seed: int, threads: int) -> Any:
    """Fit CatBoost, to which categories are categories, and missing ones a level."""
    import catboost

    texts = _categories(X)

    def encode(frame: Any) -> Any:
        return frame.assign(**{name: frame[name].astype(object).fillna("") for name in texts})

    cls = catboost.CatBoostClassifier if task == "classification" else catboost.CatBoostRegressor
    model = cls(verbose=0, thread_count=threads, allow_writing_files=False, random_seed=seed)
    return _Encoded(model.fit(encode(X), y, cat_features=texts), encode)


def fit_realmlp(X: Any, y: Any, task: str, seed: int, threads: int) -> Any:
    """Fit RealMLP of pytabkit, for log loss where there are classes."""
    import pytabkit

    shared = {"random_state": seed, "n_threads": threads, "device": "cpu"}
    model: Any
    if task == "classification":
        model = pytabkit.RealMLP_TD_Classifier(
            use_ls=False, val_metric_name="cross_entropy", **shared
        )
    else:
        model = pytabkit.RealMLP_TD_Regressor(**shared)
    return model.fit(X, y)


class _Prototype:
    def __init__(self, fitted: Any) -> None:
        self.predict = self.predict_proba = fitted.predict_out


def fit_prototype(X: Any, y: Any, task: str, seed: int, threads: int, *, path: str) -> Any:
    """Fit the class ``Port`` of a file, a prototype of portfolios."""
    portfolio = _prototype(path)(task[0], seed)
    return _Prototype(portfolio.fit(X, y))


@functools.cache
def _prototype(path: str) -> Any:
    return runpy.run_path(path)["Port"]


MODELS: dict[str, tuple[str, Fit]] = {
    "deltarule": ("deltarule", fit_deltarule),
    "sklearn": ("sklearn", fit_sklearn_mlp),
    "hist_gradient_boosting": ("sklearn", fit_hist_gradient_boosting),
    "lightgbm": ("lightgbm", fit_lightgbm),
    "xgboost": ("xgboost", fit_xgboost),
    "catboost": ("catboost", fit_catboost),
    "realmlp": ("pytabkit", fit_realmlp),
}
"""The module that each model needs, and its function."""


def installed() -> list[str]:
    """Return the models whose modules are installed."""
    return [name for name, (module, _) in MODELS.items() if importlib.util.find_spec(module)]


def model_named(name: str) -> Fit:
    """Return the function of a model.

    Beside :data:`MODELS` there are ``fast`` and ``best``, deltarule's other qualities,
    ``without:NAME``, deltarule without a configuration, and the path of a file that ends in
    ``.py``, a prototype.
    """
    if name in MODELS:
        return MODELS[name][1]
    if name in ("fast", "best"):
        return functools.partial(fit_deltarule, quality=name)
    if name.startswith("without:"):
        return functools.partial(fit_deltarule, without=name.removeprefix("without:"))
    if name.endswith(".py") and Path(name).is_file():
        return functools.partial(fit_prototype, path=name)
    raise SystemExit(
        f"there is no model {name!r}; expected some of {', '.join(MODELS)}, fast, best, "
        "without:NAME, or the path of a prototype, FILE.py"
    )
