"""Everything that training returns, as text, by as many threads as asked: see test_threads.py."""

import faulthandler
import hashlib
import sys
import warnings

import numpy as np
import scipy.sparse as sp

from deltarule import MLPClassifier, MLPRegressor, Network, lens, train, train_many
from deltarule.tables import infer_schema, table_from_frame
from deltarule.tabular import TableSettings, fit_table

rng = np.random.default_rng(0)
X = rng.normal(size=(601, 256))
y = X[:, 0] + 0.1 * rng.normal(size=601)
LABELS = (y > 0).astype(int)


def records(result):
    """A history without its times, why it ended, and the parameters."""
    rows = [[getattr(r, name) for name in ("loss", "penalty", "validation_loss", "score",
             "learning_rate", "steps")] for r in result.history.logs]  # fmt: skip
    return [rows, result.stopped, result.best_epoch, result.theta]


def fitted(model):
    found = [model.loss_, model.n_iter_, model.loss_curve_, *model.coefs_, *model.intercepts_]
    for name in ("validation_scores_", "best_validation_score_", "best_loss_"):
        found.append(getattr(model, name, None))
    return found


def sparse(n, **options):
    S = sp.random(n, 1000, density=0.05, format="csr", random_state=0)
    labels = np.arange(n) % 2
    model = MLPClassifier(max_iter=2, random_state=0, engine=ENGINE, **options)
    model.fit(S, labels)
    return [*fitted(model), model.predict_proba(S), model.score(S, labels)]


def estimator(kind, **options):
    options = {"hidden_layer_sizes": (24,), "max_iter": 12, "random_state": 0} | options
    model = kind(engine=ENGINE, **options).fit(X, LABELS if kind is MLPClassifier else y)
    return [
        *fitted(model),
        model.predict(X),
        model.score(X, LABELS if kind is MLPClassifier else y),
    ]


def trained(**options):
    net = Network([256, 24, 1])
    return records(train(net, X, y, engine=ENGINE, **({"epochs": 6, "seed": 1} | options)))


def penalty():
    Z = rng.normal(size=(1000, 256))
    result = train(Network([256, 8, 1]), Z, Z[:, 0], epochs=1, batch_size=1000, l2=1.0,
                   engine=ENGINE)  # fmt: skip
    W = result.net.unpack(result.theta)[0]
    by_formula = 0.5 / 1000 * sum((each**2).sum() for each in W[1:])
    assert np.isclose(result.history.logs[0].penalty, by_formula, rtol=1e-12)
    return records(result)


def many():
    net = Network([256, 24, 1])
    results = train_many(net, X, y, seeds=range(3), l2=[0.1, 1.0, 2.0], epochs=3, batch_size=300,
                         validation=0.3, engine=ENGINE)  # fmt: skip
    return [records(result) for result in results]


def table():
    frame = {f"x{i}": X[:, i] for i in range(40)} | {"y": X[:, 0] * X[:, 1] + X[:, 2]}
    given = table_from_frame(frame)
    settings = TableSettings(layers=(64, 32), l2=1.0, epochs=3)
    report = fit_table(given, infer_schema(given, "y"), settings).report
    return [sorted(found.items()) for part in ("scores", "baselines")
            for found in report[part].values()]  # fmt: skip


def seen_through_the_lens():
    net = Network([256, 24, 1])
    return lens(net, X, y, theta=net.initial(0)).text()


# By the default engine, in float32 or as a text.
OF_ITS_OWN = {"table": table, "lens": seen_through_the_lens}
CASES = {
    "sparse, 401 rows": lambda: sparse(401),
    "sparse, 405 rows": lambda: sparse(405),
    "sparse, 420 rows": lambda: sparse(420),
    "sparse, 601 rows": lambda: sparse(601),
    "sparse, early stopping": lambda: sparse(601, early_stopping=True),
    "penalty": penalty,
    "loss": lambda: estimator(MLPClassifier, alpha=5.0, batch_size=601),
    "adaptive": lambda: estimator(MLPRegressor, solver="sgd", learning_rate="adaptive", alpha=10.0,
                                  tol=1e-2, n_iter_no_change=2, max_iter=60, batch_size=600),
    "early stopping": lambda: estimator(MLPRegressor, early_stopping=True, alpha=1.0),
    "lbfgs": lambda: estimator(MLPRegressor, solver="lbfgs", alpha=20.0),
    "lbfgs, wide": lambda: estimator(MLPClassifier, solver="lbfgs", hidden_layer_sizes=(90,)),
    "validation": lambda: trained(validation=0.4, l2=1.0, l1=0.5, averaging=0.9),
    "rprop": lambda: trained(rule="irprop+", batch_size=601, l2=3.0),
    "clipped": lambda: trained(rule="adamw", clip_norm=0.1, dropout=0.3, batch_size=200),
    "many": many,
}  # fmt: skip


def text(value):
    if isinstance(value, list | tuple):
        return "[" + " ".join(map(text, value)) + "]"
    if isinstance(value, np.ndarray):  # the digest is of all of it
        digest = hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
        return f"{text(value.ravel()[:100].tolist())} #{digest}"
    if isinstance(value, str) and len(value) > 200:
        return "#" + hashlib.sha256(value.encode()).hexdigest()
    return float(value).hex() if isinstance(value, float | np.floating) else str(value)


if __name__ == "__main__":
    faulthandler.dump_traceback_later(240, exit=True)
    warnings.simplefilter("ignore")  # that some fits have not converged
    ENGINE = sys.argv[1]
    for name, case in (CASES | (OF_ITS_OWN if ENGINE == "compiled" else {})).items():
        print(name, text(case()), sep="\t")
