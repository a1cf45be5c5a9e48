"""A playground server in this process, and a websocket client that follows the page's protocol."""

import collections
import contextlib
import json
import threading
import time

from websockets.sync.client import connect

from deltarule.playground.frame_format import unpack_frame
from deltarule.playground.runner import Runner
from deltarule.playground.server import Playground, listening_socket, make_server
from deltarule.playground.settings import RunSettings

TOKEN = "a-token-of-tests-0123456789"


class Served:
    """A served playground: its address, token and runner."""

    def __init__(self, playground):
        self.playground, self.port, self.token = playground, playground.port, playground.token
        self.runner = playground.runner

    @property
    def root(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def url(self):
        return f"{self.root}/?token={self.token}"

    def client(self, **options):
        return Client(self, **options)


@contextlib.contextmanager
def served(settings=None, source=None):
    """Serve a playground on a free port, and end it afterwards."""
    found = listening_socket(0)
    runner = Runner(source, settings=settings or RunSettings(data="moons"))
    runner.start()
    playground = Playground(runner, TOKEN, found.getsockname()[1])
    up = threading.Event()
    server = make_server(playground, up.set)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [found]}, daemon=True)
    thread.start()
    try:
        assert up.wait(60)
        yield Served(playground)
    finally:
        server.should_exit = True
        thread.join(30)
        found.close()
        runner.close()
        assert not thread.is_alive()


class Client:
    """A client that reads messages and frames, and acknowledges the frames."""

    def __init__(self, server, token=None, origin=None, acknowledge=True, **options):
        self.server, self.acknowledge = server, acknowledge
        self.opening = connect(
            f"ws://127.0.0.1:{server.port}/live?token={server.token if token is None else token}",
            origin=server.root if origin is None else origin,
            max_size=None,
            compression=None,
            **options,
        )
        self.hello = self.run = self.header = None
        self.arrays, self.answers, self.frames, self.ids = {}, {}, 0, 10**6
        self.replies = collections.Counter()

    def __enter__(self):
        self.socket = self.opening.__enter__()
        return self

    def __exit__(self, *error):
        self.opening.__exit__(*error)

    def read(self, timeout=30):
        """Read one message and store it."""
        received = self.socket.recv(timeout=timeout)
        if isinstance(received, bytes):
            self.header, self.arrays = unpack_frame(received)
            self.frames += 1
            if self.acknowledge:
                self.send({"type": "ack", "frame": self.header["frame"]})
            return
        message = json.loads(received)
        if message["type"] == "hello":
            self.hello = message
        elif message["type"] == "run":
            self.run = message
        else:
            self.answers[message["id"]] = message
            self.replies[message["type"]] += 1

    def send(self, message):
        self.socket.send(message if isinstance(message, str | bytes) else json.dumps(message))

    def ask(self, kind, **fields):
        """Send a message and return its answer."""
        self.ids += 1
        number = self.ids
        self.send({"type": kind, "id": number, **fields})
        self.until(lambda: number in self.answers)
        return self.answers.pop(number)

    def do(self, kind, **fields):
        """Send a message, and assert that it was executed."""
        answer = self.ask(kind, **fields)
        assert answer["type"] == "done", answer

    def to_the_end(self, timeout=30):
        """Read until the timeout or the end of the connection; both raise."""
        while True:
            self.read(timeout)

    def until(self, condition, timeout=60):
        """Read until a condition is true."""
        ends = time.monotonic() + timeout
        while not condition():
            self.read(max(ends - time.monotonic(), 0.01))

    def settle(self):
        """Read until the newest description has arrived, and a frame of that version."""
        version, _ = self.server.runner.description
        for name in ("run", "header"):
            self.until(lambda name=name: (getattr(self, name) or {}).get("version", 0) >= version)


def holds(page, expression, timeout=60):
    """Wait until an expression is true, and return its value.

    Playwright's own wait uses eval, which the page forbids.
    """
    ends = time.monotonic() + timeout
    while not (found := page.evaluate(expression)):
        assert time.monotonic() < ends, f"it never came true: {expression}"
        page.wait_for_timeout(20)
    return found


# Presses a button if a reader could: it can be scrolled into sight, is enabled, and nothing lies
# over its middle. Gives "", or why it cannot be pressed.
PRESS = """(name) => {
  const found = [...document.querySelectorAll("button")].filter(
    (each) => (each.ariaLabel ?? each.textContent).trim() === name && each.checkVisibility());
  if (found.length !== 1) return `there are ${found.length} such buttons`;
  const [button] = found;
  if (button.disabled) return "it is disabled";
  button.scrollIntoViewIfNeeded();
  const { x, y, width, height } = button.getBoundingClientRect();
  const at = { clientX: x + width / 2, clientY: y + height / 2 };
  const over = document.elementFromPoint(at.clientX, at.clientY);
  if (!button.contains(over)) return `over it lies ${over?.outerHTML.slice(0, 200)}`;
  const told = { ...at, bubbles: true, cancelable: true, pointerId: 1, isPrimary: true };
  button.dispatchEvent(new PointerEvent("pointerdown", told));
  button.focus({ preventScroll: true });
  button.dispatchEvent(new PointerEvent("pointerup", told));
  button.click();
  return "";
}"""


def press(page, name, timeout=30):
    """Press the button of a name, for tests of what it does.

    Playwright's click looks for the same hindrances, and moves a mouse, for which the browser
    paints the page several times over.
    """
    ends = time.monotonic() + timeout
    while why := page.evaluate(PRESS, name):
        assert time.monotonic() < ends, f"{name} cannot be pressed: {why}"
        page.wait_for_timeout(20)
