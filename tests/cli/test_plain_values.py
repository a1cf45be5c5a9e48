"""Values of options are read as Typer reads them, without Pydantic."""

import pytest
import typer
from typer.main import get_command

from deltarule.cli import output
from deltarule.cli.app import COMMANDS, app

TEXTS = ["", "x", "1", "-1.5", "1e999", "auto", "none", "-", "a/b.csv", "größe", "5m", "8x8", "\0"]


def value_of(parameter, context, given):
    """The value of a parameter, or the text of its error."""
    try:
        return parameter.process_value(context, given)
    except typer.BadParameter as error:
        return str(error)


@pytest.mark.parametrize("command", COMMANDS)
def test_values_and_errors_are_those_of_typer(command):
    made = get_command(app).commands[command]
    context = typer.Context(made)
    n_plain = 0
    for parameter in (each for each in made.get_params(context) if not each.is_eager):
        is_list = parameter.multiple or parameter.nargs == -1
        cases = [None, parameter.default, *([[each, "2"] if is_list else each for each in TEXTS])]
        reader = parameter._runtime_param
        n_plain += reader is not None
        plain = [value_of(parameter, context, given) for given in cases]
        parameter._runtime_param = None
        assert plain == [value_of(parameter, context, given) for given in cases], parameter.name
        parameter._runtime_param = reader
    assert n_plain >= 1


class _Stderr:
    """Standard error as a file, which keeps what is written."""

    def __init__(self):
        self.text = ""

    def write(self, text):
        self.text += text

    def flush(self):
        pass

    def isatty(self):
        return False


LINES = [
    "plain",
    "a [red]markup[/red] and :smile:",
    "größe\tx",
    "x" * 300,
    "trailing  ",
    "日本 " * 60,
]


@pytest.mark.parametrize("line", LINES)
def test_errors_and_notes_are_what_rich_prints_to_a_file(line, monkeypatch):
    found = []
    for colours in ((), ("HOME_OF_RICH",)):
        monkeypatch.setattr(output, "_COLOURS", colours)
        monkeypatch.setenv("HOME_OF_RICH", "1")
        stream = _Stderr()
        monkeypatch.setattr("sys.stderr", stream)
        output._errors.cache_clear()
        output.error(line)
        output.notes([line])
        found.append(stream.text)
    output._errors.cache_clear()
    assert found[0] == found[1]
    assert found[0].startswith("error: ")
