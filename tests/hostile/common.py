"""Arguments that are right, and what cannot stand for them, which several entries share."""

import numpy as np
import pandas as pd
from tests.hostile import values as v

import deltarule as dr

NET = dr.Network([3, 4, 2])
CLASSIFIER = dr.Network([3, 4, 3], output_activation="softmax", loss="cross_entropy")
THETA = NET.initial(0)
X = np.linspace(-1.0, 1.0, 36).reshape(12, 3)
Y = np.linspace(0.1, 0.9, 24).reshape(12, 2)
CLASSES = np.arange(12) % 3
LABELS = np.array(["a", "b", "c"])[CLASSES]
FRAME = pd.DataFrame(X, columns=["u", "v", "w"]).assign(y=X[:, 0] * 2 + 1)
OPTIONS = {"epochs": 2, "batch_size": 4, "engine": "reference"}

Y_BAD = v.arrays((12, 2)) | {"a column": Y[:, 0], "a column more": np.hstack([Y, Y])}
THETA_BAD = v.arrays((NET.n_parameters,)) | {"a matrix": THETA[:, None]}
WEIGHT_BAD = {k: w for k, w in v.arrays((12,)).items() if k != "none"} | {
    "negative": -np.ones(12),
    "a matrix": np.ones((12, 1)),
    "minus zero and less": [-0.0] * 11 + [-1e-300],
}
NUMBERS_ZERO = v.NO_NUMBER | {"zero": 0, "huge whole number": 10**400, "infinity": np.inf}
CLASS_NUMBERS_BAD = {
    "minus one": CLASSES - 1,
    "a class more": CLASSES + 1,
    "fractions": CLASSES + 0.5,
    "nan": np.where(CLASSES == 1, np.nan, CLASSES),
    "infinity": np.where(CLASSES == 1, np.inf, CLASSES),
    "texts": LABELS,
    "texts of numbers": CLASSES.astype(str),
    "objects": LABELS.astype(object),
    "dates": np.full(12, np.datetime64("2026-01-01")),
    "complex": CLASSES * 1j,
    "too few": CLASSES[:-1],
    "too many": np.append(CLASSES, 0),
    "none": None,
    "number": 2,
    "word": "abc",
    "more axes": CLASSES[:, None, None],
    "huge": CLASSES + 2**62,
    "probabilities beyond 1": np.full((12, 3), 0.5),
    "negative probabilities": np.tile([-1.0, 1.0, 1.0], (12, 1)),
}
TRAIN = {
    "net": {
        "none": None,
        "widths": [3, 4, 2],
        "class": dr.Network,
        "text": "net",
        "model": dr.Model(NET, THETA),
    },
    "X": v.rows(),
    "Y": Y_BAD,
    "sample_weight": WEIGHT_BAD,
    "epochs": v.NO_COUNT | {"huge float": 1e400},
    "batch_size": v.NO_COUNT,
    "seed": v.NO_SEED,
    "learning_rate": NUMBERS_ZERO,
    "l2": v.NO_NUMBER | {"infinity": np.inf, "none": None},
    "l1": v.NO_NUMBER | {"infinity": np.inf, "none": None},
    "dropout": {k: b for k, b in v.NO_NUMBER.items() if k != "list"}
    | {
        "one": 1.0,
        "more than one": 1.5,
        "list of nan": [np.nan],
        "none": None,
        "list of too many": [0.1, 0.1],
    },
    "clip_norm": dict(v.NO_NUMBER.items()) | {"zero": 0.0},
    "averaging": v.NO_NUMBER | {"more than one": 1.5},
    "rule": v.NO_NAME
    | {
        "mapping of nan": {"name": "adam", "beta1": np.nan},
        "mapping of text": {"name": "adam", "beta1": "x"},
        "none": None,
    },
    "schedule": v.NO_NAME | {"mapping of text": {"name": "cosine", "final": "x"}, "none": None},
    "engine": v.NO_NAME | {"none": None},
    "shuffle": {
        "number": 2,
        "text": "no",
        "none": None,
        "nan": np.nan,
        "array": np.array([True, False]),
    },
    "keep_best": {"number": 2, "text": "no", "none": None, "nan": np.nan},
    "order": {
        "number": 2,
        "text": "no",
        "array": np.arange(12),
        "of another shape": lambda epoch: np.arange(3),
        "no permutation": lambda epoch: np.zeros(12, int),
        "of floats": lambda epoch: np.arange(12.0),
        "of nothing": lambda epoch: None,
    },
    "theta": {k: b for k, b in THETA_BAD.items() if k != "none"},
    "stopping": {
        "zero": 0,
        "negative": -3,
        "text": "soon",
        "bool": True,
        "float": 2.5,
        "nan": np.nan,
        "dictionary": {"epochs": 3},
        "function": len,
        "list": [None],
    },
    "scorer": {
        "text": "accuracy",
        "number": 3,
        "gives text": lambda engine: "x",
        "gives nothing": lambda engine: None,
    },
    "callbacks": {"function": len, "number": 3, "list": [3], "text": "abc", "none": None},
    "validation": {
        "zero": 0.0,
        "one": 1.0,
        "negative": -0.1,
        "nan": np.nan,
        "infinity": np.inf,
        "whole number": 3,
        "bool": True,
        "text": "some",
        "single": (X,),
        "four": (X, Y, None, None),
        "rows twice": [1, 1],
        "row beyond": [99],
        "negative row": [-1],
        "all": list(range(12)),
        "mask too short": np.ones(3, bool),
        "floats": np.array([0.5, 1.5]),
        "texts": ["a"],
        "dictionary": {"X": X},
        "function": len,
        "pair of texts": ("a", "b"),
        "pair of none": (None, None),
    },
    "stop": {"text": "now", "number": 3, "function": len, "bool": True},
    "resume": {"text": "yes", "bool": True, "number": 3, "array": THETA},
    "checkpoint": {
        "number": 3,
        "bool": True,
        "list": ["a"],
        "empty": "",
        "bytes": b"a",
        "nul": "a\0b",
    },
}
NETWORK = {
    "widths": {
        "none": None,
        "number": 3,
        "text": "34",
        "empty": [],
        "one": [3],
        "zero": [3, 0, 1],
        "negative": [3, -1],
        "floats": [3.0, 4.0],
        "nan": [3, np.nan],
        "bools": [True, True],
        "texts": ["3", "4"],
        "nested": [[3], [4]],
        "huge": [10**400, 1],
        "beyond memory": [50_000, 10**12, 1],
        "dictionary": {3: 4},
        "none within": [3, None],
        "set": {3, 4},
    },
    "activation": dict(v.NO_NAME.items())
    | {
        "too many": ["relu", "relu"],
        "none": None,
        "mapping of text": {"name": "elu", "alpha": "x"},
        "mapping of nan": {"name": "elu", "alpha": np.nan},
    },
    "output_activation": v.NO_NAME | {"none": None},
    "loss": v.NO_NAME
    | {
        "none": None,
        "mapping of a bad parameter": {"name": "huber", "delta": -1.0},
        "mapping of nan": {"name": "huber", "delta": np.nan},
    },
    "bias": {"none": None, "text": "no", "number": 2, "nan": np.nan, "list": [True]},
    "dtype": {
        "none": None,
        "text": "no",
        "integer": int,
        "complex": complex,
        "half": np.float16,
        "object": object,
        "number": 3,
        "nan": np.nan,
        "function": len,
    },
    "frozen": {
        "number": 3,
        "unknown": ["W[9]"],
        "text": "W[1",
        "nan": [np.nan],
        "mask too short": np.ones(3, bool),
        "nested": [["W[1]"]],
        "none": None,
        "floats": np.ones(NET.n_parameters),
        "all": None,
    },
}
del NETWORK["frozen"]["all"]


# More rows, for the estimators of tables.
TX = np.linspace(-1, 1, 180).reshape(60, 3)
TY = TX[:, 0] ** 2 + TX[:, 1]
TL = np.array(["a", "b", "c"])[np.arange(60) % 3]

ENTRIES = {}


def entry(name, call, good, bad):
    """Add an entry: its function, arguments that are right, and wrong values of each parameter."""
    ENTRIES[name] = (call, good, bad)
