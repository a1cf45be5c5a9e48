"""The static page on a phone: what a finger opens and closes, and the card of a weight."""

import pytest
from tests.browser import Watched, browser
from tests.playground.helpers import holds

from deltarule.playground import write_static_playground

UPRIGHT, LYING = {"width": 390, "height": 844}, {"width": 844, "height": 390}


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    path = write_static_playground(tmp_path_factory.mktemp("page") / "playground.html")
    with browser() as context:
        watched = Watched(context, **UPRIGHT)
        watched.page.goto(f"{path.as_uri()}#data=circles")
        watched.page.wait_for_selector("[data-node]", timeout=60_000)
        holds(watched.page, "document.body.dataset.frames > 0")
        yield watched.page
        assert watched.errors == []


def press(page, name):
    page.get_by_role("button", name=name, exact=True).click()


def settle(page, frames=12):
    """Wait for orders, for what they paint, and for a scroll that would follow."""
    for _ in range(frames):
        page.evaluate("new Promise((done) => requestAnimationFrame(() => done()))")


def choose(page, edge):
    page.locator(f'[data-edge="{edge}"]').dispatch_event("click")
    holds(page, "document.documentElement.dataset.panel === 'open'")
    page.wait_for_selector(".weight-card:not([hidden])")


def step_is(page, step):
    holds(page, f"DR.page.current().step === {step}")


@pytest.mark.parametrize("size", [UPRIGHT, LYING], ids=["upright", "lying"])
def test_a_derivation_that_was_closed_stays_closed_until_something_is_chosen(page, size):
    page.set_viewport_size(size)
    press(page, "Reset")
    step_is(page, 0)
    choose(page, "2,0,3")
    press(page, "Close the derivation")
    settle(page)
    page.evaluate("scrollTo(0, 0)")
    settle(page)
    for name, step in (("Step", 1), ("Step", 2), ("Reset", 0), ("Undo", 2), ("Reset", 0)):
        press(page, name)
        step_is(page, step)
        settle(page)
        assert page.evaluate("document.documentElement.dataset.panel") == "closed", name
        assert page.evaluate("scrollY") == 0, name
    press(page, "Play")
    holds(page, "document.body.dataset.phase === 'playing' && DR.page.current().step > 3")
    press(page, "Pause")
    holds(page, "document.body.dataset.phase === 'paused'")
    settle(page)
    assert page.evaluate("document.documentElement.dataset.panel") == "closed"
    # The same line again opens it, and so does another one.
    choose(page, "2,0,3")
    press(page, "Close the derivation")
    choose(page, "1,0,1")
