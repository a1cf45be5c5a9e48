"""The command line's defaults are those of TableSettings, written twice so that it starts fast."""

import inspect

from deltarule.cli.fit_command import fit
from deltarule.settings import settings_of
from deltarule.tabular import TableSettings


def test_the_defaults_of_fit_are_those_of_table_settings():
    settings = TableSettings()
    parameters = inspect.signature(fit).parameters
    compared = 0
    for name in settings_of(TableSettings):
        given = parameters[name].default
        expected = getattr(settings, name)
        if isinstance(expected, tuple):
            expected = ",".join(map(str, expected))
        assert str(given) == str(expected).lower(), name  # None is "none"
        compared += 1
    assert compared == len(settings_of(TableSettings))
