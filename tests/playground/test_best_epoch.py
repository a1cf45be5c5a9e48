"""Back to the epoch with the smallest loss, after a change has spoiled a run; served and static."""

import numpy as np
import pytest
from tests.playground.helpers import Client, holds, press, served
from tests.playground.static_page import static_page

from deltarule.errors import InputError
from deltarule.playground.frame_format import unpack_frame
from deltarule.playground.runner import Runner
from deltarule.playground.settings import RunSettings

SETTINGS = RunSettings(data="moons", rows=80, learning_rate=0.02)


class Run:
    """A runner without its thread: orders are carried out at once."""

    def __init__(self):
        self.runner = Runner(settings=SETTINGS)
        self.runner._install(SETTINGS)

    def do(self, kind, **fields):
        getattr(self.runner, f"_do_{kind}")(**fields)

    def epochs(self, count):
        run = self.runner._current.run
        for _ in range(count * run.batches.steps_per_epoch):
            self.do("step")

    def all_of(self):
        run = self.runner._current.run
        slots = {name: np.array(value).tolist() for name, value in run.engine.state().items()}
        return run.step, run.rate, slots, self.runner._current.curve().tolist(), list(run.changes)

    @property
    def header(self):
        self.runner._publish()
        return unpack_frame(self.runner.latest.data)[0]


def spoiled(epochs=20, more=6):
    """A run that learned, and was spoiled by a rate that is far too high."""
    run = Run()
    run.epochs(epochs)
    run.do("step")  # the rate is changed within an epoch
    run.do("rate", learning_rate=8.0)
    run.epochs(more)
    return run


def test_the_best_epoch_comes_back_with_its_rate_and_goes_on_as_if_nothing_had_been():
    run = spoiled()
    losses = run.runner._current.curve().reshape(-1, 3)[1:, 1]
    header = run.header
    best = int(header["best_epoch"])
    assert header["best_loss"] == pytest.approx(losses[best - 1], rel=1e-6)
    # Epoch 21, of which the last step was with the rate that spoils it, is none to go back to.
    assert losses[best - 1] == losses[:20].min() > losses[20]
    assert losses[-1] > 2 * losses.min()
    before = run.all_of()
    run.do("best")
    straight = Run()
    straight.epochs(best)
    assert run.all_of() == straight.all_of()
    header = run.header
    assert (header["phase"], header["undo"], header["changed"]) == ("paused", "best", "")
    assert (header["best_epoch"], header["learning_rate"]) == (best, 0.02)
    # A second press has nothing to do, and says so.
    with pytest.raises(InputError, match=f"best epoch, epoch {best}, already"):
        run.do("best")
    for each in (run, straight):
        each.epochs(3)
    assert run.all_of() == straight.all_of()
    run.do("undo")
    assert run.all_of() == before
    run.do("redo")
    assert run.all_of() == straight.all_of()


def test_before_the_end_of_the_first_epoch_there_is_none():
    run = Run()
    run.do("step")
    assert (run.header["best_epoch"], run.header["best_loss"]) == (0, None)
    with pytest.raises(InputError, match="none is complete"):
        run.do("best")
    assert run.header["undo"] == ""


def test_a_weight_set_by_hand_at_the_best_epoch_is_taken_back_too():
    run = Run()
    run.epochs(5)
    assert run.header["best_epoch"] == 5
    before = run.all_of()
    run.do("weight", entry=2, value=30.0)
    assert run.header["by_hand"]
    run.do("best")
    assert run.all_of() == before
    assert not run.header["by_hand"]


def test_undo_takes_the_best_epoch_of_that_time_back_with_the_run():
    run = Run()
    run.epochs(3)
    run.do("rate", learning_rate=0.03)
    run.epochs(9)
    assert run.header["best_epoch"] > 3
    run.do("undo")
    assert run.header["best_epoch"] == 3
    run.epochs(1)
    assert run.header["best_epoch"] == 4
    run.do("reset")
    assert run.header["best_epoch"] == 0


def test_a_run_that_broke_off_goes_on_from_its_best_epoch():
    run = spoiled(more=1)
    run.runner._phase, run.runner._message = "diverged", "it diverged"
    run.do("best")
    assert (run.header["phase"], run.header["message"]) == ("paused", "")
    run.do("step")


def test_the_best_epochs_of_undone_runs_count_among_what_undo_keeps(monkeypatch):
    run = spoiled()
    # Room for three changes, or for two and the best epoch that both have.
    room = 3 * run.runner._current.run.moment().size
    monkeypatch.setattr("deltarule.playground.undo.MOST_BYTES", room)
    for rate in (0.01, 0.02, 0.03):
        run.do("rate", learning_rate=rate)
    assert len(run.runner._changes) == 2
    monkeypatch.setattr("deltarule.playground.undo._kept", lambda moment: [moment.run])
    run.do("rate", learning_rate=0.04)
    assert len(run.runner._changes) == 3


def test_a_browser_asks_the_server_for_the_best_epoch():
    with served(SETTINGS) as server, Client(server) as client:
        client.settle()
        answer = client.ask("best")
        assert (answer["type"], "none is complete" in answer["message"]) == ("error", True)
        for _ in range(3):
            epoch = client.header["epoch"]
            client.do("epoch")
            client.until(lambda epoch=epoch: client.header["epoch"] > epoch)
        best = client.header["best_epoch"]
        client.do("step")
        client.do("best")
        client.until(lambda: client.header["undo"] == "best")
        assert client.header["epoch"] == best


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    with static_page(tmp_path_factory.mktemp("page"), anchor="#data=circles") as found:
        yield found


def test_one_press_brings_the_best_epoch_of_the_static_page_back(page):
    def epochs(count):
        press(page, "Epoch")
        holds(page, f"document.querySelector('[data-where=epoch]').textContent === '{count}'")

    def rate(value):
        page.locator("#rate").fill(value)
        page.keyboard.press("Enter")
        holds(page, f"DR.page.current().learning_rate === {float(value)}")

    def places():
        boxes = ["canvas.plane", ".losses-frame", "svg.network", "#transport .main"]
        return [page.locator(each).bounding_box() for each in boxes]

    for epoch in range(1, 8):
        epochs(epoch)
    theta = page.evaluate("[...DR.page.theta()]")
    calm = places()
    act = page.locator(".verdict-act")
    assert not act.is_visible()
    rate("9")
    for epoch in range(8, 12):
        epochs(epoch)
    holds(page, "!document.querySelector('.verdict-act').hidden")
    assert act.inner_text() == "Back to the best epoch"
    spoiled = page.evaluate("[...DR.page.theta()]")
    assert spoiled != theta
    # Nothing moved when the button came, nor does it when all of the sentence is read.
    assert places() == calm
    page.locator(".verdict-more").click()
    words = page.get_by_role("group", name="What the losses say")
    assert "Before that it was better: after epoch 7 it was" in words.inner_text()
    assert places() == calm
    # The lens names the rate before anything else.
    press(page, "Look into the layers")
    page.wait_for_selector("#advice [data-finding]")
    assert not words.is_visible()
    first = page.locator("#advice [data-finding]").first
    assert "The learning rate is probably too high" in first.inner_text()
    first.get_by_role("button", name="Back to the best epoch").click()
    holds(page, "DR.page.current().step === 49")
    assert page.evaluate("[...DR.page.theta()]") == theta
    assert page.locator("#rate").input_value() == "0.03"
    holds(page, "document.querySelector('.verdict-act').hidden")
    page.keyboard.press("Escape")
    press(page, "Undo")
    holds(page, "DR.page.current().step === 77")
    assert page.evaluate("[...DR.page.theta()]") == spoiled
