"""Printed forms: LaTeX compiles, HTML parses, JSON keeps every digit, numbers read well."""

import json
import os
import shutil
import subprocess
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from deltarule import Network, explain
from deltarule.explain import Names
from deltarule.explain.number_format import number_text
from deltarule.maths.printing.escaping import escaped

NET = Network([2, 3, 3], "silu", "softmax", "cross_entropy")
NAMES = Names(("50% of R&D_costs", "Größe {~^\\} 東"), ("$a$", "#b", "c<d>"), ("7", "8", "9"))


def explained(**options):
    X = np.array([[0.5, -1.0], [2.0, 0.25], [0.0, 1.0]])
    return explain(NET, X, [0, 2, 1], theta=NET.initial(4), names=NAMES, **options)


@pytest.mark.parametrize(
    ("x", "shown"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (-0.12672106229613669, "−0.126721"),
        (1e-4, "0.000100"),
        (9.99994e-5, "9.99994 × 10^−5"),
        (999999.5, "999999.500000"),
        (1e6, "1.00000 × 10^6"),
        (-1.5e-300, "−1.50000 × 10^−300"),
        (float("inf"), "∞"),
        (float("-inf"), "−∞"),
        (float("nan"), "not a number"),
    ],
)
def test_numbers(x, shown):
    assert number_text(x) == shown


def test_more_digits():
    assert number_text(1 / 3, 10) == "0.3333333333"
    assert "0.3333333333" in explain(
        Network([1, 1], [], bias=False), [[1.0]], [[0.0]], theta=[1 / 3]
    ).output(0, 0).text(digits=10)


def test_json_keeps_every_bit():
    e = explained(rule="adam", learning_rate=0.1)
    node = e.weight(1, 0, 1)
    stored = json.loads(json.dumps(node.to_dict(depth=3), allow_nan=False))
    assert stored["value"] == node.value
    assert stored["symbol"] == "dC/dw^1_{0,1}"
    assert stored["parts"][2]["value"] == node.part(2).value
    assert stored["parts"][0]["parts"][1]["symbol"] == "dC_0/dw^1_{0,1}"
    short = node.to_dict(depth=1, terms=1)
    assert short["remainder"]["count"] == 2
    assert short["parts"][0]["more"]
    whole = json.loads(json.dumps(e.to_dict(), allow_nan=False))
    assert [block["name"] for block in whole["blocks"]] == ["W1", "b1", "W2", "b2"]
    assert whole["step"]["rule"]["name"] == "adam"


def parsed(html):
    """Parse HTML as XML after replacing its entities."""
    return ET.fromstring(html)


def test_html_is_static_and_well_formed():
    e = explained(rule="sgd", learning_rate=0.5, engine="reference")
    for thing in (e, e.weight(1, 2, 1, 0), e.weight(2, 2, 1), e.update("W1", (0, 0))):
        root = parsed(thing._repr_html_())
        tags = {element.tag.rpartition("}")[2] for element in root.iter()}
        assert {"math", "details", "summary"} <= tags
        assert not tags & {"script", "link", "img", "iframe"}
        for element in root.iter():
            assert not any(name.startswith("on") for name in element.attrib)


def test_html_carries_every_number_with_its_symbol():
    node = explained().weight(1, 2, 1, 0)
    root = parsed(node._repr_html_())
    found = {
        span.get("data-symbol"): float(span.get("data-value"))
        for span in root.iter("span")
        if span.get("data-symbol")
    }
    assert found["dC_0/dw^1_{2,1}"] == node.value
    assert found[node.part(0).mark.key] == node.part(0).value


def balanced(text):
    depth, at = 0, 0
    while at < len(text):
        if text[at] == "\\":
            at += 2
            continue
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        assert depth >= 0
        at += 1
    return depth == 0


def test_latex_is_balanced_and_its_environments_close():
    e = explained(rule="irprop+", l2=0.1)
    for thing in (e, e.weight(1, 2, 1, 0), e.update("W2", (0, 1)), e.cost()):
        fragment = thing.latex(depth=4, standalone=False)
        assert balanced(fragment)
        assert r"\documentclass" not in fragment
        for name in ("aligned", "cases"):
            assert fragment.count(rf"\begin{{{name}}}") == fragment.count(rf"\end{{{name}}}")
        assert fragment.replace(r"\$", "").count("$") % 2 == 0
        assert fragment.isascii()
        document = thing.latex()
        assert document.startswith(r"\documentclass")
        assert document.rstrip().endswith(r"\end{document}")


@pytest.mark.parametrize("text", ["a_b", "50%", "{}", "\\", "~^", "<>|", "naïve ß", "αβω", "東京"])
def test_names_are_escaped(text):
    out = escaped(text)
    assert out.isascii()
    assert balanced(out)


def latex_or_skip():
    if shutil.which("pdflatex") is None:
        if os.environ.get("DELTARULE_REQUIRE_LATEX"):
            pytest.fail("DELTARULE_REQUIRE_LATEX is set and pdflatex is not installed")
        pytest.skip("pdflatex is not installed")


def compiled(source, folder):
    (folder / "derivation.tex").write_text(source, encoding="utf-8")
    return subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "derivation.tex"],
        cwd=folder, capture_output=True, text=True, errors="replace", check=False, timeout=120,
    )  # fmt: skip


@pytest.mark.latex
def test_the_document_compiles(tmp_path):
    latex_or_skip()
    e = explained(rule="adam", learning_rate=0.1, l2=0.1, l1=0.2, clip_norm=0.1)
    saturated = explain(
        Network([1, 3], [], "softmax", "cross_entropy", bias=False),
        [[1.0]], [2], theta=[800.0, 0.0, -30.0], rule="irprop+",
    )  # fmt: skip
    body = e.latex(depth=4, terms=3)
    pieces = [
        e.update("W1", (0, 1)).latex(depth=5, standalone=False),
        e.input(0, 1).latex(standalone=False),
        saturated.delta(1, 0, 0).latex(depth=4, standalone=False),
        saturated.update("W1", (1, 0)).latex(depth=4, standalone=False),
        "Names: " + ", ".join(map(escaped, (*NAMES.inputs, *NAMES.outputs, "αβγω ñ Å ß “x”"))),
        rf"\[ {saturated.rule().latex()} \]",
        rf"\[ {e.rule().latex()} \]",
    ]
    source = body.replace(r"\end{document}", "\n\n".join([*pieces, r"\end{document}"]))
    done = compiled(source, tmp_path)
    assert done.returncode == 0, done.stdout[-3000:]
    assert (tmp_path / "derivation.pdf").stat().st_size > 10_000
    assert "Undefined control sequence" not in done.stdout
    assert "Missing character" not in (tmp_path / "derivation.log").read_text(errors="replace")


@pytest.mark.latex
def test_the_compiler_would_see_a_fault(tmp_path):
    latex_or_skip()
    source = explained().latex().replace(r"\partial", r"\nosuchsymbol", 1)
    assert compiled(source, tmp_path).returncode != 0


def test_the_overview():
    e = explained(rule="sgd", learning_rate=0.5, engine="reference")
    text = e.text()
    assert "3 rows; step 1 of sgd, η = 0.5" in text
    assert "engine reference in float64: its gradient is this one, to the last bit" in text
    for block in ("W1", "b1", "W2", "b2"):
        assert f"\n{block}" in text
    largest = np.abs(e.trace.dW[1]).max()
    assert f"{largest:.6f}" in text


def test_a_page_is_written_by_the_page(monkeypatch, tmp_path):
    import sys
    import types

    written = []
    page = types.ModuleType("deltarule.explain.page")
    page.write_page = lambda explanation, path, **options: written.append((explanation, path))
    monkeypatch.setitem(sys.modules, "deltarule.explain.page", page)
    e = explained()
    e.html(tmp_path / "page.html")
    assert written == [(e, tmp_path / "page.html")]
