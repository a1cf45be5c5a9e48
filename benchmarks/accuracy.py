"""How good the portfolio is on tables, beside other libraries with their default settings.

    python -m benchmarks.accuracy DIR [--models NAMES] [--tables NAMES] [--splits N]
                                      [--csv FILE] [--plot FILE]

DIR is a folder of CSV files with an ``index.csv``, which has the columns ``name``, ``task`` and
``target``; or one that has such a folder as ``tables``, and beside it the files of larger tables:
adult.csv, california_housing.csv, wine_quality_white.csv, pima_diabetes.csv and, in ``uci_splits``,
kin8nm.npz and power_plant.npz. Each table is split 80/20 at random (stratified for classes), once
for each seed from 0; each model is trained on the same rows, one after another.

The first of the models is compared with each of the others. Ratios are of a score's means over
the splits, (value + c) / (peer's + c) with c = .01 for log loss, .005 for the share of errors and
0 for RMSE, so that a table that both solve does not decide; the summary has their geometric
means. The expected calibration error has 15 equal bins of the top label's probability. With
``--csv``, each result is written as it is found, and a study that was interrupted goes on.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.accuracy_models import MODELS, installed, model_named
from benchmarks.studies import RowLog, geometric_mean, read_index

SMALLEST = {"log_loss": 0.01, "errors": 0.005, "rmse": 0.0}
_LARGER = {
    "adult": ("adult.csv", "classification", "income"),
    "california": ("california_housing.csv", "regression", "median_house_value"),
    "wine_white": ("wine_quality_white.csv", "regression", "quality"),
    "kin8nm": ("uci_splits/kin8nm.npz", "regression", ""),
    "power_plant": ("uci_splits/power_plant.npz", "regression", ""),
    "pima": ("pima_diabetes.csv", "classification", "class"),
}
_TIMES = ("fit_seconds", "fit_processor_seconds", "predict_seconds")
_FIELDS = ("table", "group", "rows", "split", "model", *SMALLEST, "ece", *_TIMES)
_BINS = 15


@dataclasses.dataclass(frozen=True)
class Table:
    """A table: its file, its task, its target, and the group in the summary."""

    name: str
    path: Path
    task: str
    target: str
    group: str

    def load(self) -> tuple[Any, np.ndarray]:
        """Return the columns to predict from, as a pandas frame with categories, and the target.

        Classes are numbered in the order of their labels.
        """
        import pandas as pd

        if self.path.suffix == ".npz":
            with np.load(self.path) as file:
                X = pd.DataFrame(file["X"]).add_prefix("x")
                return X, file["y"].astype(np.float64).ravel()
        frame = pd.read_csv(self.path, na_values=["?"]).dropna(subset=[self.target])
        X, y = frame.drop(columns=[self.target]), frame[self.target]
        for name in X.columns:
            if not pd.api.types.is_numeric_dtype(X[name]):
                X[name] = X[name].astype("category")
        if self.task == "classification":
            return X, np.unique(y, return_inverse=True)[1]
        return X, y.to_numpy(np.float64)


def find_tables(folder: Path) -> dict[str, Table]:
    """Return the tables of a folder by their names."""
    inner = folder if (folder / "index.csv").is_file() else folder / "tables"
    index = read_index(inner)
    if index is None:
        raise SystemExit(f"{inner} has no index.csv with the columns name, task and target")
    tables = {
        name: Table(name, inner / f"{name}.csv", row["task"], row["target"], "index")
        for name, row in index.items()
    }
    if inner != folder:
        for name, (file, task, target) in _LARGER.items():
            group = "other" if name == "pima" else "larger"
            tables[name] = Table(name, folder / file, task, target, group)
    return tables


def calibration_error(probabilities: np.ndarray, y: np.ndarray) -> float:
    """Return Σ_b n_b/N |share of correct labels − mean probability| over bins of the top label.

    Parameters
    ----------
    probabilities : array of shape (N, K)
    y : array of shape (N,)
        Class numbers.

    Examples
    --------
    >>> calibration_error(np.array([[0.75, 0.25], [0.75, 0.25]]), np.array([0, 1]))
    0.25
    """
    top = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == y
    bins = np.minimum((top * _BINS).astype(int), _BINS - 1)
    gaps = np.bincount(bins, correct - top, minlength=_BINS)
    return float(np.abs(gaps).sum() / len(y))


def scores(model: Any, X: Any, y: np.ndarray, task: str, classes: np.ndarray) -> dict[str, float]:
    """Return the scores of a model on test rows; it was trained on these class numbers."""
    if task == "regression":
        return {"rmse": float(np.sqrt(np.mean((np.ravel(model.predict(X)) - y) ** 2)))}
    probabilities = np.zeros((len(y), max(y.max(), classes.max()) + 1))
    probabilities[:, classes] = model.predict_proba(X)
    probabilities = np.clip(probabilities, 1e-7, 1)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    return {
        "log_loss": float(-np.log(probabilities[np.arange(len(y)), y]).mean()),
        "errors": float(np.mean(probabilities.argmax(axis=1) != y)),
        "ece": calibration_error(probabilities, y),
    }


def label(model: str) -> str:
    """Return the name of a model in results: that of a prototype's file, without its folder."""
    return Path(model).stem if model.endswith(".py") else model


def run(
    table: Table, X: Any, y: np.ndarray, split: int, models: Sequence[str], threads: int
) -> Iterator[dict[str, Any]]:
    """Train models on one split; yield a row of results for each."""
    from sklearn.model_selection import train_test_split

    is_class = table.task == "classification"
    train, test, y_train, y_test = train_test_split(
        X, y, test_size=0.2, random_state=split, stratify=y if is_class else None
    )
    classes, codes = np.unique(y_train, return_inverse=True) if is_class else (y, y_train)
    for name in models:
        wall, processor = time.perf_counter(), time.process_time()
        model = model_named(name)(train, codes, table.task, split, threads)
        times = [time.perf_counter() - wall, time.process_time() - processor]
        wall = time.perf_counter()
        found = scores(model, test, y_test, table.task, classes)
        times.append(time.perf_counter() - wall)
        row = {"table": table.name, "group": table.group, "rows": len(y), "split": split}
        seconds = dict(zip(_TIMES, (round(each, 3) for each in times), strict=True))
        yield {**row, "model": label(name), **found, **seconds}


def ratios(rows: Sequence[dict[str, Any]], first: str, other: str) -> dict[str, dict[str, float]]:
    """Return the ratio of each score's means on the splits that both models have, by table."""
    values: dict[tuple[str, str], dict[str, dict[str, float]]] = {}
    for row in rows:
        for score in SMALLEST:
            if row.get(score) not in (None, ""):
                key = str(row["table"]), score
                by_model = values.setdefault(key, {}).setdefault(str(row["model"]), {})
                by_model[str(row["split"])] = float(row[score])
    found: dict[str, dict[str, float]] = {score: {} for score in SMALLEST}
    for (table, score), models in values.items():
        ours, theirs = models.get(first, {}), models.get(other, {})
        both = sorted(ours.keys() & theirs.keys())
        if both:
            mean, peer = (np.mean([each[split] for split in both]) for each in (ours, theirs))
            found[score][table] = float((mean + SMALLEST[score]) / (peer + SMALLEST[score]))
    return found


def summary(rows: Sequence[dict[str, Any]], models: Sequence[str]) -> Iterator[str]:
    """Return the lines that compare the first model with each of the others, by group."""
    first = models[0]
    for group in dict.fromkeys(row["group"] for row in rows):
        chosen = [row for row in rows if row["group"] == group]
        tables = {row["table"] for row in chosen}
        yield f"\n{first}, {len(tables)} tables ({group}): ratio, tables won, and the worst"
        yield (
            f"{'against':<24}{'log loss':<31}{'errors':<31}{'RMSE':<31}{'ECE, theirs':<16}"
            f"{'fit s, theirs':<15}of processors"
        )
        for other in models[1:]:
            columns = [_ratio_text(found) for found in ratios(chosen, first, other).values()]
            yield f"{other:<24}{''.join(f'{text:<31}' for text in columns)}" + _means(
                chosen, first, other
            )


def _ratio_text(found: dict[str, float]) -> str:
    if not found:
        return ""
    worst = max(found, key=lambda name: found[name])
    won = sum(ratio < 1 for ratio in found.values())
    return (
        f"{geometric_mean(found.values()):.3f} {won}/{len(found)} {worst[:12]} {found[worst]:.2f}"
    )


def _means(rows: Sequence[dict[str, Any]], first: str, other: str) -> str:
    """Return the mean calibration error and the seconds of two models on the same splits."""

    def by_split(model: str) -> dict[tuple[str, str], dict[str, Any]]:
        return {(row["table"], str(row["split"])): row for row in rows if row["model"] == model}

    ours, theirs = by_split(first), by_split(other)
    pairs = [(ours[key], theirs[key]) for key in ours if key in theirs]
    errors = [[float(row["ece"]) for row in pair] for pair in pairs if pair[0].get("ece")]
    text = "{:.4f}, {:.4f}".format(*np.mean(errors, axis=0)) if errors else ""
    text = f"{text:<16}"
    for field in _TIMES[:2]:
        sums = [sum(float(pair[i][field]) for pair in pairs) for i in range(2)]
        text += f"{f'{sums[0]:.0f}, {sums[1]:.0f}':<15}"
    return text.rstrip()


def plot(rows: Sequence[dict[str, Any]], models: Sequence[str], path: Path) -> None:
    """Draw the ratios of every table, a panel for each score."""
    from matplotlib.figure import Figure

    by_model = {other: ratios(rows, models[0], other) for other in models[1:]}
    panels = [score for score in SMALLEST if any(each[score] for each in by_model.values())]
    figure = Figure(figsize=(4 * len(panels), 7), layout="constrained")
    for axes, score in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        tables = list(dict.fromkeys(name for each in by_model.values() for name in each[score]))
        for other, found in by_model.items():
            places = [tables.index(name) for name in found[score]]
            axes.plot(list(found[score].values()), places, "o", alpha=0.7, label=other)
        axes.axvline(1, color="0.5", linewidth=1)
        axes.set_xscale("log")
        axes.set_yticks(range(len(tables)), tables)
        axes.set_xlabel(f"{score} of {models[0]} / theirs")
        axes.grid(axis="x", alpha=0.25)
    axes.legend(fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


def _warm_up(models: Sequence[str], threads: int) -> None:
    """Import and compile what the models need, so that no training's seconds include it."""
    import pandas as pd

    X = pd.DataFrame({"a": np.arange(64.0), "b": np.arange(64.0) % 7})
    for name in models:
        model_named(name)(X, (np.arange(64) // 4) % 2, "classification", 0, threads)


def _names(text: str, known: Sequence[str], what: str) -> list[str]:
    names = text.split(",")
    for name in names:
        if name not in known:
            raise SystemExit(f"there is no {what} {name!r}; expected some of {', '.join(known)}")
    return names


def main(arguments: list[str] | None = None, *, warm_up: Callable[..., None] = _warm_up) -> None:
    """Train the models on the tables; print a line for each result, and the summary."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--models",
        help="comma-separated; the first is compared with the others; deltarule and all that are "
        f"installed of {', '.join(MODELS)} if not given; also fast, best, without:NAME (of a "
        "configuration), and the path of a prototype",
    )
    parser.add_argument("--tables", "--names", help="comma-separated names; all if not given")
    parser.add_argument("--splits", "--seeds", type=int, default=5, help="the number of splits")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--csv", type=Path, help="where to write results as they are found")
    parser.add_argument("--plot", type=Path, help="where to draw the ratios: .svg, .png or .pdf")
    given = parser.parse_args(arguments)
    tables = find_tables(given.folder)
    names = _names(given.tables, list(tables), "table") if given.tables else list(tables)
    models = given.models.split(",") if given.models else installed()
    for name in models:
        model_named(name)
    os.environ["DELTARULE_THREADS"] = str(given.threads)
    log = RowLog(given.csv, _FIELDS)
    done = {(row["table"], str(row["split"]), row["model"]) for row in log.rows}
    warm_up(models, given.threads)
    print(f"{'table':<18}{'split':>6}  {'model':<24}{'log loss':>10}{'errors':>9}{'ECE':>8}"
          f"{'RMSE':>11}{'fit s':>8}")  # fmt: skip
    for name in names:
        X, y = tables[name].load()
        for split in range(given.splits):
            open_models = [
                model for model in models if (name, str(split), label(model)) not in done
            ]
            for row in run(tables[name], X, y, split, open_models, given.threads):
                log.write(row)
                print(_line(row), flush=True)
    chosen = [row for row in log.rows if row["table"] in names and int(row["split"]) < given.splits]
    labels = [label(model) for model in models]
    print("\n".join(summary(chosen, labels)))
    if given.plot is not None and len(labels) > 1:
        plot(chosen, labels, given.plot)


def _line(row: dict[str, Any]) -> str:
    def shown(field: str, form: str) -> str:
        return format(row[field], form) if field in row else ""

    return (
        f"{row['table']:<18}{row['split']:>6}  {row['model']:<24}{shown('log_loss', '.4f'):>10}"
        f"{shown('errors', '.4f'):>9}{shown('ece', '.3f'):>8}{shown('rmse', '.5g'):>11}"
        f"{row['fit_seconds']:>8.1f}"
    )


if __name__ == "__main__":
    main()
