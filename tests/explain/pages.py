"""Pages for tests: of networks of several sizes, written and opened in a browser."""

import contextlib
import dataclasses
import functools
import time

import numpy as np
from tests.browser import Watched

from deltarule.explain.page import PageState, write_page
from deltarule.explain.subject import Names, Subject
from deltarule.maths import Network


@dataclasses.dataclass(frozen=True)
class Shown:
    """The arguments of a page; it opens at the last state."""

    title: str
    subject: Subject
    states: tuple = ()
    history: tuple = ()

    def write(self, folder):
        path = folder / "page.html"
        write_page(self.subject, path, title=self.title, states=self.states, history=self.history)
        return path


def article():
    """Layers 3-3-3 of the mathematics: no bias, two samples."""
    net = Network([3, 3, 3], "logistic", "logistic", bias=False)
    W = [
        [[(((3 * j + 2 * k + layer) % 7) - 3) / 10 for k in range(3)] for j in range(3)]
        for layer in (1, 2)
    ]
    X, Y = [[0.5, -0.25, 0.75], [-1, 0.125, 0.25]], [[0, 1, 0.5], [1, 0, 0.25]]
    return Shown("The article", Subject.of_arrays(net, net.pack(W), X, Y))


def trained():
    """The same network after four steps at η = 0.5, with the recorded states between."""
    first = article().subject
    theta, states, history = first.theta, [], []
    for step in range(5):
        now = dataclasses.replace(first, theta=theta)
        states.append(PageState(theta, step=step, epoch=step, learning_rate=0.5))
        history.append({"epoch": step, "steps": step, "loss": float(now.trace.cost)})
        theta = theta - 0.5 * now.trace.grad
    return Shown("Five states", now, tuple(states), tuple(history))


def softmax():
    """4-5-3 with biases, tanh and softmax."""
    rng = np.random.default_rng(5)
    net = Network([4, 5, 3], "tanh", "softmax", "cross_entropy")
    names = Names(("sepal length (cm)", "width", "length", "x_3"), ("a", "b", "c"), (*"uvwxyz",))
    theta, X = rng.normal(size=net.n_parameters), rng.normal(size=(6, 4))
    return Shown("Softmax", Subject.of_arrays(net, theta, X, rng.integers(0, 3, 6), names=names))


def deep():
    """64-128-64-10, with three dead hidden nodes."""
    rng = np.random.default_rng(6)
    net = Network([64, 128, 64, 10], "relu", "softmax", "cross_entropy")
    theta = 0.15 * rng.normal(size=net.n_parameters)
    start = net.block("b1").start
    theta[start + 4 : start + 7] = -50.0
    X = rng.uniform(size=(40, 64))
    return Shown("Large", Subject.of_arrays(net, theta, X, rng.integers(0, 10, 40)))


def planar():
    """2-3-1 with a logistic output: nodes with pictures over the plane of the inputs."""
    rng = np.random.default_rng(8)
    net = Network([2, 3, 1], "tanh", "logistic", "log_loss")
    first, last = rng.normal(size=(2, net.n_parameters))
    X = rng.uniform(-1, 3, size=(20, 2))
    Y = (X[:, :1] > X[:, 1:]).astype(float)
    states = (PageState(first, step=0), PageState(last, step=1))
    return Shown("Planar", Subject.of_arrays(net, last, X, Y), states)


def eights():
    """3-8-8-2 of numbers with many digits: sums of nine terms."""
    rng = np.random.default_rng(11)
    net = Network([3, 8, 8, 2], "identity", "identity", "half_squared_error")
    theta = 37.123 * rng.normal(size=net.n_parameters)
    X, Y = rng.normal(size=(4, 3)), rng.normal(size=(4, 2))
    return Shown("Eights", Subject.of_arrays(net, theta, X, Y))


def layered():
    """3-6-6-6-6-6-2: wider than a phone."""
    rng = np.random.default_rng(12)
    net = Network([3, 6, 6, 6, 6, 6, 2], "tanh", "identity", "half_squared_error")
    theta, X = rng.normal(size=net.n_parameters), rng.normal(size=(4, 3))
    return Shown("Layered", Subject.of_arrays(net, theta, X, rng.normal(size=(4, 2))))


def line():
    """1-3-1: nodes with pictures of curves."""
    rng = np.random.default_rng(10)
    net = Network([1, 3, 1], "tanh", "identity", "half_squared_error")
    X = np.linspace(-2, 2, 9)[:, None]
    return Shown("Line", Subject.of_arrays(net, rng.normal(size=net.n_parameters), X, X**2))


def pixels():
    """12-5-3 whose inputs are the pixels of images of 3 by 4."""
    rng = np.random.default_rng(9)
    net = Network([12, 5, 3], "tanh", "softmax", "cross_entropy")
    inputs = tuple(f"pixel_{r}_{c}" for r in range(3) for c in range(4))
    names = Names(inputs, ("a", "b", "c"), tuple(f"r{i}" for i in range(7)))
    theta, X = rng.normal(size=net.n_parameters), rng.uniform(0, 16, size=(7, 12))
    subject = Subject.of_arrays(net, 0.3 * theta, X, rng.integers(0, 3, 7), names=names)
    return Shown("Pixels", subject)


SHOWN = {
    "planar": planar,
    "line": line,
    "eights": eights,
    "layered": layered,
    "pixels": pixels,
    "article": article,
    "trained": trained,
    "softmax": softmax,
    "deep": deep,
}


@functools.cache
def shown(name):
    return SHOWN[name]()


def opened(context, folder, name, width=1280, height=800, **media):
    """The page in a tab: ``.page`` is Playwright's page, ``.subject`` the subject shown."""
    path = folder / f"{name}.html"
    if not path.exists():
        folder.mkdir(exist_ok=True, parents=True)
        shown(name).write(folder).rename(path)
    watched = Watched(context, width=width, height=height)
    watched.page.emulate_media(**{"color_scheme": "light", "reduced_motion": "reduce", **media})
    watched.page.goto(path.as_uri())
    watched.subject = shown(name).subject
    return watched


# The page answers a change of its address at once; this listener is called after its own.
GO_TO = """
(address) => new Promise((done) => {
  const there = () => done(document.activeElement.textContent);
  if (location.hash === address) return there();
  addEventListener("hashchange", there, { once: true });
  location.hash = address;
})
"""


def go_to(page, address):
    """Open a chapter of the tour, or another address of the page; return what has the focus."""
    return page.evaluate(GO_TO, address)


# What the page shows at first, with nothing in a field, nothing pointed at and at its top.
PUT_BACK = """
(state) => {
  DR.page.set(state);
  for (const field of document.querySelectorAll("input[type=text]")) {
    field.value = "";
    field.dispatchEvent(new Event("input", { bubbles: true }));
  }
  document.activeElement.blur();
  scrollTo(0, 0);
}
"""


@contextlib.contextmanager
def kept_open(watched):
    """A function that puts a page back to what it showed at first, for tests that share it."""
    first = watched.page.evaluate("DR.page.state")

    def put_back():
        watched.page.mouse.move(0, 0)
        watched.page.evaluate(PUT_BACK, first)
        assert watched.page.evaluate("DR.page.state") == first
        assert watched.errors == []
        return watched.page

    yield put_back
    errors, outside = watched.errors, watched.outside("file:")
    watched.close()
    assert errors == []
    assert outside == []


# The window has its new size, and what is as wide as it was drawn again in the frame after.
RESIZED = """
async ([width, height]) => {
  if (innerWidth !== width || innerHeight !== height)
    await new Promise((done) => addEventListener("resize", done, { once: true }));
  for (let i = 0; i < 3; ++i) await new Promise((done) => requestAnimationFrame(done));
}
"""


def resize(page, width, height):
    """Give the window another size, as turning a phone does."""
    page.set_viewport_size({"width": width, "height": height})
    page.evaluate(RESIZED, [width, height])


def leave_out(page, selector):
    """Leave what is in an element out of the layout; it is still computed and written.

    For tests that look at the drawing after many selections, of which each changes more elsewhere.
    """
    page.add_style_tag(content=f"{selector} {{ content-visibility: hidden; }}")


def set_state(page, **changes):
    """Change the store, as a control of the page does."""
    page.evaluate("(changes) => DR.page.set(changes)", changes)


def until(page, expression, fits, seconds=10.0):
    """Poll until an expression is true; the page's policy forbids ``wait_for_function``."""
    end = time.monotonic() + seconds
    while not fits(found := page.evaluate(expression)):
        assert time.monotonic() < end, f"{expression} is {found!r} after {seconds} s"
        page.wait_for_timeout(40)
    return found


def values(page, selector):
    """Symbol and value of every number under a selector."""
    found = page.eval_on_selector_all(
        f"{selector} [data-symbol]", "(all) => all.map((n) => [n.dataset.symbol, n.dataset.value])"
    )
    return {symbol: float(value) for symbol, value in found}
