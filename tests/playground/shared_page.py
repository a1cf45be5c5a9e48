"""One page for many tests: put back as it was opened, or opened again where a test left a trace.

To open the page takes as much processor time as most tests of it.
"""

import time

from tests.browser import frames

# All that a reader can have changed and that a test could see: what is chosen, typed, opened, shown
# and kept. The count of frames differs and the numbers in names of radio buttons; Undo has an
# earlier run; the field of a weight is empty only until a first one is chosen; the size of the
# text, which stands among the attributes, is kept only until another page is left.
STATE = """() => {
  const all = (selector) => [...document.querySelectorAll(selector)];
  const fields = all("input:not(#weight), select, textarea, details, dialog");
  const pressed = all("[aria-pressed], [aria-expanded]");
  const root = document.documentElement, { frames, ...shown } = document.body.dataset;
  const { "deltarule-scale": size, ...kept } = { ...localStorage };
  const told = document.querySelector("main").innerText;
  return JSON.stringify([
    DR.page.state, DR.page.net.widths, DR.page.current().step,
    fields.map((e) => [e.id, e.name?.replace(/\\d+$/, ""), e.value, e.checked, e.open]),
    pressed.map((e) => [e.id, e.ariaPressed, e.ariaExpanded]),
    [...root.attributes].map(({ name, value }) => [name, value]),
    document.body.className, shown, kept, { ...sessionStorage }, location.href,
    document.getElementById("notices").innerText,
    told.replaceAll(" Undo brings back the run before.", ""),
    document.activeElement === document.body, scrollX, scrollY, innerWidth, innerHeight,
  ]);
}"""

# By the page's own ways: nothing is chosen, the derivation is closed, no field has the focus.
PUT_BACK = """() => {
  DR.page.set({ selected: null, sweep: null });
  DR.dock.close();
  document.activeElement.blur();
  for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
  scrollTo(0, 0);
}"""


class SharedPage:
    """A page that ``open_`` opens, and opens again where it cannot be put back as it was."""

    def __init__(self, open_, size):
        self._open, self._size = open_, size
        self.watched = self._first = None

    def take(self):
        """The page as it was opened."""
        if self.watched is not None and not self._put_back():
            self.close()
        if self.watched is None:
            self.watched = self._open()
            frames(self.watched.page, 2)
            self._first = self.watched.page.evaluate(STATE)
        self.watched.errors.clear()
        self.watched.requests.clear()
        return self.watched

    def close(self):
        if self.watched is not None:
            self.watched.close()
        self.watched = None

    def _put_back(self):
        """Whether the page is as it was opened; the first state of the run comes a while later."""
        page = self.watched.page
        if page.viewport_size != self._size:
            page.set_viewport_size(self._size)
        page.mouse.move(0, 0)
        page.evaluate(PUT_BACK)
        ends = time.monotonic() + 1
        while page.evaluate(STATE) != self._first:
            if time.monotonic() > ends:
                return False
            page.wait_for_timeout(40)
        return True
