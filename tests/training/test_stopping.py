"""Criteria for stopping, case by case by hand."""

import numpy as np
import pytest
from tests.training.helpers import history_of

from deltarule import Network, train
from deltarule.errors import InputError
from deltarule.training import (
    EpochLog,
    GeneralizationLoss,
    History,
    Patience,
    Progress,
    StopFlag,
    StopReason,
)


def stops_at(criterion, losses, training=None):
    """The first epoch after which a criterion gives a reason, or None."""
    training = losses if training is None else training
    for t in range(1, len(losses) + 1):
        if criterion.reason(history_of(losses[:t], training[:t])):
            return t
    return None


@pytest.mark.parametrize(
    ("patience", "losses", "expected"),
    [
        (Patience(2), [5, 4, 3, 2, 1], None),
        (Patience(2), [5, 4, 4, 4, 3], 4),  # equal is no improvement
        (Patience(2), [5, 4, 4.5, 3.9, 4, 4], 6),  # an improvement starts the count anew
        (Patience(1), [5, 6], 2),
        (Patience(3), [1, 2, 2, 2, 2], 4),
        (Patience(2, tolerance=0.5), [5, 4.6, 4.2, 3.7, 3.4], 3),
        (Patience(2, tolerance=0.5), [5, 4.4, 4.0, 3.8, 3.4], 4),  # against the best, 4.4 then 4.0
    ],
)
def test_patience(patience, losses, expected):
    assert stops_at(patience, losses) == expected


@pytest.mark.parametrize(
    ("criterion", "losses", "expected"),
    [
        (GeneralizationLoss(5), [1.0, 0.8, 0.84, 0.841], 4),  # 5 % is not above 5 %
        (GeneralizationLoss(5), [1.0, 0.9, 0.94], None),
        (GeneralizationLoss(0), [1.0, 0.9, 0.9, 0.9001], 4),
        # Strips of 2: epochs 2, 4 and 6 are looked at, 3 and 5 are not.
        (GeneralizationLoss(5, every=2), [1.0, 1.0, 2.0, 0.9, 2.0, 1.0], 6),
        (GeneralizationLoss(5, every=2), [0.1, 1.0, 0.1, 1.0], None),
        (GeneralizationLoss(5), [0.5, 0.0, 0.0, 1e-9], 4),  # against a perfect loss
    ],
)
def test_generalization_loss(criterion, losses, expected):
    assert stops_at(criterion, losses) == expected


@pytest.mark.parametrize(
    ("criterion", "training", "expected"),
    [
        # Mean 1.01 over minimum 1: 10 ‰.
        (Progress(strip=2, threshold=10.1), [1.02, 1.0], 2),
        (Progress(strip=2, threshold=9.9), [1.02, 1.0], None),
        # Between strips nothing is looked at.
        (Progress(strip=3, threshold=1), [5, 5, 4, 3, 3, 3], 6),
        # Progress is measured within the strip, so a rise counts as movement too.
        (Progress(strip=2, threshold=1), [1, 2, 3, 4], None),
        (Progress(strip=2, threshold=0.1), [0.5, 0.0, 0.0, 0.0], 4),
    ],
)
def test_progress(criterion, training, expected):
    # The validation loss says the contrary, and is not looked at.
    validation = [1.0 / (t + 1) for t in range(len(training))]
    assert stops_at(criterion, validation, training) == expected


def scored(scores):
    return History([EpochLog(t, t, 1, 0, 1, s, 0.1, 0) for t, s in enumerate(scores, 1)])


def test_with_a_scorer_the_score_is_followed():
    assert Patience(2).reason(scored([0.5, 0.9, 0.8, 0.9]))
    assert not Patience(2).reason(scored([0.5, 0.9, 0.8, 0.91]))


def test_generalization_loss_of_a_score_counts_from_the_best_there_is():
    # E = 1 − score: 0.10, 0.12, which is 20 % more.
    history = scored([0.90, 0.88])
    assert GeneralizationLoss(19, highest=1.0).reason(history) is not None
    assert GeneralizationLoss(21, highest=1.0).reason(history) is None
    with pytest.raises(InputError, match=r"one of them is -0.9; .*give highest"):
        GeneralizationLoss(5).reason(history)


def test_progress_refuses_losses_that_have_no_ratio():
    with pytest.raises(InputError, match=r"one of them is -0.5; .*use Patience"):
        Progress(strip=2).reason(history_of([-0.4, -0.5]))


@pytest.mark.parametrize(
    "criterion", [Patience(1), GeneralizationLoss(0), Progress(strip=1, threshold=9)]
)
def test_nothing_is_said_of_no_epochs(criterion):
    assert criterion.reason(History()) is None


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Patience(0), "patience is 0; expected a number of epochs"),
        (lambda: Patience(2.5), "patience is 2.5"),
        (lambda: Patience(2, tolerance=-1), "tolerance is -1; expected a number ≥ 0"),
        (lambda: Patience(2, tolerance=np.nan), "tolerance is nan"),
        (lambda: GeneralizationLoss(-5), "alpha is -5; expected percent"),
        (lambda: GeneralizationLoss(5, every=0), "every is 0; expected a number of epochs"),
        (lambda: Progress(strip=0), "strip is 0; expected a number of epochs"),
        (lambda: Progress(threshold=-0.1), "threshold is -0.1; expected per mille"),
    ],
)
def test_a_criterion_that_makes_no_sense_is_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_the_history_goes_into_json_and_back():
    history = history_of([0.1, 0.2])
    assert History.from_list(history.to_list()) == history
    assert history.column("validation_loss") == [0.1, 0.2]


def test_what_is_monitored():
    record = EpochLog(1, 1, 0.5, 0.25, None, None, 0.1, 0.0)
    values = [
        History([record]),
        History([EpochLog(1, 1, 0.5, 0.25, 0.4, None, 0.1, 0.0)]),
        History([EpochLog(1, 1, 0.5, 0.25, 0.4, 0.9, 0.1, 0.0)]),
    ]
    assert [h.monitored() for h in values] == [[0.75], [0.4], [-0.9]]


@pytest.mark.parametrize(
    ("reason", "text", "options"),
    [
        (StopReason.EPOCHS, "all epochs done", {}),
        (StopReason.CRITERION, "no improvement for 1 epochs", {"stopping": Patience(1, 1e9)}),
        (StopReason.CALLBACK, "stopped by a callback", {"callbacks": [lambda event: True]}),
        (StopReason.CONVERGED, "converged", {"rule": "lbfgs", "epochs": 100}),
        (StopReason.EPOCHS, "all epochs done", {"rule": "lbfgs", "epochs": 1}),
        (StopReason.FLAG, "enough", {"stop": "enough"}),
        (StopReason.FLAG, "enough", {"stop": "enough", "rule": "lbfgs"}),
    ],
)
def test_a_result_says_why_training_ended(reason, text, options):
    if "stop" in options:
        options = options | {"stop": StopFlag()}
        options["stop"].stop(text)
    X = np.linspace(-1, 1, 8)[:, None]
    result = train(Network([1, 1]), X, X, **{"epochs": 3} | options)
    assert (result.stop_reason, result.stopped) == (reason, text)
