"""Networks, passes, engines and training."""

import numpy as np
from tests.hostile import values as v
from tests.hostile.common import (
    CLASS_NUMBERS_BAD,
    CLASSES,
    CLASSIFIER,
    NET,
    NETWORK,
    NUMBERS_ZERO,
    OPTIONS,
    THETA,
    THETA_BAD,
    TRAIN,
    WEIGHT_BAD,
    Y_BAD,
    X,
    Y,
    entry,
)

import deltarule as dr
from deltarule import engines, training
from deltarule.maths import dropout_mask
from deltarule.optimizers import clip_by_norm

entry("Network", dr.Network, {"widths": [3, 4, 2]}, NETWORK)
entry(
    "Network.initial",
    NET.initial,
    {"seed": 0},
    {"seed": v.NO_SEED, "initializer": v.NO_NAME | {"none": None}},
)
entry(
    "Network.check_theta",
    NET.check_theta,
    {"theta": THETA},
    {
        "theta": {
            k: b
            for k, b in THETA_BAD.items()
            if "nan" not in k and "infin" not in k and k != "masked"
        }
    },
)
entry(
    "Network.unpack",
    NET.unpack,
    {"theta": THETA},
    {
        "theta": {
            k: THETA_BAD[k]
            for k in (
                "none",
                "number",
                "word",
                "dictionary",
                "more axes",
                "too few",
                "too many",
                "empty",
                "a matrix",
            )
        }
    },
)
entry(
    "Network.pack",
    NET.pack,
    {"W": [np.zeros((4, 3)), np.zeros((2, 4))], "b": [np.zeros(4), np.zeros(2)]},
    {
        "W": {
            "none": None,
            "number": 3,
            "text": "ab",
            "too few": [np.zeros((4, 3))],
            "another shape": [np.zeros((3, 4)), np.zeros((2, 4))],
            "texts": [np.full((4, 3), "a"), np.zeros((2, 4))],
            "nones": [None, None],
            "dictionary": {1: 2},
            "complex": [np.zeros((4, 3), complex), np.zeros((2, 4))],
            "too many": [np.zeros((4, 3))] * 5,
        },
        "b": {
            "number": 3,
            "text": "ab",
            "too few": [np.zeros(4)],
            "another shape": [np.zeros(3), np.zeros(2)],
            "texts": [np.full(4, "a"), np.zeros(2)],
        },
    },
)
entry(
    "Network.block",
    NET.block,
    {"name": "W1"},
    {"name": {"none": None, "number": 3, "unknown": "W[9]", "empty": "", "list": ["W[1]"]}},
)
entry(
    "Network.from_dict",
    dr.Network.from_dict,
    {"data": NET.to_dict()},
    {
        "data": {
            "none": None,
            "empty": {},
            "list": [],
            "text": "net",
            "without widths": {k: b for k, b in NET.to_dict().items() if k != "widths"},
            "more": NET.to_dict() | {"colour": 1},
            "widths of text": NET.to_dict() | {"widths": "abc"},
            "widths of none": NET.to_dict() | {"widths": None},
        }
    },
)
SUBJECT = {"net": NET, "theta": THETA, "X": X, "Y": Y}
BASE = {
    "net": TRAIN["net"],
    "theta": {
        k: b for k, b in THETA_BAD.items() if "nan" not in k and "infin" not in k and k != "masked"
    },
    "X": v.rows(),
    "Y": Y_BAD,
    "sample_weight": WEIGHT_BAD,
}
entry(
    "forward",
    dr.forward,
    {"net": NET, "theta": THETA, "X": X},
    {k: BASE[k] for k in ("net", "theta", "X")},
)
entry("cost", dr.cost, SUBJECT, BASE)
entry(
    "backprop",
    dr.backprop,
    SUBJECT,
    BASE
    | {
        "masks": {
            "text": "x",
            "number": 3,
            "too few": [],
            "another shape": [np.ones((3, 3))],
            "dictionary": {},
        }
    },
)
entry(
    "backprop classes",
    dr.backprop,
    {"net": CLASSIFIER, "theta": CLASSIFIER.initial(0), "X": X, "Y": CLASSES},
    {"Y": CLASS_NUMBERS_BAD},
)
entry(
    "check_gradient",
    dr.check_gradient,
    SUBJECT,
    BASE
    | {
        "tolerance": NUMBERS_ZERO,
        "entries": dict(v.NO_COUNT.items()),
        "seed": v.NO_SEED,
        "gradient": {
            "number": 3,
            "text": "x",
            "gives nothing": lambda *a, **k: None,
            "another shape": lambda *a, **k: np.zeros(3),
        },
    },
)
entry(
    "penalty",
    dr.penalty,
    {"net": NET, "theta": THETA, "l2": 0.1},
    {
        "net": TRAIN["net"],
        "theta": BASE["theta"],
        "l2": v.NO_NUMBER,
        "l1": v.NO_NUMBER,
        "total_weight": NUMBERS_ZERO,
    },
)
entry(
    "dropout_mask",
    dropout_mask,
    {"rate": 0.5, "rows": np.arange(4), "width": 3, "seed": 0, "step": 0, "layer": 1},
    {
        "rate": v.NO_NUMBER | {"one": 1.0},
        "width": v.NO_COUNT,
        "seed": v.NO_SEED,
        "step": v.NO_SEED,
        "layer": v.NO_SEED,
        "rows": {
            "none": None,
            "texts": ["a"],
            "floats": np.array([0.5]),
            "negative": np.array([-1]),
            "number": 3.5,
            "matrix": np.zeros((2, 2), int),
            "nan": np.array([np.nan]),
        },
    },
)
entry("train", dr.train, {"net": NET, "X": X, "Y": Y, **OPTIONS}, TRAIN)
entry(
    "train classes",
    dr.train,
    {"net": CLASSIFIER, "X": X, "Y": CLASSES, **OPTIONS},
    {"Y": CLASS_NUMBERS_BAD},
)
entry(
    "train_many",
    dr.train_many,
    {"net": NET, "X": X, "Y": Y, "seeds": [0, 1], "workers": 1, **OPTIONS},
    {
        k: b
        for k, b in TRAIN.items()
        if k not in ("seed", "resume", "stopping", "order", "theta", "validation")
    }
    | {
        "seeds": {
            "negative": -1,
            "negative within": [0, -1],
            "float": 0.5,
            "text": "ab",
            "none": None,
            "empty": [],
            "nan": [np.nan],
            "bool": True,
            "bools": [True],
            "dictionary": {},
            "nested": [[1]],
        },
        "workers": dict(v.NO_COUNT.items()),
        "on_diverged": {"text": "no", "none": None, "number": 3, "bool": True},
        "learning_rate": {k: b for k, b in NUMBERS_ZERO.items() if k not in ("list", "array")},
        "l2": {k: b for k, b in TRAIN["l2"].items() if k not in ("list", "array")},
        "l1": {k: b for k, b in TRAIN["l1"].items() if k not in ("list", "array")},
        "batch_size": dict(v.NO_COUNT.items()),
        "dropout": dict(TRAIN["dropout"].items()),
        "resume": {"text": "yes", "number": 3, "list": [3]},
    },
)
entry(
    "Model",
    dr.Model,
    {"net": NET, "theta": THETA},
    {
        "net": TRAIN["net"],
        "theta": {
            k: b
            for k, b in THETA_BAD.items()
            if "nan" not in k and "infin" not in k and k != "masked"
        },
        "history": {"text": "x", "number": 3, "list": []},
        "extra": {"number": 3, "list": [1], "text": "x"},
    },
)
entry(
    "Model.predict",
    dr.Model(NET, THETA).predict,
    {"X": X},
    {"X": v.rows(), "engine": v.NO_NAME | {"none": None}},
)
PREDICT = {k: b for k, b in v.rows().items() if k != "one row without its axis"}
entry("predictor", engines.make_predictor(NET, THETA), {"x": X}, {"x": PREDICT})
entry(
    "make_predictor",
    engines.make_predictor,
    {"net": NET, "theta": THETA},
    {"net": TRAIN["net"], "theta": BASE["theta"], "engine": v.NO_NAME | {"none": None}},
)
entry("make_engine", dr.make_engine, {"which": "auto"}, {"which": v.NO_NAME | {"none": None}})
entry(
    "check_engine",
    dr.check_engine,
    {"engine": dr.ReferenceEngine, "checks": ["permutation"]},
    {"engine": v.NO_NAME | {"none": None}},
)
entry(
    "EngineSettings",
    engines.EngineSettings,
    {},
    {
        "rule": TRAIN["rule"],
        "l2": TRAIN["l2"],
        "dropout": {k: b for k, b in v.NO_NUMBER.items() if k not in ("list", "array")}
        | {"one": 1.0},
        "clip_norm": TRAIN["clip_norm"],
        "averaging": TRAIN["averaging"],
        "seed": v.NO_SEED,
        "total_weight": NUMBERS_ZERO,
    },
)
entry(
    "save_model",
    dr.save_model,
    {"folder": "x", "model": dr.Model(NET, THETA)},
    {
        "model": {"none": None, "text": "x", "network": NET, "estimator": dr.MLPRegressor()},
        "folder": v.paths(),
    },
)
entry(
    "load_model",
    dr.load_model,
    {"folder": "x"},
    {
        "folder": v.paths()
        | {
            "absent": "/no/such/folder",
            "device": "/dev/null",
            "directory": "/dev",
            "long": "a" * 5000,
        }
    },
)
entry(
    "load_recording",
    training.load_recording,
    {"folder": "x"},
    {
        "folder": {
            "none": None,
            "number": 3,
            "empty": "",
            "nul": "a\0b",
            "absent": "/no/such/folder",
            "device": "/dev/null",
        }
    },
)
entry(
    "Patience", training.Patience, {"epochs": 3}, {"epochs": v.NO_COUNT, "tolerance": v.NO_NUMBER}
)
entry(
    "GeneralizationLoss",
    training.GeneralizationLoss,
    {},
    {"alpha": {k: b for k, b in NUMBERS_ZERO.items() if k != "zero"}},
)
entry(
    "Progress",
    training.Progress,
    {},
    {"strip": v.NO_COUNT, "threshold": {k: b for k, b in NUMBERS_ZERO.items() if k != "zero"}},
)
entry(
    "Checkpoint",
    training.Checkpoint,
    {"folder": "x"},
    {
        "folder": {
            "none": None,
            "number": 3,
            "empty": "",
            "nul": "a\0b",
            "list": ["a"],
            "bytes": b"a",
        },
        "every": dict(v.NO_NUMBER.items()),
    },
)
entry(
    "Recorder",
    training.Recorder,
    {},
    {
        "folder": {"number": 3, "empty": "", "list": ["a"]},
        "most": v.NO_COUNT,
        "most_bytes": {
            k: b
            for k, b in v.NO_COUNT.items()
            if k not in ("zero", "float", "fraction", "infinity")
        },
        "share": v.NO_NUMBER,
    },
)
entry(
    "epoch_order",
    training.epoch_order,
    {"n_rows": 5, "seed": 0, "epoch": 1},
    {"n_rows": v.NO_COUNT, "seed": v.NO_SEED, "epoch": v.NO_SEED},
)
entry(
    "split_rows",
    training.split_rows,
    {"n_rows": 10, "fraction": 0.3, "seed": 0},
    {
        "n_rows": v.NO_COUNT,
        "fraction": v.NO_NUMBER | {"one": 1.0, "zero": 0.0},
        "seed": v.NO_SEED,
        "classes": {
            "too few": np.zeros(3),
            "text": "abc",
            "number": 3,
            "matrix": np.zeros((10, 2)),
        },
    },
)
entry(
    "clip_by_norm",
    lambda g, max_norm: clip_by_norm(np, g, max_norm),
    {"g": np.ones(3), "max_norm": 1.0},
    {"max_norm": v.NO_NUMBER},
)
