"""Compare two commits bit by bit: digests of parameters, histories and predictions.

A change that must not alter any result is checked by running this script with the code of both
commits, **on one machine** (the bits of a training depend on the processor and on the versions of
the libraries), and comparing what the two runs wrote::

    python benchmarks/same_bits.py --make FOLDER --out old.json    # with the older commit's Python
    python benchmarks/same_bits.py --read FOLDER --out new.json    # with the newer commit's Python
    python benchmarks/same_bits.py --compare old.json new.json

Each run trains for ten epochs with every update rule, every loss with every output activation that
it goes with, every hidden activation and schedule, dropout, penalties, clipping, averaging, float32
and float64, mini-batches and full batches, one and two threads, and the reference, checked and
compiled engines; with :func:`deltarule.train_many`, L-BFGS and the scikit-learn estimators, and on
tables. It writes one digest for each array of parameters, each history (without times) and each
prediction, and takes about 40 seconds.

``--make FOLDER`` also saves model folders and recordings of training runs; ``--read FOLDER`` loads
those that another commit saved, predicts with the models and replays steps of the recordings. Both
digest what comes out, so that the two files hold the same names. ``FOLDER`` must keep its path
between the runs, since a recorded table is found by it.

``--compare`` lists every digest that differs or that only one file has, and exits with status 1 if
there is one. The script uses public names alone and runs unchanged with any commit that has them;
the package that is imported is the one that the chosen Python has installed.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import importlib
import json
import platform
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from threadpoolctl import threadpool_limits

import deltarule
from deltarule import (
    ACTIVATIONS,
    LOSSES,
    RULES,
    SCHEDULES,
    ManySearchCV,
    MLPClassifier,
    MLPRegressor,
    Model,
    Network,
    backprop,
    forward,
    lens,
    load_model,
    make_engine,
    save_model,
    train,
    train_many,
)
from deltarule.explain import attribute
from deltarule.tables import infer_schema, table_from_frame
from deltarule.training import Recorder, load_recording, replay

EPOCHS = 10
ROWS = 203  # no multiple of a batch, so that the last batch of an epoch is smaller

Digests = dict[str, str]


def public(name: str) -> Any:
    """A public name that belongs to one package in some commits and to another in others."""
    for package in ("deltarule.tabular", "deltarule.estimators"):
        try:
            module = importlib.import_module(package)
        except ModuleNotFoundError:
            continue
        if hasattr(module, name):
            return getattr(module, name)
    raise ImportError(f"no package of this deltarule offers {name}")


# -- digests ------------------------------------------------------------------------------


def digest(value: Any) -> str:
    """The digest of an array (its bits, type and shape), or of anything that JSON can hold."""
    if isinstance(value, np.ndarray) and value.dtype != object:
        head = f"{value.dtype.str} {value.shape} ".encode()
        data = head + np.ascontiguousarray(value).tobytes()
    else:
        if isinstance(value, np.ndarray):
            value = value.tolist()
        data = json.dumps(value, sort_keys=True, default=float).encode()
    return hashlib.sha256(data).hexdigest()[:32]


def history_of(history: Any) -> list[dict[str, Any]]:
    """A history as JSON values, without the times."""
    return [
        {name: value for name, value in epoch.items() if name != "seconds"}
        for epoch in history.to_list()
    ]


def add_result(found: Digests, name: str, result: Any, X: np.ndarray | None = None) -> None:
    """Add the digests of a training result: θ, history, best epoch, and predictions for X."""
    found[f"{name}/theta"] = digest(result.theta)
    found[f"{name}/history"] = digest(history_of(result.history))
    found[f"{name}/best_epoch"] = str(result.best_epoch)
    for key, value in sorted(result.state.items()):
        found[f"{name}/state/{key}"] = digest(np.asarray(value))
    if X is not None:
        found[f"{name}/prediction"] = digest(Model(result.net, result.theta).predict(X))


# -- trainings ----------------------------------------------------------------------------


def inputs(dtype: Any = np.float64, width: int = 6, rows: int = ROWS) -> np.ndarray:
    """Standard normal inputs of shape (rows, width), the same in every run."""
    return np.random.default_rng(12).normal(size=(rows, width)).astype(dtype)


def targets(kind: str, n_outputs: int, rows: int = ROWS) -> np.ndarray:
    """Targets that a loss with ``targets=kind`` accepts, of shape (rows, n_outputs) or (rows,)."""
    X = inputs(rows=rows)
    signal = np.column_stack([X[:, 0] - X[:, 1] ** 2, np.abs(X[:, 2]), X[:, 3] * X[:, 4]])
    if kind == "classes":
        return signal.argmax(axis=1)
    values = signal[:, :n_outputs]
    if kind == "unit":
        return (values > 0.5).astype(float)
    return np.abs(values) if kind == "nonnegative" else values


def configurations() -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Name, arguments of the network, and arguments of ``train`` for each training."""
    small = {"widths": [6, 12, 7, 2], "activation": "tanh", "loss": "squared_error"}
    usual = {"learning_rate": 0.01, "batch_size": 32}
    for rule in RULES:
        batch = ROWS if rule.full_batch else 32
        yield f"rule {rule.name}", small, usual | {"rule": rule.name, "batch_size": batch}
        reference = {"rule": rule.name, "batch_size": batch, "engine": "reference"}
        yield f"rule {rule.name}, reference", small, usual | reference
    for loss in LOSSES:
        n_outputs = 3 if loss.targets == "classes" else 2
        for g in filter(loss.accepts, ACTIVATIONS):
            name = f"loss {loss.name} of {g.name}"
            net = small | {"widths": [6, 12, n_outputs], "loss": loss.name}
            net |= {"output_activation": g.name}
            yield name, net, usual
            yield f"{name}, float32", net | {"dtype": np.float32}, usual
            yield f"{name}, reference", net, usual | {"engine": "reference"}
    levels = {"name": "quantile", "levels": [0.1, 0.5, 0.9]}
    yield "loss quantile with three levels", small | {"widths": [6, 8, 6], "loss": levels}, usual
    for activation in ACTIVATIONS:
        if activation.elementwise:
            yield f"activation {activation.name}", small | {"activation": activation.name}, usual
    for schedule in SCHEDULES:
        yield f"schedule {schedule.name}", small, usual | {"schedule": schedule.name}
    options: dict[str, dict[str, Any]] = {
        "full batch": {"batch_size": ROWS},
        "batches of one": {"batch_size": 1, "learning_rate": 1e-3},
        "dropout": {"dropout": [0.2, 0.4]},
        "l2": {"l2": 1.0},
        "l1": {"l1": 0.1},
        "clipping": {"clip_norm": 0.1},
        "averaging": {"averaging": 0.95},
        "no shuffle": {"shuffle": False},
        "validation": {"validation": 0.2, "stopping": 3},
        "sample weights": {"sample_weight": np.arange(ROWS) % 4},
        "everything": {
            "rule": "adamw",
            "schedule": "cosine",
            "dropout": 0.1,
            "l2": 0.5,
            "l1": 0.05,
            "clip_norm": 0.5,
            "averaging": 0.9,
            "validation": 0.25,
            "sample_weight": np.arange(ROWS) % 3 + 0.5,
        },
    }
    for name, own in options.items():
        for dtype in ("float64", "float32"):
            for engine in ("compiled", "reference"):
                yield (
                    f"{name}, {dtype}, {engine}",
                    small | {"dtype": np.dtype(dtype)},
                    usual | own | {"engine": engine},
                )
    yield "checked engine", small, usual | {"engine": "checked"}
    yield "no bias", small | {"bias": False}, usual
    yield "frozen block", small | {"frozen": ["W1"]}, usual
    yield "no hidden layer", small | {"widths": [6, 2]}, usual
    yield "lbfgs", small, {"rule": "lbfgs", "l2": 0.1}
    yield "lbfgs, reference", small, {"rule": "lbfgs", "l2": 0.1, "engine": "reference"}


def trained(net: Network, options: Mapping[str, Any]) -> Any:
    """The result of training a network for ten epochs on the rows of this script."""
    shared = len(net.loss.settings.get("levels", (0,)))  # outputs for each column of Y
    Y = targets(net.loss.targets, net.n_outputs // shared)
    return train(
        net, inputs(net.dtype), Y, **{"epochs": EPOCHS, "seed": 3, "engine": "compiled", **options}
    )


def single_networks(found: Digests) -> None:
    """Train each configuration, and differentiate at the resulting parameters."""
    for name, network, options in configurations():
        net = Network(**network)
        result = trained(net, options)
        add_result(found, f"train/{name}", result, inputs(net.dtype))


def threads(found: Digests) -> None:
    """Train networks that are large enough to be divided, with one and with two threads."""
    X = inputs(np.float32, width=64, rows=1500)
    Y = X[:, :10].argmax(axis=1)
    for count in (1, 2):
        for name, options in (
            ("mini-batches", {"batch_size": 256, "dropout": 0.2}),
            ("full batch", {"batch_size": 1500, "rule": "momentum"}),
            ("small steps", {"batch_size": 8, "epochs": 2}),
        ):
            net = Network(
                [64, 256, 128, 10],
                loss="cross_entropy",
                output_activation="softmax",
                dtype=np.float32,
            )
            engine = make_engine("compiled")
            engine.threads = count
            result = train(
                net, X, Y, **{"epochs": EPOCHS, "learning_rate": 0.003, "engine": engine, **options}
            )
            add_result(found, f"threads {count}/{name}", result, X)


def many_networks(found: Digests) -> None:
    """Train several networks at once, with options that differ, and with folds."""
    net = Network([6, 12, 2], activation="tanh")
    X, Y = inputs(), targets("real", 2)
    folds = [np.arange(ROWS) % 3 == k for k in range(3)]
    cases: dict[str, dict[str, Any]] = {
        "seeds and rates": {"seeds": range(4), "learning_rate": [0.001, 0.003, 0.01, 0.03]},
        "penalties": {"l2": [0.0, 1.0], "l1": [0.1, 0.0], "dropout": 0.1},
        "folds": {"validation": folds, "seeds": 5},
        "row weights": {"sample_weight": np.stack([np.arange(ROWS) % k for k in (2, 3, 5)])},
    }
    for name, options in cases.items():
        for workers in (1, 2):
            results = train_many(net, X, Y, epochs=EPOCHS, workers=workers, **options)
            for k, result in enumerate(results):
                add_result(found, f"train_many/{name}, {workers} workers/{k}", result)


def resumed(found: Digests) -> None:
    """Train for five epochs and go on to ten."""
    net = Network([6, 12, 7, 2], activation="tanh")
    first = trained(net, {"epochs": 5, "batch_size": 32, "averaging": 0.9})
    add_result(found, "resume", trained(net, {"batch_size": 32, "averaging": 0.9, "resume": first}))


def passes(found: Digests) -> None:
    """Digest forward and backward passes, attributions and the gradient lens."""
    for loss, output in (("squared_error", "identity"), ("cross_entropy", "softmax")):
        for dtype in (np.float64, np.float32):
            net = Network(
                [6, 9, 3], activation="gelu", output_activation=output, loss=loss, dtype=dtype
            )
            theta, X = net.initial(1), inputs(dtype)
            Y = targets("classes" if loss == "cross_entropy" else "real", 3)
            name = f"passes/{loss} {np.dtype(dtype)}"
            found[f"{name}/forward"] = digest(np.asarray(forward(net, theta, X).A[-1]))
            trace = backprop(net, theta, X, Y, per_sample=True)
            found[f"{name}/gradient"] = digest(np.asarray(trace.grad))
            found[f"{name}/delta"] = digest(np.asarray(trace.delta[1]))
            given = attribute(net, X[:20], Y[:20], theta=theta)
            found[f"{name}/attributions"] = digest(np.asarray(given.values))
            measured = lens(net, X, Y, theta=theta)
            found[f"{name}/sample norms"] = digest(np.asarray(measured.sample_norms))


def estimators(found: Digests) -> None:
    """Fit the scikit-learn estimators."""
    iris, cancer, diabetes = (
        f(return_X_y=True) for f in (load_iris, load_breast_cancer, load_diabetes)
    )
    fits: dict[str, tuple[Any, Any]] = {
        "three classes": (MLPClassifier((12,), random_state=1, max_iter=EPOCHS), iris),
        "two classes": (
            MLPClassifier((8, 4), random_state=1, max_iter=EPOCHS, class_weight="balanced"),
            cancer,
        ),
        "early stopping": (
            MLPClassifier((8,), random_state=2, max_iter=EPOCHS, early_stopping=True, solver="sgd"),
            cancer,
        ),
        "labels": (
            MLPClassifier((8,), random_state=2, max_iter=EPOCHS, dropout=0.1),
            (iris[0], np.eye(3, dtype=int)[iris[1]]),
        ),
        "regression": (
            MLPRegressor(hidden_layer_sizes=(10,), random_state=1, max_iter=EPOCHS),
            diabetes,
        ),
        "regression, lbfgs": (
            MLPRegressor(hidden_layer_sizes=(10,), random_state=1, max_iter=EPOCHS, solver="lbfgs"),
            diabetes,
        ),
        "regression, own loss": (
            MLPRegressor(
                hidden_layer_sizes=(10,),
                random_state=1,
                max_iter=EPOCHS,
                loss="huber",
                averaging=0.9,
            ),
            diabetes,
        ),
    }
    for name, (estimator, (given, y)) in fits.items():
        X = (given - given.mean(axis=0)) / given.std(axis=0)
        estimator.tol = 1e-12
        fitted = quiet(functools.partial(estimator.fit, X, y))
        for k, (W, b) in enumerate(zip(fitted.coefs_, fitted.intercepts_, strict=True)):
            found[f"estimators/{name}/coefs {k}"] = digest(np.asarray(W))
            found[f"estimators/{name}/intercepts {k}"] = digest(np.asarray(b))
        found[f"estimators/{name}/loss curve"] = digest(list(map(float, fitted.loss_curve_)))
        found[f"estimators/{name}/prediction"] = digest(np.asarray(fitted.predict(X)))
        if hasattr(fitted, "predict_proba"):
            found[f"estimators/{name}/probabilities"] = digest(np.asarray(fitted.predict_proba(X)))
    partial = MLPClassifier((6,), random_state=0)
    for _ in range(3):
        partial.partial_fit(*iris, classes=[0, 1, 2])
    found["estimators/partial_fit/coefs"] = digest(np.asarray(partial.coefs_[0]))
    search = ManySearchCV(
        MLPClassifier((6,), random_state=0, max_iter=EPOCHS),
        {"alpha": [1e-4, 1.0], "learning_rate_init": [0.01, 0.001]},
        cv=3,
    )
    quiet(lambda: search.fit(*iris))
    found["estimators/search/scores"] = digest(np.asarray(search.cv_results_["mean_test_score"]))
    found["estimators/search/probabilities"] = digest(np.asarray(search.predict_proba(iris[0])))


def quiet(call: Callable[[], Any]) -> Any:
    """The result of a call, without convergence warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return call()


# -- tables -------------------------------------------------------------------------------


def frame(rows: int = 400) -> dict[str, Any]:
    """A table with numbers, missing numbers, categories, row numbers and three targets."""
    rng = np.random.default_rng(5)
    x, z = rng.normal(size=rows), rng.gamma(2.0, size=rows)
    kind = np.array(["red", "green", "blue", "rare"])[rng.choice(4, rows, p=[0.5, 0.3, 0.17, 0.03])]
    number = 3 * x - z + (kind == "red") + 0.1 * rng.normal(size=rows)
    z[rng.random(rows) < 0.1] = np.nan
    return {
        "x": x,
        "z": z,
        "kind": kind,
        "label": np.where(number > 0, "yes", "no"),
        "level": np.array(["low", "middle", "high"])[np.digitize(number, [-2.0, 1.0])],
        "number": number,
    }


TARGETS = ("label", "level", "number")


def table_for(target: str) -> Any:
    """The table with one of the targets, without the others."""
    columns = {name: v for name, v in frame().items() if name == target or name not in TARGETS}
    return table_from_frame(columns)


def fitted_table(target: str, record: bool = False) -> Any:
    """A model of the table."""
    table = table_for(target)
    settings = public("TableSettings")(layers=(16, 8), epochs=EPOCHS, dropout=0.05, seed=1)
    fit = public("fit_table")
    return quiet(lambda: fit(table, infer_schema(table, target), settings, record=record))


def add_table_model(found: Digests, name: str, model: Any, target: str) -> None:
    """Add the digests of a table model: θ, history, scores and predictions."""
    found[f"{name}/theta"] = digest(model.model.theta)
    found[f"{name}/history"] = digest(history_of(model.history))
    for kind in ("scores", "baselines"):
        found[f"{name}/{kind}"] = digest(model.report[kind])
    table = table_for(target)
    found[f"{name}/prediction"] = digest(np.asarray(model.predict(table)))
    if target != "number":
        found[f"{name}/probabilities"] = digest(np.asarray(model.predict_proba(table)))


def tables(found: Digests) -> None:
    """Fit tables with two classes, three classes and a number as target."""
    for target in TARGETS:
        add_table_model(found, f"tables/{target}", fitted_table(target), target)


# -- folders that another commit reads ----------------------------------------------------

RECORDED = {
    "adam": {"rule": "adam", "batch_size": 32, "engine": "compiled"},
    "everything": {
        "rule": "nesterov",
        "schedule": "cosine",
        "batch_size": 16,
        "dropout": 0.1,
        "l2": 0.5,
        "l1": 0.02,
        "clip_norm": 0.5,
        "averaging": 0.9,
        "validation": 0.2,
    },
    "irprop+": {"rule": "irprop+", "batch_size": ROWS},
    "reference": {"rule": "rmsprop", "batch_size": 64, "engine": "reference"},
}


def recorded_network() -> Network:
    """The network of the recorded trainings."""
    return Network([6, 12, 7, 2], activation="tanh", dtype=np.float32)


def make_folders(folder: Path) -> None:
    """Save models, recordings and models of tables into a new folder."""
    folder.mkdir(parents=True)
    net = recorded_network()
    for name, options in RECORDED.items():
        recorder = Recorder()
        result = trained(net, {"callbacks": [recorder], **options})
        model = Model(net, result.theta, result.history)
        save_model(folder / f"model {name}", model, recording=recorder.recording())
    for target in TARGETS:
        fitted_table(target, record=True).save(folder / f"table {target}")
    columns = frame()
    lines = ["x,z,kind,label"] + [
        f"{x!r},{'' if np.isnan(z) else repr(z)},{kind},{label}"
        for x, z, kind, label in zip(
            *(columns[name].tolist() for name in ("x", "z", "kind", "label")), strict=True
        )
    ]
    (folder / "table.csv").write_text("\n".join(lines) + "\n")
    options = ["--target", "label", "--out", "command line", "--record", "--epochs", str(EPOCHS)]
    deltarule_command("fit", "table.csv", *options, cwd=folder)


def deltarule_command(*arguments: str, cwd: Path) -> None:
    """Run the command line in a folder, with this Python."""
    command = [sys.executable, "-m", "deltarule", *arguments]
    subprocess.run(command, cwd=cwd, check=True, stdout=subprocess.DEVNULL)


def add_step(found: Digests, name: str, step: Any) -> None:
    """Add the digests of a replayed step, and whether the recorded parameters came out."""
    found[f"{name}/before"] = digest(step.before["theta"])
    found[f"{name}/after"] = digest(step.after["theta"])
    found[f"{name}/gradient"] = digest(np.asarray(step.gradient))
    found[f"{name}/cost"] = repr(float(step.cost))
    found[f"{name}/verified"] = repr(step.verified)


def read_folders(found: Digests, folder: Path) -> None:
    """Predict with the models in a folder, and replay steps of their recordings."""
    for name in RECORDED:
        place = folder / f"model {name}"
        model, recording = load_model(place), load_recording(place)
        X = inputs(model.net.dtype)
        found[f"folder/{name}/theta"] = digest(model.theta)
        found[f"folder/{name}/prediction"] = digest(model.predict(X))
        found[f"folder/{name}/history"] = digest(history_of(model.history))
        for step in sorted({1, recording.end // 2 + 1, recording.end}):
            replayed = replay(recording, X, targets("real", 2), step)
            add_step(found, f"folder/{name}/step {step}", replayed)
    load, replay_table = public("TableModel").load, public("replay_table")
    for target in TARGETS:
        place = folder / f"table {target}"
        add_table_model(found, f"folder/table {target}", load(place), target)
        for step in (1, 17):
            replayed = replay_table(place, step, table_for(target))
            add_step(found, f"folder/table {target}/step {step}", replayed)
    place = folder / "command line"
    model = load(place)
    found["folder/command line/theta"] = digest(model.model.theta)
    found["folder/command line/scores"] = digest(model.report["scores"])
    add_step(found, "folder/command line/step 9", replay_table(place, 9, folder / "table.csv"))
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "predictions.csv"
        deltarule_command("predict", "command line", "table.csv", "--out", str(out), cwd=folder)
        found["folder/command line/prediction"] = digest(out.read_text())


# -- the command --------------------------------------------------------------------------

PARTS = (single_networks, threads, many_networks, resumed, passes, estimators, tables)


def environment() -> dict[str, str]:
    """The environment that the bits depend on besides the code."""
    found = {"python": platform.python_version(), "machine": platform.machine()}
    for name in ("numpy", "numba", "scipy", "sklearn"):
        try:
            found[name] = importlib.import_module(name).__version__
        except ImportError:
            found[name] = "none"
    return found


def run(folder: Path | None, make: bool, out: Path) -> None:
    """Train, save or read folders, and write the digests."""
    found: Digests = {}
    print(f"deltarule in {Path(deltarule.__file__).parent}", flush=True)
    jobs: list[functools.partial[None]] = [functools.partial(part, found) for part in PARTS]
    if folder is not None:
        if make:
            jobs.append(functools.partial(make_folders, folder))
        jobs.append(functools.partial(read_folders, found, folder))
    for job in jobs:
        started, before = time.perf_counter(), len(found)
        # The reference engine's products are NumPy's, whose bits may depend on its BLAS's threads.
        with threadpool_limits(1):
            job()
        seconds = time.perf_counter() - started
        print(
            f"{job.func.__name__:16} {len(found) - before:5d} digests {seconds:7.1f} s", flush=True
        )
    trainings = sum(name.endswith("/theta") for name in found)
    out.write_text(json.dumps({"environment": environment(), "digests": found}, indent=1) + "\n")
    print(f"{len(found)} digests, of {trainings} parameter vectors, in {out}")


def compare(old: Path, new: Path) -> int:
    """List what differs between two files of digests; 1 if anything does, else 0."""
    first, second = (json.loads(path.read_text()) for path in (old, new))
    if first["environment"] != second["environment"]:
        print(f"not one environment: {first['environment']} and {second['environment']}")
    a, b = first["digests"], second["digests"]
    different = 0
    for name in sorted({*a, *b}):
        if a.get(name) == b.get(name):
            continue
        different += 1
        why = (
            f"only in {old}" if name not in b else f"only in {new}" if name not in a else "differs"
        )
        print(f"{name}: {why}")
    print(f"{len({*a, *b})} digests, {different} different")
    return 1 if different else 0


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--make", metavar="FOLDER", type=Path, help="save models and recordings")
    what.add_argument("--read", metavar="FOLDER", type=Path, help="read those of another commit")
    what.add_argument("--compare", metavar=("OLD", "NEW"), nargs=2, type=Path)
    parser.add_argument("--out", type=Path, default=Path("same_bits.json"))
    arguments = parser.parse_args()
    if arguments.compare:
        return compare(*arguments.compare)
    folder = arguments.make or arguments.read
    run(None if folder is None else folder.absolute(), bool(arguments.make), arguments.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
