"""Arguments that do not fit: each with its message, before anything is trained."""

import numpy as np
import pytest
from tests.training.helpers import regression

from deltarule.engines import ReferenceEngine
from deltarule.errors import DeltaruleError, InputError, UnknownName
from deltarule.maths import Network
from deltarule.training import train

NET, X, Y = regression(n=6)
NAN = X.copy()
NAN[2, 1] = np.nan


class Untouchable(ReferenceEngine):
    def step(self, batch, learning_rate):
        raise AssertionError("trained with a bad argument")


BAD = [
    ({"learning_rate": 0}, r"learning_rate is 0; expected a number in \(0, inf\)"),
    ({"learning_rate": -0.1}, "learning_rate is -0.1"),
    ({"learning_rate": np.inf}, "learning_rate is inf"),
    ({"learning_rate": np.nan}, "learning_rate is nan"),
    ({"learning_rate": "fast"}, "learning_rate is 'fast'"),
    ({"learning_rate": True}, "learning_rate is True"),
    ({"epochs": 0}, "epochs is 0; expected a whole number, at least 1"),
    ({"epochs": 2.0}, "epochs is 2.0"),
    ({"epochs": True}, "epochs is True"),
    ({"seed": -1}, "seed is -1; expected a whole number, at least 0"),
    ({"seed": 0.5}, "seed is 0.5"),
    ({"seed": None}, "seed is None"),
    ({"seed": -1, "validation": 0.5}, "seed is -1"),
    ({"batch_size": 0}, "batch_size is 0; expected a whole number, at least 1"),
    ({"batch_size": 1.5}, "batch_size is 1.5"),
    ({"batch_size": "all"}, "batch_size is 'all'; expected a whole number, at least 1, or 'auto'"),
    ({"batch_size": 3, "rule": "rprop"}, "rule 'rprop' compares .* all 6 rows .* is 3; use 'auto'"),
    ({"rule": "adm"}, "unknown rule 'adm'; did you mean 'adam'.*or a minimizer: lbfgs"),
    ({"rule": 3}, "3 is no rule; expected a name"),
    ({"rule": {"name": "adam", "beta3": 1}}, "rule 'adam' has no parameter 'beta3'"),
    ({"schedule": "cosin"}, "unknown schedule 'cosin'; did you mean 'cosine'"),
    ({"l2": -1}, "l2 is -1; expected a number in"),
    ({"l1": np.nan}, "l1 is nan"),
    ({"dropout": 1.0}, "dropout is 1.0; expected a number in"),
    ({"dropout": [0.5, 0.5]}, "dropout has 2 rates; expected 1"),
    ({"clip_norm": 0}, "clip_norm is 0; expected"),
    ({"averaging": 2}, "averaging is 2; expected"),
    ({"engine": "gpu"}, "unknown engine 'gpu'; known: auto"),
    ({"engine": 5}, "engine is 5; expected a name, or an Engine"),
    ({"theta": [1.0]}, r"theta has shape \(1,\); expected"),
    ({"theta": np.full(NET.n_parameters, np.nan)}, r"theta\[0\] is nan; expected finite"),
    ({"stopping": 0}, "patience is 0; expected a number of epochs"),
    ({"stopping": "soon"}, "stopping holds 's'; expected a number of epochs"),
    ({"stopping": True}, "stopping holds True"),
    ({"stopping": [3]}, "stopping holds 3"),
    ({"callbacks": print}, "callbacks is <built-in function print>; expected a list"),
    ({"callbacks": [1]}, r"callbacks is \[1\]; expected a list of functions"),
    ({"scorer": "accuracy"}, "scorer is 'accuracy'; expected a function of the engine"),
    ({"validation": 0.0}, "share to hold out is 0.0; expected"),
    ({"validation": 1.5}, "share to hold out is 1.5"),
    ({"validation": True}, "validation is True; expected a share such as 0.1"),
    ({"validation": 1}, "validation is 1; expected a share"),
    ({"validation": "some"}, "validation is 'some'"),
    ({"validation": (X,)}, r"validation has 1 items; expected \(X, Y\)"),
    ({"validation": (X[:, :2], Y)}, r"validation: X has shape \(6, 2\)"),
    ({"validation": (X, Y[:3])}, r"validation: Y has shape \(3, 2\)"),
    ({"validation": (X[:0], Y[:0])}, "validation: X has no rows"),
    ({"validation": (X, Y, np.zeros(6))}, "weights of the 6 validation rows add to 0"),
    ({"validation": (X, Y, [-1] * 6)}, r"validation: sample_weight\[0\] is -1"),
    ({"sample_weight": np.zeros(6)}, "weights of the 6 training rows add to 0"),
    ({"sample_weight": [1, 2]}, r"sample_weight has shape \(2,\)"),
    ({"sample_weight": [1, 1, 1, 1, 1, np.inf]}, r"sample_weight\[5\] is inf"),
    (
        {"sample_weight": [1, 0, 0, 0, 0, 0], "validation": 0.8, "seed": 0},
        "weights of the 5 validation rows add to 0|weights of the 1 training rows add to 0",
    ),
]


@pytest.mark.parametrize(("options", "message"), BAD, ids=[message[:40] for _, message in BAD])
def test_a_bad_option_is_refused_by_name(options, message):
    with pytest.raises(DeltaruleError, match=message):
        train(NET, X, Y, **({"engine": Untouchable} | options))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ((X[0], Y), r"X has shape \(3,\); expected \(N, 3\).*a single row is"),
        ((X[:, :2], Y), r"X has shape \(6, 2\)"),
        ((NAN, Y), r"X\[2, 1\] is nan; .*impute"),
        ((X.astype(str), Y), "X has dtype"),
        ((X[:0], Y[:0]), "X has no rows; expected at least one"),
        ((X, Y[:3]), r"Y has shape \(3, 2\); expected 6 rows like X"),
        ((X, Y[:, 0]), "Y has shape"),
        ((X, Y.astype(object)), "Y has dtype object"),
    ],
)
def test_bad_data_are_refused(data, message):
    with pytest.raises(InputError, match=message):
        train(NET, *data, engine=Untouchable)


def test_one_row_cannot_be_split():
    with pytest.raises(InputError, match=r"1 row\(s\) cannot be split"):
        train(NET, X[:1], Y[:1], validation=0.5)


def test_dropout_needs_a_hidden_layer():
    with pytest.raises(InputError, match="no hidden layer"):
        train(Network([3, 2], []), X, Y, dropout=0.5)


def test_an_unknown_name_is_a_key_error_too():
    with pytest.raises(KeyError):
        train(NET, X, Y, rule="adm")
    assert issubclass(UnknownName, InputError)


def test_what_is_no_flag_result_or_score_is_refused():
    X = np.zeros((6, 1))
    net = Network([1, 1])
    with pytest.raises(InputError, match="expected a StopFlag"):
        train(net, X, X, epochs=1, stop=3)
    with pytest.raises(InputError, match="expected what train gave"):
        train(net, X, X, epochs=1, resume=3)
    with pytest.raises(InputError, match="the scorer gave 'a' after epoch 1; expected a number"):
        train(net, X, X, epochs=1, scorer=lambda engine: "a")
