"""A new field of a settings dataclass is an option: in the help, parsed, checked and saved."""

from __future__ import annotations

import dataclasses
import inspect
import json

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from deltarule.cli.app import CONTEXT, Grouped
from deltarule.cli.fit_command import fit
from deltarule.cli.options import with_settings
from deltarule.settings import TrainingSettings, documented, setting, settings_of, shared
from deltarule.tabular import TableModel, TableSettings
from deltarule.training import train


@documented
@dataclasses.dataclass(frozen=True)
class MoreSettings(TableSettings):
    """Table settings with two more fields.

    {parameters}
    """

    # train has a parameter of this name, and TableSettings has none.
    shuffle: bool = setting(True, "Whether each epoch has an order of its own.", "flag")
    shift: float = setting(
        0.5, "A made-up number.", "number", interval="(0, 1]", example=0.5, metavar="SIZE"
    )


@pytest.fixture
def run():
    app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command(cls=Grouped, context_settings=CONTEXT)(with_settings(MoreSettings)(fit.__wrapped__))

    def run(*arguments):
        return CliRunner().invoke(app, list(map(str, arguments)), terminal_width=100)

    return run


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "t.csv"
    lines = [f"{x},{x % 7}" for x in range(60)]
    path.write_text("\n".join(["x,y", *lines]))
    return path


def test_a_new_field_is_in_the_help_and_in_the_documentation(run):
    text = run("--help").output
    assert "--shift SIZE" in text
    assert "A made-up number.  [default: 0.5]" in " ".join(text.split("\n"))
    assert "--shuffle / --no-shuffle" in text
    assert "shift : float\n    A made-up number." in inspect.getdoc(MoreSettings)


def test_a_new_field_is_parsed_and_checked(run, table):
    for given, message in (("much", "'much'; expected a number"), ("2", "a number in (0, 1]")):
        failed = run(table, "--target", "y", "--shift", given)
        assert failed.exit_code != 0
        assert "shift" in failed.output + failed.stderr
        assert message in failed.output + failed.stderr + str(failed.exception)


def test_a_new_field_that_train_has_is_trained_with_and_saved(run, table, tmp_path):
    thetas = []
    for name, given in (("a", []), ("b", ["--no-shuffle"])):
        out = tmp_path / name
        base = [table, "--target", "y", "--layers", "3", "--epochs", "2", "--batch-size", "8"]
        done = run(*base, "--shift", "0.25", "--record", "--json", "--out", out, *given)
        assert done.exit_code == 0, done.output
        assert json.loads(done.stdout)["settings"]["shuffle"] == (not given)
        model = TableModel.load(out)
        assert model.settings["shift"] == 0.25
        assert model.settings["shuffle"] == (not given)
        thetas.append(model.model.theta)
    assert (thetas[0] != thetas[1]).any()


def test_the_training_settings_have_the_defaults_of_train():
    parameters = inspect.signature(train).parameters
    for field in dataclasses.fields(TrainingSettings):
        assert parameters[field.name].default == field.default, field.name


@pytest.mark.parametrize("name", settings_of(TrainingSettings))
def test_the_example_is_within_the_interval(name):
    known = settings_of(TrainingSettings)[name]
    if known.example is not None:
        assert known.check(name, known.example) == known.example


def test_a_field_that_is_taken_over_keeps_what_is_not_changed():
    @dataclasses.dataclass
    class Own:
        l2: float = shared("l2", 3.0, interval="[0, 9]")

    known = settings_of(Own)["l2"]
    assert known.text == settings_of(TrainingSettings)["l2"].text
    assert known.check("l2", np.float32(9)) == 9.0
    with pytest.raises(ValueError, match=r"l2 is 10; expected a number in \[0, 9\]"):
        known.check("l2", 10)
