"""The script that compares two commits finds a bit that differs, and covers every registry."""

import json

import numpy as np
import pytest

from benchmarks import same_bits
from deltarule import ACTIVATIONS, LOSSES, RULES, SCHEDULES, Network


@pytest.fixture
def files(tmp_path):
    found = {"train/adam/theta": same_bits.digest(np.arange(3.0)), "passes": "0"}
    paths = []
    for name in ("old.json", "new.json"):
        paths.append(tmp_path / name)
        paths[-1].write_text(json.dumps({"environment": {}, "digests": found}))
    return paths


def test_the_same_digests_are_the_same(files, capsys):
    assert same_bits.compare(*files) == 0
    assert "2 digests, 0 different" in capsys.readouterr().out


@pytest.mark.parametrize("change", [{"passes": "1"}, {"more": "0"}])
def test_a_digest_that_differs_or_is_new_is_listed(files, change, capsys):
    document = json.loads(files[1].read_text())
    document["digests"] |= change
    files[1].write_text(json.dumps(document))
    assert same_bits.compare(*files) == 1
    assert next(iter(change)) in capsys.readouterr().out


@pytest.mark.parametrize(
    "other",
    [
        np.array([-0.0, 1.0]),
        np.array([0.0, np.nextafter(1.0, 2.0)]),
        np.array([[0.0, 1.0]]),
        np.array([0.0, 1.0], dtype=np.float32),
    ],
)
def test_a_digest_tells_bits_shapes_and_types_apart(other):
    assert same_bits.digest(other) != same_bits.digest(np.array([0.0, 1.0]))


def test_the_trainings_cover_every_registry():
    names = {name for name, _, _ in same_bits.configurations()}
    assert len(names) > 100
    for kind, registry in (("rule", RULES), ("schedule", SCHEDULES)):
        assert {f"{kind} {each.name}" for each in registry} <= names
    pairs = {
        f"loss {loss.name} of {g.name}" for loss in LOSSES for g in ACTIVATIONS if loss.accepts(g)
    }
    assert pairs <= names


def test_the_digests_of_a_training_follow_its_seed():
    net, found = Network([6, 3, 2], activation="tanh"), []
    for seed in (3, 3, 4):
        digests = {}
        result = same_bits.trained(net, {"epochs": 1, "seed": seed, "engine": "reference"})
        same_bits.add_result(digests, "one", result)
        found.append(digests)
    assert found[0] == found[1]
    assert found[0]["one/theta"] != found[2]["one/theta"]
