"""Metadata of each training setting, declared once on a dataclass field.

A field made by :func:`setting` carries a :class:`Setting`: its range, its help text and how the
command line spells it. :class:`TrainingSettings` declares the settings that several interfaces
(Python, command line, web page) share; :func:`shared` copies one of them with another default.
The checks, the command line's options, the page's controls and the documentation are made from
these fields.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Literal, TypeVar

from deltarule.errors import InputError
from deltarule.optimizers import RULES, SCHEDULES
from deltarule.optimizers.scalars import in_interval, limits
from deltarule.records import Registry, to_python_scalar, whole_number

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
    kind : {"number", "integer", "layer_widths", "name", "flag"}
        The type of a value: float, int, tuple of int, str or bool.
    interval : str
        The range of a number, such as ``"[0, 1)"``.
    example : object
        A valid value, for error messages.
    special_value : {"", "auto", "none"}
        The value that is accepted in place of a number: the text ``"auto"``, or None.
    registry : Registry or None
        The registry that a name is looked up in.
    choices : tuple of str
        The names that are accepted, where they are not those of a registry; all if empty.
    metavar, group : str
        The placeholder of the value and the heading in the command line's help.
    details : str
        Text that only the reference documentation adds to ``help``.
    """

    help: str
    kind: Literal["number", "integer", "layer_widths", "name", "flag"] = "name"
    interval: str = "(-inf, inf)"
    example: Any = None
    special_value: Literal["", "auto", "none"] = ""
    registry: Registry[Any] | None = None
    choices: tuple[str, ...] = ()
    metavar: str = "NAME"
    group: str = "Training"
    details: str = ""

    @property
    def text(self) -> str:
        """The help text with the registered names in it."""
        # Softmax is for the output layer, whose activation follows from the task.
        names = [] if self.registry is None else self.registry.names()
        return self.help.replace("{names}", ", ".join(name for name in names if name != "softmax"))

    def check(self, name: str, value: Any) -> Any:
        """Return the value as a Python object, if its type is ``kind`` and it is in the interval.

        Raises
        ------
        InputError
            If the value is not valid; the message begins with ``name``.

        Examples
        --------
        >>> Setting("", "integer", "[1, inf)", special_value="auto").check("batch_size", 0)
        Traceback (most recent call last):
            ...
        deltarule.errors.InputError: batch_size is 0; expected a whole number, at least 1, or 'auto'
        """
        if (self.special_value == "auto" and isinstance(value, str) and value == "auto") or (
            self.special_value == "none" and value is None
        ):
            return value
        if self.kind == "number":
            return in_interval("", name, value, self.interval, self.example)
        if self.kind == "integer":
            return self._checked_integer(name, value, value)
        if self.kind == "layer_widths":
            return tuple(self._checked_integer(name, width, value) for width in value)
        if self.kind == "flag" and not isinstance(to_python_scalar(value), bool):
            raise InputError(parameter=name, given=value, expected="True or False")
        if self.choices and not (isinstance(value, str) and value in self.choices):
            expected = f"one of {', '.join(self.choices)}"
            raise InputError(parameter=name, given=value, expected=expected)
        return to_python_scalar(value)

    def _checked_integer(self, name: str, value: Any, given: Any) -> int:
        low, high = limits(self.interval)
        number = whole_number(value)
        if number is not None and low <= number <= high:
            return number
        constraint = (
            f", at least {low:g}" if high == float("inf") else f" from {low:g} to {high:,.0f}"
        )
        if self.special_value:
            constraint += f"{',' * constraint.startswith(',')} or {self.special_value!r}"
        if self.example is not None:
            constraint += f", such as {self.example}"
        given = ",".join(map(str, given)) if isinstance(given, tuple) else given
        raise InputError(parameter=name, given=given, expected=f"a whole number{constraint}")


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


def settings_of(settings: Any) -> dict[str, Setting]:
    """Return the :class:`Setting` of each field of a settings dataclass, by the field's name.

    Examples
    --------
    >>> settings_of(TrainingSettings)["dropout"].interval
    '[0, 1)'
    """
    fields = dataclasses.fields(settings)
    return {
        field.name: field.metadata["setting"] for field in fields if "setting" in field.metadata
    }


def documented(settings: _Class) -> _Class:
    """Write a dataclass's settings into its docstring, in place of ``{parameters}``."""
    lines = []
    for field in dataclasses.fields(settings):
        metadata = field.metadata["setting"]
        lines += [
            f"{field.name} : {field.type}",
            f"    {metadata.text} {metadata.details}".rstrip(),
        ]
    if settings.__doc__:  # None under python -OO
        settings.__doc__ = settings.__doc__.replace("{parameters}", "\n    ".join(lines))
    return settings


def check_fields(settings: Any) -> None:
    """Check each field of a frozen dataclass instance, and convert its value to a Python object.

    Raises
    ------
    InputError
        At the first value that is not valid.
    """
    for name, metadata in settings_of(settings).items():
        object.__setattr__(settings, name, metadata.check(name, getattr(settings, name)))


@dataclasses.dataclass(frozen=True)
class TrainingSettings:
    """The settings that :func:`deltarule.train`, tables and the playground share.

    Their defaults are those of :func:`deltarule.train`.
    """

    rule: str = setting("adam", "The update rule: {names}.", registry=RULES)
    learning_rate: float = setting(
        1e-3, "The step size η.", "number", interval="(0, inf)", example=0.001, metavar="RATE"
    )
    schedule: str = setting(
        "constant",
        "How the learning rate changes from epoch to epoch: {names}; with parameters, "
        "'cosine(final=0.1)', 'warmup(epochs=5, then=cosine)'.",
        registry=SCHEDULES,
    )
    batch_size: int | str = setting(
        "auto",
        "Rows per step, or auto.",
        "integer",
        interval="[1, inf)",
        special_value="auto",
        metavar="N",
    )
    epochs: int = setting(
        200,
        "Maximum number of epochs (passes over the rows).",
        "integer",
        interval="[1, inf)",
        metavar="N",
    )
    seed: int = setting(
        0,
        "Random seed: the same seed gives the same model.",
        "integer",
        interval="[0, inf)",
        metavar="N",
        group="Rows",
    )
    l2: float = setting(
        0.0,
        "Strength of the penalty on the squared weights; it is divided by the number of rows.",
        "number",
        interval="[0, inf)",
        example=1e-4,
        metavar="STRENGTH",
        group="Network",
        details="The penalty is α/(2 Σs) ‖W‖², with the strength α and the row weights s.",
    )
    l1: float = setting(
        0.0,
        "Strength of the penalty on the absolute weights; it is divided by the number of rows.",
        "number",
        interval="[0, inf)",
        example=1e-4,
        metavar="STRENGTH",
        group="Network",
        details="The penalty is α/Σs ‖W‖₁, with the strength α and the row weights s.",
    )
    dropout: float = setting(
        0.0,
        "Share of the hidden nodes left out at each step.",
        "number",
        interval="[0, 1)",
        example=0.1,
        metavar="RATE",
        group="Network",
    )
    clip_norm: float | None = setting(
        None,
        "Gradients with a larger norm are scaled down to this norm.",
        "number",
        interval="(0, inf]",
        example=1.0,
        special_value="none",
        metavar="NORM",
    )
    averaging: float | None = setting(
        None,
        "Decay of the moving average of the weights that is returned, or none.",
        "number",
        interval="[0, 1]",
        example=0.999,
        special_value="none",
        metavar="DECAY",
    )
    engine: str = setting("auto", "The compute engine, or auto.")
    precision: str = setting(
        "full",
        "Precision of the matrix products: full, or bfloat16 on a processor with AVX512-BF16.",
        choices=("full", "bfloat16"),
        metavar="PRECISION",
        details="With bfloat16 every operand of a product is rounded to 8 bits, and the products "
        "are added in float32, as all else is computed.",
    )


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
    metadata = dataclasses.replace(_TRAINING[name], **changes)
    return dataclasses.field(default=default, metadata={"setting": metadata})


def checked(name: str, value: Any) -> Any:
    """Return the checked value of a setting of :class:`TrainingSettings`, as a Python object.

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
