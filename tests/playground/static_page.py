"""The playground without a server, opened in a browser."""

import contextlib

from tests.browser import Watched, browser

from deltarule.playground import write_static_playground

PROJECTOR = {"width": 1280, "height": 720}


@contextlib.contextmanager
def static_page(folder, *, anchor="", context=None, **size):
    """Write the page to a folder and open it; in the end no error may have been logged.

    It has a profile of its own, or that of ``context``, and the size of a projector unless a width
    and a height are given.
    """
    path = write_static_playground(folder / "playground.html")
    with contextlib.ExitStack() as stack:
        found = context or stack.enter_context(browser())
        watched = Watched(found, **(size or PROJECTOR))
        watched.page.goto(f"{path.as_uri()}{anchor}")
        watched.page.wait_for_selector("[data-node]", timeout=60_000)
        yield watched.page
        assert watched.errors == []


def text_size(page, presses=0):
    """Bring the text to its size after so many presses of A+ from the usual one.

    The button is pressed by a script and the size before is left alone where it is the same: that a
    reader's press does this is tested by itself, and each press is a new layout of the whole page.
    """
    page.evaluate(
        """(presses) => {
          const scale = parseFloat(document.documentElement.style.getPropertyValue("--scale"));
          const steps = Math.log(scale) / Math.log(1.15); // at the largest no whole number
          let more = presses - (steps > 0 ? Math.ceil(steps - 0.01) : Math.floor(steps + 0.01));
          for (; more > 0; --more) document.getElementById("larger").click();
          for (; more < 0; ++more) document.getElementById("smaller").click();
        }""",
        presses,
    )


def presses_of(request):
    """How many presses of A+ a test is about, by its parameter of that name; without it none."""
    call = getattr(request.node, "callspec", None)
    return call.params.get("presses", 0) if call else 0
