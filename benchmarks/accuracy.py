"""How good the portfolio is on a folder of tables, beside CatBoost's defaults.

    python -m benchmarks.accuracy DIR [--names NAMES] [--seeds N]

DIR holds CSV files and an ``index.csv`` with the columns ``name``, ``task`` and ``target``. Each
table is split 80/20 (stratified for classes) once for each seed. Each line has a score of both on
the test rows, and their ratio; the last lines have the geometric means of the ratios
(value + c) / (CatBoost's + c), with c = .01 for log loss, .005 for the share of errors and 0 for
RMSE, so that a table that both solve does not decide. Seconds are of processor time. Without
CatBoost its columns are empty.
"""

from __future__ import annotations

import argparse
import csv
import math
import time
from pathlib import Path
from typing import Any

import numpy as np

_SMALLEST = {"log_loss": 0.01, "errors": 0.005, "rmse": 0.0}


def _load(path: Path, target: str) -> tuple[Any, Any]:
    """Return the columns to predict from as a pandas frame with categories, and the target."""
    import pandas as pd

    frame = pd.read_csv(path, na_values=["?"]).dropna(subset=[target])
    X, y = frame.drop(columns=[target]), frame[target]
    for name in X.columns:
        if not pd.api.types.is_numeric_dtype(X[name]):
            X[name] = X[name].astype("category")
    return X, y


def _portfolio(X: Any, y: Any, task: str, seed: int) -> Any:
    from deltarule import TabularClassifier, TabularRegressor

    estimator = TabularClassifier if task == "classification" else TabularRegressor
    return estimator(random_state=seed).fit(X, y)


def _catboost(X: Any, y: Any, task: str, seed: int) -> Any:
    import catboost

    text = [name for name in X.columns if str(X[name].dtype) == "category"]
    cls = catboost.CatBoostClassifier if task == "classification" else catboost.CatBoostRegressor
    model = cls(verbose=0, thread_count=2, allow_writing_files=False, random_seed=seed)
    model.fit(X.astype(dict.fromkeys(text, "str")), y, cat_features=text)

    class _OnText:
        def __getattr__(self, name: str) -> Any:
            return lambda Z: getattr(model, name)(Z.astype(dict.fromkeys(text, "str")))

    return _OnText()


def _scores(model: Any, X: Any, y: Any, task: str) -> dict[str, float]:
    """Return the held-out scores of a model; classes in the order of their labels."""
    if task == "regression":
        return {"rmse": float(np.sqrt(np.mean((np.ravel(model.predict(X)) - y) ** 2)))}
    probabilities = np.clip(model.predict_proba(X), 1e-7, 1)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    of_truth = probabilities[np.arange(len(y)), y]
    errors = float(np.mean(probabilities.argmax(axis=1) != y))
    return {"log_loss": float(-np.log(of_truth).mean()), "errors": errors}


def _run(fit: Any, parts: Any, task: str, seed: int) -> dict[str, float] | None:
    train, test, y_train, y_test = parts
    started = time.process_time()
    try:
        model = fit(train, y_train, task, seed)
    except ImportError:
        return None
    return {
        **_scores(model, test, y_test, task),
        "seconds": time.process_time() - started,
    }


def main() -> None:
    """Read the command line, and print a line a table and the means."""
    from sklearn.model_selection import train_test_split

    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--names", help="comma-separated names; all tables if not given")
    parser.add_argument("--seeds", type=int, default=2, help="the number of splits")
    arguments = parser.parse_args()
    with (arguments.folder / "index.csv").open(encoding="utf-8", newline="") as file:
        index = {row["name"]: row for row in csv.DictReader(file)}
    ratios: dict[str, list[float]] = {name: [] for name in _SMALLEST}
    seconds = np.zeros(2)
    print(f"{'table':<18}{'seed':>5}{'score':>10}{'portfolio':>11}{'CatBoost':>11}{'ratio':>8}")
    for name in arguments.names.split(",") if arguments.names else index:
        task = index[name]["task"]
        X, y = _load(arguments.folder / f"{name}.csv", index[name]["target"])
        classes = task == "classification"
        values = np.unique(y, return_inverse=True)[1] if classes else y.to_numpy(np.float64)
        for seed in range(arguments.seeds):
            parts = train_test_split(
                X, values, test_size=0.2, random_state=seed, stratify=values if classes else None
            )
            ours, theirs = (_run(fit, parts, task, seed) for fit in (_portfolio, _catboost))
            assert ours is not None
            seconds += [ours["seconds"], theirs["seconds"] if theirs else 0.0]
            for score, smallest in _SMALLEST.items():
                if score not in ours:
                    continue
                shown = f"{name:<18}{seed:>5}{score:>10}{ours[score]:>11.4g}"
                if theirs:
                    ratio = (ours[score] + smallest) / (theirs[score] + smallest)
                    ratios[score].append(ratio)
                    shown += f"{theirs[score]:>11.4g}{ratio:>8.3f}"
                print(shown, flush=True)
    for score, found in ratios.items():
        if found:
            won = sum(ratio < 1 for ratio in found)
            mean = math.exp(np.mean(np.log(found)))
            print(f"{score}: {mean:.3f} × CatBoost, {won} of {len(found)} won")
    print(f"processor seconds: {seconds[0]:.0f}, CatBoost {seconds[1]:.0f}")


if __name__ == "__main__":
    main()
