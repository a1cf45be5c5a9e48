"""Reads every number of the rendered page and compares it with the one that Python computes."""

import functools
import json
import re
from decimal import Decimal
from typing import ClassVar

import numpy as np

from deltarule.explain.subject import Subject
from deltarule.maths import numpy_namespace
from deltarule.maths.network import bound_formulas

# The symbol, the value and the visible text of every element that shows a number.
READ = """
(root) => [...document.querySelectorAll(`${root} [data-symbol]`)].map((node) => {
  const shown = node.classList.contains("sym") ? node.querySelector(".as-number") : node;
  return [node.dataset.symbol, node.dataset.value, shown.textContent,
          Boolean(node.closest("#panel"))];
})
"""

# The same after each change of the store, and once more when the last one has been painted. It is
# one text: Playwright looks into whatever has parts, which takes longer than the work of the page.
READ_AFTER = f"""
async ([root, changes]) => {{
  const read = {READ};
  const found = changes.map((change) => (DR.page.set(change), read(root)));
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  return JSON.stringify([...found, read(root)]);
}}
"""

_UP = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")


def readings(page, changes, root="body"):
    """What the page shows after each change, and after the last one when it has been painted.

    In one call: the browser paints between two calls, which takes longer than the change itself.
    """
    changes = list(changes)
    found = json.loads(page.evaluate(READ_AFTER, [root, changes]))
    return list(zip([*changes, changes[-1]], found, strict=True))


@functools.lru_cache(maxsize=4096)
def shown_number(text):
    """The number that a text shows, and half a unit of its last digit; None if it is none."""
    plain = text.replace("−", "-").replace("\u202f", "").replace("(", "").replace(")", "").strip()
    match = re.fullmatch(
        r"([+-]?\d+(?:\.\d+)?)(?:\s*×\s*10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+|-?\d+)|e([+-]?\d+))?", plain
    )
    if match is None:
        return None
    exponent = int((match[2] or match[3] or "0").translate(_UP))
    value = Decimal(match[1]).scaleb(exponent)
    last = value.as_tuple().exponent
    return value, Decimal(1).scaleb(last) / 2


class Expected:
    """Python's number for a symbol."""

    def __init__(self, subject: Subject):
        net = self.net = subject.net
        self.subject, self.trace, self.each = subject, subject.trace, subject.per_sample
        self.W, self.b = net.unpack(subject.theta)
        xp = numpy_namespace(np.float64)
        activations, self.loss = bound_formulas(net, xp)
        with np.errstate(all="ignore"):
            # ∂C_i/∂a^l: from the loss at the output, by F13 before it.
            self.up = [
                self.each.delta[layer + 1] @ self.W[layer + 1] for layer in range(net.n_layers)
            ]
            output = self.trace.A[-1], subject.Y
            self.up.append(self.loss.from_output(*output)[1])
            self.slope = [None] + [
                None if g.slope is None else g.slope(self.trace.Z[layer], self.trace.G[layer])
                for layer, g in enumerate(activations[1:], 1)
            ]
        self.pullback = activations[-1].pullback
        self.textbook = {"slope": [None]}
        with np.errstate(all="ignore"):
            for layer, g in enumerate(net.activations[1:], 1):
                form = g.textbook and g.textbook(xp, **g.settings)[1]
                own = form and form(self.trace.Z[layer], self.trace.G[layer])
                self.textbook["slope"].append(own)
            deltas = dict(net.loss.deltas)
            forms = {"derivative": net.loss.textbook, "delta": deltas.get(net.activations[-1].name)}
            for kind, form in forms.items():
                self.textbook[kind] = form and form(xp, **net.loss.settings)(*output)

    def value(self, symbol, i):
        """The number of a symbol while sample i is shown; None for an unknown symbol."""
        known = self._reader(symbol)
        return None if known is None else float(known[0](self, i, *known[1]))

    @classmethod
    @functools.cache
    def _reader(cls, symbol):
        """What reads the number of a symbol, and the indices in it; None for an unknown symbol."""
        for pattern, read in cls.readers.items():
            match = re.fullmatch(pattern, symbol)
            if match:
                return read, tuple(map(int, match.groups()))
        return None

    def _jacobian(self, i, layer, j, m):
        one = np.zeros((1, self.net.widths[layer]))
        one[0, j] = 1
        row = slice(i, i + 1)
        return self.pullback(self.trace.Z[layer][row], self.trace.G[layer][row], one)[0, m]

    def _dadz(self, i, layer, j, _, m):
        if self.slope[layer] is None:
            return self._jacobian(i, layer, j, m)
        mask = None if self.subject.masks is None else self.subject.masks[layer]
        return self.slope[layer][i, j] * (1.0 if mask is None else mask[i, j])

    # s is this object, i the shown sample, r the sample that the symbol names, h the layer.
    L, J = r"(\d+)", r"\{(\d+)\}"
    JK = r"\{(\d+),(\d+)\}"
    readers: ClassVar = {
        rf"w\^{L}_{JK}": lambda s, i, h, j, k: s.W[h][j, k],
        rf"b\^{L}_{J}": lambda s, i, h, j: s.b[h][j],
        rf"z\^{L}_{J}": lambda s, i, h, j: s.trace.Z[h][i, j],
        rf"a\^{L}_{J}": lambda s, i, h, j: s.trace.A[h][i, j],
        rf"m\^{L}_{J}": lambda s, i, h, j: s.subject.masks[h][i, j],
        rf"delta\^{L}_{J}": lambda s, i, h, j: s.each.delta[h][i, j],
        rf"y_{J}": lambda s, i, j: s.subject.Y[i, j],
        r"C_(\d+)": lambda s, i, r: s.trace.loss[r],
        r"w_(\d+)": lambda s, i, r: s.subject.w[r],
        "C": lambda s, i: s.trace.cost,
        rf"dC_{L}/dw\^{L}_{JK}": lambda s, i, r, h, j, k: (
            s.each.delta[h][r, j] * s.trace.A[h - 1][r, k]
        ),
        rf"dC_{L}/db\^{L}_{J}": lambda s, i, r, h, j: s.each.delta[h][r, j],
        rf"dC_{L}/da\^{L}_{J}": lambda s, i, r, h, j: s.up[h][r, j],
        rf"dC/dw\^{L}_{JK}": lambda s, i, h, j, k: s.trace.dW[h][j, k],
        rf"dC/db\^{L}_{J}": lambda s, i, h, j: s.trace.db[h][j],
        rf"da\^{L}_{J}/dz\^{L}_{J}": _dadz,
        rf"textbook da\^{L}_{J}/dz\^{L}_{J}": lambda s, i, h, j, h2, m: (
            s.textbook["slope"][h][i, j]
        ),
        rf"textbook dC_{L}/da\^{L}_{J}": lambda s, i, r, h, j: s.textbook["derivative"][r, j],
        rf"textbook delta\^{L}_{J}": lambda s, i, h, j: s.textbook["delta"][i, j],
        rf"dz\^{L}_{J}/dw\^{L}_{JK}": lambda s, i, h, j, h2, j2, k: s.trace.A[h - 1][i, k],
    }  # fmt: skip


def check_reading(read, expected, sample):
    """Assert that the numbers read are the expected ones; return how many were compared."""
    compared = 0
    for symbol, value, text, in_panel in read:
        true = expected.value(symbol, sample)
        if true is None:
            continue
        got = float(value)
        if not np.isfinite(true):
            assert str(got) == str(true), symbol
            continue
        scale = 1e-9 * max(abs(true), 1e-9)
        assert abs(got - true) <= scale, (symbol, sample, got, true)
        shown = shown_number(text)
        if shown is None:
            assert not in_panel, (symbol, text)
            continue
        off = abs(shown[0] - Decimal(true))
        assert off <= shown[1] * (1 + Decimal("1e-6")), (symbol, text, true)
        compared += 1
    return compared
