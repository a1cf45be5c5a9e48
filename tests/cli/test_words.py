"""The small parts of the command line: words, numbers, names."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import typer

from deltarule.cli import output
from deltarule.cli.app import app
from deltarule.cli.column_options import kinds_by_column, missing_by_column, split_tokens
from deltarule.cli.options import widths
from deltarule.cli.output_paths import default_folder
from deltarule.errors import InputError, Message, Parameter
from deltarule.tables import Table

FIT = typer.main.get_command(app).commands["fit"].params


@pytest.mark.parametrize(
    ("setting", "python", "option"),
    [
        (Parameter("task", "classification"), "task='classification'", "--task classification"),
        (Parameter("sql", keyword=True), "sql=", "--sql"),
        (Parameter("clip_norm", None), "clip_norm=None", "--clip-norm none"),
        (Parameter("batch_size"), "batch_size", "--batch-size"),
        (Parameter("force", True), "force=True", "--force"),
        (Parameter("kinds"), "kinds", "--kind"),
        # Not an option of this command.
        (Parameter("run_recorded_sql", True), "run_recorded_sql=True", "run_recorded_sql=True"),
    ],
)
def test_a_setting_in_a_message_is_written_as_the_option(setting, python, option):
    message = Message("column 'task=1': ", setting, " is odd")
    assert str(message) == f"column 'task=1': {python} is odd"
    with output.options_of(FIT):
        assert output.spelled(message) == f"column 'task=1': {option} is odd"


def test_an_error_names_the_option_that_is_wrong():
    named = InputError(parameter="l2", given=-1, expected="0")
    unnamed = InputError("unknown rule 'x'", parameter="rule", given="x")
    both = InputError(parameter=("test", "valid"), given=(0.6, 0.4))
    with output.options_of(FIT):
        assert output.error_text(named) == "--l2 is -1; expected 0"
        assert output.error_text(unnamed) == "--rule: unknown rule 'x'"
        assert output.error_text(both) == "--test and --valid are 0.6 and 0.4"
        assert output.error_text(InputError("row 3 is odd")) == "row 3 is odd"
    assert output.error_text(unnamed) == "unknown rule 'x'"


def test_a_table_of_scores():
    rows = {
        "test": (12345, {"accuracy": 0.91234, "auc": None}),
        "a longer name": (7, {"accuracy": 1.0, "auc": 0.5}),
    }
    assert output.scores(rows).splitlines() == [
        "                 rows  accuracy     AUC",
        "test           12,345    0.9123       –",
        "a longer name       7    1.0000  0.5000",
    ]


@pytest.mark.parametrize(
    ("values", "cells"),
    [
        ([51234.5, 115432.1], ["51,234", "115,432"]),
        ([0.0123456, 12.5], ["0.01235", "12.50000"]),
        ([1e300, 1.0], ["1e+300", "1"]),
        ([0.0, 0.0], ["0.0000", "0.0000"]),
        ([math.inf, 1.5], ["inf", "1.500"]),
    ],
)
def test_numbers_of_a_unit_keep_four_digits(values, cells):
    rows = {str(i): (1, {"rmse": value}) for i, value in enumerate(values)}
    assert [line.split()[-1] for line in output.scores(rows).splitlines()[1:]] == cells


def test_json_holds_no_infinity(capsys):
    output.json_object({"a": math.nan, "b": [math.inf, 1.5], "c": {"d": -math.inf}})
    assert json.loads(capsys.readouterr().out) == {"a": None, "b": [None, 1.5], "c": {"d": None}}


def test_the_usual_folder():
    for data, name in (
        ("tables/iris.csv", "iris.model"),
        ("t/part-*.csv", "part.model"),
        ("*.csv", "data.model"),
        (None, "data.model"),
    ):
        assert str(default_folder(data)) == name


def test_names_that_hold_the_marks_of_options():
    names = ("a", "b", "a,b", "c=d")
    table = Table(names, dict.fromkeys(names, np.zeros(1)))
    assert missing_by_column(["a,b=0", "c=d=x", "a=="], table) == {
        "a,b": ["0"],
        "c=d": ["x"],
        "a": ["="],
    }
    assert kinds_by_column(["b,a=number"], table) == {"b": "number", "a": "number"}
    assert split_tokens(["=", "-", "a=1", "==x"]) == (["", "-", "=x"], ["a=1"])


def test_widths():
    assert [widths(text) for text in ("none", " 8 , 4", "0", "16")] == ["none", "8,4", "none", "16"]
