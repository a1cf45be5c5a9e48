"""The answer on a row of a table, as the page shows it, has the numbers of Python's answer."""

import dataclasses
import functools

import numpy as np
import pytest
from tests.browser import Watched, violations, violations_in_both_schemes
from tests.explain.page_reading import shown_number
from tests.explain.pages import until
from tests.tabular.small_portfolio import train_few_configurations

from deltarule import explain
from deltarule.explain.attributions import attribute
from deltarule.explain.page import payload_of, write_page
from deltarule.explain.row_answer import model_answer, row_answer
from deltarule.explain.row_text import ABOUT_PARTS
from deltarule.explain.training_parts import PART_WORDS, training_parts
from deltarule.maths import forward
from deltarule.tables import apply_schema, infer_schema, read_table, table_from_frame
from deltarule.tabular import TableSettings, fit_table
from deltarule.tabular.network_targets import decode_outputs

ROWS = 90
READ = """
(root) => Object.fromEntries([...document.querySelectorAll(`${root} [data-answer]`)].map(
  (node) => [node.dataset.answer, [node.dataset.value, node.textContent]]))
"""


def written(folder):
    """A table of numbers with gaps, a date and a category with a hostile level; three targets."""
    rng = np.random.default_rng(5)
    lines = ["size,day,kind,price,sort,ok"]
    kinds = ("<b>oak</b>", "elm & ash", "fir", "yew", "box", "bay", "fig", "nut")
    for i in range(ROWS):
        size, kind = rng.normal(40, 9), kinds[min(int(rng.exponential(2)), 7)]
        price = 9000 + 310 * size - 900 * kinds.index(kind) + rng.normal(0, 400)
        sort = ("low", "<i>mid</i>", "high")[int(np.digitize(price, (18000, 21000)))]
        cell = "" if i % 11 == 3 else f"{size:.2f}"
        day = f"2024-{1 + i % 12:02d}-{1 + i % 28:02d}"
        lines.append(f"{cell},{day},{kind},{price:.0f},{sort},{'yes' if price > 20000 else 'no'}")
    path = folder / "table.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@functools.cache
def fitted(folder, target, one=True):
    table = read_table(written(folder))
    dropped = [name for name in ("price", "sort", "ok") if name != target]
    schema = infer_schema(table, target, ignore=dropped)
    settings = {"epochs": 6, "layers": (5,), "activation": "tanh"} if one else {}
    model = fit_table(table, schema, TableSettings(seed=1, **settings))
    return model, apply_schema(model.schema, table)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("answers")


@pytest.fixture
def opened(chromium, folder):
    """Opens the page of an explanation; fails on errors and requests."""
    context, _ = chromium
    tabs = []

    def open_page(explained, name, size=(1280, 720), **options):
        path = folder / f"{name}.html"
        if not path.exists():
            write_page(explained, path, lens=None, **options)
        watched = Watched(context, width=size[0], height=size[1])
        watched.page.emulate_media(reduced_motion="reduce")
        watched.page.goto(path.as_uri())
        tabs.append(watched)
        return watched.page

    yield open_page
    for tab in tabs:
        assert tab.errors == []
        assert tab.outside("file:") == []
        tab.close()


def read(page):
    """The numbers of the card by name: exact, and as they are shown."""
    page.locator(".answer[aria-busy]").wait_for(state="detached")
    return {
        name: (float(value), text) for name, (value, text) in page.evaluate(READ, "#answer").items()
    }


def expected_numbers(answer):
    """Python's numbers under the names of the page."""
    scale = 1.0 if answer.is_number else 100.0
    found = {
        "start": scale * answer.start,
        "total": scale * answer.value,
        "now": scale * answer.value,
        "loss": answer.loss,
        "mean_loss": answer.mean_loss,
    }
    if answer.larger:
        found["larger"] = answer.larger
    if answer.is_number:
        found["predicted"], found["actual"] = answer.predicted, answer.actual
        found["gap"] = abs(answer.predicted - answer.actual)
        found["typical_error"] = answer.typical_error
    else:
        found["value"] = answer.value
        if answer.second is not None:
            found["second"] = answer.second_probability
    for column in answer.columns:
        found[f"part {column.name}"] = scale * column.part
    for change in answer.changes:
        for cell, value in change.values:
            whole = isinstance(cell, float) and cell.is_integer()
            found[f"with {change.name}={int(cell) if whole else cell}"] = scale * value
    return found


def check(page, answer):
    """Assert that the card has all of Python's numbers, to the digits that are shown."""
    got, true = read(page), expected_numbers(answer)
    assert set(true) <= set(got), set(true) - set(got)
    extra = set(got) - set(true)
    assert extra <= {"actual-probability"}
    for name, value in true.items():
        exact, text = got[name]
        # Predictions with other cells are the engine's in Python, in float32.
        scale = max(abs(value), abs(true["start"]) if "part" in name else 0.0)
        assert exact == pytest.approx(value, rel=2e-5, abs=2e-5 * scale), name
        shown, half = shown_number(text)
        percent = 100 if name in ("value", "second") else 1
        assert abs(float(shown) - percent * exact) <= float(half) * (1 + 1e-6), (name, text)
    return got


@pytest.mark.parametrize("target", ["price", "sort", "ok"])
def test_every_number_of_the_answer_is_pythons(opened, folder, target):
    model, typed = fitted(folder, target)
    e = explain(model, typed)
    page = opened(e, target)
    for sample in (0, 3, 14, 25, 40, 77):
        page.evaluate("(sample) => DR.page.set({ sample, selected: null })", sample)
        answer = row_answer(e, sample, model=model, typed=typed, parts=training_parts(model, typed))
        check(page, answer)
        words = page.inner_text("#answer")
        assert f"{target} of row {sample + 1}" in words
        if answer.is_number:
            gap = "high" if answer.predicted > answer.actual else "low"
            assert f"too {gap}" in words
        else:
            right = answer.predicted == answer.actual
            assert ("✓ right" if right else "✗ wrong") in words
            facts = page.locator(".answer-facts .answer-label").all_inner_texts()
            assert facts == [answer.predicted, answer.actual]
        assert ("missing" in words) == (
            typed.columns["size"][sample] != typed.columns["size"][sample]
        )
    assert page.locator("#answer :is(b, i)").count() == 0  # names of the table are text


def test_a_wrong_number_of_the_answer_is_seen(opened, folder):
    model, typed = fitted(folder, "price")
    e = explain(model, typed)
    page = opened(e, "price")
    page.evaluate("DR.page.set({ sample: 3 })")
    read(page)
    answer = row_answer(e, 3, model=model, typed=typed, parts=training_parts(model, typed))
    page.evaluate("document.querySelector('[data-answer=predicted]').textContent = '9'")
    with pytest.raises(AssertionError, match="predicted"):
        check(page, answer)


def test_it_follows_states_and_what_if(opened, folder):
    model, typed = fitted(folder, "price")
    e = explain(model, typed)
    page = opened(e, "price")
    before = read(page)
    page.evaluate("DR.page.set({ nudge: { what: { kind: 'node', layer: 0, j: 0 }, delta: 0.5 } })")
    now = read(page)
    assert "larger" not in now  # the other rows' losses are those of the network as it was
    assert "what if" in page.inner_text("#answer")
    x = e.subject.X[:1].copy()
    x[0, 0] += 0.5
    then = decode_outputs(
        e.subject.net, model.target, forward(e.subject.net, e.subject.theta, x).A[-1]
    )
    assert now["predicted"][0] == pytest.approx(float(then[0]), rel=1e-9)
    assert now["predicted"][0] != before["predicted"][0]
    page.evaluate("DR.page.set({ nudge: null })")
    assert read(page) == before


def test_the_answer_gives_way_to_the_derivation_and_comes_back(opened, folder):
    model, typed = fitted(folder, "price")
    page = opened(explain(model, typed), "price")
    assert page.locator("#answer").is_visible()
    assert not page.locator("#panel").is_visible()
    page.get_by_text("The loss, number by number").click()
    assert page.evaluate("DR.page.state.selected") == {"kind": "cost"}
    assert page.locator("#panel").is_visible()
    assert not page.locator("#answer").is_visible()
    page.keyboard.press("Escape")
    assert page.locator("#answer").is_visible()
    page.evaluate("DR.page.set({ selected: { kind: 'edge', layer: 2, j: 0, k: 1 } })")
    assert "Weight to" in page.inner_text("#panel")
    tabs = page.locator(".panel-tabs")
    tabs.get_by_label("Answer").check(force=True)
    assert page.locator("#answer").is_visible()
    tabs.get_by_label("Derivation").check(force=True)
    assert "Weight to" in page.inner_text("#panel")
    page.evaluate("DR.page.set({ selected: null, mode: 'mean' })")
    assert "The cost" in page.inner_text("#panel")


def test_it_is_accessible_and_fits_a_phone(opened, folder):
    model, typed = fitted(folder, "sort")
    page = opened(explain(model, typed), "sort", size=(390, 844))
    card = page.locator("#answer").bounding_box()
    assert card["y"] < page.locator(".place-drawing").bounding_box()["y"]
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert violations_in_both_schemes(page) == []
    page.set_viewport_size({"width": 1280, "height": 720})
    until(page, "document.querySelector('#derivation > #answer') !== null", bool)
    assert violations_in_both_schemes(page) == []


def test_a_portfolio_is_answered_for_first(opened, folder, monkeypatch):
    train_few_configurations(monkeypatch)
    model, typed = fitted(folder, "sort", one=False)
    answer = model_answer(model, typed, 4)
    e = explain(model.network(), typed)
    page = opened(e, "whole", portfolio=model, answer=answer, start={"sample": 4})
    got = read(page)
    shares = model.outputs(typed)[4]
    assert answer.second == str(model.classes[np.argsort(shares)[-2]])
    second = page.locator("[data-answer=second]").first.get_attribute("data-value")
    assert float(second) == answer.second_probability == np.sort(shares)[-2]
    assert got["portfolio value"][0] == pytest.approx(answer.value, rel=1e-5)
    # The loss in the drawing is that of its one network, whose index of C is no row of the table.
    assert "network 1’s loss of " in page.text_content(".network .loss")
    assert page.locator(".answer-label").first.inner_text() == answer.predicted
    assert page.locator("#answer h3").first.inner_text() == "sort of row 5"
    # The parts and the other cells of the portfolio are open, and come before the network's own.
    first, second, own = (page.locator("#answer details").nth(k) for k in range(3))
    assert first.get_attribute("data-portfolio") is not None
    assert first.evaluate("(each) => each.open")
    assert second.evaluate("(each) => each.open")
    assert not own.evaluate("(each) => each.open")
    numbers = page.evaluate(READ, "[data-portfolio]")
    for column in answer.columns:
        assert float(numbers[f"part {column.name}"][0]) == pytest.approx(100 * column.part)
    assert float(numbers["total"][0]) == pytest.approx(100 * answer.value)
    # What the parts miss is shown, so that the printed numbers add up but for rounding.
    *parts, total = [shown_number(text)[0] for _, text in numbers.values()]
    decimals = len(numbers["total"][1].partition(".")[2])
    assert abs(sum(parts) - total) <= (len(parts) + 1) / 2 * 10.0**-decimals + 1e-9
    assert " ".join(ABOUT_PARTS.split()) in first.text_content()
    numbers = page.evaluate(READ, "[data-portfolio] + details")
    for change in answer.changes:
        for cell, value in change.values:
            assert float(numbers[f"with {change.name}={cell}"][0]) == pytest.approx(100 * value)
    alone = page.locator("#answer h3").nth(1).inner_text()
    assert "network of the drawing alone" in alone
    assert got["value"][0] == pytest.approx(row_answer(e, 4).value, rel=1e-5)
    outputs = model.outputs(typed)
    parts = training_parts(model, typed)
    for sample in (parts.index("test"), parts.index("train")):
        page.evaluate("(sample) => DR.page.set({ sample })", sample)
        now = read(page)
        assert now["portfolio value"][0] == pytest.approx(outputs[sample].max(), rel=1e-5)
        assert PART_WORDS[parts[sample]] in page.inner_text("#answer")
        wrong = now.get("portfolio actual-probability")
        k = model.classes.index(str(typed.target[sample]))
        assert (wrong is None) == (outputs[sample].argmax() == k)
        assert wrong is None or wrong[0] == pytest.approx(outputs[sample, k], rel=1e-5)
        assert page.locator("[data-portfolio]").count() == (sample == 4)
    assert violations(page) == []


def test_the_interval_of_a_portfolios_number_and_the_rows_own_number(opened, folder, monkeypatch):
    train_few_configurations(monkeypatch)
    model, typed = fitted(folder, "price", one=False)
    answer = model_answer(model, typed, 4)
    e = explain(model.network(), typed)
    page = opened(e, "interval", portfolio=model, answer=answer, start={"sample": 4})
    got = read(page)
    low, high = answer.interval
    assert (got["interval low"][0], got["interval high"][0]) == (low, high)
    said = page.inner_text("[data-interval]").replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    terminal = " ".join(answer.text().split())
    assert said in terminal, (said, terminal)
    # A row of a table has one number, everywhere: row 5 is the fifth, at the place 4.
    drawn = page.text_content(".network .loss")
    assert "network 1\N{RIGHT SINGLE QUOTATION MARK}s loss" in drawn
    assert "of row 5" in drawn
    page.evaluate("DR.page.set({ selected: { kind: 'cost' } })")
    panel = page.inner_text("#panel")
    assert "row 5" in panel
    assert "sample 4" not in panel
    index = page.locator('#panel [data-symbol="C_4"] msub').first.text_content()
    assert index == "C5"
    page.evaluate("DR.page.set({ sample: 6 })")
    read_index = "document.querySelector('#panel [data-symbol=C_6] msub').textContent"
    assert until(page, read_index, bool) == "C7"
    # The article's example in the tour counts its own samples.
    page.evaluate("location.hash = '#tour-1'")
    until(page, "document.activeElement.textContent", lambda t: t.startswith("1."))
    assert "sample 0" in page.text_content(".tour-drawing .loss")
    page.evaluate("location.hash = '#tour-1-own'")
    until(page, "document.querySelector('.tour-drawing .loss').textContent", lambda t: "row" in t)
    page.click("#tour button:has-text('Leave')")
    assert "row 7" in page.text_content("#drawing .loss")


def test_of_a_wrong_class_the_parts_of_the_tables_class_are_shown_too(opened, folder):
    model, typed = fitted(folder, "sort")
    e = explain(model, typed)
    outputs = e.subject.trace.A[-1]
    own = e.subject.Y.argmax(axis=1)
    wrong, right = (int(np.flatnonzero(each)[0]) for each in (
        outputs.argmax(axis=1) != own, outputs.argmax(axis=1) == own))  # fmt: skip
    page = opened(e, "against", start={"sample": wrong})
    before = read(page)
    page.click("[data-turn]")
    got = read(page)
    parts = attribute(e.subject, rows=wrong, of=int(own[wrong]))
    assert got["total"][0] == pytest.approx(100 * outputs[wrong, own[wrong]], rel=1e-5)
    assert got["total"][0] < before["total"][0]
    table = {}
    for column in e.subject.columns:
        table[column.name] = 100 * sum(parts.values[0, k] for k in column.inputs)
    for name, value in table.items():
        assert got[f"part {name}"][0] == pytest.approx(value, rel=1e-4, abs=1e-4)
    assert str(typed.target[wrong]) in page.inner_text("#answer details summary >> nth=0")
    # The headline and the other cells stay those of the prediction.
    assert got["value"] == before["value"]
    page.click("[data-turn]")
    assert read(page)["total"] == before["total"]
    page.evaluate("(sample) => DR.page.set({ sample })", right)
    read(page)
    assert page.locator("[data-turn]").count() == 0


def test_a_number_of_the_table_has_its_digits(opened, folder):
    model, typed = fitted(folder, "price")
    exact = dataclasses.replace(typed, target=typed.target.copy())
    exact.target[2] = 27762.39
    e = explain(model, exact)
    page = opened(e, "digits", start={"sample": 2})
    read(page)
    words = page.evaluate(
        "(DR.page.set({ sample: 3 }), document.querySelector('#answer').innerText)"
    )
    assert "computing …" in words
    page.evaluate("DR.page.set({ sample: 2 })")
    read(page)
    assert "computing" not in page.inner_text("#answer")
    assert "scaled target" in page.inner_text(".answer-loss")
    assert read(page)["actual"] == (27762.39, "27762.39")
    text = row_answer(e, 2).text()
    assert "the table has 27762.39" in " ".join(text.split())


def test_it_says_which_cells_would_have_changed_the_class(opened, folder):
    model, typed = fitted(folder, "ok")
    e = explain(model, typed)
    page = opened(e, "ok")
    answers = {
        i: row_answer(e, i, model=model, typed=typed, parts=training_parts(model, typed))
        for i in range(ROWS)
    }

    def least(sample):
        return min(value for change in answers[sample].changes for _, value in change.values)

    seen = set()
    ordered = sorted(answers, key=least)
    for sample in (*ordered[:2], *ordered[-2:]):
        answer = answers[sample]
        page.evaluate("(sample) => DR.page.set({ sample })", sample)
        read(page)
        # By the probability itself: the predicted class has more than a half.
        turned = sum(value < 0.5 for change in answer.changes for _, value in change.values)
        tried = sum(len(change.values) for change in answer.changes)
        seen.add(turned > 0)
        assert page.locator(".answer-try.turns").count() == turned
        for words in (page.inner_text("[data-decision]"), " ".join(answer.text().split())):
            assert f"Of {tried} other cells tried, one at a time," in words
            assert ("none would have changed" in words) == (turned == 0)
            assert ("these would have changed" in words) == (turned > 0)
        assert answer.text().count(" → ") == turned
    assert seen == {True, False}


@pytest.mark.parametrize("target", ["sort", "ok"])
def test_the_rule_of_the_decision_names_the_second_of_many_classes(opened, folder, target):
    model, typed = fitted(folder, target)
    e = explain(model, typed)
    page = opened(e, target)
    page.evaluate("(sample) => DR.page.set({ sample })", 4)
    read(page)
    answer = row_answer(e, 4, model=model, typed=typed, parts=training_parts(model, typed))
    texts = page.inner_text("[data-decision]"), " ".join(answer.text().split())
    if target == "ok":
        assert (answer.classes, answer.second, answer.second_probability) == (2, None, None)
        rule = "Of the two classes the one with a probability above 50 % is predicted."
    else:
        outputs = e.subject.forward.A[-1][4]
        order = [str(model.classes[k]) for k in np.argsort(-outputs)]
        assert [answer.predicted, answer.second] == order[:2]
        assert answer.second_probability == pytest.approx(np.sort(outputs)[-2], abs=1e-12)
        rule = (
            "Of the 3 classes the one of the largest probability is predicted; the second is "
            f"{answer.second} with "
        )
        exact = page.locator("[data-decision] [data-answer=second]").get_attribute("data-value")
        assert float(exact) == pytest.approx(answer.second_probability, abs=1e-12)
    for words in texts:
        assert rule in words


def test_without_a_table_there_is_no_answer(show):
    page = show("article").page
    assert not page.locator("#answer").is_visible()
    assert page.locator(".panel-tabs").count() == 0
    assert "The cost" in page.inner_text("#panel")


def test_other_cells_are_left_out_where_an_input_is_of_many_columns(folder, monkeypatch):
    train_few_configurations(monkeypatch)
    model, typed = fitted(folder, "price", one=False)
    tried = {
        name: payload_of(explain(model.network(name), typed).subject)["answer"]["tried"]
        for name in ("silu", "quantile")  # the second has mixtures of all columns
    }
    assert len(tried["silu"]["cells"]) == 3
    assert tried["quantile"] is None


def test_the_page_knows_the_part_of_the_training(opened, folder):
    model, typed = fitted(folder, "ok")
    payload = payload_of(explain(model, typed).subject)
    parts = payload["answer"]["parts"]
    page = opened(explain(model, typed), "ok")
    for part, words in (("train", "learned from"), ("valid", "validation"), ("test", "test row")):
        page.evaluate("(sample) => DR.page.set({ sample })", parts.index(part))
        read(page)
        assert words in page.inner_text(".answer-after")
    assert page.locator("[data-other-table]").count() == 0


def test_the_page_says_that_the_rows_are_of_another_table(opened, folder):
    model, typed = fitted(folder, "ok")
    other = explain(model, typed.take(range(50)))
    assert set(payload_of(other.subject)["answer"]["parts"]) == {""}
    page = opened(other, "other")
    read(page)
    said = page.locator("[data-other-table]")
    assert said.is_visible()
    assert said.inner_text() == PART_WORDS[""]


def test_a_page_of_few_rows_has_the_test_rows_with_the_largest_losses(folder, monkeypatch):
    monkeypatch.setattr("deltarule.explain.page.payload.MOST_ROWS", 25)
    monkeypatch.setattr("deltarule.explain.page.payload.HARDEST", 4)
    model, typed = fitted(folder, "ok")
    subject = explain(model, typed).subject
    payload = payload_of(subject)
    parts = np.array(training_parts(model, typed), dtype=object)
    losses = np.where(parts == "test", subject.per_sample.loss, -1.0)
    worst = [subject.names.rows[i] for i in np.argsort(-losses, kind="stable")[:4]]
    assert len(payload["names"]["rows"]) == 25
    assert set(worst) <= set(payload["names"]["rows"])


def test_test_rows_are_found_in_a_list_the_largest_error_first(opened, folder):
    model, typed = fitted(folder, "ok")
    subject = explain(model, typed).subject
    page = opened(explain(model, typed), "ok")
    read(page)
    page.get_by_label("Find a row").first.click()
    test = np.flatnonzero(np.array(training_parts(model, typed), dtype=object) == "test")
    rows = page.locator(".thumbnails")
    rows.get_by_label("Show").select_option(f"{len(test)} test rows")
    rows.get_by_label("Order").select_option("largest error first")
    outputs = model.outputs(typed)
    truth = np.array([model.classes.index(str(cell)) for cell in typed.target])
    errors = 1 - outputs[np.arange(len(truth)), truth]
    order = test[np.argsort(-errors[test], kind="stable")]
    buttons = rows.locator("button")
    found = buttons.evaluate_all("(all) => all.map((each) => Number(each.dataset.row))")
    assert found == order.tolist()
    wrong = outputs.argmax(axis=1) != truth
    assert ["✗" in text for text in buttons.all_inner_texts()] == wrong[order].tolist()
    assert subject.names.rows[order[0]] in buttons.first.inner_text()
    buttons.first.press("Enter")
    assert page.evaluate("DR.page.state.sample") == order[0]


def test_the_list_of_a_portfolio_has_its_own_predictions(opened, folder, monkeypatch):
    train_few_configurations(monkeypatch)
    model, typed = fitted(folder, "price", one=False)
    page = opened(explain(model.network(), typed), "list", portfolio=model)
    rows = page.evaluate(
        "() => [...Array(DR.page.rows.n).keys()].map((i) => DR.rows.judge(DR.page, i))"
    )
    np.testing.assert_allclose([row["predicted"] for row in rows], model.outputs(typed), rtol=1e-12)
    np.testing.assert_allclose(
        [row["error"] for row in rows], np.abs(model.outputs(typed) - typed.target), rtol=1e-9
    )


def test_pixels_of_a_table_have_a_picture_of_their_parts(opened, folder):
    rng = np.random.default_rng(3)
    columns = {f"pixel_{r}_{c}": rng.uniform(0, 16, 40) for r in range(3) for c in range(3)}
    table = table_from_frame(columns | {"y": np.where(columns["pixel_1_1"] > 8, "in", "out")})
    schema = infer_schema(table, "y")
    model = fit_table(table, schema, TableSettings(seed=1, epochs=4, layers=(4,)))
    typed = apply_schema(schema, table)
    page = opened(explain(model, typed), "pixels", start={"sample": 5})
    read(page)
    answer = row_answer(explain(model, typed), 5)
    parts = {column.name: 100 * column.part for column in answer.columns}
    card = page.locator("#answer")
    assert card.locator(".image-pair canvas").count() == 2
    assert not card.locator(".answer-parts").is_visible()
    canvas = card.locator(".image-pair canvas").first
    canvas.focus()
    shown = []
    for _ in range(3):
        shown.append(
            card.locator(".image-pair output [data-value]").first.get_attribute("data-value")
        )
        page.keyboard.press("ArrowRight")
    np.testing.assert_allclose(
        [float(each) for each in shown], [parts[f"pixel_0_{c}"] for c in range(3)], atol=1e-4
    )
    card.get_by_text("The largest of them as bars").click()
    assert card.locator(".answer-parts").is_visible()
