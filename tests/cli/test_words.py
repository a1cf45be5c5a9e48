"""The small parts of the command line: words, numbers, names."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from deltarule.cli import output
from deltarule.cli.column_options import divided_tokens, kinds_by_column, missing_by_column
from deltarule.cli.options import widths
from deltarule.cli.output_paths import default_folder
from deltarule.tables import Table


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("give task='classification'", "give --task classification"),
        ("expected the name of one; give table= or sql=", "one; give --table or --sql"),
        ("table='t' was given for a.csv", "--table t was given for a.csv"),
        ("clip_norm=1.0, and inputs", "--clip-norm 1.0, and inputs"),
        ("batch_size is 0; expected", "--batch-size is 0; expected"),
        ("test and valid are 1 and 0", "--test and --valid are 1 and 0"),
        ("EngineSettings: dropout is 2", "--dropout is 2"),
        ("sql: Parser Error", "--sql: Parser Error"),
        ("kinds gives 'x' for column 'a'", "--kind gives 'x' for column 'a'"),
        # Names and cells of a table are not touched.
        ("column 'task' is odd", "column 'task' is odd"),
        ("line 3 'task=1'", "line 3 'task=1'"),
        ("activation 'softmax' mixes", "activation 'softmax' mixes"),
    ],
)
def test_parameters_are_written_as_options(given, text):
    assert text in output.in_options(given)


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
    assert divided_tokens(["=", "-", "a=1", "==x"]) == (["", "-", "=x"], ["a=1"])


def test_widths():
    assert [widths(text) for text in ("none", " 8 , 4", "0", "16")] == ["none", "8,4", "none", "16"]
