"""One fit on many workers equals that on one. The workers are threads; JAX is not needed."""

import numpy as np
import pytest
from tests.cluster.thread_world import on_threads

from deltarule import Network, StopFlag, train
from deltarule.cluster import (
    DataParallelEngine,
    LoneWorld,
    current_world,
    train_in_world,
    use_world,
)
from deltarule.cluster.stop_flag import WorldFlag
from deltarule.engines import Batch, EngineSettings, make_engine
from deltarule.errors import Diverged, InputError, WorkerFailed
from deltarule.optimizers import MINIMIZERS, RULES
from deltarule.training import Batches, Checkpoint, Patience, Recorder, RowSource, StopReason

RNG = np.random.default_rng(5)
X = RNG.normal(size=(157, 5))
Y = np.sin(X[:, :2] * 2)
S = RNG.uniform(0.0, 2.0, size=157)
S[::7] = 0


def network(dtype="float32"):
    return Network([5, 9, 6, 2], "tanh", dtype=dtype)


def assert_close(net, theta, expected):
    """Within 64 eps of max |θ| in each block, the bar of the issue."""
    for block in net.blocks:
        mine, one = block.of(theta), block.of(expected)
        assert np.abs(mine - one).max() <= 64 * np.finfo(net.dtype).eps * np.abs(one).max()


def trained(size, net, **arguments):
    """The result on workers, which all have the same one."""
    results = on_threads(size, lambda world: train_in_world(net, X, Y, world=world, **arguments))
    for each in results:
        if isinstance(each, BaseException):
            raise each
        np.testing.assert_array_equal(each.theta, results[0].theta)
        assert [log.loss for log in each.history.logs] == [
            log.loss for log in results[0].history.logs
        ]
    return results[0]


# Ten steps: two epochs of 157 rows in batches of 32, whose last has 29.
TEN_STEPS = {"epochs": 2, "batch_size": 32, "learning_rate": 0.01, "seed": 3}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", [2, 3, 5])
def test_ten_steps_equal_those_of_one_worker(size, dtype):
    net = network(dtype)
    settings = TEN_STEPS | {"sample_weight": S, "validation": 0.2, "l2": 0.01, "l1": 1e-3}
    settings |= {"dropout": 0.2, "clip_norm": 1.0, "averaging": 0.9}
    one, many = train(net, X, Y, **settings), trained(size, net, **settings)
    assert_close(net, many.theta, one.theta)
    for mine, log in zip(many.history.logs, one.history.logs, strict=True):
        assert mine.loss == pytest.approx(log.loss, rel=1e-5)
        assert mine.validation_loss == pytest.approx(log.validation_loss, rel=1e-5)
    assert (many.best_epoch, many.engine, many.stopped) == (one.best_epoch, one.engine, one.stopped)


@pytest.mark.parametrize("rule", [name for name in RULES.names() if not RULES.get(name).full_batch])
def test_every_rule(rule):
    net = network("float64")
    one, many = of_one(net, rule=rule, **TEN_STEPS), trained(3, net, rule=rule, **TEN_STEPS)
    np.testing.assert_allclose(many.theta, one.theta, rtol=1e-9, atol=1e-12)


def of_one(net, **arguments):
    return train(net, X, Y, **arguments)


@pytest.mark.parametrize(
    "rule", [*(name for name in RULES.names() if RULES.get(name).full_batch), *MINIMIZERS.names()]
)
def test_rules_and_minimizers_of_all_rows(rule):
    net = network("float64")
    settings = {"rule": rule, "epochs": 6, "l2": 0.01, "validation": 0.2}
    one, many = of_one(net, **settings), trained(2, net, **settings)
    np.testing.assert_allclose(many.theta, one.theta, rtol=1e-5, atol=1e-8)
    assert len(many.history) == len(one.history)


def test_the_same_bits_in_every_run():
    net = network()
    first, second = (trained(3, net, dropout=0.3, **TEN_STEPS) for _ in range(2))
    np.testing.assert_array_equal(first.theta, second.theta)
    assert first.state.keys() == second.state.keys()
    for name, value in first.state.items():
        np.testing.assert_array_equal(value, second.state[name])


def test_workers_without_rows_take_part():
    net = network("float64")
    settings = {"batch_size": 3, "epochs": 1, "validation": (X[:2], Y[:2])}
    np.testing.assert_allclose(
        trained(5, net, **settings).theta, of_one(net, **settings).theta, rtol=1e-10, atol=1e-14
    )


@pytest.mark.parametrize("engine", ["reference", "compiled"])
def test_parts_of_any_size_add_up(engine):
    net = network("float64")
    theta = net.initial(0)
    batch = Batch(X, Y, S / S.sum(), np.arange(len(X)), 4)
    whole = make_engine(engine)
    whole.load(net, theta, EngineSettings(dropout=0.4, seed=2))
    cost, grad = whole.gradient(batch)

    def of_worker(world):
        # The parts that a store gives: 1, 0 and all other rows.
        part = (slice(0, 1), slice(0, 0), slice(1, None))[world.rank]
        mine = DataParallelEngine(world, engine, divided=True)
        mine.load(net, theta, EngineSettings(dropout=0.4, seed=2))
        return mine.gradient(Batch(*(each[part] for each in batch[:4]), batch.step))

    for mine_cost, mine_grad in on_threads(3, of_worker):
        assert mine_cost == pytest.approx(cost, rel=1e-14)
        np.testing.assert_allclose(mine_grad, grad, rtol=1e-11, atol=1e-15)


def test_early_stopping_and_best_weights():
    net = network()
    settings = {"epochs": 60, "learning_rate": 0.05, "batch_size": 20, "validation": 0.3}
    settings |= {"stopping": Patience(3), "seed": 1}
    one, many = of_one(net, **settings), trained(2, net, **settings)
    assert one.stop_reason is StopReason.CRITERION
    assert many.stopped == one.stopped
    assert abs(many.best_epoch - one.best_epoch) <= 1  # losses differ by roundings
    assert many.best_epoch < len(many.history)


class ByClock:
    """Stops where the clock of a worker says so: of each worker after another epoch."""

    def __init__(self, rank):
        self.rank = rank

    def reason(self, history):
        return "time is up" if len(history) > self.rank else None


def test_a_criterion_decides_on_worker_0():
    def work(world):
        return train_in_world(
            network(), X, Y, world=world, stopping=ByClock(3 - world.rank), epochs=9
        )

    for result in on_threads(2, work):
        assert (len(result.history), result.stopped) == (4, "time is up")


def test_callbacks_run_on_worker_0_and_end_all():
    seen = []

    def work(world):
        def callback(event):
            seen.append((world.rank, event.epoch))
            return event.epoch == 2

        return train_in_world(network(), X, Y, world=world, callbacks=[callback], epochs=9)

    for result in on_threads(3, work):
        assert (len(result.history), result.stop_reason) == (2, StopReason.CALLBACK)
    assert seen == [(0, 1), (0, 2)]


def test_a_scorer_counts_on_worker_0():
    def work(world):
        return train_in_world(
            network(), X, Y, world=world, scorer=lambda engine: float(world.rank == 0), epochs=2
        )

    assert [[log.score for log in result.history.logs] for result in on_threads(2, work)] == [
        [1.0, 1.0]
    ] * 2


def test_a_stop_on_one_worker_ends_all_after_the_same_step():
    def work(world):
        flag = StopFlag()

        def order(epoch):
            if world.rank == 1 and epoch == 3:
                flag.stop("enough", StopReason.INTERRUPTED)
            return np.arange(len(X))

        return train_in_world(network(), X, Y, world=world, stop=flag, order=order, epochs=50)

    first, second = on_threads(2, work)
    assert first.stop_reason is second.stop_reason is StopReason.INTERRUPTED
    assert second.stopped == "enough"
    np.testing.assert_array_equal(first.theta, second.theta)
    np.testing.assert_array_equal(first.state["run.partial"], second.state["run.partial"])


def test_a_stop_before_the_first_step():
    flag = StopFlag()
    flag.stop("not now")

    def work(world):
        return train_in_world(
            network(), X, Y, world=world, stop=flag if world.rank else StopFlag(), epochs=5
        )

    for result in on_threads(2, work):
        assert len(result.history) == 0
        assert result.stop_reason is StopReason.FLAG


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"epochs": 4}, "epochs is 3 on worker 0, and 4 on worker 1"),
        ({"l2": 0.5}, "settings l2 is 0.0 on worker 0, and 0.5 on worker 1"),
        ({"sample_weight": S}, "data weights is not the same"),
        ({"theta": np.zeros(network().n_parameters)}, "start is not the same"),
        ({"engine": "reference"}, "environment engine is 'compiled' on worker 0"),
    ],
)
def test_workers_with_different_trainings_are_refused(changed, told):
    def work(world):
        given = {"epochs": 3, "engine": "compiled"} | (changed if world.rank == 1 else {})
        return train_in_world(network(), X, Y, world=world, **given)

    for error in on_threads(2, work):
        assert isinstance(error, InputError)
        assert "workers 0 and 1 of 2 were given different trainings" in str(error)
        assert told in str(error)


def test_divergence_is_told_on_every_worker():
    def work(world):
        return train_in_world(network(), X, Y * 1e3, world=world, rule="sgd", learning_rate=1e6)

    errors = on_threads(2, work)
    assert [type(each) for each in errors] == [Diverged, Diverged]
    with pytest.raises(Diverged) as one:
        train(network(), X, Y * 1e3, rule="sgd", learning_rate=1e6)
    assert {(each.epoch, each.batch) for each in errors} == {(one.value.epoch, one.value.batch)}


def test_going_back_after_divergence():
    net = network("float64")
    settings = {"rule": "sgd", "learning_rate": 30.0, "epochs": 4, "batch_size": 40}
    settings |= {"on_divergence": "halve_learning_rate", "validation": 0.2}
    one, many = of_one(net, **settings), trained(2, net, **settings)
    np.testing.assert_allclose(many.theta, one.theta, rtol=1e-4, atol=1e-6)


def test_a_recorder_is_refused():
    for error in on_threads(
        2, lambda world: train_in_world(network(), X, Y, world=world, callbacks=[Recorder()])
    ):
        assert isinstance(error, InputError)
        assert error.parameter == "callbacks"


def test_a_checkpoint_goes_on_with_as_many_workers_bit_for_bit(tmp_path):
    net = network()
    settings = {"epochs": 6, "batch_size": 20, "dropout": 0.2, "validation": 0.2, "stopping": 20}
    undisturbed = trained(3, net, **settings)

    def interrupted(size, **more):
        def work(world):
            flag = StopFlag()
            stop = [lambda event: flag.stop() if event.epoch == 3 else None]
            return train_in_world(
                net, X, Y, world=world, stop=flag, callbacks=stop, **settings, **more
            )

        return on_threads(size, work)

    for result in interrupted(3, checkpoint=Checkpoint(tmp_path / "same", every=0.0)):
        assert len(result.history) == 3
    # Every worker is given the folder; only worker 0 may claim it.
    same = trained(3, net, checkpoint=tmp_path / "same", **settings)
    np.testing.assert_array_equal(same.theta, undisturbed.theta)
    again = trained(3, net, checkpoint=tmp_path / "same", **settings)  # has ended
    np.testing.assert_array_equal(again.theta, undisturbed.theta)
    # Fewer workers, and one alone without a world, go on to roundings.
    for size in (2, 1):
        interrupted(3, checkpoint=tmp_path / str(size))
        fewer = (
            trained(2, net, checkpoint=tmp_path / "2", **settings)
            if size == 2
            else of_one(net, checkpoint=tmp_path / "1", **settings)
        )
        np.testing.assert_allclose(fewer.theta, undisturbed.theta, rtol=1e-3, atol=1e-4)
        assert len(fewer.history) == 6


def test_a_checkpoint_that_cannot_be_used_is_told_on_every_worker(tmp_path):
    (tmp_path / "other.txt").write_text("mine")
    errors = on_threads(
        2, lambda world: train_in_world(network(), X, Y, world=world, checkpoint=tmp_path)
    )
    assert "holds 'other.txt' and no checkpoint" in str(errors[0])
    assert isinstance(errors[1], WorkerFailed)
    assert "other.txt" in str(errors[1])


def test_workers_that_drift_apart_are_found():
    def work(world):
        engine = DataParallelEngine(world, "reference")
        train_engine = engine.load

        def load(net, theta, settings):
            train_engine(net, theta, settings)
            apply = engine.inner.apply
            engine.inner.apply = lambda grad, rate, cost=None: apply(
                grad * (1 + 1e-6 * world.rank), rate, cost
            )

        engine.load = load
        return train(network(), X, Y, engine=engine, epochs=1, guard="off")

    for error in on_threads(2, work):
        assert isinstance(error, WorkerFailed)
        assert "the parameters of workers 0 and 1 differ" in str(error)


def test_the_world_of_a_process():
    assert current_world().size == 1

    def work(world):
        return world

    (first,) = on_threads(1, work)
    with use_world(first):
        assert current_world() is first
    assert current_world().size == 1
    with pytest.raises(InputError, match="world is 3; expected a World"):
        train_in_world(network(), X, Y, world=3)


def test_errors_of_worker_0_reach_the_others():
    def work(world):
        def failing():
            raise OSError("no room")

        return world.of_first(failing)

    first, second = on_threads(2, work)
    assert isinstance(first, OSError)
    assert str(second) == "worker 0 failed: OSError: no room"
    assert LoneWorld().of_first(lambda: [1]) == [1]


def test_bytes_of_any_length_are_exchanged():
    def work(world):
        gathered = world.gather(b"x" * (3 * world.rank))
        return (
            gathered,
            world.broadcast(b"abc" if world.is_first else b"ignored"),
            world.broadcast(b""),
        )

    for gathered, sent, nothing in on_threads(3, work):
        assert gathered == [b"", b"xxx", b"xxxxxx"]
        assert (sent, nothing) == (b"abc", b"")


def test_a_flag_of_a_world_waits_for_the_others():
    parent = StopFlag()
    flag = WorldFlag(parent)
    flag.agree([0, 0])
    assert not flag
    parent.stop("over", StopReason.INTERRUPTED)
    assert not flag
    flag.agree([0, flag.request])
    assert flag
    assert flag.stopped == (StopReason.INTERRUPTED, "over")


class CountedRows(RowSource):
    """Rows that count how many are taken."""

    def __init__(self):
        self.shape, self.dtype, self.taken = X.shape, X.dtype, []

    def __getitem__(self, rows):
        found = X[rows]
        self.taken.append(len(found))
        return found


def test_a_worker_takes_the_rows_of_its_part_alone():
    def work(world):
        rows = CountedRows()
        net = network("float64")
        engine = DataParallelEngine(world, "reference")
        engine.load(net, net.initial(0), EngineSettings())
        batches = Batches(rows, Y, np.ones(len(X)), 100, 0, True)
        list(engine.epoch(batches.epoch_steps(0, np.full(2, 0.1))))
        return rows.taken

    assert on_threads(3, work) == [[33, 19], [33, 19], [34, 19]]
