"""Scores are the numbers of scikit-learn's metrics."""

import numpy as np
import pytest
from sklearn import metrics

from deltarule.tabular.scores import score_outputs


def close(value):
    return pytest.approx(value, rel=1e-15, abs=0)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n_classes", [2, 5])
@pytest.mark.parametrize("digits", [1, 2, 16])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_scores_of_classes_are_those_of_scikit_learn(weighted, n_classes, digits, dtype):
    rng = np.random.default_rng(n_classes + digits)
    truth = rng.integers(0, n_classes, 400)
    truth[:n_classes] = np.arange(n_classes)
    # Few digits make ties, and probabilities of 0 and 1.
    raw = np.exp(rng.normal(size=(400, n_classes)) * 3 + 2 * np.eye(n_classes)[truth])
    outputs = (raw / raw.sum(axis=1, keepdims=True)).round(digits).astype(dtype)
    outputs[outputs.sum(axis=1) == 0] = 1 / n_classes
    weights = np.where(rng.random(400) < 0.2, 0.0, rng.random(400)) if weighted else None
    p = outputs.astype(np.float64)
    p /= p.sum(axis=1, keepdims=True)
    found = score_outputs("classification", truth, outputs, weights)
    labels = np.arange(n_classes)
    assert found["accuracy"] == metrics.accuracy_score(
        truth, outputs.argmax(axis=1), sample_weight=weights
    )
    assert found["log_loss"] == close(
        metrics.log_loss(truth, p, labels=labels, sample_weight=weights)
    )
    aucs = [
        metrics.roc_auc_score(truth == label, p[:, label], sample_weight=weights)
        for label in ([1] if n_classes == 2 else labels)
    ]
    assert found["auc"] == close(np.mean(aucs))


@pytest.mark.parametrize("weighted", [False, True])
def test_scores_of_numbers_are_those_of_scikit_learn(weighted):
    rng = np.random.default_rng(3)
    truth = rng.normal(size=300) * 40 + 7
    outputs = truth + rng.normal(size=300)
    w = rng.random(300) if weighted else None
    found = score_outputs("regression", truth, outputs, w)
    expected = {
        "r2": metrics.r2_score(truth, outputs, sample_weight=w),
        "rmse": metrics.root_mean_squared_error(truth, outputs, sample_weight=w),
        "mae": metrics.mean_absolute_error(truth, outputs, sample_weight=w),
    }
    assert found == pytest.approx(expected, rel=1e-13)
