"""A bad value of every option: the error names the option, and in Python the parameter."""

from __future__ import annotations

import numpy as np
import pytest
import typer
from tests.cli.conftest import FAST

from deltarule.cli.app import app
from deltarule.errors import DeltaruleError
from deltarule.maths import Network
from deltarule.tables import infer_schema, read_table
from deltarule.tabular import TableSettings
from deltarule.training import train

COMMANDS = typer.main.get_command(app).commands

FIT = ["fit", "numbers.csv", "--target", "y", "--out", "new.model"]
EXPLAIN = ["explain", "numbers.model", "numbers.csv"]
PLAYGROUND = ["playground", "numbers.csv", "--target", "y", "--no-open"]

# Command, option, a value that it cannot have, more options.
BAD = [
    *(
        (FIT, option, value, more)
        for option, value, *more in [
            ("--target", "z"),
            ("--task", "sorting"),
            ("--weights", "z"),
            ("--ignore", "z"),
            ("--id", "z"),
            ("--na", "z=0"),
            ("--keep-na", "z"),
            ("--decimal", "z=,"),
            ("--date-format", "DD/MM/YYYY"),
            ("--thousands", ";"),
            ("--kind", "a=text"),
            ("--table", "t"),
            ("--sql", "drop table data"),
            ("--max-memory", "0"),
            ("--memory", "lots"),
            ("--store", "rows"),
            ("--rejects", "rejects.csv"),
            ("--delimiter", "ab"),
            ("--encoding", "latin-0"),
            ("--skip", "-1"),
            ("--comment", " "),
            ("--names", "a,a"),
            ("--test", "1"),
            ("--valid", "-1"),
            ("--folds", "1"),
            ("--min-level-rows", "0"),
            ("--max-levels", "few"),
            ("--seed", "-1"),
            ("--layers", "wide"),
            ("--activation", "rleu"),
            ("--loss", "squared"),
            ("--dropout", "1"),
            ("--l2", "-1"),
            ("--l1", "nan"),
            ("--epochs", "0"),
            ("--patience", "0"),
            ("--batch-size", "0"),
            ("--rule", "adma"),
            ("--learning-rate", "0"),
            ("--schedule", "cosin"),
            ("--clip-norm", "-1"),
            ("--on-divergence", "shrug"),
            ("--averaging", "2"),
            ("--engine", "gpu"),
            ("--precision", "half"),
            ("--quality", "fastest"),
            ("--time-budget", "0"),
            ("--checkpoint", "numbers.model"),
            ("--every", "soon"),
            ("--out", "numbers.csv"),
        ]
    ),
    *(
        (EXPLAIN, option, value, more)
        for option, value, *more in [
            ("--member", "silu"),
            ("--step", "0"),
            ("--row", "61"),
            ("--weight", "9,0,0"),
            ("--bias", "1"),
            ("--activation", "1,99", "--row", "1"),
            ("--node", "1,3"),
            ("--input", "z", "--row", "1"),
            ("--column", "z", "--row", "1"),
            ("--table", "t"),
            ("--sql", "selec"),
            ("--max-memory", "0"),
            ("--delimiter", "ab"),
            ("--encoding", "latin-0"),
            ("--skip", "-1"),
            ("--comment", " "),
            ("--names", "a,a"),
            ("--depth", "-1"),
            ("--terms", "0"),
            ("--digits", "99"),
            ("--latex", "a.txt"),
            ("--html", "a.txt"),
            ("--image", "8by8", "--html", "a.html"),
            ("--example", "xor"),
            ("--rows", "tests"),
        ]
    ),
    *(
        (["predict", "numbers.model", "numbers.csv"], option, value, [])
        for option, value in [
            ("--out", "a.txt"),
            ("--coverage", "90"),
            ("--id", "z"),
            ("--table", "t"),
            ("--sql", "selec"),
            ("--max-memory", "-1"),
            ("--delimiter", ""),
            ("--encoding", "base64"),
            ("--skip", "two"),
            ("--comment", ""),
            ("--names", "a,"),
        ]
    ),
    *(
        (["evaluate", "numbers.model", "numbers.csv"], option, value, [])
        for option, value in [
            ("--report", "a.txt"),
            ("--table", "t"),
            ("--sql", "selec"),
            ("--max-memory", "nan"),
            ("--delimiter", "ab"),
            ("--encoding", "x"),
            ("--skip", "two"),
            ("--comment", ""),
            ("--names", "a,"),
        ]
    ),
    *(
        ([command, "many.model", "numbers.csv", "--out", "new.model"], option, value, [])
        for command in ("distill", "update")
        for option, value in [
            ("--out", "numbers.csv"),
            ("--seed", "-1"),
            ("--table", "t"),
            ("--sql", "selec"),
            ("--max-memory", "nan"),
            ("--delimiter", "ab"),
            ("--encoding", "x"),
            ("--skip", "two"),
            ("--comment", ""),
            ("--names", "a,"),
        ]
    ),
    (["check"], "--engine", "gpu", []),
    (["playground", "--no-open"], "--export", "numbers.csv", []),
    *(
        (["export", "numbers.model", "numbers.csv"], option, value, more)
        for option, value, *more in [
            ("--c", "numbers.csv"),
            ("--onnx", "a.txt"),
            ("--name", "a b", "--c", "new"),
            ("--member", "silu", "--c", "new"),
            ("--table", "t", "--c", "new"),
            ("--sql", "selec", "--c", "new"),
            ("--max-memory", "nan", "--c", "new"),
            ("--delimiter", "ab", "--c", "new"),
            ("--encoding", "x", "--c", "new"),
            ("--skip", "two", "--c", "new"),
            ("--comment", "", "--c", "new"),
            ("--names", "a,", "--c", "new"),
        ]
    ),
    *(
        (PLAYGROUND, option, value, [])
        for option, value in [
            ("--target", "z"),
            ("--task", "sorting"),
            ("--ignore", "z"),
            ("--id", "z"),
            ("--na", "z=0"),
            ("--keep-na", "z"),
            ("--decimal", "z=,"),
            ("--date-format", "DD/MM/YYYY"),
            ("--thousands", ";"),
            ("--kind", "a=text"),
            ("--table", "t"),
            ("--sql", "selec"),
            ("--max-memory", "0"),
            ("--delimiter", "ab"),
            ("--encoding", "latin-0"),
            ("--skip", "-1"),
            ("--comment", " "),
            ("--names", "a,a"),
            ("--port", "99999"),
            ("--token", "a/b"),
        ]
    ),
]

TUNE = ["tune-lr", "numbers.csv", "--target", "y"]
TUNE_OPTIONS = {option for parameter in COMMANDS["tune-lr"].params for option in parameter.opts}
BAD += [
    *(
        (TUNE, option, *rest)
        for command, option, *rest in BAD
        if command is FIT
        if option in TUNE_OPTIONS
    ),
    (TUNE, "--steps", "0", []),
    (TUNE, "--lowest", "0", []),
    (TUNE, "--highest", "-1", []),
    (TUNE, "--plot", "a.txt", []),
    (["launch"], "--workers", "0", FIT),
    (["launch"], "--timeout", "0", FIT),
    (["launch"], "--worker-timeout", "0", FIT),
    (["launch"], "--step-timeout", "0", FIT),
]


def test_every_option_with_a_value_is_here():
    options = {
        (name, max(parameter.opts, key=len))
        for name, command in COMMANDS.items()
        for parameter in command.params
        if parameter.param_type_name == "option" and not parameter.is_flag
    }
    assert {(command[0], option) for command, option, *_ in BAD} == options


@pytest.mark.parametrize(
    ("command", "option", "value", "more"),
    BAD,
    ids=[f"{command[0]} {option}" for command, option, *_ in BAD],
)
def test_a_bad_value_is_refused_by_the_name_of_its_option(
    command, option, value, more, place, deltarule
):
    fast = FAST if command is FIT else ()
    outcome = deltarule(*command, *fast, option, value, *more)
    assert outcome.status in (2, 3)
    assert option in outcome.err
    if "--json" not in [opt for p in COMMANDS[command[0]].params for opt in p.opts]:
        return
    error = deltarule(*command, *fast, option, value, *more, "--json").json
    assert error.keys() == {"error", "kind", "status", "parameter", "given", "expected", "hint"}
    # An error of a place, not of a value:
    places = {(each, "--out") for each in ("fit", "distill", "update")}
    if (command[0], option) not in places | {("export", "--c"), ("fit", "--checkpoint")}:
        assert error["parameter"] == option
    assert f"error: {error['error']}\n" == outcome.err


def test_the_fields_of_an_error_as_json(place, deltarule):
    given = deltarule(*FIT, "--test", "0.6", "--valid", "0.4", "--json").json
    assert given["parameter"] == ["--test", "--valid"]
    assert given["given"] == [0.6, 0.4]
    assert given["expected"].startswith("them to add to less than 1")
    assert given["hint"] is None
    given = deltarule(*FIT, "--rule", "rprop", "--batch-size", "9", "--json").json
    assert (given["parameter"], given["given"]) == ("--batch-size", 9)
    assert given["hint"].startswith("leave it at 'auto'")


X = np.zeros((3, 2))


@pytest.mark.parametrize(
    ("call", "parameter"),
    [
        *(
            (lambda name=name, value=value: TableSettings(**{name: value}), name)
            for name, value in {
                "test": 1.0,
                "valid": -1.0,
                "layers": (0,),
                "activation": "rleu",
                "loss": "squared",
                "rule": "adma",
                "schedule": "cosin",
                "learning_rate": 0.0,
                "batch_size": 0,
                "epochs": 0,
                "patience": 0,
                "l2": -1.0,
                "l1": -1.0,
                "dropout": 1.0,
                "clip_norm": -1.0,
                "averaging": 2.0,
                "seed": -1,
                "engine": "gpu",
            }.items()
        ),
        *(
            (
                lambda name=name, value=value: train(Network([2, 1]), X, X[:, :1], **{name: value}),
                name,
            )
            for name, value in {"learning_rate": 0, "batch_size": "some", "epochs": 0}.items()
        ),
        (lambda: infer_schema(read_table("numbers.csv"), "y", task="sorting"), "task"),
        (lambda: infer_schema(read_table("numbers.csv"), "y", kinds={"a": "text"}), "kinds"),
        (lambda: read_table("numbers.csv", table="t"), "table"),
        (lambda: read_table("numbers.csv", sql="selec"), "sql"),
    ],
)
def test_in_python_the_error_names_the_parameter(call, parameter, place):
    with pytest.raises(DeltaruleError) as caught:
        call()
    assert caught.value.parameter == parameter
    assert parameter in str(caught.value)
    assert "--" not in str(caught.value)
