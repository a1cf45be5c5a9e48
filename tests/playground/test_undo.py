"""Undo and redo: weights set by hand, learning rates, and the run before; served and static."""

import numpy as np
import pytest
from tests.playground.helpers import Client, holds, press, served
from tests.playground.static_page import static_page

from deltarule.errors import InputError
from deltarule.playground.frame_format import unpack_frame
from deltarule.playground.runner import Runner
from deltarule.playground.settings import RunSettings


class Run:
    """A runner without its thread: orders are carried out at once."""

    def __init__(self):
        self.runner = Runner(settings=RunSettings(data="moons", rows=80))
        self.runner._install(self.runner._first)

    def do(self, kind, **fields):
        getattr(self.runner, f"_do_{kind}")(**fields)

    @property
    def state(self):
        return self.runner._current

    @property
    def theta(self):
        return np.array(self.state.run.engine.theta)

    @property
    def header(self):
        self.runner._publish()
        return unpack_frame(self.runner.latest.data)[0]


def test_weights_set_by_hand_are_taken_back_one_after_the_other():
    run = Run()
    run.do("step")
    before, losses = run.theta, run.state.run.current_losses()
    assert run.header["undo"] == ""
    for entry, value in ((2, -3.0), (2, 1.0), (5, 0.5), (5, 0.5), (2, 1.0), (2, 7.0)):
        run.do("weight", entry=entry, value=value)
    header = run.header
    assert (header["undo"], header["by_hand"]) == ("weight", True)
    assert header["edited_after"] == 1
    run.do("undo")
    assert [run.theta[2], run.theta[5]] == [1.0, 0.5]
    # The script that repeats the run sets the weights that are set now.
    assert [(each.index, each.value) for each in run.state.run.edits] == [(2, 1.0), (5, 0.5)]
    for _ in range(3):
        run.do("undo")
    assert np.array_equal(run.theta, before)
    assert run.state.run.edits == []
    header = run.header
    assert (header["undo"], header["redo"], header["by_hand"]) == ("", "weight", False)
    assert header["edited_after"] == -1
    assert run.state.run.current_losses() == losses
    with pytest.raises(InputError, match="nothing to undo"):
        run.do("undo")


def _all_of(run):
    """Everything by which two runs could differ: parameters, optimizer, curve, rate, changes."""
    state = run.state.run.engine.state()
    return (
        {name: np.asarray(value).tobytes() for name, value in state.items()},
        run.state.curve().tobytes(),
        (run.state.run.step, run.state.run.done, run.state.run.total, run.state.run.rate),
        (tuple(run.state.run.changes), tuple(run.state.run.edits), run.state.settings),
    )


@pytest.mark.parametrize("rule", ["adam", "sgd", "rprop+"])
@pytest.mark.parametrize(
    ("change", "fields"),
    [("weight", {"entry": 2, "value": -3.0}), ("rate", {"learning_rate": 0.7})],
)
def test_after_steps_undo_goes_back_to_before_the_change_and_redo_forward_again(
    rule, change, fields
):
    run, straight = Run(), Run()
    for each in (run, straight):
        each.do("setup", settings={"rule": rule})
        for _ in range(11):
            each.do("step")
    run.do("reset")  # a run before this one: the change is taken back first
    for _ in range(11):
        run.do("step")
    before = _all_of(run)
    run.do(change, **fields)
    for _ in range(9):
        run.do("step")
    changed = _all_of(run)
    assert (run.header["undo"], run.header["redo"]) == (change, "")
    run.do("undo")
    assert _all_of(run) == before == _all_of(straight)
    assert (run.header["phase"], run.header["redo"]) == ("paused", change)
    for each in (run, straight):  # the steps from there are those of a run without the change
        for _ in range(9):
            each.do("step")
    beside = _all_of(run)
    assert beside == _all_of(straight)
    run.do("redo")
    assert _all_of(run) == changed
    assert (run.header["undo"], run.header["redo"]) == (change, "")
    run.do("undo")  # what was trained in between is not lost either
    assert _all_of(run) == beside
    run.do(change, **fields)
    assert run.header["redo"] == ""
    with pytest.raises(InputError, match="nothing to redo"):
        run.do("redo")


def test_a_rate_that_ruined_the_run_is_taken_back_with_the_divergence():
    run = Run()
    for _ in range(8):
        run.do("step")
    before = _all_of(run)
    run.do("rate", learning_rate=5.0)
    run.runner._phase, run.runner._message = "diverged", "it diverged"
    run.do("undo")
    assert (run.header["phase"], _all_of(run)) == ("paused", before)
    run.do("redo")
    header = run.header
    assert (header["phase"], header["message"]) == ("diverged", "it diverged")
    assert header["learning_rate"] == 5.0


def test_the_same_rate_or_weight_is_no_change():
    run = Run()
    run.do("rate", learning_rate=run.state.run.rate)
    run.do("weight", entry=2, value=float(run.theta[2]))
    assert run.header["undo"] == ""


def test_the_frame_says_what_was_changed_last_within_the_run():
    run = Run()
    run.do("weight", entry=2, value=1.0)  # before the first step: the start of the run
    run.do("rate", learning_rate=0.1)
    assert (run.header["changed"], run.header["changed_epoch"]) == ("", 0)
    for kind, fields in (("rate", {"learning_rate": 0.2}), ("weight", {"entry": 2, "value": 4})):
        for _ in range(run.state.run.batches.steps_per_epoch):
            run.do("step")
        run.do(kind, **fields)
        header = run.header
        assert (header["changed"], header["changed_epoch"]) == (kind, header["epoch"])
    run.do("undo")
    assert (run.header["changed"], run.header["changed_epoch"]) == ("rate", 1)


def test_undo_brings_back_the_run_that_was_reset_and_it_goes_on_as_if_nothing_had_been():
    run, other = Run(), Run()
    for each in (run, other):
        each.do("rate", learning_rate=0.02)
        for _ in range(9):
            each.do("step")
    theta = run.theta
    run.do("reset")
    assert run.state.run.step == 0
    assert not np.array_equal(run.theta, theta)
    assert run.header["undo"] == "run"
    run.do("undo")
    assert run.header["undo"] == "rate"  # the change that came before the reset
    assert np.array_equal(run.theta, theta)
    assert (run.state.run.step, run.state.last_settings.learning_rate) == (9, 0.02)
    for each in (run, other):
        for _ in range(9):
            each.do("step")
    assert np.array_equal(run.theta, other.theta)
    assert run.state.curve().tolist() == other.state.curve().tolist()


def test_undo_brings_back_settings_a_divergence_and_no_run_without_work():
    run = Run()
    run.do("reset")  # a run at its start, with the same settings: nothing is lost
    assert run.header["undo"] == ""
    run.do("setup", settings={"layers": [6]})
    run.do("setup", settings={"layers": [5]})
    run.runner._phase, run.runner._message = "diverged", "it diverged"
    run.do("reset")
    assert run.header["undo"] == "run"
    run.do("undo")
    assert run.state.settings.layers == (6,)
    for _ in range(30):
        run.do("setup", settings={"layers": [3 + len(run.state.settings.layers)]})
        run.do("step")
    assert len(run.runner._changes) == 10
    run.runner._phase, run.runner._message = "diverged", "it diverged"
    run.do("reset")
    run.do("undo")
    header = run.header
    assert (header["phase"], header["message"]) == ("diverged", "it diverged")
    with pytest.raises(InputError, match="it diverged"):
        run.do("step")


def test_a_browser_asks_the_server_to_undo():
    with served(RunSettings(data="moons", rows=80)) as server, Client(server) as client:
        client.settle()
        assert client.header["undo"] == ""
        answer = client.ask("undo")
        assert (answer["type"], "nothing to undo" in answer["message"]) == ("error", True)
        client.do("weight", entry=3, value=0.25)
        client.until(lambda: client.header["undo"] == "weight")
        client.do("undo")
        client.until(lambda: client.header["undo"] == "")
        assert client.arrays["theta"][3] != 0.25
        client.do("redo")
        client.until(lambda: client.header["redo"] == "")
        assert client.arrays["theta"][3] == 0.25
        client.do("undo")
        client.until(lambda: client.header["undo"] == "")
        client.do("step")
        client.do("reset")
        client.settle()
        client.until(lambda: client.header["undo"] == "run")
        client.do("undo")
        client.until(lambda: client.header["step"] == 1)


NOTHING = "document.querySelector('#transport [title*=\"nothing to undo\"]')?.disabled === true"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    with static_page(tmp_path_factory.mktemp("page"), width=1440, height=900) as found:
        yield found


def button(page, name):
    return page.get_by_role("button", name=name, exact=True)


def test_the_static_page_undoes_by_its_button_and_by_ctrl_z(page):
    holds(page, "document.body.dataset.frames > 0")
    undo = button(page, "Undo")
    holds(page, NOTHING)
    for step in (1, 2):
        press(page, "Step")
        holds(page, f"DR.page.current().step === {step}")
    entry = page.evaluate("DR.page.entry({ kind: 'edge', layer: 2, j: 1, k: 3 })")
    at = f"DR.page.theta()[{entry}]"
    before = page.evaluate("[...DR.page.theta()]")
    page.evaluate("document.querySelector('[data-edge=\"2,1,3\"]').focus()")
    page.keyboard.type("-7")
    page.keyboard.press("Enter")
    holds(page, f"{at} === -7")
    # The derivation says what it is of: a weight set by hand, and not once that is taken back.
    of = "document.querySelector('[data-derived]').textContent"
    holds(page, f"{of} === 'after step 2, a weight set by hand since'")
    assert "weight" in undo.get_attribute("title")
    holds(page, "document.activeElement.dataset.edge === '2,1,3'")
    # The focus is on the line again; in the field Ctrl+Z would be that of the text.
    page.keyboard.press("Control+z")
    holds(page, f"{at} === {before[entry]!r}")
    holds(page, f"{of} === 'after step 2'")
    assert "by hand" not in page.locator("#losses").inner_text()
    press(page, "Reset")
    holds(page, "DR.page.current().step === 0")
    assert page.evaluate("[...DR.page.theta()]") != before
    assert "run" in undo.get_attribute("title")
    assert page.locator("[data-verdict]").inner_text().endswith("Undo brings back the run before.")
    undo.click()
    holds(page, "DR.page.current().step === 2")
    assert page.evaluate("[...DR.page.theta()]") == before
    # Settings come back with the weights, and in the address.
    page.locator("#activation").select_option("relu")
    holds(page, "location.hash.includes('relu')")
    holds(page, "DR.page.current().step === 0")
    undo.click()
    holds(page, "DR.page.current().step === 2")
    holds(page, "!location.hash.includes('relu')")
    assert page.locator("#activation").input_value() != "relu"
    assert page.evaluate("[...DR.page.theta()]") == before
    holds(page, NOTHING)


def test_the_static_page_goes_back_over_steps_and_forward_again(page):
    press(page, "Reset")
    holds(page, "DR.page.current().step === 0")
    for step in (1, 2, 3):
        press(page, "Step")
        holds(page, f"DR.page.current().step === {step}")
    before = page.evaluate("[...DR.page.theta()]")
    entry = page.evaluate("DR.page.entry({ kind: 'edge', layer: 2, j: 1, k: 3 })")
    at = f"DR.page.theta()[{entry}]"
    page.evaluate("document.querySelector('[data-edge=\"2,1,3\"]').focus()")
    page.keyboard.type("-7")
    page.keyboard.press("Enter")
    holds(page, f"{at} === -7")
    for step in (4, 5):
        press(page, "Step")
        holds(page, f"DR.page.current().step === {step}")
    changed = page.evaluate("[...DR.page.theta()]")
    assert "weight" in button(page, "Undo").get_attribute("title")
    page.keyboard.press("Control+z")
    holds(page, "DR.page.current().step === 3")
    assert page.evaluate("[...DR.page.theta()]") == before
    for key in ("Control+Shift+Z", "Control+y"):
        page.keyboard.press(key)
        holds(page, "DR.page.current().step === 5")
        assert page.evaluate("[...DR.page.theta()]") == changed
        press(page, "Undo")
        holds(page, "DR.page.current().step === 3")
    # The steps from there are the same ones, and a changed rate is taken back, too.
    rate = page.locator("#rate").input_value()
    press(page, "Step")
    holds(page, "DR.page.current().step === 4")
    straight = page.evaluate("[...DR.page.theta()]")
    press(page, "Redo")
    holds(page, "DR.page.current().step === 5")
    press(page, "Undo")
    holds(page, "DR.page.current().step === 4")
    assert page.evaluate("[...DR.page.theta()]") == straight
    page.locator("#rate").fill("0.9")
    page.keyboard.press("Enter")
    holds(page, "document.querySelector('#transport [title*=\"learning rate was\"]')")
    press(page, "Step")
    holds(page, "DR.page.current().step === 5")
    press(page, "Undo")
    holds(page, "DR.page.current().step === 4")
    holds(page, f"document.querySelector('#rate').value === {rate!r}")
    assert page.evaluate("[...DR.page.theta()]") == straight
    assert button(page, "Redo").is_enabled()
