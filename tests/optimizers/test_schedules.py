"""Schedules: values by hand, ends, composition, and replay from the list of losses."""

import json
import pickle
from math import inf, nan, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltarule.errors import InputError, UnknownName
from deltarule.optimizers import SCHEDULES, Schedule

ALL = pytest.mark.parametrize("schedule", list(SCHEDULES), ids=SCHEDULES.names())


def whole(schedule, steps_per_epoch, total, losses=(), **parameters):
    schedule = SCHEDULES.get(schedule, **parameters)
    losses = losses or [1.0] * total
    return np.concatenate(
        [schedule.factors(epoch, steps_per_epoch, total, losses) for epoch in range(total)]
    )


def plateau(losses, **parameters):
    return list(whole("reduce_on_plateau", 1, len(losses) + 1, losses, **parameters))


HALF = sqrt(0.5)

BY_HAND = [
    ("constant", {}, 2, 2, [1, 1, 1, 1]),
    ("step", {"every": 2, "gamma": 0.5}, 2, 5, [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25]),
    ("step", {"every": 0.5, "gamma": 0.5}, 2, 2, [1, 0.5, 0.25, 0.125]),
    ("inverse_scaling", {"power": 1}, 2, 3, [1, 1, 1 / 2, 1 / 2, 1 / 3, 1 / 3]),
    ("inverse_scaling", {"power": 0.5, "scale": 3, "per": "step"}, 3, 2,
     [1, 1 / 2, 7**-0.5, 10**-0.5, 13**-0.5, 1 / 4]),
    ("exponential", {"gamma": 0.25}, 2, 2, [1, 0.5, 0.25, 0.125]),
    ("cosine", {}, 2, 2, [1, (1 + HALF) / 2, 0.5, (1 - HALF) / 2]),
    ("cosine", {"final": 0.5}, 2, 1, [1, 0.75]),
    ("cosine", {"final": 1}, 1, 3, [1, 1, 1]),
    ("one_cycle", {"warmup": 0.5, "start": 0.2, "final": 0.1}, 4, 1, [0.2, 0.6, 1, 0.55]),
    ("one_cycle", {"warmup": 0.25, "start": 0.5, "final": 0}, 2, 2, [0.5, 1, 0.75, 0.25]),
    ("warmup", {"epochs": 2}, 2, 3, [0.25, 0.5, 0.75, 1, 1, 1]),
    ("warmup", {"epochs": 0.5, "start": 0.5}, 4, 1, [0.75, 1, 1, 1]),
    ("warmup", {"epochs": 1, "then": {"name": "cosine", "final": 0.5}}, 2, 2, [0.5, 1, 1, 0.75]),
    ("warmup", {"epochs": 1, "then": {"name": "step", "every": 1, "gamma": 0.5}}, 1, 4,
     [1, 1, 0.5, 0.25]),
    ("warmup", {"epochs": 9, "then": "cosine"}, 1, 3, [1 / 9, 2 / 9, 3 / 9]),
    ("reduce_on_plateau", {"factor": 0.5, "patience": 0}, 1, 4, [1, 1, 0.5, 0.25]),
    ("cosine_restarts", {"first": 1, "factor": 2}, 2, 4,
     [1, 0.5, 1, (1 + HALF) / 2, 0.5, (1 - HALF) / 2, 1, (1 + sqrt((1 + HALF) / 2)) / 2]),
    ("cosine_restarts", {"first": 1.5, "factor": 1, "final": 0.5, "decay": 0.5}, 1, 4,
     [1, 0.625, 0.5 * 0.875, 0.25]),
    ("sequence",
     {"parts": ["warmup", "cosine", "constant"], "epochs": [1, 2], "scales": [1, 1, 0.5]}, 2, 4,
     [0.5, 1, 1, (1 + HALF) / 2, 0.5, (1 - HALF) / 2, 0.5, 0.5]),
    ("sequence", {"parts": ["constant", "cosine"], "epochs": [1], "scales": [0.5, 1]}, 1, 3,
     [0.5, 1, 0.5]),
    ("sequence", {"parts": ["cosine", "cosine"], "epochs": [1, 1]}, 2, 3, [1, 0.5, 1, 0.5, 0, 0]),
    ("sequence", {"parts": [{"name": "step", "every": 1}, "constant"], "epochs": 2}, 1, 3,
     [1, 0.5, 1]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "parameters", "steps", "epochs", "expected"), BY_HAND)
def test_by_hand(name, parameters, steps, epochs, expected):
    factors = whole(name, steps, epochs, **parameters)
    np.testing.assert_allclose(factors, expected, rtol=1e-14, atol=1e-15)


def test_every_schedule_has_numbers_by_hand():
    assert {row[0] for row in BY_HAND} == set(SCHEDULES.names())


@ALL
def test_one_factor_per_step_as_float64(schedule):
    factors = schedule.factors(np.int64(2), 7, 5, [3.0, 2.0])
    assert factors.shape == (7,)
    assert factors.dtype == np.float64
    assert factors.flags.writeable
    assert np.all((factors >= 0.0) & (factors <= 1.0))


@ALL
def test_factors_beyond_the_last_epoch(schedule):
    factors = schedule.factors(50, 3, 5, [1.0] * 50)
    assert np.all(np.isfinite(factors) & (factors >= 0.0) & (factors <= 1.0))


@ALL
def test_one_step_in_all(schedule):
    assert np.all(np.isfinite(schedule.factors(0, 1, 1)))


@ALL
def test_pickles_and_round_trips(schedule):
    assert pickle.loads(pickle.dumps(schedule)) == schedule
    assert SCHEDULES.get(json.loads(json.dumps(schedule.spec()))) == schedule
    assert hash(SCHEDULES.get(schedule.spec())) == hash(schedule)
    assert schedule.summary
    assert schedule.latex
    assert str(schedule).startswith(schedule.name)


def test_cosine_ends_after_the_last_step():
    schedule = SCHEDULES.get("cosine", final=0.25)
    assert schedule.factors(2, 10, 3)[-1] > 0.25
    np.testing.assert_array_equal(schedule.factors(3, 10, 3), 0.25)


def test_one_cycle_peaks_once_at_the_base_rate():
    factors = whole("one_cycle", 10, 10)
    assert factors.argmax() == 30
    assert factors[30] == 1.0
    assert np.all(np.diff(factors[:31]) > 0)
    assert np.all(np.diff(factors[30:]) < 0)


def test_warmup_of_warmup_and_of_every_schedule():
    for inner in SCHEDULES:
        outer = SCHEDULES.get("warmup", epochs=2, then=inner)
        after = outer.factors(3, 4, 9, [3.0, 2.0, 1.0])
        np.testing.assert_allclose(after, inner.factors(1, 4, 7, [1.0]), rtol=1e-14)
        assert SCHEDULES.get(json.loads(json.dumps(outer.spec()))) == outer
        assert outer.needs_losses == inner.needs_losses


def test_losses_of_the_warmup_are_ignored():
    inner = {"name": "reduce_on_plateau", "factor": 0.5, "patience": 0}
    losses = [1.0, 3.0, 3.0]
    for length, expected in ((1, [1, 1, 0.5]), (1.5, [1, 1, 0.5]), (2, [1, 1, 1])):
        schedule = SCHEDULES.get("warmup", epochs=length, start=1.0, then=inner)
        assert [schedule.factors(epoch, 1, 9, losses)[0] for epoch in (1, 2, 3)] == expected


def test_nested_forms_are_one():
    forms = ("cosine", {"name": "cosine", "final": 0.0}, SCHEDULES.get("cosine"))
    made = {SCHEDULES.get("warmup", then=form) for form in forms}
    assert len(made) == 1
    (schedule,) = made
    assert str(schedule) == "warmup(epochs=1.0, start=0.0, then=cosine(final=0.0))"
    assert schedule.spec()["then"] == {"name": "cosine", "final": 0.0}
    # Replacing a nested schedule removes the old one.
    follows = schedule.with_parameters(then="reduce_on_plateau")
    assert follows.needs_losses
    assert follows.with_parameters(then="cosine") == schedule
    with pytest.raises(UnknownName, match="did you mean 'cosine'"):
        SCHEDULES.get("warmup", then="cosin")


class TestReduceOnPlateau:
    def test_patience_is_the_number_of_epochs_without_improvement(self):
        assert plateau([1, 1, 1, 1, 1], factor=0.5, patience=1) == [1, 1, 1, 0.5, 0.5, 0.25]

    def test_an_improvement_starts_the_count_again(self):
        assert plateau([3, 3, 2, 2, 1], factor=0.5, patience=1) == [1] * 6

    def test_small_improvements_are_none(self):
        losses = [1.0, 0.95, 0.89]
        assert plateau(losses, factor=0.5, patience=0, threshold=0.1) == [1, 1, 0.5, 0.5]
        assert plateau(losses, factor=0.5, patience=0, threshold=0.01) == [1, 1, 1, 1]

    def test_negative_losses_may_improve_too(self):
        # best · (1 − τ) would lie above a negative best, and a rise would be an improvement.
        losses = [-1.0, -0.95, -1.2]
        assert plateau(losses, factor=0.5, patience=0, threshold=0.1) == [1, 1, 0.5, 0.5]

    def test_nan_and_infinity_are_no_improvement(self):
        losses = [inf, nan, 1.0, nan]
        assert plateau(losses, factor=0.5, patience=0) == [1, 0.5, 0.25, 0.25, 0.125]

    def test_minimum_and_cooldown(self):
        assert plateau([1] * 6, factor=0.1, patience=0, minimum=0.05)[-3:] == [0.05] * 3
        assert plateau([1] * 5, factor=0.5, patience=0, cooldown=2) == [1, 1, 0.5, 0.5, 0.5, 0.25]

    @given(
        st.lists(st.floats(0.5, 2.0), min_size=1, max_size=30),
        st.integers(0, 3),
        st.integers(0, 3),
    )
    def test_resumed_equals_uninterrupted(self, losses, patience, cooldown):
        schedule = SCHEDULES.get("reduce_on_plateau", patience=patience, cooldown=cooldown)
        for epoch in range(len(losses) + 1):
            # With the losses so far, and with the whole list afterwards.
            live = schedule.factors(epoch, 2, 99, losses[:epoch])
            np.testing.assert_array_equal(live, schedule.factors(epoch, 2, 99, losses))

    def test_missing_losses_are_refused(self):
        with pytest.raises(InputError, match="2 are given for 3 ended epochs"):
            SCHEDULES.get("reduce_on_plateau").factors(3, 1, 9, [1.0, 1.0])
        with pytest.raises(InputError, match="one loss for each"):
            SCHEDULES.get("warmup", then="reduce_on_plateau").factors(1, 1, 9)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("step", {"every": 0}),
        ("step", {"gamma": 1.5}),
        ("inverse_scaling", {"power": -1}),
        ("inverse_scaling", {"scale": inf}),
        ("inverse_scaling", {"per": "sample"}),
        ("exponential", {"gamma": 0}),
        ("cosine", {"final": 1.1}),
        ("one_cycle", {"warmup": 0}),
        ("one_cycle", {"warmup": 1}),
        ("one_cycle", {"start": nan}),
        ("warmup", {"epochs": 0}),
        ("warmup", {"start": "0"}),
        ("reduce_on_plateau", {"factor": 1.0}),
        ("reduce_on_plateau", {"patience": 1.5}),
        ("reduce_on_plateau", {"cooldown": -1}),
        ("reduce_on_plateau", {"relative": "rel"}),
    ],
)
def test_parameters_out_of_range_are_refused_at_once(name, parameters):
    with pytest.raises(InputError, match=f"^{name}: .* expected .*"):
        SCHEDULES.get(name, **parameters)


@pytest.mark.parametrize("place", [(-1, 1, 1), (0, 0, 1), (0, 1, 0), (0.5, 1, 1)])
def test_positions_out_of_range_are_refused(place):
    with pytest.raises(InputError, match="expected an integer from"):
        SCHEDULES.get("constant").factors(*place)


def saw_tooth(xp, low=0.0):
    return lambda progress: 1.0 - (1.0 - low) * (progress.epoch % 1.0)


def wrong_shape(xp):
    return lambda progress: np.ones(3)


def test_a_schedule_of_ones_own():
    schedule = Schedule("saw", saw_tooth, {"low": 0.5})
    np.testing.assert_allclose(schedule.factors(3, 2, 9), [1.0, 0.75])
    nested = SCHEDULES.get("warmup", epochs=1, then=schedule)
    np.testing.assert_allclose(nested.factors(1, 2, 9), [1.0, 0.75])
    with pytest.raises(InputError, match=r"shape \(3,\)"):
        Schedule("wrong", wrong_shape).factors(0, 2, 9)


# -- restarts, sequences, text ---------------------------------------------------------------


def test_restarts_are_at_the_sums_of_wave_lengths():
    for factor in (1, 1.5, 2, 3):
        waves = SCHEDULES.get("cosine_restarts", first=3, factor=factor)
        begins, at = [], 0.0
        for wave in range(6):
            begins.append(at)
            at += 3 * factor**wave
        for begin in begins:
            if begin == int(begin):
                assert waves.factors(int(begin), 4, 10)[0] == 1.0
                if begin:
                    assert waves.factors(int(begin) - 1, 4, 10)[-1] < 0.3


def test_which_schedules_depend_on_the_total():
    independent = {name for name in SCHEDULES.names() if not SCHEDULES.get(name).depends_on_total()}
    assert set(SCHEDULES.names()) - independent == {"cosine", "one_cycle"}
    late = SCHEDULES.get("sequence", parts=["constant", "cosine"], epochs=[50])
    assert late.depends_on_total()
    fixed = SCHEDULES.get("sequence", parts=["constant", "cosine"], epochs=[50, 100])
    assert not fixed.depends_on_total()
    assert SCHEDULES.get("warmup", then="cosine").depends_on_total()


@ALL
def test_the_text_of_a_schedule_is_read_again(schedule):
    assert SCHEDULES.get(str(schedule)) == schedule
    nested = SCHEDULES.get("sequence", parts=[schedule, "warmup"], epochs=[2])
    assert SCHEDULES.get(str(nested)) == nested
    assert SCHEDULES.get(json.loads(json.dumps(nested.spec()))) == nested
    assert pickle.loads(pickle.dumps(nested)) == nested
    assert nested.needs_losses == schedule.needs_losses


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cosine(", "cannot be read; expected a name, or a name with parameters"),
        ("cosine(0.1)", "cannot be read"),
        ("cosine(final=1+1)", "cannot be read"),
        ("cosine(final=open('x'))", "cannot be read"),
        ("__import__('os')(a=1)", "cannot be read"),
        ("cosin(final=0.1)", "did you mean 'cosine'"),
        ("cosine(finale=0.1)", "no parameter 'finale'"),
        ("cosine(final=2)", r"cosine: final is 2; expected a number in \[0, 1\]"),
        ("sequence(parts=[], epochs=[])", "at least one"),
        ("sequence(parts=[cosine, cosine], epochs=[])", "epochs has 0 numbers; expected 1 or 2"),
        ("sequence(parts=[cosine, cosine], epochs=[0])", "epochs is 0; expected a number in"),
        ("sequence(parts=[cosine], scales=[1, 2])", "scales has 2 numbers; expected 1"),
        ("cosine_restarts(factor=0.5)", "factor is 0.5; expected a number in"),
    ],
)
def test_text_that_cannot_be_used_is_refused_in_one_sentence(text, message):
    with pytest.raises(InputError, match=message):
        SCHEDULES.get(text)
