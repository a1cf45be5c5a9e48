"""``deltarule tune-lr`` suggests a learning rate; ``deltarule doctor`` says what is wrong."""

import pytest

from deltarule.cli import run_doctor
from deltarule.cli.run_doctor import examine, standard_run
from deltarule.engines.registry import compiled_module

TUNE = ("tune-lr", "numbers.csv", "--target", "y", "--layers", "4", "--steps", "20")

FIT = ("fit", "numbers.csv", "--target", "y", "--out", "m.model", "--json")


def test_tune_lr_prints_the_losses_and_a_suggestion(place, deltarule):
    outcome = deltarule(*TUNE)
    assert outcome.status == 0
    assert outcome.out.count("← the smallest") == 1
    suggestion = outcome.out.split("--learning-rate ")[1].strip()
    assert any(
        line.split()[0] == suggestion for line in outcome.out.splitlines() if "smallest" in line
    )


def test_tune_lr_as_json_with_a_plot(place, deltarule, tmp_path):
    picture = tmp_path / "curve.svg"
    outcome = deltarule(*TUNE, "--lowest", "0.001", "--json", "--plot", picture)
    found = outcome.json
    assert found["suggestion"] in found["rates"]
    assert len(found["rates"]) == len(found["losses"]) == 9
    assert "learning rate" in picture.read_text(encoding="utf-8")
    again = deltarule(*TUNE, "--plot", picture)
    assert again.status == 3
    assert "--plot" in again.err


def test_tune_lr_leaves_no_model(place, deltarule, tmp_path):
    before = sorted(place.iterdir())
    assert deltarule(*TUNE, "--quiet").out == ""
    assert sorted(place.iterdir()) == before


def test_fit_says_what_the_guard_found(place, deltarule):
    options = ("--layers", "4", "--epochs", "200", "--valid", "0", "--learning-rate", "1e-6")
    outcome = deltarule(
        "fit", "numbers.csv", "--target", "y", "--out", "m.model", "--json", *options
    )
    assert outcome.status == 0
    (finding,) = outcome.json["findings"]
    assert finding["kind"] == "learning rate too low"
    assert any("Learning rate too low" in note for note in outcome.json["notes"])


def test_fit_with_a_recovery_makes_no_recording(place, deltarule):
    options = ("--layers", "4", "--epochs", "3", "--on-divergence", "restore_best", "--record")
    outcome = deltarule(
        "fit", "numbers.csv", "--target", "y", "--out", "m.model", "--json", *options
    )
    assert outcome.status == 0
    assert any("was not recorded" in note for note in outcome.json["notes"])


def test_doctor_finds_no_problem_here(place, deltarule):
    outcome = deltarule("doctor", "--json")
    found = outcome.json
    assert outcome.status == 0
    assert found["healthy"]
    assert found["digests"]["reference"] == standard_run("reference")
    assert found["contract"] == {"checks": len(run_doctor._CHECKS) * 2, "failed": []}


def test_doctor_with_a_cache_that_is_a_file(place, deltarule, tmp_path, monkeypatch):
    broken = tmp_path / "cache"
    broken.write_text("no folder")
    monkeypatch.setenv("DELTARULE_CACHE", str(broken))
    outcome = deltarule("doctor")
    assert outcome.status == 5
    assert "is not a folder" in outcome.err
    assert "checks passed" in outcome.out


def test_doctor_goes_on_where_a_part_fails(monkeypatch):
    monkeypatch.setenv("DELTARULE_THREADS", "many")
    found = examine()
    assert any("DELTARULE_THREADS" in problem for problem in found.problems)
    assert found.versions["numpy"]
    assert "folder" in found.cache


def test_doctor_names_a_check_that_fails(place, deltarule, monkeypatch):
    engine = compiled_module().CompiledEngine
    step = engine.step

    def wrong(self, batch, learning_rate):
        return step(self, batch, 1.001 * learning_rate)

    monkeypatch.setattr(engine, "step", wrong)
    outcome = deltarule("doctor", "--json")
    assert outcome.status == 5
    assert any(name.startswith("step") for name in outcome.json["contract"]["failed"])


@pytest.mark.parametrize("engine", ["reference", "compiled"])
def test_the_standard_run_shows_one_changed_bit(engine, monkeypatch):
    before = standard_run(engine)
    assert standard_run(engine) == before
    train = run_doctor.train
    monkeypatch.setattr(
        run_doctor,
        "train",
        lambda *given, **options: train(*given, **options | {"learning_rate": 0.010000001}),
    )
    assert standard_run(engine) != before
