"""What ``deltarule fit`` understands of each file of a folder, and how good its model is.

    python -m benchmarks.files DIR [--only NAMES] [--csv FILE] [--options OPTIONS]

The files of DIR are those that ``deltarule fit`` reads. Where it has an ``index.csv``, that names
them: the columns ``name`` (of the file, with or without its ending) and ``target``, and perhaps
``task`` and ``options`` (of the command, as in a shell). A target that is not named is the last
column.

For each file: the kinds of its columns, what was left out, the notes, the advice, and the scores of
the model on its test rows beside the constant and the linear baseline, with the verdict on each. A
file that is refused has one line, the command's error. ``--csv`` writes a line for each file.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import shlex
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.studies import RowLog, read_index
from deltarule.cli.status import execute
from deltarule.errors import DeltaruleError
from deltarule.tables import read_table
from deltarule.tables.paths import JSON, SQLITE, TEXT
from deltarule.tables.plain_file import COMPRESSED

_ENDINGS = (*TEXT, *JSON, *SQLITE, ".parquet", *COMPRESSED)
_MEASURES = ("accuracy", "log_loss", "auc", "r2", "rmse", "mae")
_FIELDS = (
    *("file", "status", "seconds", "task", "rows", "numbers", "dates", "categories", "left_out"),
    *("notes", "measure", "model", "constant", "linear", "against_constant", "against_linear"),
)


def stem(path: Path) -> str:
    """Return the name of a file without its endings."""
    return path.name.split(".")[0]


def listed(folder: Path) -> Iterator[tuple[Path, str | None, list[str]]]:
    """Return each file with its target (None for the last column) and options of the command."""
    files = [
        path
        for path in sorted(folder.iterdir())
        if path.suffix.lower() in _ENDINGS and path.name != "index.csv"
    ]
    index = read_index(folder)
    if index is None:
        yield from ((path, None, []) for path in files)
        return
    for name, row in index.items():
        found = [path for path in files if name in (path.name, stem(path))]
        options = ["--task", row["task"]] if row.get("task") else []
        # A file that is missing is refused by the command, as any other.
        path = found[0] if found else folder / name
        yield path, row["target"] or None, [*options, *shlex.split(row.get("options") or "")]


def fit(path: Path, target: str | None, options: list[str]) -> dict[str, Any]:
    """Return what ``deltarule fit --json`` prints, or its error as ``"error"``."""
    try:
        target = read_table(path).names[-1] if target is None else target
    except DeltaruleError as error:
        return {"error": str(error)}
    said = io.StringIO()
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(said):
        command = ["fit", str(path), "--target", target, "--json", *options]
        execute([*command, "--out", str(Path(folder) / "model")])
    found: dict[str, Any] = json.loads(said.getvalue().splitlines()[-1])
    return found


def describe(found: dict[str, Any]) -> Iterator[str]:
    """Return the lines on a fitted file."""
    yield f"  {found['task_reason']}"
    kinds: dict[str, list[str]] = {}
    for column in found["columns"]:
        kinds.setdefault(column["kind"], []).append(column["name"])
    for kind, names in kinds.items():
        more = f", … ({len(names)})" if len(names) > 12 else ""
        yield f"  {kind}: {', '.join(names[:12])}{more}"
    for name, reason in found["left_out"].items():
        yield f"  left out: {name}: {reason}"
    said = {f"{name}: left out, {reason}" for name, reason in found["left_out"].items()}
    yield from (f"  note: {note}" for note in found["notes"] if note not in said)
    scores = all_scores(found)
    measures = [name for name in _MEASURES if name in scores["model"]]
    yield f"  {'on ' + found['baselines_on'] + ' rows':<16}{''.join(f'{m:>11}' for m in measures)}"
    for name, values in scores.items():
        shown = (values[measure] for measure in measures)
        yield f"  {name:<16}" + "".join(
            f"{'—' if v is None else format(v, '.4g'):>11}" for v in shown
        )
    for baseline in ("constant", "linear"):
        verdict = found[f"against_{baseline}"]
        if verdict is not None:
            yield f"  {verdict['verdict']}: model against {baseline}, by {verdict['measure']}"
    yield from (f"  advice: {advice}" for advice in found["advice"])


def all_scores(found: dict[str, Any]) -> dict[str, dict[str, float | None]]:
    """Return the scores of the model and of both baselines on the same rows."""
    return {"model": found["scores"][found["baselines_on"]], **found["baselines"]}


def row_of(found: dict[str, Any]) -> dict[str, Any]:
    """Return the line of the CSV file on a fitted file."""
    kinds = Counter(column["kind"] for column in found["columns"])
    measure = "log_loss" if found["classes"] else "rmse"
    return {
        "status": "fitted",
        "task": found["task"],
        "rows": sum(found["rows"].values()),
        "numbers": kinds["number"],
        "dates": kinds["date"],
        "categories": kinds["category"],
        "left_out": len(found["left_out"]),
        "notes": len(found["notes"]),
        "measure": measure,
        **{name: values[measure] for name, values in all_scores(found).items()},
        **{
            name: found[name]["verdict"] if found[name] else ""
            for name in ("against_constant", "against_linear")
        },
    }


def main(arguments: list[str] | None = None) -> None:
    """Print what was found of each file, and the counts."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", help="comma-separated names of files, without their endings")
    parser.add_argument("--csv", type=Path, help="where to write a line for each file")
    parser.add_argument("--options", default="", help="more options of deltarule fit, in one text")
    given = parser.parse_args(arguments)
    log = RowLog(given.csv, _FIELDS)
    only = given.only.split(",") if given.only else None
    verdicts: dict[str, Counter[str]] = {"constant": Counter(), "linear": Counter()}
    refused = fitted = 0
    for path, target, options in listed(given.folder):
        if only and stem(path) not in only:
            continue
        started = time.perf_counter()
        found = fit(path, target, [*options, *shlex.split(given.options)])
        seconds = time.perf_counter() - started
        print(f"{path.name}: {seconds:.1f} s", flush=True)
        row: dict[str, Any] = {"file": path.name, "seconds": round(seconds, 2)}
        if "error" in found:
            refused += 1
            print(f"  refused: {found['error']}", flush=True)
            log.write({**row, "status": "refused"})
            continue
        fitted += 1
        print("\n".join(describe(found)), flush=True)
        log.write({**row, **row_of(found)})
        for baseline, counts in verdicts.items():
            verdict = found[f"against_{baseline}"]
            counts[verdict["verdict"] if verdict else "not compared"] += 1
    print(f"{fitted} files fitted, {refused} refused")
    for baseline, counts in verdicts.items():
        said = ", ".join(f"{count} {verdict}" for verdict, count in counts.most_common())
        print(f"against the {baseline} baseline: {said or 'none'}")


if __name__ == "__main__":
    main()
