"""The files of a C program: header, source, test and the table of codes."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from deltarule._version import __version__
from deltarule.export.bounds import FACTOR
from deltarule.export.c_encoders import (
    HELPERS,
    MISSING,
    OTHER,
    ColumnCode,
    column_codes,
    of_all_columns,
)
from deltarule.export.c_names import Names, comment, identifier, literals
from deltarule.export.c_network import DECODERS, network_code
from deltarule.export.equality import EqualityRows
from deltarule.export.subject import ExportedNetwork

__all__ = ["CSource", "command_of_test"]

# Of a category of more levels the header has these many names of codes, and the JSON file all.
_MOST_NAMES = 256
_TEST = """\
/* Tests {name}.c: prints the largest error, and ends with 0 if all are within their tolerances.

   {test_command}

   A tolerance is what {factor} eps of the sum of |w| |a| and |b| at an output, and as much of what
   rounding in the layers before makes of it, can change. */
#include "{name}.h"

#include <math.h>
#include <stdio.h>

#define ROWS {n_rows}

{rows}
static const double expected[ROWS][{macro}_N_OUTPUTS] = {{
{expected}
}};
static const double tolerances[ROWS][{macro}_N_OUTPUTS] = {{
{tolerances}
}};
{classes}
int main(void) {{
  double largest = 0, allowed = 0, share = 0;
  int {counts};
  for (int i = 0; i < ROWS; ++i) {{
    float out[{macro}_N_OUTPUTS];
    {name}_predict({row}, out);
    for (int j = 0; j < {macro}_N_OUTPUTS; ++j) {{
      const double error = fabs((double)out[j] - expected[i][j]);
      if (!(error <= largest)) {{
        largest = error;
        allowed = tolerances[i][j];
      }}
      if (!(error <= share * tolerances[i][j])) share = error / tolerances[i][j];
      wrong += !(error <= tolerances[i][j]);
    }}
{check}  }}
  printf("%d rows: the largest error is %.3g, where %.3g are tolerated; no error is more than "
         "%.3g of its tolerance; ", ROWS, largest, allowed, share);
  printf("{labels_text}%d wrong\\n", {labels_value}wrong);
  return wrong != 0;
}}
"""


def command_of_test(name: str) -> str:
    """Return the command that compiles the test of a program, and runs it, in its folder.

    Examples
    --------
    >>> command_of_test("price")
    'cc -std=c99 -O2 price.c price_test.c -lm -o price_test && ./price_test'
    """
    return f"cc -std=c99 -O2 {name}.c {name}_test.c -lm -o {name}_test && ./{name}_test"


@dataclasses.dataclass(frozen=True)
class CSource:
    """The parts of a program, of which its files are made.

    Attributes
    ----------
    name : str
        What all public names begin with.
    subject : ExportedNetwork
    columns : list of ColumnCode
        Those of the struct of a row; empty where the inputs are given as they are encoded.
    """

    name: str
    subject: ExportedNetwork
    columns: list[ColumnCode]

    @classmethod
    def of(cls, subject: ExportedNetwork, name: str) -> CSource:
        """Return the source of a network; refuse what has no form in C."""
        columns: list[ColumnCode] = []
        if subject.encoder is not None:
            assert subject.schema is not None
            names = Names()
            columns = column_codes(
                subject.encoder, subject.schema, lambda text: names.new(text, "column")
            )
        return cls(name, subject, columns)

    @property
    def macro(self) -> str:
        """What macros begin with."""
        return self.name.upper()

    @property
    def has_rows(self) -> bool:
        """Whether the program encodes rows of a table."""
        return self.subject.encoder is not None

    def level_names(self) -> dict[str, list[str]]:
        """Return the macros of the codes of each category, by its member, in their order."""
        fixed = ("n_inputs", "n_outputs", "missing", "other", "h")
        names = Names(fixed)
        found = {}
        for code in self.columns:
            if code.is_category:
                prefix = code.member.strip("_")
                shown = code.levels[:_MOST_NAMES]
                found[code.member] = [
                    f"{self.macro}_"
                    + names.new(
                        f"{prefix} {level[:24]}" if identifier(level[:24]) else "",
                        f"{prefix}_level_{k}",
                    ).upper()
                    for k, level in enumerate(shown)
                ]
        return found

    # -- header -----------------------------------------------------------------------

    def header(self) -> str:
        """Return the text of the header."""
        name, macro, subject = self.name, self.macro, self.subject
        net = subject.net
        widths = "-".join(map(str, net.widths))
        hidden = ", ".join(dict.fromkeys(map(str, net.hidden_activations))) or "no hidden layers"
        what = f"{widths}, {hidden}, output {net.output_activation}"
        lines = [
            f"/* {name}: a network {comment(what, 400)[1:-1]}, in float.",
            f"   Made by deltarule {__version__}. {name}_test.c tests it; for the inputs and the",
            f"   outputs in a form that programs read see {name}.json.",
            "   Nothing is allocated, and nothing but the functions of math.h is called.",
        ]
        lines += [f"   Note: {comment(note, 400)[1:-1]}." for note in subject.notes]
        lines += ["*/", f"#ifndef {macro}_H", f"#define {macro}_H", ""]
        lines += ["#include <math.h> /* NAN */", ""] if self.has_rows else []
        lines += ["#ifdef __cplusplus", 'extern "C" {', "#endif", ""]
        lines += [
            f"#define {macro}_N_INPUTS {net.n_inputs}",
            f"#define {macro}_N_OUTPUTS {len(subject.output_names)}",
            "",
        ]
        lines += self._row_struct() if self.has_rows else []
        lines += self._prototypes()
        lines += ["", "#ifdef __cplusplus", "}", "#endif", "#endif", ""]
        return "\n".join(lines)

    def _row_struct(self) -> list[str]:
        macro = self.macro
        lines = [
            "/* The codes of a missing cell, and of a level without a code of its own. */",
            f"#define {macro}_MISSING ({MISSING})",
            f"#define {macro}_OTHER ({OTHER})",
            "",
        ]
        names = self.level_names()
        for code in self.columns:
            if not code.is_category:
                continue
            more = len(code.levels) - _MOST_NAMES
            rest = f"; {more} more are in {self.name}.json" if more > 0 else ""
            lines.append(f"/* The codes of {comment(code.column.name)}{rest}. */")
            for k, (label, level) in enumerate(
                zip(names[code.member], code.levels[:_MOST_NAMES], strict=True)
            ):
                lines.append(f"#define {label} {k} /* {comment(level, 60)} */")
            lines.append("")
        lines += [
            "/* A row of the table. A number that is missing is NAN. */",
            f"typedef struct {self.name}_row {{",
        ]
        for code in self.columns:
            kind = "int" if code.is_category else "double"
            unit = {"category": ": a code", "date": ": days since 1970-01-01, UTC"}
            about = f"{comment(code.column.name)}{unit.get(code.column.kind, '')}"
            lines.append(f"  {kind} {code.member}; /* {about} */")
        return [*lines, f"}} {self.name}_row;", ""]

    def _prototypes(self) -> list[str]:
        name, subject = self.name, self.subject
        meaning = {
            "number": "the prediction",
            "outputs": "the outputs of the network",
        }.get(subject.decoding, "the probabilities")
        if subject.one_class:
            meaning = "the probabilities of the classes" if not subject.notes else meaning
        outputs = [
            f"   {k}: {comment(each, 60)}"
            for k, each in enumerate(subject.output_names[:_MOST_NAMES])
        ]
        lines = [f"/* Writes {meaning}:", *outputs]
        if len(subject.output_names) > _MOST_NAMES:
            lines.append(f"   and so on, as in {name}.json")
        lines[-1] += " */"
        lines.append(f"{self._signature('predict')};")
        if subject.one_class:
            lines += [
                "",
                "/* Returns the number of the largest, which is that of the predicted class. */",
                f"{self._signature('class')};",
            ]
        if self.has_rows:
            lines += [
                "",
                "/* The parts of it: a row as inputs of the network, and these as its outputs. */",
                f"{self._signature('encode')};",
                f"{self._signature('forward')};",
            ]
        else:
            inputs = subject.input_names[:_MOST_NAMES]
            lines += ["", "/* The inputs:"]
            lines += [f"   {k}: {comment(each, 60)}" for k, each in enumerate(inputs)]
            if len(subject.input_names) > _MOST_NAMES:
                lines.append(f"   and so on, as in {name}.json")
            lines[-1] += " */"
        return lines

    def _signature(self, function: str) -> str:
        name, macro = self.name, self.macro
        n_out = f"{macro}_N_OUTPUTS"
        inputs = f"const float x[{macro}_N_INPUTS]"
        row = f"const {name}_row *row" if self.has_rows else inputs
        return {
            "predict": f"void {name}_predict({row}, float out[{n_out}])",
            "class": f"int {name}_class(const float out[{n_out}])",
            "encode": f"void {name}_encode({row}, float x[{macro}_N_INPUTS])",
            "forward": f"void {name}_forward({inputs}, float out[{self.subject.net.n_outputs}])",
        }[function]

    # -- source -----------------------------------------------------------------------

    def source(self) -> str:
        """Return the text of the source file."""
        network = network_code(self.subject)
        parts = [f'#include "{self.name}.h"\n', network.formulas]
        if self.has_rows:
            parts += self._encode()
        parts += [network.tables, network.functions]
        n = len(self.subject.output_names)
        std, mean = literals(np.array(self.subject.scale[::-1]), "double")
        decode = [each.format(n=n, std=std, mean=mean) for each in DECODERS[self.subject.decoding]]
        if self.has_rows:
            parts.append(_function(self._signature("forward"), network.forward))
            steps = [
                f"float x[{self.macro}_N_INPUTS];",
                f"{self.name}_encode(row, x);",
                f"{self.name}_forward(x, out);",
            ]
            parts.append(_function(self._signature("predict"), steps + decode))
        else:
            parts.append(_function(self._signature("predict"), network.forward + decode))
        if self.subject.one_class:
            find = [
                "int best = 0;",
                f"for (int j = 1; j < {n}; ++j)",
                "  if (out[j] > out[best]) best = j;",
                "return best;",
            ]
            parts.append(_function(self._signature("class"), find))
        return "\n".join(parts)

    def _encode(self) -> list[str]:
        assert self.subject.encoder is not None
        codes = [*self.columns]
        of_all = of_all_columns(self.subject.encoder)
        codes += [] if of_all is None else [of_all]
        used = {helper for code in codes for helper in code.helpers}
        helpers = []
        for name, text in HELPERS.items():
            for each in sorted(used):
                base, _, real = each.partition(":")
                if base == name:
                    helpers.append(text.replace("REAL", real))
        lines = [line for code in codes for line in code.lines]
        declared = [
            f"double {variable};"
            for variable in ("cell", "value")
            if any(line.startswith(f"{variable} =") for line in lines)
        ]
        tables = [table for code in codes for table in code.tables]
        if not self.columns:
            declared.append("(void)row;")
        return [*helpers, *tables, _function(self._signature("encode"), declared + lines)]

    # -- test and description ---------------------------------------------------------

    def test(self, rows: EqualityRows) -> str:
        """Return the text of the test program."""
        name, macro = self.name, self.macro
        if self.has_rows:
            texts = [
                [str(x) for x in cells.tolist()] if code.is_category else literals(cells, "double")
                for code, cells in zip(self.columns, rows.cells, strict=True)
            ]
            lines, kind, row = list(zip(*texts, strict=True)), f"{name}_row rows[ROWS]", "&rows[i]"
        else:
            (X,) = rows.cells
            lines = [tuple(literals(x, "float")) for x in X]
            kind, row = f"float rows[ROWS][{macro}_N_INPUTS]", "rows[i]"
        given = f"static const {kind} = {{\n{_table(lines)}\n}};"
        classes, check, labels = "", "", rows.classes is not None
        if rows.classes is not None and rows.sure is not None:
            # Of a row whose label may be another by rounding, −1 less the label.
            coded = np.where(rows.sure, rows.classes, -1 - rows.classes)
            numbers = ", ".join(map(str, coded.tolist()))
            classes = (
                "/* The model's label; -1 - label where two classes are too close to tell. */\n"
                f"static const int classes[ROWS] = {{\n{_wrapped(numbers)}\n}};\n"
            )
            check = (
                "    const int sure = classes[i] >= 0;\n"
                "    const int label = sure ? classes[i] : -1 - classes[i];\n"
                f"    const int other = {name}_class(out) != label;\n"
                "    differing += other;\n"
                "    wrong += sure && other;\n"
            )
        return _TEST.format(
            test_command=command_of_test(name),
            name=name,
            macro=macro,
            n_rows=len(rows),
            factor=FACTOR,
            rows=given,
            row=row,
            expected=_table(literals(each, "double") for each in rows.expected),
            tolerances=_table([f"{x:.3g}" for x in each] for each in rows.tolerance.tolist()),
            classes=classes,
            check=check,
            counts="wrong = 0, differing = 0" if labels else "wrong = 0",
            labels_text="%d labels differ; " if labels else "",
            labels_value="differing, " if labels else "",
        )

    def description(self) -> dict[str, Any]:
        """Return what the JSON file holds: the columns with their codes, and the outputs."""
        subject = self.subject
        columns = []
        for code in self.columns:
            entry: dict[str, Any] = {
                "name": code.column.name,
                "member": code.member,
                "kind": code.column.kind,
            }
            if code.is_category:
                entry["codes"] = {level: k for k, level in enumerate(code.levels)}
                entry["missing"], entry["every_other_level"] = MISSING, OTHER
                entry["rare_levels"] = list(code.other)
            else:
                limits = [code.column.low, code.column.high]
                entry |= {"counts_as_missing_beyond": limits} if limits != [None, None] else {}
                numbers = list(code.missing_numbers)
                entry |= {"numbers_that_mean_missing": numbers} if numbers else {}
                if code.column.kind == "date":
                    entry["unit"] = "days since 1970-01-01, UTC"
            columns.append(entry)
        found = {
            "program": self.name,
            "deltarule": __version__,
            "network": subject.net.to_dict(),
            "inputs": list(subject.input_names),
            "outputs": list(subject.output_names),
            "notes": list(subject.notes),
        }
        return found | ({"columns": columns} if self.has_rows else {})


def _function(signature: str, lines: Sequence[str]) -> str:
    return "\n".join([f"{signature} {{", *(f"  {line}" for line in lines), "}", ""])


def _table(rows: Any) -> str:
    return ",\n".join(f"{{\n{_wrapped(', '.join(row))}}}" for row in rows)


def _wrapped(text: str) -> str:
    """Break a list of numbers into lines of a dozen."""
    parts = iter(text.split(", "))
    lines = iter(lambda: list(itertools.islice(parts, 12)), [])
    return ",\n".join(f"  {', '.join(line)}" for line in lines)
