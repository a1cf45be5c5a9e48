"""The table of a settings dataclass: options with their defaults and help texts.

``.. settings-table:: deltarule.tabular.TableSettings`` lists the command line's options for the
fields of that class, in the words of ``deltarule fit --help``.
"""

import importlib
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList
from sphinx.application import Sphinx

from deltarule.cli.options import setting_options
from deltarule.settings import settings_of


class SettingsTable(Directive):
    """A list table with a row for each field."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Write the table as reStructuredText and parse it."""
        module, _, name = self.arguments[0].rpartition(".")
        group = getattr(importlib.import_module(module), name)
        known = settings_of(group)
        lines = [".. list-table::", "   :header-rows: 1", ""]
        lines += ["   * - option", "     - default", "     - meaning"]
        for option in setting_options(group):
            spelling = "--" + option.name.replace("_", "-")
            help_text = f"{known[option.name].text} {known[option.name].details}".strip()
            lines += [f"   * - ``{spelling}``", f"     - ``{option.default}``"]
            lines += [f"     - {help_text}"]
        found = nodes.container()
        source = self.state_machine.get_source_and_line(self.lineno)[0] or ""
        self.state.nested_parse(StringList(lines, source=source), self.content_offset, found)
        return found.children


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive."""
    app.add_directive("settings-table", SettingsTable)
    return {"parallel_read_safe": True}
