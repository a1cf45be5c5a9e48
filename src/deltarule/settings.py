"""Metadata of each training setting, declared once at its dataclass field.

A field made by :func:`setting` carries a :class:`Setting`: its range, its help text and how the
command line spells it. :class:`TrainingSettings` declares those that several interfaces share; the
settings of a table and of the playground take a field over with :func:`shared`, each with its own
default. The checks, the command line's options, the page's controls and the documentation are
made from these fields.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Literal, TypeVar

from deltarule.errors import InputError
from deltarule.optimizers import RULES, SCHEDULES
from deltarule.optimizers.scalars import in_interval, limits
from deltarule.records import Registry, plain, whole_number

__all__ = [
    "Setting",
    "TrainingSettings",
    "check_fields",
    "checked",
    "documented",
    "setting",
    "settings_of",
    "shared",
]

_Class = TypeVar("_Class", bound=type)


@dataclasses.dataclass(frozen=True)
class Setting:
    """The metadata of a setting: everything but its name and its default value.

    Attributes
    ----------
    help : str
        One or two sentences for a user; ``{names}`` stands for the names of ``registry``.
    kind : {"number", "whole", "widths", "name", "flag"}
        What a value is: a number, a whole number, whole numbers, a text, True or False.
    interval : str
        The range of a number, such as ``"[0, 1)"``.
    usual : object
        A value that works, for error messages.
    word : {"", "auto", "none"}
        What may be given in place of a number: the text ``"auto"``, or None.
    registry : Registry or None
        What a name is looked up in.
    metavar, group : str
        How the command line's help calls the value, and under which heading it stands.
    details : str
        More for the reference documentation.
    """

    help: str
    kind: Literal["number", "whole", "widths", "name", "flag"] = "name"
    interval: str = "(-inf, inf)"
    usual: Any = None
    word: Literal["", "auto", "none"] = ""
    registry: Registry[Any] | None = None
    metavar: str = "NAME"
    group: str = "Training"
    details: str = ""

    @property
    def text(self) -> str:
        """The help text with the registered names in it."""
        # Softmax mixes the outputs of a layer, and is for the last one, which the task chooses.
        names = [] if self.registry is None else self.registry.names()
        return self.help.replace("{names}", ", ".join(each for each in names if each != "softmax"))

    def check(self, name: str, value: Any) -> Any:
        """The value as a Python object, if it is of the kind and in the interval.

        Raises
        ------
        InputError
            If it is not; the message begins with ``name``.

        Examples
        --------
        >>> Setting("", "whole", "[1, inf)", word="auto").check("batch_size", 0)
        Traceback (most recent call last):
            ...
        deltarule.errors.InputError: batch_size is 0; expected a whole number, at least 1, or 'auto'
        """
        if (self.word == "auto" and isinstance(value, str) and value == "auto") or (
            self.word == "none" and value is None
        ):
            return value
        if self.kind == "number":
            return in_interval("", name, value, self.interval, self.usual)
        if self.kind == "whole":
            return self._whole(name, value, value)
        if self.kind == "widths":
            return tuple(self._whole(name, width, value) for width in value)
        if self.kind == "flag" and not isinstance(plain(value), bool):
            raise InputError(parameter=name, given=value, expected="True or False")
        return plain(value)

    def _whole(self, name: str, value: Any, given: Any) -> int:
        low, high = limits(self.interval)
        number = whole_number(value)
        if number is not None and low <= number <= high:
            return number
        ranged = f", at least {low:g}" if high == float("inf") else f" from {low:g} to {high:,.0f}"
        if self.word:
            ranged += f"{',' * ranged.startswith(',')} or {self.word!r}"
        if self.usual is not None:
            ranged += f", such as {self.usual}"
        given = ",".join(map(str, given)) if isinstance(given, tuple) else given
        raise InputError(parameter=name, given=given, expected=f"a whole number{ranged}")


def setting(default: Any, help: str, kind: Any = "name", **details: Any) -> Any:  # noqa: A002
    """A dataclass field with a default and a :class:`Setting` of these attributes.

    Examples
    --------
    >>> @dataclasses.dataclass
    ... class Settings:
    ...     rate: float = setting(0.1, "The size of a step.", "number", interval="(0, inf)")
    >>> settings_of(Settings)["rate"].check("rate", 1)
    1.0
    """
    return dataclasses.field(default=default, metadata={"setting": Setting(help, kind, **details)})


def settings_of(group: Any) -> dict[str, Setting]:
    """The settings of a dataclass by the names of its fields.

    Examples
    --------
    >>> settings_of(TrainingSettings)["dropout"].interval
    '[0, 1)'
    """
    fields = dataclasses.fields(group)
    return {each.name: each.metadata["setting"] for each in fields if "setting" in each.metadata}


def documented(group: _Class) -> _Class:
    """Write a dataclass's settings into its docstring, in place of ``{parameters}``."""
    lines = []
    for field in dataclasses.fields(group):
        known = field.metadata["setting"]
        lines += [f"{field.name} : {field.type}", f"    {known.text} {known.details}".rstrip()]
    if group.__doc__:  # None under python -OO
        group.__doc__ = group.__doc__.replace("{parameters}", "\n    ".join(lines))
    return group


def check_fields(group: Any) -> None:
    """Check each field of a frozen dataclass instance, and replace it by its plain value.

    Raises
    ------
    InputError
        At the first value that cannot be used.
    """
    for name, known in settings_of(group).items():
        object.__setattr__(group, name, known.check(name, getattr(group, name)))


@dataclasses.dataclass(frozen=True)
class TrainingSettings:
    """The settings that :func:`deltarule.train` has in common with tables and the playground.

    Their defaults are those of :func:`deltarule.train`.
    """

    rule: str = setting("adam", "The update rule: {names}.", registry=RULES)
    learning_rate: float = setting(
        1e-3, "The size of a step.", "number", interval="(0, inf)", usual=0.001, metavar="RATE"
    )
    schedule: str = setting(
        "constant",
        "How the learning rate changes from epoch to epoch: {names}; with parameters, "
        "'cosine(final=0.1)', 'warmup(epochs=5, then=cosine)'.",
        registry=SCHEDULES,
    )
    batch_size: int | str = setting(
        "auto",
        "Number of rows in a step, or auto.",
        "whole",
        interval="[1, inf)",
        word="auto",
        metavar="N",
    )
    epochs: int = setting(
        200,
        "Maximum number of epochs (passes over the rows).",
        "whole",
        interval="[1, inf)",
        metavar="N",
    )
    seed: int = setting(
        0,
        "Random seed: the same seed gives the same model.",
        "whole",
        interval="[0, inf)",
        metavar="N",
        group="Rows",
    )
    l2: float = setting(
        0.0,
        "Strength of the L2 penalty on the weights, divided by the number of rows.",
        "number",
        interval="[0, inf)",
        usual=1e-4,
        metavar="STRENGTH",
        group="Network",
        details="The penalty is α/(2 Σs) ‖W‖², with α this strength and s the row weights.",
    )
    l1: float = setting(
        0.0,
        "Strength of the L1 penalty on the weights, divided by the number of rows.",
        "number",
        interval="[0, inf)",
        usual=1e-4,
        metavar="STRENGTH",
        group="Network",
        details="The penalty is α/Σs ‖W‖₁, with α this strength and s the row weights.",
    )
    dropout: float = setting(
        0.0,
        "Share of the hidden nodes left out at each step.",
        "number",
        interval="[0, 1)",
        usual=0.1,
        metavar="RATE",
        group="Network",
    )
    clip_norm: float | None = setting(
        None,
        "Gradients with a larger norm are scaled down to this norm.",
        "number",
        interval="(0, inf]",
        usual=1.0,
        word="none",
        metavar="NORM",
    )
    averaging: float | None = setting(
        None,
        "Decay of the moving average of the weights, or none.",
        "number",
        interval="[0, 1]",
        usual=0.999,
        word="none",
        metavar="DECAY",
    )
    engine: str = setting("auto", "The compute engine, or auto.")


_TRAINING = settings_of(TrainingSettings)


def shared(name: str, default: Any, **changes: Any) -> Any:
    """A dataclass field for a setting of :class:`TrainingSettings`, with another default.

    Parameters
    ----------
    name : str
    default : object
    **changes
        Attributes of :class:`Setting` that differ, such as a narrower ``interval``.

    Examples
    --------
    >>> @dataclasses.dataclass
    ... class Settings:
    ...     epochs: int = shared("epochs", 50, interval="[1, 100]")
    >>> settings_of(Settings)["epochs"].check("epochs", 1000)
    Traceback (most recent call last):
        ...
    deltarule.errors.InputError: epochs is 1000; expected a whole number from 1 to 100
    """
    known = dataclasses.replace(_TRAINING[name], **changes)
    return dataclasses.field(default=default, metadata={"setting": known})


def checked(name: str, value: Any) -> Any:
    """The value of a setting of :class:`TrainingSettings`, as a Python object.

    Raises
    ------
    InputError
        If it is out of range.

    Examples
    --------
    >>> checked("learning_rate", 1)
    1.0
    """
    return _TRAINING[name].check(name, value)
