"""The downloads of a run: a script, the model, the explain page."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from deltarule.errors import UnknownName
from deltarule.explain.page import PageState, formulas_script, page_html, payload_of
from deltarule.files.scratch import scratch_folder
from deltarule.playground.run_state import Snapshot
from deltarule.playground.run_subject import subject_of_run
from deltarule.playground.script import run_script
from deltarule.playground.tabledata import ReadTable, TableData
from deltarule.training import Model, save_model

__all__ = ["KINDS", "ExportedFile", "export_file"]

KINDS = ("run.py", "model.zip", "explain.html")
"""The kinds of files."""

_PAGE_ROWS = 256
_DERIVED_NOTE = (
    "the network takes the derived inputs too: predict(deltarule.playground.with_derived(X, "
    'extra["derived"])) computes them from the two columns of X'
)
# A constant date in the archive, so that the same model gives the same bytes.
_DATE = (1980, 1, 1, 0, 0, 0)


class ExportedFile(NamedTuple):
    """A file to be saved by the browser."""

    name: str
    media_type: str
    data: bytes


def export_file(
    kind: str,
    snapshot: Snapshot,
    source: ReadTable | None = None,
    check: Callable[[], None] = lambda: None,
) -> ExportedFile:
    """The file of one kind for a run at the moment of its snapshot.

    Parameters
    ----------
    kind : str
        ``"run.py"``: a script that repeats the run, bit for bit. ``"model.zip"``: the model
        folder. ``"explain.html"``: the explain page.
    snapshot : Snapshot
    source : ReadTable, optional
        The table that the run trains on.
    check : callable
        Called between the parts of the work; raises an error to end it.

    Raises
    ------
    UnknownName
        If the kind is unknown.

    Examples
    --------
    >>> from deltarule.playground.run_state import make_run_state
    >>> from deltarule.playground.settings import RunSettings
    >>> export_file("run.py", make_run_state(RunSettings()).snapshot()).name
    'deltarule-spirals.py'
    """
    name = f"deltarule-{snapshot.settings.data}"
    if kind == "run.py":
        text = run_script(snapshot, source)
        return ExportedFile(f"{name}.py", "text/x-python; charset=utf-8", text.encode())
    if kind == "model.zip":
        return ExportedFile(f"{name}.model.zip", "application/zip", _zipped_model(snapshot, check))
    if kind == "explain.html":
        return ExportedFile(
            f"{name}.html", "text/html; charset=utf-8", _explain_page(snapshot, check).encode()
        )
    raise UnknownName(f"there is no {kind!r} to be made; expected {', '.join(KINDS)}")


def _zipped_model(snapshot: Snapshot, check: Callable[[], None]) -> bytes:
    """The model folder, zipped; of a run on a table, one that ``deltarule predict`` reads."""
    data = snapshot.data
    settings = snapshot.settings.plain() | {"engine": snapshot.engine}
    with scratch_folder() as parent:
        folder = Path(parent, f"{snapshot.settings.data}.model")
        if isinstance(data, TableData):
            # Imported here because it loads scikit-learn, which delays the start of the server.
            from deltarule.tabular import NetworkModel

            model = Model(snapshot.net, snapshot.theta, snapshot.history)
            report = {
                "rows": {"train": int(snapshot.total_weight)},
                "epochs": snapshot.epoch,
                "scores": {},  # NetworkModel's scores are in the table's units; none were computed
            }
            NetworkModel(
                schema=data.schema,
                target=data.target_code,
                settings=settings,
                report=report,
                model=model,
                encoder=data.encoder,
            ).save(folder)
        else:
            extra = {
                "settings": settings,
                "inputs": list(data.inputs),
                "classes": list(data.target.classes),
            }
            if data.derived:
                extra |= {"derived": list(data.derived), "note": _DERIVED_NOTE}
            save_model(folder, Model(snapshot.net, snapshot.theta, snapshot.history, extra))
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(folder.iterdir()):
                check()
                info = zipfile.ZipInfo(f"{folder.name}/{path.name}", _DATE)
                info.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(info, path.read_bytes())
        return buffer.getvalue()


def _explain_page(snapshot: Snapshot, check: Callable[[], None]) -> str:
    subject = subject_of_run(snapshot, "same", _PAGE_ROWS)
    check()
    moment = PageState(subject.theta, step=snapshot.step, epoch=snapshot.epoch)
    title = f"{snapshot.settings.data}, after {snapshot.step} steps in the playground"
    payload = payload_of(subject, title=title, states=[moment], history=snapshot.history.logs)
    check()
    formulas = formulas_script(subject.net)
    check()
    return page_html(payload, formulas)
