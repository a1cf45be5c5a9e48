"""A rate that is far too high, what the page says of it, and the rate that it finds instead."""

import pytest
from tests.playground.helpers import holds, press
from tests.playground.static_page import static_page


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    with static_page(tmp_path_factory.mktemp("page")) as found:
        yield found


def opened(page, data):
    page.evaluate(f"location.hash = 'data={data}'")
    holds(page, f"document.getElementById('data-{data}').checked")
    press(page, "Reset")
    holds(page, "DR.page.current().step === 0 && document.body.dataset.step === '0'")


def epochs(page, count):
    """Train for some epochs, and no more: what is said after them is always the same."""
    epoch = "document.querySelector('[data-where=epoch]').textContent"
    done = int(page.evaluate(epoch))
    for last in range(done + 1, done + count + 1):
        press(page, "Epoch")
        holds(page, f"{epoch} === '{last}' && document.body.dataset.phase === 'paused'")


def verdict(page):
    return page.locator("[data-verdict]").inner_text()


def first_finding_says(page, words):
    """Look into the layers; what an earlier look has found stays until the answer is there."""
    press(page, "Look into the layers")
    first = "document.querySelector('#advice [data-finding]')"
    holds(page, f"{first}?.innerText.includes({words!r})")


@pytest.mark.parametrize("data", ["circles", "bumps"])
def test_a_rate_that_is_far_too_high_is_named_first_and_a_good_one_is_found(page, data):
    opened(page, data)
    usual = float(page.locator("#rate").input_value())
    page.locator("#rate").fill(str(1000 * usual))
    page.keyboard.press("Enter")
    epochs(page, 16)  # the lens wants 100 steps
    holds(page, "document.querySelector('[data-verdict]').innerText.includes('too high')")
    assert verdict(page).startswith(f"The learning rate of {1000 * usual:g} is far too high.")
    first_finding_says(page, "The learning rate is too high")
    # Only that stands out: what is below may come from it.
    assert page.locator("#advice li.serious").count() == 1
    page.locator("#tune > button").click()
    page.wait_for_selector(".tune-chart", timeout=60_000)
    note = page.locator("#tune .note").first
    found = float(page.locator("#rate").input_value())
    assert found < 100 * usual
    assert "press Reset to begin with it" in note.inner_text()
    said = "document.querySelector('[data-verdict]').innerText"
    holds(page, f"{said}.includes('was found for a run from the start')")
    first_finding_says(page, "come from a run with another learning rate")
    page.locator("#tune > button").click()
    page.wait_for_selector(".tune-chart", timeout=60_000)
    begin = page.locator(".verdict-act")
    holds(page, f"document.querySelector('.verdict-act').innerText === 'Begin with {found:g}'")
    begin.click()
    holds(page, "document.body.dataset.step === '0'")
    holds(page, "document.querySelector('#tune .note').innerText.includes('press Play')")
    assert "Reset" not in note.inner_text()
    epochs(page, 10)
    holds(page, "document.querySelector('[data-verdict]').innerText.startsWith('It learns: ')")
    assert "with which this run began" in note.inner_text()
    assert page.locator("#rate").input_value() == f"{found:g}"


@pytest.mark.parametrize("data", ["xor", "spirals"])
def test_a_network_without_a_hidden_layer_is_given_one_by_one_press(page, data):
    opened(page, data)
    page.evaluate(f"location.hash = 'data={data}&layers='")
    holds(page, "DR.page.net.L === 1")
    epochs(page, 8)
    act = page.locator(".verdict-act")
    act.wait_for(state="visible")
    assert verdict(page).startswith("Without a hidden layer the network can only draw a straight")
    assert act.inner_text() == "+ layer"
    assert act.evaluate("(a) => a.matches('.suggested')")
    act.click()
    holds(page, "DR.page.net.L === 2")
    assert not act.is_visible()
    press(page, "Undo")
    holds(page, "DR.page.net.L === 1")
