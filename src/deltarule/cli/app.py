"""The command line application: its commands, each imported when it is called."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

from deltarule._version import __version__
from deltarule.cli import output
from deltarule.cli.plain_values import read_plainly
from deltarule.cli.status import ARGUMENTS, STATUSES, handle_errors

__all__ = ["COMMANDS", "CONTEXT", "Commands", "Grouped", "app", "parameters_of"]

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
_EPILOG = "\b\nExit status:\n" + "\n".join(
    f"  {status.value:<4} {what}" for status, what in STATUSES.items()
)


class _Source(NamedTuple):
    """Where a command is defined, and what it does."""

    module: str
    short_help: str


COMMANDS = {
    "fit": _Source("fit_command", "Train on a table, score, save."),
    "tune-lr": _Source("tune_command", "Suggest a learning rate."),
    "launch": _Source("launch_command", "Train one network on many workers."),
    "resume": _Source("resume_command", "Go on with a training from its checkpoint."),
    "predict": _Source("predict_command", "Predict the rows of a table with a model."),
    "evaluate": _Source("predict_command", "Score a model on a table with a target."),
    "distill": _Source(
        "distill_command", "Train one network to predict what a portfolio predicts."
    ),
    "update": _Source("distill_command", "Train a portfolio further on new rows."),
    "explain": _Source("explain_command", "Show every number of a step or a model."),
    "inspect": _Source("inspect_command", "Print what a model's files say."),
    "export": _Source("export_command", "Write a model as a program for other machines."),
    "check": _Source("check_command", "Check the engine on this machine."),
    "doctor": _Source("doctor_command", "Examine this installation."),
    "warmup": _Source("warmup_command", "Compile all kernels in advance."),
    "playground": _Source("playground_command", "Watch a network train in a page."),
}
"""The commands in the order of the help text. A command is the function of its name in a module of
this folder, which is imported when the command is called: that takes longer than some commands."""


# The commands whose argument is another command with its options.
_WITH_COMMAND = {"launch"}


class Grouped(TyperCommand):
    """A command whose help shows its options by group, and whose errors are one line."""

    def get_params(self, ctx: Any) -> list[Any]:
        """The options and arguments, ``--help`` included, read without Pydantic."""
        return read_plainly(super().get_params(ctx))

    def invoke(self, ctx: Any) -> Any:
        """Run the command; report an expected error as one line and an exit status."""
        with output.options_of(self.params), handle_errors(ctx.params.get("as_json", False)):
            return super().invoke(ctx)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the options, a section for each group."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                default_group = "Other"
                if parameter.param_type_name == "argument":
                    default_group, record = "Arguments", (str(parameter.metavar), record[1])
                group = getattr(parameter, "rich_help_panel", None) or default_group
                groups.setdefault(group, []).append(record)
        for group, records in groups.items():
            with formatter.section(group):
                formatter.write_dl(records)


class _Loaded(Mapping[str, Any]):
    """The commands by name, each imported when it is looked up."""

    def __init__(self) -> None:
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        module, short_help = COMMANDS[name]
        if name not in self._made:
            # Ctrl-C during an import is reported as within a command.
            with handle_errors("--json" in ARGUMENTS.get()):
                found = importlib.import_module(f"deltarule.cli.{module}")
            function = getattr(found, name.replace("-", "_"))
            one = _application()
            settings: Any = {"context_settings": CONTEXT, "short_help": short_help}
            if name in _WITH_COMMAND:
                settings["context_settings"] = CONTEXT | {"allow_interspersed_args": False}
            one.command(name, cls=Grouped, **settings)(function)
            self._made[name] = typer.main.get_command(one)
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


def parameters_of(command: str) -> list[Any]:
    """Return the options and arguments of a command, for :func:`output.options_of`."""
    found: list[Any] = _Loaded()[command].params
    return found


class Commands(TyperGroup):
    """The group of all commands."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands: Any = _Loaded()

    def get_params(self, ctx: Any) -> list[Any]:
        """The options, ``--help`` included, read without Pydantic."""
        return read_plainly(super().get_params(ctx))

    def list_commands(self, ctx: Any) -> list[str]:
        """The names of the commands, in the order of the help text."""
        return list(COMMANDS)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write what each command does, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, source.short_help) for name, source in COMMANDS.items()])


def _application(**settings: Any) -> typer.Typer:
    return typer.Typer(
        add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None, **settings
    )


app = _application(
    name="deltarule",
    cls=Commands,
    help="Train networks on tables by backpropagation, and use them.",
    epilog=_EPILOG,
    no_args_is_help=True,
    context_settings=CONTEXT,
)


def _version(value: bool) -> None:
    if value:
        print(f"deltarule {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass
