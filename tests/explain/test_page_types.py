"""What Python sends to the pages' scripts is what their types (types/) say it is."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from deltarule import Network, explain, lens
from deltarule.explain import InputColumn, Subject
from deltarule.explain.page import PageState, payload_of
from deltarule.explain.page.tour import example_payload
from deltarule.playground.frame_format import unpack_frame
from deltarule.playground.run_state import make_run_state
from deltarule.playground.run_view import describe_run, encode_frame
from deltarule.playground.settings import RunSettings
from deltarule.training import StopFlag
from deltarule.training.history import EpochLog

ROOT = Path(__file__).parents[2]
COMPILER = ROOT / "node_modules" / ".bin" / "tsc"


@pytest.fixture
def faults(tmp_path):
    """A function from {name: (type, value)} to what the compiler says of them as constants."""
    if shutil.which("node") is None or not COMPILER.exists():
        if os.environ.get("DELTARULE_REQUIRE_NODE") == "1":
            pytest.fail("TypeScript is not installed; make lint installs it")
        pytest.skip("TypeScript is not installed; make lint installs it")

    def compiled(**values):
        lines = [
            f"const {name}: {kind} = {json.dumps(value)};" for name, (kind, value) in values.items()
        ]
        path = tmp_path / "values.ts"
        path.write_text("\n".join(lines), encoding="utf-8")
        # Without the scripts, whose types the declarations of DR name: those are not checked here.
        done = subprocess.run(
            [COMPILER, "--noEmit", "--strict", "--skipLibCheck", "--target", "es2023",
             "--lib", "es2023,dom", "--types", "", *sorted((ROOT / "types").glob("*.d.ts")), path],
            capture_output=True, text=True, check=False, timeout=120, cwd=tmp_path,
        )  # fmt: skip
        assert done.returncode in (0, 1, 2)
        return [line for line in done.stdout.splitlines() if "error" in line]

    return compiled


def everything():
    """The payload of a page that has all its parts: columns, states, history, a step, a lens."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((300, 3))
    y = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0.5)
    net = Network([3, 5, 3], "relu", "softmax", "cross_entropy")
    theta = net.initial(0)
    columns = (
        InputColumn("size", "number", (0,), tuple(map(float, X[:, 0]))),
        InputColumn("colour", "category", (1, 2), ("red",) * 299 + (None,)),
    )
    subject = Subject.of_arrays(net, theta, X, y, columns=columns, classes=("low", "mid", "high"))
    states = [PageState(theta * scale, step=step) for step, scale in ((0, 0.5), (3, 0.9))]
    found = lens(
        subject, learning_rate=0.05, rule="adam",
        recording=[(state.step, state.theta) for state in states],
    )  # fmt: skip
    epoch = EpochLog(1, 3, 0.5, 0.0, None, 0.25, 0.1, 0.01)
    start = {"sample": 7, "selected": {"kind": "edge", "layer": 2, "j": 1, "k": 2}}
    return payload_of(subject, lens=found, states=states, history=[epoch], start=start)


def with_a_step():
    """The payload of a step with dropout masks, clipping and a penalty."""
    rng = np.random.default_rng(1)
    net = Network([2, 4, 1], "elu", bias=False)
    explained = explain(
        net, rng.standard_normal((5, 2)), rng.standard_normal((5, 1)), theta=net.initial(0),
        rule="adam", learning_rate=0.1, clip_norm=0.1, l2=0.5,
    )  # fmt: skip
    return payload_of(explained.subject)


def test_payloads_of_the_explain_page_have_their_type(faults):
    payload = everything()
    assert payload["lens"] is not None
    assert payload["rows"]["share"] is not None
    other = with_a_step()
    assert other["states"][0]["update"] is not None
    example = example_payload()  # of the guided tour
    assert faults(**{
        name: ("Page.Payload", each)
        for name, each in {"all": payload, "step": other, "example": example}.items()
    }) == []  # fmt: skip


@pytest.mark.parametrize("data", ["xor", "digits"])
def test_what_the_playground_sends_has_its_type(faults, data):
    problem = make_run_state(RunSettings(data=data, rows=50), None, StopFlag())
    where = {"frame": 1, "version": 1, "phase": "paused", "message": "", "undo": "", "redo": ""}
    header, arrays = unpack_frame(encode_frame(problem, where, moving=False))
    run = {"type": "run", "version": 1, "steps_per_second": 30, **describe_run(problem, None)}
    assert faults(run=("Live.Run", run), header=("Live.Header", header)) == []
    assert set(arrays) <= {"curve", "level", "class", "theta"}


def test_a_payload_that_says_something_else_is_found(faults):
    payload = everything()
    payload["states"][0]["thetas"] = payload["states"][0].pop("theta")
    found = faults(all=("Page.Payload", payload))
    assert found
    assert "theta" in found[0]
