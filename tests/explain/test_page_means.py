"""A page with a part of the rows: a mean is over all rows, or says over which rows it is."""

import dataclasses

import numpy as np
import pytest
from tests.browser import Watched
from tests.explain.page_reading import READ, Expected, check_reading, readings
from tests.explain.pages import set_state, until, values

from deltarule.explain.page import MOST_ROWS, PageState, payload, write_page
from deltarule.explain.subject import Subject
from deltarule.maths import Network

N = 400
EDGE = {"kind": "edge", "layer": 2, "j": 1, "k": 2}
SOME = f"over {MOST_ROWS} of {N} rows"


def many_rows(weighted):
    rng = np.random.default_rng(2)
    net = Network([4, 5, 3], "tanh", "softmax", "cross_entropy")
    theta = net.initial(1) + 0.3 * rng.standard_normal(net.n_parameters)
    X = rng.standard_normal((N, 4)) * np.linspace(0.2, 3, N)[:, None]
    s = rng.uniform(0, 3, N) if weighted else None
    if weighted:
        s[::7] = 0
    return Subject.of_arrays(net, theta, X, rng.integers(0, 3, N), s)


def opened(context, subject, folder, **options):
    watched = Watched(context, width=1280, height=800)
    watched.page.emulate_media(reduced_motion="reduce")
    watched.page.goto(write_page(subject, folder / "page.html", **options).as_uri())
    watched.page.evaluate("localStorage.clear()")
    return watched


def of_the_page(subject, page):
    """Python's numbers by the page's sample numbers; means are over all rows."""
    rows = [int(name) for name in page.evaluate("DR.page.payload.names.rows")]
    expected = Expected(subject)
    chosen = dataclasses.replace(
        subject, X=subject.X[rows], Y=subject.Y[rows], s=subject.s[rows], w=subject.w[rows]
    )
    some = Expected(dataclasses.replace(chosen, names=subject.names))
    some.trace = dataclasses.replace(
        some.trace, cost=expected.trace.cost, dW=expected.trace.dW, db=expected.trace.db
    )
    return some


@pytest.mark.parametrize("weighted", [False, True])
def test_every_number_is_pythons_over_all_rows(context, tmp_path, weighted):
    subject = many_rows(weighted)
    tab = opened(context, subject, tmp_path)
    page, expected = tab.page, of_the_page(subject, tab.page)
    selections = (
        None,
        EDGE,
        {"kind": "bias", "layer": 1, "j": 2},
        {"kind": "node", "layer": 1, "j": 0},
    )
    compared = 0
    for mode in ("sample", "mean"):
        for colour in ("weight", "gradient"):
            given = {"mode": mode, "colour": colour, "sample": 9}
            for _, read in readings(page, [given | {"selected": each} for each in selections]):
                compared += check_reading(read, expected, 9)
            # What is drawn with a delay, as the check and the maps are.
            page.wait_for_timeout(150)
            compared += check_reading(page.evaluate(READ, "body"), expected, 9)
    assert compared > 500
    set_state(page, mode="mean", selected=EDGE)
    shown = values(page, "body")
    assert shown["C"] == pytest.approx(subject.trace.cost, rel=1e-12)
    assert shown["dC/dw^2_{1,2}"] == pytest.approx(subject.trace.dW[2][1, 2], rel=1e-12)
    # The mean over the page's rows differs, so that the test can tell the two apart.
    here = page.evaluate("DR.page.meanHere().cost")
    assert abs(here - subject.trace.cost) > 1e-4 * abs(here)
    assert f"Over all {N} rows" in page.inner_text("#panel")
    assert "mean loss C" in page.text_content(".network .loss")
    # That of one row says whose it is, by its number in the data beside the index of C.
    set_state(page, mode="sample", sample=9)
    name = page.evaluate("DR.page.payload.names.rows[9]")
    until(page, "document.querySelector('.network .loss').textContent", lambda t: "C₉ of" in t)
    whose = f"row {name}" if name != "9" else "sample 9"
    assert f"loss C₉ of {whose}" in page.text_content(".network .loss")
    tab.close()
    assert tab.errors == []


def test_the_terms_and_the_rows_that_are_not_there_add_to_the_mean(context, tmp_path):
    subject = many_rows(weighted=True)
    tab = opened(context, subject, tmp_path)
    set_state(tab.page, mode="mean", selected=EDGE)
    rows = [int(name) for name in tab.page.evaluate("DR.page.payload.names.rows")]
    others = np.setdiff1d(np.arange(N), rows)
    each = subject.per_sample.delta[2][:, 1] * subject.trace.A[1][:, 2] * subject.w
    found = tab.page.locator("#panel [data-others]").first
    assert float(found.get_attribute("data-others")) == pytest.approx(each[others].sum(), abs=1e-14)
    text = tab.page.inner_text("#panel")
    assert f"the {len(others)} rows that are not in this page, together" in text
    tab.close()


def test_what_is_of_the_pages_rows_says_so(context, tmp_path):
    subject = many_rows(weighted=False)
    tab = opened(context, subject, tmp_path)
    page = tab.page
    set_state(page, selected=EDGE, mode="mean", nudge={"what": EDGE, "delta": 0.5})
    page.wait_for_selector("#panel [data-changed]")
    assert SOME in page.inner_text("#whatif")
    assert SOME in page.inner_text("#panel")
    assert f"C over {MOST_ROWS} of {N}" in page.text_content(".network .loss")
    # No mean over some rows has the symbol of the mean over all.
    shown = values(page, "body")
    assert "C" not in shown or shown["C"] == pytest.approx(subject.trace.cost, rel=1e-12)
    assert "dC/dw^2_{1,2}" not in values(page, "#panel")
    page.click("#check button")
    assert SOME in page.inner_text("#check")
    page.evaluate("DR.page.set({ nudge: null })")
    page.locator("#heat").scroll_into_view_if_needed()
    page.locator("#heat .choice label", has_text="Activations").click()
    until(page, "document.querySelector('#heat').innerText", lambda t: f"({MOST_ROWS} of {N})" in t)
    text = page.inner_text("#heat")
    assert "Dead nodes" not in text
    assert f"Nodes at rest in {MOST_ROWS} of {N} rows" in text
    tab.close()
    assert tab.errors == []


@pytest.mark.parametrize("room", [True, False])
def test_other_states_have_their_own_means(context, tmp_path, monkeypatch, room):
    """Where a state's gradient does not fit, its C is still over all rows."""
    subject = many_rows(weighted=True)
    states = [
        PageState(subject.theta * scale, step=10 * i) for i, scale in enumerate((0.3, 0.6, 1.0))
    ]
    if not room:
        kept = payload.kept_states
        monkeypatch.setattr(payload, "kept_states", lambda *given: (kept(*given)[0], set()))
    tab = opened(context, subject, tmp_path, states=states)
    for i, state in enumerate(states):
        there = dataclasses.replace(subject, theta=state.theta)
        set_state(tab.page, state=i, mode="mean", selected=EDGE)
        found = tab.page.evaluate("DR.page.mean()")
        assert found["costOver"] == ""
        assert found["cost"] == pytest.approx(there.trace.cost, rel=1e-10)
        own = i == 2 or room
        assert (found["gradOver"] == "") == own
        if own:
            shown = values(tab.page, "#panel")["dC/dw^2_{1,2}"]
            assert shown == pytest.approx(there.trace.dW[2][1, 2], rel=1e-8, abs=1e-14)
        else:
            assert SOME in tab.page.inner_text("#panel .panel-head")
    tab.close()
    assert tab.errors == []


def test_the_baseline_mean_is_that_of_all_rows(context, tmp_path):
    subject = many_rows(weighted=True)
    tab = opened(context, subject, tmp_path)
    mean = tab.page.evaluate("[...DR.page.rows.mean]")
    assert mean == pytest.approx((subject.w @ subject.X).tolist(), rel=1e-12)
    tab.close()
