"""The static playground in Chromium: opened from disk, it trains and reads CSV files."""

import re
import time

import numpy as np
import pytest
from tests.browser import Watched, browser, violations_in_both_schemes
from tests.playground.helpers import holds, press

from deltarule.playground import static_playground_html
from deltarule.playground.page import own_asset

WIDE = {"width": 1440, "height": 900}


@pytest.fixture(scope="module")
def context():
    with browser() as found:
        yield found


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "playground.html"
    path.write_text(static_playground_html(), encoding="utf-8")
    return path


def opened(context, file):
    watched = Watched(context, **WIDE)
    watched.page.goto(file.as_uri())
    watched.page.wait_for_selector("[data-node]", timeout=60_000)
    return watched


@pytest.fixture(scope="module")
def watched(context, file):
    """One page for all tests that leave it usable."""
    found = opened(context, file)
    yield found
    assert found.errors == []
    assert found.outside(file.as_uri()) == []


def step_of(page):
    return int(page.evaluate("document.body.dataset.step"))


def button(page, name):
    return page.get_by_role("button", name=name, exact=True)


def select(page, what, value):
    """Choose from a list; beside a derivation the settings are folded."""
    page.evaluate("document.getElementById('fold').open = true")
    page.select_option(what, value)


def take(page, name, content):
    """Choose a file, and wait for what the page says: why it is refused, or "" if it is taken."""
    page.evaluate(
        """() => {
          document.querySelector("#own [role=status]").textContent = "waiting";
          globalThis.before = document.body.dataset.frames;
        }"""
    )
    data = content if isinstance(content, bytes) else content.encode()
    file = {"name": name, "mimeType": "text/csv", "buffer": data}
    page.set_input_files("#own-file", files=[file])
    status = page.locator("#own [role=status]")
    ends = time.monotonic() + 60
    # "waiting" is cleared at once; then a frame of the new run comes, or the reason.
    while not (reason := status.inner_text()) or reason == "waiting":
        if reason != "waiting" and page.evaluate("document.body.dataset.frames !== before"):
            return ""
        assert time.monotonic() < ends
        page.wait_for_timeout(20)
    return reason


def rows_of(line, count=40):
    rng = np.random.default_rng(0)
    return "".join(line(rng, i) + "\n" for i in range(count))


def test_it_trains_from_disk_without_a_server(watched):
    page = watched.page
    button(page, "Step").click()
    holds(page, "document.body.dataset.step === '1'")
    button(page, "Play").click()
    holds(page, "Number(document.body.dataset.step) > 60")
    button(page, "Pause").click()
    holds(page, "document.body.dataset.phase === 'paused'")
    assert "lost" not in page.locator("#notices").inner_text()
    assert "deltarule playground" in page.locator("#export").inner_text()
    button(page, "Reset").click()
    holds(page, "document.body.dataset.step === '0'")


def test_the_derivation_of_the_update_is_the_step_that_is_taken(watched):
    page = watched.page
    for rule in ("adam", "adamw"):
        select(page, "#rule", rule)
        holds(page, "document.body.dataset.step === '0'")
        for _ in range(3):
            before = step_of(page)
            press(page, "Step")
            holds(page, f"document.body.dataset.step === '{before + 1}'")
        page.get_by_label("Rows of the next step").check()
        holds(page, "DR.page.current().update?.number === 4")
        page.evaluate("DR.page.set({ selected: { kind: 'edge', layer: 2, j: 1, k: 3 } })")
        panel = page.locator("#panel")
        holds(page, "/goes from .* to /.test(document.querySelector('#panel').textContent)")
        text = " ".join(panel.inner_text().split())
        new = re.search(r"goes from \S+ to ([^ ]+)", text)[1].rstrip(".")
        entry = page.evaluate("DR.page.entry(DR.page.state.selected)")
        button(page, "Step").click()
        holds(page, "DR.page.current().step === 4 && DR.page.current().update?.number === 5")
        assert page.evaluate("(at) => DR.number(DR.page.theta()[at])", entry) == new
        page.get_by_label("Same rows").check()


GOOD = "size,city,sold\n" + rows_of(
    lambda rng, i: (
        f"{rng.normal():.3f},{rng.choice(['Rome', 'Oslo', 'NA'])},{'yes' if i % 3 else 'no'}"
    )
)


def test_a_table_is_trained_on_and_another_column_predicted(watched):
    page = watched.page
    assert take(page, "houses.csv", GOOD) == ""
    assert page.locator("#own-target").input_value() == "sold"
    holds(page, "DR.page.payload.names.inputs[0] === 'size'")
    names = page.evaluate("DR.page.payload.names")
    assert names["inputs"] == ["size", "city=Oslo", "city=Rome", "city=(missing)"]
    assert names["classes"] == ["no", "yes"]
    button(page, "Epoch").click()
    holds(page, "Number(document.body.dataset.step) > 0")
    select(page, "#own-target", "size")
    holds(page, "DR.page.payload.names.classes.length === 0")
    # The words follow the payload in a message of their own.
    holds(page, "document.querySelector('#where').innerText.startsWith('epoch')")


def test_quotes_semicolons_decimal_commas_and_dates_are_read(watched):
    page = watched.page
    text = '\ufeff"when";"price; in €";note\r\n' + rows_of(
        lambda rng, i: f'2024-01-{i % 28 + 1:02};{i},5;"say ""{i % 3}"""\r'
    )
    assert take(page, "semicolons.csv", text) == ""
    assert page.evaluate("DR.page.payload.names.classes") == ['say "0"', 'say "1"', 'say "2"']
    assert page.evaluate("DR.page.payload.names.inputs") == ["when", "price; in €"]


BAD = {
    "empty.csv": ("", "is empty"),
    "ragged.csv": (GOOD + "1,2\n", "line 42 .* has 2 fields, and line 1 has 3"),
    "open.csv": ('a,b\n1,2\n"3,4\n' + "1,2\n" * 12, "line 3: a quotation mark opens"),
    "after.csv": ('a,b\n"3"x,4\n' + "1,2\n" * 12, "line 2: text follows the closing"),
    "latin.csv": (b"a,b\n1,2\nM\xfc,1\n" * 12, "line 3 .* is not UTF-8"),
    "sheet.csv": (b"PK\x03\x04\x00\x00", "is no text file"),
    "twice.csv": ("a,a,b\n" + "1,2,3\n" * 20, 'line 1 .* the name "a" twice'),
    "same.csv": ("a,b\n" + "1,2\n" * 20, "holds one value only"),
    "one.csv": ("a\n" + "1\n" * 20, "one column only"),
    "few.csv": ("a,b\n1,2\n2,3\n", "2 rows of values; expected at least 10"),
    "far.csv": ("a,b\n1,2\n1e999,2\n" + "1,3\n" * 12, 'line 3 .*"1e999" in column "a"'),
    "page.html": ("<html>", "line 1 .* begins with"),
}


def test_a_file_that_cannot_be_used_is_refused_with_its_line_and_the_run_stays(watched):
    page = watched.page
    take(page, "houses.csv", GOOD)
    for name, (content, pattern) in BAD.items():
        assert re.search(pattern, take(page, name, content)), name
        assert page.locator("#own-target").input_value() == "sold"


def test_names_are_text_and_a_file_can_be_dropped(watched):
    page = watched.page
    hostile = "<img src=x onerror=alert(1)>"
    text = f"{hostile},</script>\n" + rows_of(lambda rng, i: f"{rng.normal():.3f},{i % 2}")
    page.evaluate(
        """(text) => {
          globalThis.before = document.body.dataset.frames;
          const dataTransfer = new DataTransfer();
          dataTransfer.items.add(new File([text], "<b>.csv", { type: "text/csv" }));
          for (const kind of ["dragenter", "dragover", "drop"]) {
            const made = { dataTransfer, bubbles: true, cancelable: true };
            document.body.dispatchEvent(new DragEvent(kind, made));
          }
        }""",
        text,
    )
    holds(page, "document.querySelector('#own-target')?.value === '</script>'")
    holds(page, "DR.page.payload.names.outputs[0] === '</script>'")
    assert page.locator("img").count() == 0
    assert page.evaluate("DR.page.payload.names.inputs") == [hostile]


def test_a_file_that_would_fill_the_memory_is_not_read(watched):
    page = watched.page
    page.evaluate(
        """() => {
          const dataTransfer = new DataTransfer();
          dataTransfer.items.add(new File([new Uint8Array(50_000_001)], "large.csv"));
          File.prototype.arrayBuffer = () => { throw new Error("it was read"); };
          const made = { dataTransfer, bubbles: true, cancelable: true };
          document.body.dispatchEvent(new DragEvent("drop", made));
        }"""
    )
    reason = page.locator("#own [role=status]").inner_text()
    page.evaluate("() => { delete File.prototype.arrayBuffer; }")
    assert reason == '"large.csv" has 51 MB; expected at most 50 MB: take fewer rows'


def test_it_is_accessible(watched):
    page = watched.page
    take(page, "houses.csv", GOOD)
    assert violations_in_both_schemes(page) == []


def test_an_address_that_was_typed_is_never_overwritten(watched):
    page = watched.page
    data = "document.querySelector('#data :checked').id"
    # The page writes the settings into the address before it has heard of the new one.
    page.evaluate(
        """() => {
          location.hash = "data=xor&layers=3";
          document.getElementById("discrete").click();
        }"""
    )
    holds(page, f"{data} === 'data-xor' && DR.page.net.widths.join() === '2,3,1'")
    holds(page, "location.hash === '#data=xor&layers=3&discrete=1'")
    # Another address, and the first one again before the page has the run of the other.
    page.evaluate(
        """() => {
          const back = () => { location.hash = "data=xor&layers=3&discrete=0"; };
          addEventListener("hashchange", back, { once: true });
          location.hash = "data=moons";
        }"""
    )
    holds(page, "location.hash === '#data=xor&layers=3'")
    before = int(page.evaluate("document.body.dataset.frames"))
    button(page, "Step").click()
    holds(page, f"Number(document.body.dataset.frames) > {before}")
    assert page.evaluate(data) == "data-xor"
    assert page.evaluate("location.hash") == "#data=xor&layers=3"


def test_without_a_worker_it_trains_in_the_page(context, file):
    watched = Watched(context, **WIDE)
    page = watched.page
    page.add_init_script("globalThis.Worker = class { constructor() { throw new Error('no'); } };")
    page.goto(file.as_uri())
    page.wait_for_selector("[data-node]", timeout=60_000)
    button(page, "Play").click()
    holds(page, "Number(document.body.dataset.step) > 20")
    assert watched.errors == []
    page.close()


def test_what_trains_is_never_written_twice():
    """The trainer's scripts import no formula: none of them calls a function of the mathematics."""
    for name in ("rules.js", "run.js", "trainer.js", "moment.js"):
        assert not re.search(r"Math\.(exp|log|tanh|sign)", own_asset(name)), name
