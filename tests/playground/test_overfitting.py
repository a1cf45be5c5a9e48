"""When the playground says that a network learns the training rows by heart."""

import dataclasses

import pytest
from tests.browser import browser

from deltarule.playground.page import own_asset
from deltarule.playground.run_state import make_run_state
from deltarule.playground.settings import starting_with

EPOCHS = 260

# The epochs after which it is claimed, of every fourth epoch of a run.
CLAIMS = """([curve, guess]) => {
  const claims = [];
  for (let n = 5; n <= curve.length / 3; n += 4)
    if (DR.overfitting.lasting(Float32Array.from(curve.slice(0, 3 * n)), guess)) claims.push(n - 1);
  return claims;
}"""


@pytest.fixture(scope="module")
def page():
    with browser() as context:
        found = context.new_page()
        found.evaluate("globalThis.DR = {}")
        for name in ("jumps.js", "overfitting.js"):
            found.evaluate(own_asset(name))
        yield found


def curve_of(data, **settings):
    """The loss curve of a run, and the loss of a constant guess."""
    state = make_run_state(dataclasses.replace(starting_with(data), **settings))
    while len(state.run.history.logs) < EPOCHS:
        state.run.advance(10_000)
    return [state.curve().ravel().tolist(), state.guess]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("data", ["moons", "circles", "spirals", "xor"])
def test_a_run_that_learns_well_is_never_said_to_learn_by_heart(page, data, seed):
    assert page.evaluate(CLAIMS, curve_of(data, seed=seed)) == []


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(("data", "noise"), [("moons", 0.4), ("circles", 0.3)])
def test_a_large_network_on_a_few_noisy_rows_is_said_to_learn_by_heart(page, data, noise, seed):
    found = curve_of(data, seed=seed, noise=noise, rows=60, layers=(32, 32))
    claims = page.evaluate(CLAIMS, found)
    assert claims
    assert claims[-1] > EPOCHS - 5


def planted(n, held):
    """A curve whose training loss falls, and whose held-out loss is a function of the epoch."""
    return [[x for i in range(n) for x in (i, 0.7 / (1 + i), held(i))], 0.693]


@pytest.mark.parametrize(
    ("held", "epoch"),
    [
        (
            lambda i: 0.3 + abs(i - 40) / 100,
            39,
        ),  # it falls, and rises for good; of equal medians the first
        (lambda i: 0.3 + abs(i - 40) / 1e4, None),  # by less than would change an answer
        (lambda i: 0.3 + 0.15 * (60 < i < 90), None),  # a hump
        (lambda i: 0.3 + 0.4 * (i > 95), None),  # the last epochs only
        (lambda i: 0.3 - 0.25 * (i == 40), None),  # one lucky epoch
        (lambda i: 0.3 / (1 + i), None),
        (lambda i: 0.7 / (1 + i) + 0.3 * (i > 1 and i % 2), None),  # it jumps about
    ],
)
def test_only_a_rise_that_is_plain_and_lasts_counts(page, held, epoch):
    found = page.evaluate(
        "([curve, guess]) => DR.overfitting.lasting(Float32Array.from(curve), guess)",
        planted(100, held),
    )
    assert (found and found["epoch"]) == epoch


def test_a_rise_of_both_losses_is_another_fault(page):
    """It is not by heart what the training rows do no better with."""
    curve = [x for i in range(100) for x in (i, 0.3 + abs(i - 40) / 100, 0.3 + abs(i - 40) / 100)]
    given = [curve, 0.693]
    lasting = "([curve, guess]) => DR.overfitting.lasting(Float32Array.from(curve), guess)"
    assert page.evaluate(lasting, given) is None
