"""Makes the pictures of the explain page that the documentation shows.

``python docs/make_screenshots.py [FOLDER]``

Needs playwright, Pillow, scikit-learn (for the digits) and a chromium on the PATH; it is run by
hand after the page has changed, looked at, and its pictures are committed:

- ``page-light.png``, ``page-dark.png``, ``page-phone.png``: the article's example with w_12^2
  chosen, in a window of 1280 × 800 and on a phone 390 points wide;
- ``page-answer.png``: scikit-learn's diabetes data in 10-8-4-1, with the answer on a row;
- ``page-digits.png``: digits in 64-32-10, with recorded steps, its loss curve and its lens,
  without the heat maps between them;
- ``page-pixels.png``: a table of digits in 61-32-10, with the answer on a row that is predicted
  wrong, and ``page-gallery.png``, the weights into its first layer.

Each is drawn with few colours, and is smaller than 172 kB.
"""

import tempfile
from pathlib import Path

import numpy as np
from pictures import folder, keep, launched
from playwright.sync_api import sync_playwright

from deltarule import Network, explain
from deltarule.engines import EngineSettings, ReferenceEngine
from deltarule.engines.base import Batch
from deltarule.explain.page import PageState, write_page
from deltarule.explain.subject import Subject
from deltarule.explain.training_parts import training_parts

WEIGHT = {"kind": "edge", "layer": 2, "j": 1, "k": 2}


def article(path):
    """The example of by_hand.rst."""
    net = Network(
        [3, 3, 3],
        activation="logistic",
        output_activation="logistic",
        loss="squared_error",
        bias=False,
    )
    W = [
        [[((3 * j + 2 * k + layer) % 7 - 3) / 10 for k in range(3)] for j in range(3)]
        for layer in (1, 2)
    ]
    X, Y = [[0.5, -0.25, 0.75], [-1.0, 0.125, 0.25]], [[0.0, 1.0, 0.5], [1.0, 0.0, 0.25]]
    explained = explain(net, X, Y, theta=net.pack(W=W), rule="sgd", learning_rate=0.5)
    return explained.html(path, title="Backpropagation by hand", start={"selected": WEIGHT})


def digits(path):
    """Forty steps of Adam over four hundred digits, every fifth of them recorded."""
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    X, y = (X[:400] / 16).astype(np.float32), y[:400]
    net = Network([64, 32, 10], "relu", "softmax", "cross_entropy", dtype=np.float32)
    engine = ReferenceEngine()
    engine.load(net, net.initial(seed=0), EngineSettings(rule="adam"))
    targets = net.loss.prepare(y, len(X), 10, np.float32)
    w = np.full(len(X), 1 / len(X), dtype=np.float32)
    states, history = [], []
    for step in range(41):
        batch = Batch(X, targets, w, np.arange(len(X)), max(step, 1))
        if step:
            engine.step(batch, 0.02)
        if step % 5 == 0:
            theta = np.array(engine.theta)
            states.append(PageState(theta, step=step, epoch=step, learning_rate=0.02))
        history.append({"epoch": step, "steps": step, "loss": float(engine.cost(batch))})
    names = tuple(map(str, range(10)))
    subject = Subject.of_arrays(
        net, states[4].theta, X, y, classes=names, engine="reference", dtype="float32"
    )
    return write_page(
        subject, path, title="Digits, 64-32-10", states=states, history=history,
        start={"sample": 7, "selected": {"kind": "edge", "layer": 2, "j": 7, "k": 14}},
    )  # fmt: skip


def diabetes(path):
    """A network for a table, with the answer on its third row."""
    from sklearn.datasets import load_diabetes

    from deltarule.tables import apply_schema, infer_schema, table_from_frame
    from deltarule.tabular import TableSettings, fit_table

    data = load_diabetes(scaled=False)
    names = ["age", "sex", "bmi", "blood pressure", *data.feature_names[4:]]
    frame = dict(zip(names, data.data.T, strict=True)) | {"progression": data.target}
    table = table_from_frame(frame)
    schema = infer_schema(table, "progression")
    settings = TableSettings(layers=(8, 4), epochs=200, folds=0)
    model = fit_table(table, schema, settings)
    explained = explain(model, apply_schema(schema, table))
    return explained.html(path, title="Diabetes, row 3", start={"sample": 2})


def pixels(path):
    """A network for a table of digits, with the answer on the test row of the largest loss."""
    from sklearn.datasets import load_digits

    from deltarule.tables import apply_schema, infer_schema, table_from_frame
    from deltarule.tabular import TableSettings, fit_table

    data = load_digits()
    frame = dict(zip(data.feature_names, data.data.T, strict=True))
    table = table_from_frame(frame | {"digit": data.target.astype(str)})
    schema = infer_schema(table, "digit", task="classification")
    model = fit_table(table, schema, TableSettings(layers=(32,), epochs=30, folds=0))
    explained = explain(model, apply_schema(schema, table))
    parts = np.array(training_parts(model, explained.subject.table.typed), dtype=object)
    losses = np.where(parts == "test", explained.subject.per_sample.loss, -1.0)
    start = {"sample": int(losses.argmax())}
    return explained.html(path, title="Digits of a table", start=start)


def taken(
    browser,
    path,
    place,
    *,
    scheme="light",
    size=(1280, 800),
    scale=1.5,
    clip=None,
    without="",
    part="",
):
    """A picture of the page.

    ``clip`` is what the whole page is cut to, in its own points; ``without`` a part left out, and
    ``part`` the only part that is taken.
    """
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        device_scale_factor=scale,
        color_scheme=scheme,
        reduced_motion="reduce",
    )
    page = context.new_page()
    page.goto(path.as_uri())
    if without:
        page.add_style_tag(content=f"{without} {{ display: none !important; }}")
    page.locator("#lens").scroll_into_view_if_needed()  # what takes long comes when it is seen
    page.wait_for_timeout(2000)
    if part:
        page.locator("#heat").scroll_into_view_if_needed()
        page.locator(part).wait_for()
        page.wait_for_timeout(300)
        png = page.locator(part).screenshot()
    else:
        page.evaluate("scrollTo(0, 0)")
        page.wait_for_timeout(300)
        png = page.screenshot(full_page=clip is not None, clip=clip)
    keep(png, place)
    context.close()


def main():
    """Take them all."""
    place = folder()
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        first, second = article(Path(scratch, "a.html")), digits(Path(scratch, "b.html"))
        third, fourth = diabetes(Path(scratch, "c.html")), pixels(Path(scratch, "d.html"))
        browser = launched(playwright)
        taken(browser, first, place / "page-light.png")
        taken(browser, first, place / "page-dark.png", scheme="dark")
        taken(browser, first, place / "page-phone.png", size=(390, 844), scale=2)
        taken(browser, third, place / "page-answer.png")
        taken(browser, second, place / "page-digits.png", scale=1, without=".place-heat",
              clip={"x": 0, "y": 0, "width": 1280, "height": 2150})  # fmt: skip
        # A little smaller, so that there is room for the greys of the input.
        taken(browser, fourth, place / "page-pixels.png", scale=1.4)
        taken(browser, fourth, place / "page-gallery.png", part=".gallery")
        browser.close()


if __name__ == "__main__":
    main()
