"""Scores of chunks: those of all rows at once."""

import numpy as np
import pytest

from deltarule.tabular import score_sums
from deltarule.tabular.score_sums import ScoreSums
from deltarule.tabular.scores import score_outputs

N = 3000


def in_chunks(task, n_classes, truth, outputs, weights):
    sums = ScoreSums(task, n_classes)
    for rows in np.array_split(np.arange(len(truth)), 7):
        sums.add(truth[rows], outputs[rows], None if weights is None else weights[rows])
    sums.add(truth[:0], outputs[:0], weights)
    return sums


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n_classes", [2, 3, 40])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_scores_of_classes(weighted, n_classes, dtype):
    rng = np.random.default_rng(n_classes)
    truth = rng.integers(0, n_classes - (n_classes > 2), N)  # no row is of the last of several
    logits = 3 * rng.normal(size=(N, n_classes)) + 2 * np.eye(n_classes)[truth]
    outputs = np.exp(logits).astype(dtype)
    outputs /= outputs.sum(axis=1, keepdims=True)
    weights = rng.choice([0.0, 0.5, 2.0], N) if weighted else None
    sums = in_chunks("classification", n_classes, truth, outputs, weights)
    found, wanted = sums.scores(), score_outputs("classification", truth, outputs, weights)
    assert found["accuracy"] == pytest.approx(wanted["accuracy"], rel=1e-12)
    assert found["log_loss"] == pytest.approx(wanted["log_loss"], rel=1e-12)
    assert abs(found["auc"] - wanted["auc"]) <= sums.auc_error + 1e-12
    assert sums.auc_error < 2e-6 * n_classes**2
    assert sums._curves.size <= score_sums._MOST_SUMS


def test_equal_probabilities_count_half_and_close_ones_are_told_apart():
    p = np.array([0.5, 0.5, 1 - 1e-6, 1 - 2e-6, 1e-9, 2e-9])
    truth = np.array([0, 1, 1, 0, 0, 1])
    outputs = np.stack([1 - p, p], axis=1)
    sums = in_chunks("classification", 2, truth, outputs, None)
    assert sums.scores()["auc"] == score_outputs("classification", truth, outputs)["auc"]
    assert sums.auc_error == pytest.approx(0.5 / 9)  # of the two that are equal


def test_a_wide_bin_says_how_far_off_the_area_may_be(monkeypatch):
    monkeypatch.setattr(score_sums, "_MOST_SUMS", 2000)
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, N)
    p = rng.beta(2 + truth, 3 - truth)
    outputs = np.stack([1 - p, p], axis=1)
    sums = in_chunks("classification", 2, truth, outputs, None)
    off = abs(sums.scores()["auc"] - score_outputs("classification", truth, outputs)["auc"])
    assert 0 < off <= sums.auc_error < 0.1


def test_one_class_has_no_area():
    outputs = np.full((4, 2), 0.5)
    assert in_chunks("classification", 2, np.zeros(4, int), outputs, None).scores()["auc"] is None


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("scale", [1.0, 1e250, 1e-250])
def test_scores_of_numbers(weighted, scale):
    rng = np.random.default_rng(0)
    truth = scale * (1e3 + rng.normal(size=N))
    outputs = truth + 0.3 * scale * rng.normal(size=N)
    weights = rng.choice([0.0, 0.5, 2.0], N) if weighted else None
    found = in_chunks("regression", 0, truth, outputs, weights).scores()
    wanted = score_outputs("regression", truth, outputs, weights)
    assert found == pytest.approx(wanted, rel=1e-9)


def test_equal_targets_have_no_r2():
    sums = in_chunks("regression", 0, np.ones(9), np.zeros(9), None)
    assert sums.scores() == {"r2": None, "rmse": 1.0, "mae": 1.0}
