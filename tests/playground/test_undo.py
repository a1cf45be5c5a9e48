"""Undo: a weight that was set by hand, and the run before; served and static."""

import numpy as np
import pytest
from tests.browser import Watched, browser
from tests.playground.helpers import Client, holds, served

from deltarule.errors import InputError
from deltarule.playground import static_playground_html
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
    run.do("undo")
    assert [run.theta[2], run.theta[5]] == [1.0, 0.5]
    # The script that repeats the run sets the weights that are set now.
    assert [(each.index, each.value) for each in run.state.run.edits] == [(2, 1.0), (5, 0.5)]
    for _ in range(3):
        run.do("undo")
    assert np.array_equal(run.theta, before)
    assert run.state.run.edits == []
    header = run.header
    assert (header["undo"], header["by_hand"]) == ("", False)
    assert run.state.run.current_losses() == losses
    with pytest.raises(InputError, match="nothing to undo"):
        run.do("undo")


def test_after_a_step_a_weight_is_not_taken_back():
    run = Run()
    run.do("weight", entry=2, value=-3.0)
    run.do("step")
    theta = run.theta
    assert run.header["undo"] == ""
    with pytest.raises(InputError, match="since the last step"):
        run.do("undo")
    assert np.array_equal(run.theta, theta)
    run.do("weight", entry=3, value=0.0)
    run.do("undo")
    assert np.array_equal(run.theta, theta)


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
    assert run.header["undo"] == ""
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
    assert len(run.runner._replaced) == 10
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
        client.do("step")
        client.do("reset")
        client.settle()
        client.until(lambda: client.header["undo"] == "run")
        client.do("undo")
        client.until(lambda: client.header["step"] == 1)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "playground.html"
    path.write_text(static_playground_html(), encoding="utf-8")
    with browser() as context:
        watched = Watched(context, width=1440, height=900)
        watched.page.goto(path.as_uri())
        watched.page.wait_for_selector("[data-node]", timeout=60_000)
        yield watched.page
        assert watched.errors == []


def button(page, name):
    return page.get_by_role("button", name=name, exact=True)


def test_the_static_page_undoes_by_its_button_and_by_ctrl_z(page):
    holds(page, "document.body.dataset.frames > 0")
    undo = button(page, "Undo")
    holds(page, "document.querySelector('#transport [title*=nothing]')?.disabled === true")
    for step in (1, 2):
        button(page, "Step").click()
        holds(page, f"DR.page.current().step === {step}")
    entry = page.evaluate("DR.page.entry({ kind: 'edge', layer: 2, j: 1, k: 3 })")
    at = f"DR.page.theta()[{entry}]"
    before = page.evaluate("[...DR.page.theta()]")
    page.evaluate("document.querySelector('[data-edge=\"2,1,3\"]').focus()")
    page.keyboard.type("-7")
    page.keyboard.press("Enter")
    holds(page, f"{at} === -7")
    assert "weight" in undo.get_attribute("title")
    holds(page, "document.activeElement.dataset.edge === '2,1,3'")
    # The focus is on the line again; in the field Ctrl+Z would be that of the text.
    page.keyboard.press("Control+z")
    holds(page, f"{at} === {before[entry]!r}")
    assert "by hand" not in page.locator("#losses").inner_text()
    button(page, "Reset").click()
    holds(page, "DR.page.current().step === 0")
    assert page.evaluate("[...DR.page.theta()]") != before
    assert "run" in undo.get_attribute("title")
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
    holds(page, "document.querySelector('#transport [title*=nothing]')?.disabled === true")
