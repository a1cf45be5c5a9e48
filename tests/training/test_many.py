"""Many networks at once: each is what train alone gives, and one's end is not the others'."""

import signal
import sys
import threading
import tracemalloc

import numpy as np
import pytest
from tests.processes import started
from tests.training.helpers import classes, recorded, regression

from deltarule.engines import ReferenceEngine, make_engine
from deltarule.errors import DeltaruleError, Diverged, InputError, NotCompilable
from deltarule.maths import Activation, Network
from deltarule.training import RowSource, StopFlag, TrainingResult, train, train_many
from deltarule.training.progress_bar import Bar

OPTIONS = {"epochs": 4, "batch_size": 8, "dropout": 0.2, "averaging": 0.9, "clip_norm": 1.0}
VARIED = {"learning_rate": [1e-3, 1e-2, 1e-2, 0.1, 1e-3], "l2": [0, 1, 0, 1, 2.5], "l1": 0.1}


def assert_same(one, other):
    assert np.array_equal(one.theta, other.theta)
    assert recorded(one.history) == recorded(other.history)
    assert (one.best_epoch, one.stopped, one.engine) == (
        other.best_epoch,
        other.stopped,
        other.engine,
    )
    assert one.state.keys() == other.state.keys()
    assert all(np.array_equal(one.state[name], other.state[name]) for name in one.state)


def alone(net, X, Y, k, options, **each):
    """What train gives for network k."""
    own = {name: values[k] for name, values in each.items()}
    return train(net, X, Y, **options, **own)


# -- the same bits ------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("engine", ["auto", "reference"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_each_network_is_what_train_alone_gives(workers, engine, dtype):
    net, X, Y = regression(dtype=dtype)
    options = OPTIONS | {"engine": engine}
    many = train_many(net, X, Y, seeds=range(5), workers=workers, **VARIED, **options)
    assert len(many) == 5
    for k, result in enumerate(many):
        rates, penalties = VARIED["learning_rate"], VARIED["l2"]
        own = {"seed": k, "learning_rate": rates[k], "l2": penalties[k], "l1": 0.1}
        assert_same(result, train(net, X, Y, **options, **own))
    assert len({result.theta.tobytes() for result in many}) == 5


def test_weights_of_their_own_as_an_array_and_as_a_list():
    net, X, Y = regression()
    s = np.random.default_rng(0).integers(0, 3, (3, 30))
    for given in (s, list(s), [row.tolist() for row in s]):
        for k, result in enumerate(train_many(net, X, Y, sample_weight=given, l2=0.5, **OPTIONS)):
            assert_same(result, train(net, X, Y, sample_weight=s[k], l2=0.5, **OPTIONS))
    mixed = [None, s[1]]
    plain, weighted = train_many(net, X, Y, sample_weight=mixed, **OPTIONS)
    assert_same(plain, train(net, X, Y, **OPTIONS))
    assert_same(weighted, train(net, X, Y, sample_weight=s[1], **OPTIONS))


def test_weights_that_all_share():
    net, X, Y = regression()
    s = np.linspace(0, 2, 30)
    for given in (s, s.tolist()):
        for k, result in enumerate(train_many(net, X, Y, seeds=[4, 9], sample_weight=given)):
            assert_same(result, train(net, X, Y, seed=[4, 9][k], sample_weight=s))


FOLDS = np.arange(30) % 5


@pytest.mark.parametrize(
    "validation",
    [
        [np.flatnonzero(k == FOLDS) for k in range(5)],
        [k == FOLDS for k in range(5)],
        np.arange(5)[:, None] == FOLDS,
        tuple((k == FOLDS).tolist() for k in range(5)),
        [0.1, 0.2, None, (np.ones((4, 3)), np.zeros((4, 2))), range(7)],
        [0.1, 0.2, 0.3, 0.4, 0.5],
    ],
)
def test_each_network_has_validation_rows_of_its_own(validation):
    net, X, Y = regression()
    many = train_many(net, X, Y, validation=validation, seeds=3, stopping=2, **OPTIONS)
    for k, result in enumerate(many):
        assert_same(
            result, train(net, X, Y, validation=validation[k], seed=3, stopping=2, **OPTIONS)
        )


@pytest.mark.parametrize(
    "validation",
    [
        0.2,
        [3, 1, 2],
        np.array([3, 1, 2]),
        np.arange(30) < 4,
        (np.ones((4, 3)), np.zeros((4, 2))),
        (np.ones((4, 3)).tolist(), np.zeros((4, 2)), np.arange(4.0)),
    ],
)
def test_validation_that_all_share(validation):
    net, X, Y = regression()
    for k, result in enumerate(train_many(net, X, Y, validation=validation, seeds=[1, 2])):
        assert_same(result, train(net, X, Y, validation=validation, seed=1 + k))


def test_a_fold_is_what_its_rows_alone_give():
    net, X, Y = regression()
    s = np.linspace(0.5, 2, 30)
    held = [k == FOLDS for k in range(5)]
    options = {"batch_size": 7, "epochs": 5, "l2": 0.5}
    many = train_many(net, X, Y, validation=held, sample_weight=s, seeds=2, **options)
    for out, result in zip(held, many, strict=True):
        own = (X[out], Y[out], s[out])
        rest = {"sample_weight": s[~out], "validation": own, "seed": 2}
        assert_same(result, train(net, X[~out], Y[~out], **rest, **options))


def test_initial_parameters_of_their_own_or_shared():
    net, X, Y = regression()
    theta = np.stack([net.initial(k) for k in range(3)])
    for k, result in enumerate(train_many(net, X, Y, theta=theta, **OPTIONS)):
        assert_same(result, train(net, X, Y, theta=theta[k], **OPTIONS))
    for k, result in enumerate(train_many(net, X, Y, theta=theta[1], seeds=[5, 6], **OPTIONS)):
        assert_same(result, train(net, X, Y, theta=theta[1], seed=5 + k, **OPTIONS))


def test_many_are_resumed():
    net, X, Y = regression()
    options = OPTIONS | {"epochs": 6}
    half = train_many(net, X, Y, seeds=range(3), **options | {"epochs": 2})
    whole = train_many(net, X, Y, seeds=range(3), **options)
    again = train_many(net, X, Y, seeds=range(3), resume=half, **options)
    for one, other in zip(again, whole, strict=True):
        assert_same(one, other)


def test_classes_and_a_minimizer_and_rows_made_when_asked_for():
    net, X, y = classes()
    for k, result in enumerate(train_many(net, X, y, seeds=range(3), rule="lbfgs", epochs=5)):
        assert_same(result, train(net, X, y, seed=k, rule="lbfgs", epochs=5))

    class Made(RowSource):
        shape, dtype = X.shape, X.dtype

        def __getitem__(self, rows):
            return np.array(X[rows])

    made = train_many(net, Made(), y, seeds=range(3), validation=0.2, **OPTIONS)
    for k, result in enumerate(made):
        assert_same(result, train(net, X, y, seed=k, validation=0.2, **OPTIONS))


def test_several_outputs_for_each_target_are_made_once():
    net = Network([3, 5, 4], loss={"name": "quantile", "levels": (0.1, 0.9)})
    _, X, Y = regression()
    for k, result in enumerate(train_many(net, X, Y, seeds=range(2), epochs=2)):
        assert_same(result, train(net, X, Y, seed=k, epochs=2))


# -- one X --------------------------------------------------------------------------------


def test_x_is_not_copied_for_a_network():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60_000, 100))  # 48 MB
    Y, net = X[:, :1], Network([100, 2, 1])
    folds = np.arange(len(X)) % 4
    options = {"epochs": 2, "batch_size": 500, "workers": 2, "guard": "off"}
    train_many(net, X, Y, seeds=range(2), **options)
    tracemalloc.start()
    try:
        train_many(net, X, Y, validation=[folds == k for k in range(4)], **options)
        train_many(net, X, Y, validation=0.5, seeds=range(4), **options)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # Of the two that run at once: weights, orders, and pieces of the rows that are held out.
    assert peak < 0.8 * X.nbytes


def test_the_data_is_left_alone():
    net, X, Y = regression()
    kept = X.copy(), Y.copy()
    X.flags.writeable = Y.flags.writeable = False
    train_many(net, X, Y, seeds=range(3), validation=0.2, **OPTIONS)
    assert np.array_equal(X, kept[0])
    assert np.array_equal(Y, kept[1])


# -- callbacks and progress ---------------------------------------------------------------


class Noting(ReferenceEngine):
    """Notes threads and rows of what is loaded."""

    seen = None

    def load(self, network, theta, settings):
        super().load(network, theta, settings)
        self.seen.append((self.threads, threading.current_thread().name))


def test_each_engine_keeps_to_one_thread_and_has_a_thread_beside_the_caller_s(monkeypatch):
    monkeypatch.setattr(Noting, "seen", [])
    net, X, Y = regression()
    train_many(net, X, Y, seeds=range(4), engine=Noting, epochs=1, workers=2)
    # The first load is the check of the arguments.
    assert len(Noting.seen) == 5
    assert {threads for threads, _ in Noting.seen[1:]} == {1}
    assert threading.main_thread().name not in {name for _, name in Noting.seen[1:]}
    train(net, X, Y, engine=Noting, epochs=1)
    assert Noting.seen[-1][0] is None


def test_callbacks_know_their_network_and_end_it_alone():
    net, X, Y = regression()
    epochs = [[] for _ in range(3)]

    def note(event):
        epochs[event.network].append(event.epoch)
        return event.network == 1 and event.epoch == 2

    many = train_many(net, X, Y, seeds=range(3), epochs=4, callbacks=[note], workers=2)
    assert epochs == [[1, 2, 3, 4], [1, 2], [1, 2, 3, 4]]
    assert [r.stopped for r in many] == ["all epochs done", "stopped by a callback"] + [
        "all epochs done"
    ]


def test_progress_is_told_in_the_thread_that_waits():
    net, X, Y = regression()
    told, threads = [], set()

    def progress(done, total):
        told.append((done, total))
        threads.add(threading.current_thread())

    train_many(net, X, Y, seeds=range(5), epochs=2, progress=progress, workers=2)
    assert told == [(k, 5) for k in range(1, 6)]
    assert threads == {threading.current_thread()}


def test_a_bar_is_one_line_that_ends_full(capsys):
    net, X, Y = regression()
    train_many(net, X, Y, seeds=range(3), epochs=2, progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.endswith("\n")
    assert f"[{'#' * 30}] 3 of 3 networks, 100 %" in err
    train_many(net, X, Y, seeds=range(3), epochs=2)
    assert capsys.readouterr().err == ""


def test_a_bar_writes_over_a_longer_line(capsys):
    bar = Bar(1000)
    for parts in ([1.0] * 100, [0.0] * 1000):
        bar.parts = parts
        bar.show(100 if parts[0] else 0)
    first, second = capsys.readouterr().err.split("\r")[1:]
    assert len(second) == len(first)


# -- divergence ---------------------------------------------------------------------------

WILD = {"rule": "sgd", "learning_rate": [0.01, 1e6, 0.02, 1e7], "epochs": 30, "batch_size": 10}


def linear():
    """A network whose cost a large rate sends to infinity."""
    _, X, Y = regression()
    return Network([3, 4, 2], activation="identity"), X, Y


@pytest.mark.parametrize("workers", [1, 2])
def test_a_network_that_diverges_loses_none_of_the_others(workers):
    net, X, Y = linear()
    good = [train(net, X, Y, **WILD | {"learning_rate": rate}) for rate in (0.01, 0.02)]
    with pytest.raises(
        Diverged,
        match=r"^network 1 of 0 … 3 \(seed 0, learning_rate 1e\+06\): training diverged in epoch",
    ) as caught:
        train_many(net, X, Y, workers=workers, **WILD)
    error = caught.value
    assert error.network == 1
    assert error.epoch >= 1
    assert error.layer
    assert [type(result) for result in error.results] == [
        TrainingResult,
        Diverged,
        TrainingResult,
        Diverged,
    ]
    kept = train_many(net, X, Y, workers=workers, on_diverged="keep", **WILD)
    for results in (error.results, kept):
        assert_same(results[0], good[0])
        assert_same(results[2], good[1])
        assert [results[k].network for k in (1, 3)] == [1, 3]


def test_an_error_of_another_kind_ends_all_and_says_where():
    net, X, Y = regression()
    flag = StopFlag()

    def fail(event):
        if event.network == 1:
            raise RuntimeError("no such luck")

    before = threading.active_count()
    with pytest.raises(RuntimeError, match="no such luck") as caught:
        train_many(net, X, Y, seeds=range(50), epochs=10**6, callbacks=[fail], stop=flag, workers=2)
    assert caught.value.__notes__ == ["in network 1 of 0 … 49 (seed 1, learning_rate 0.001)"]
    assert threading.active_count() == before


def test_an_error_in_progress_leaves_no_thread_behind():
    net, X, Y = regression()

    def fail(done, total):
        raise RuntimeError("broken pipe")

    before = threading.active_count()
    with pytest.raises(RuntimeError, match="broken pipe"):
        train_many(net, X, Y, seeds=range(9), epochs=5, progress=fail, workers=2)
    assert threading.active_count() == before


# -- stopping -----------------------------------------------------------------------------


def test_a_flag_ends_all_and_what_has_not_begun_is_there_as_it_starts():
    net, X, Y = regression()
    flag = StopFlag()

    def press(event):
        if event.epoch == 3:
            flag.stop("had enough")

    options = {"epochs": 10**6, "batch_size": 5, "callbacks": [press], "stop": flag, "workers": 2}
    many = train_many(net, X, Y, seeds=range(20), **options)
    assert {result.stopped for result in many} == {"had enough"}
    begun = [len(result.history) > 0 for result in many]
    assert 1 <= sum(begun) <= 2
    for k, result in enumerate(many):
        if not begun[k] and "run.partial" not in result.state:
            assert np.array_equal(result.theta, net.initial(k))


def test_what_was_stopped_goes_on_as_if_it_had_not():
    net, X, Y = regression()
    flag = StopFlag()
    options = {"epochs": 6, "batch_size": 5, "dropout": 0.1, "workers": 2}
    stop = {"callbacks": [lambda event: event.epoch == 3 and flag.stop()], "stop": flag}
    cut = train_many(net, X, Y, seeds=range(5), **options | stop)
    again = train_many(net, X, Y, seeds=range(5), resume=cut, **options)
    for k, result in enumerate(again):
        assert_same(result, train(net, X, Y, seed=k, epochs=6, batch_size=5, dropout=0.1))


SCRIPT = """
import os
import numpy as np
from deltarule import Network, train_many

X = np.linspace(-1, 1, 2000)[:, None]
net = Network([1, 16, 1], activation="tanh")
told = lambda event: event.epoch == 3 and os.write(1, b"training\\n") and None
results = train_many(net, X, X**2, seeds=range(20), epochs=10**7, batch_size=20, workers=2,
                     engine={engine!r}, callbacks=[told])
print("ended", flush=True)
print({{result.stopped for result in results}}, len(results))
print(all(np.isfinite(result.theta).all() for result in results))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="sends a signal as POSIX does")
@pytest.mark.parametrize("engine", ["auto", "reference"])
def test_ctrl_c_ends_all_of_them_and_gives_what_there_is(engine):
    with started(SCRIPT.format(engine=engine)) as process:
        process.send_signal(signal.SIGINT)
        while (line := process.stdout.readline()) == "training\n":
            pass
        assert line == "ended\n"
        assert process.stdout.read() == "{'interrupted'} 20\nTrue\n"
        assert process.stderr.read() == ""


# -- arguments ----------------------------------------------------------------------------

NET, X, Y = regression(n=6)

BAD = [
    ({}, "nothing says how many networks to train; expected a sequence"),
    ({"seeds": 5}, "nothing says how many"),
    ({"seeds": []}, "seeds is empty; expected an entry for each network"),
    ({"seeds": range(3), "l2": [0, 1]}, "there are 3 of seeds, 2 of l2; expected sequences of one"),
    ({"seeds": [0, 1, -1]}, "network 2 of 0 … 2: seed is -1; expected a whole number"),
    ({"seeds": [0, 0.5]}, "network 1 of 0 … 1: seed is 0.5"),
    ({"seeds": "ab"}, "nothing says how many"),
    ({"learning_rate": [0.1, 0]}, "network 1 of 0 … 1: learning_rate is 0; expected a number"),
    ({"learning_rate": ["a", 0.1]}, "network 0 of 0 … 1: learning_rate is 'a'"),
    ({"l2": [0, -1]}, "network 1 of 0 … 1: .*l2 is -1"),
    ({"sample_weight": [None, [1, 2]]}, r"network 1 of 0 … 1: sample_weight has shape \(2,\)"),
    ({"sample_weight": np.zeros((2, 6))}, "network 0 of 0 … 1: the weights of the 6 training rows"),
    ({"sample_weight": [None, np.zeros(6)]}, "network 1 of 0 … 1: the weights of the 6 training"),
    ({"validation": [0.5, 1.5]}, "network 1 of 0 … 1: the share to hold out is 1.5"),
    ({"validation": [[0], [9]]}, "network 1 of 0 … 1: validation holds row 9; expected .* 0 to 5"),
    ({"validation": [(X, Y[:3])]}, "validation: Y has shape"),
    ({"theta": [None, [1.0]]}, r"network 1 of 0 … 1: theta has shape \(1,\)"),
    ({"seeds": [0, 1], "validation": (X[:, :2], Y)}, r"validation: X has shape \(6, 2\)"),
    ({"seeds": [0], "workers": 0}, "workers is 0; expected a whole number, at least 1"),
    ({"seeds": [0], "progress": 3}, "progress is 3; expected a function of"),
    ({"seeds": [0], "stop": 3}, "stop is 3; expected a StopFlag"),
    ({"seeds": [0], "callbacks": print}, "callbacks is <built-in function print>; expected a list"),
    ({"seeds": [0], "on_diverged": "ignore"}, "on_diverged is 'ignore'; expected 'raise' or"),
    ({"seeds": [0], "rule": "adm"}, "unknown rule 'adm'"),
    ({"seeds": [0, 1], "epochs": 0}, "epochs is 0"),
    ({"seeds": [0, 1], "resume": [None, 3]}, "resume is 3; expected what train gave"),
]


@pytest.mark.parametrize(("options", "message"), BAD, ids=[message[:50] for _, message in BAD])
def test_a_bad_argument_is_refused_before_anything_is_trained(options, message):
    def never(event):
        raise AssertionError("trained with a bad argument")

    with pytest.raises(DeltaruleError, match=message):
        train_many(NET, X, Y, **{"callbacks": [never]} | options)


def test_an_argument_that_train_does_not_know_is_a_type_error():
    with pytest.raises(TypeError, match="unexpected keyword argument 'epoch'"):
        train_many(NET, X, Y, seeds=range(2), epoch=3)
    with pytest.raises(TypeError, match="argument 'seed'; expected seeds, for all networks"):
        train_many(NET, X, Y, seed=[1, 2])


def test_an_engine_that_is_loaded_cannot_be_shared():
    with pytest.raises(InputError, match="engine is one ReferenceEngine, which holds one network"):
        train_many(NET, X, Y, seeds=range(2), engine=make_engine("reference"))


def test_bad_data_are_refused():
    with pytest.raises(InputError, match=r"X has shape \(6, 2\)"):
        train_many(NET, X[:, :2], Y, seeds=range(2))


def test_one_warning_where_the_reference_engine_takes_over():
    if make_engine("auto").name != "compiled":
        pytest.skip("there is no compiled engine to be taken over from")

    def branching(xp):
        value = lambda z: z if np.all(z > 0) else 0.5 * z  # noqa: E731
        return value, lambda z, a: xp.where(z > 0, 1.0, 0.5)

    net, X, Y = regression(activation=Activation("branching", branching))
    with pytest.warns(UserWarning, match="training with the reference engine, since") as warned:
        many = train_many(net, X, Y, seeds=range(3), epochs=1)
    assert len(warned) == 1
    assert {result.engine for result in many} == {"reference"}
    with pytest.raises(NotCompilable):
        train_many(net, X, Y, seeds=range(3), epochs=1, engine="compiled")
