"""What can be taken away from a run: a script, the model, the explain page."""

from __future__ import annotations

import io
import tempfile
import zipfile
from pathlib import Path
from typing import NamedTuple

from deltarule.errors import UnknownName
from deltarule.explain.page import PageState, formulas_script, page_html, payload_of
from deltarule.playground.explained import subject_of_run
from deltarule.playground.script import run_script
from deltarule.playground.state import Snapshot
from deltarule.playground.tabledata import ReadTable, TableData
from deltarule.training import Model, save_model

__all__ = ["KINDS", "Made", "made"]

KINDS = ("run.py", "model.zip", "explain.html")
"""The files that can be made."""

_ROWS_OF_A_PAGE = 256
# The same for the same model, whenever it is written: no file has a date of its own.
_DATE = (1980, 1, 1, 0, 0, 0)


class Made(NamedTuple):
    """A file to be saved.

    Attributes
    ----------
    name : str
    media_type : str
    data : bytes
    """

    name: str
    media_type: str
    data: bytes


def made(kind: str, snapshot: Snapshot, source: ReadTable | None = None) -> Made:
    """The file of a kind, of the run as it was when the snapshot was taken.

    Parameters
    ----------
    kind : str
        ``"run.py"``: a script that makes the run again, bit for bit. ``"model.zip"``: the folder
        of the model. ``"explain.html"``: the page that derives every number.
    snapshot : Snapshot
    source : ReadTable, optional
        The table that it was trained on.

    Raises
    ------
    UnknownName
        If there is no such kind.

    Examples
    --------
    >>> from deltarule.playground.settings import RunSettings
    >>> from deltarule.playground.state import made_problem
    >>> from deltarule.training import StopFlag
    >>> made("run.py", made_problem(RunSettings(), None, StopFlag()).snapshot()).name
    'deltarule-spirals.py'
    """
    name = f"deltarule-{snapshot.settings.data}"
    if kind == "run.py":
        text = run_script(snapshot, source)
        return Made(f"{name}.py", "text/x-python; charset=utf-8", text.encode())
    if kind == "model.zip":
        return Made(f"{name}.model.zip", "application/zip", _model(snapshot))
    if kind == "explain.html":
        return Made(f"{name}.html", "text/html; charset=utf-8", _page(snapshot).encode())
    raise UnknownName(f"there is no {kind!r} to be made; expected {', '.join(KINDS)}")


def _model(snapshot: Snapshot) -> bytes:
    """A model's folder, zipped; of a table one that ``deltarule predict`` takes."""
    data = snapshot.data
    settings = snapshot.settings.plain() | {"engine": snapshot.engine}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, f"{snapshot.settings.data}.model")
        if isinstance(data, TableData):
            # It brings scikit-learn, which a server can start without.
            from deltarule.tabular import TableModel

            model = Model(snapshot.net, snapshot.theta, snapshot.history)
            report = {
                "rows": {"train": int(snapshot.total_weight)},
                "epochs": snapshot.epoch,
                "scores": {},  # in the units of a table, which the playground measures none in
            }
            TableModel(model, data.schema, data.encoder, data.target_code, settings, report).save(
                folder
            )
        else:
            extra = {"settings": settings, "inputs": list(data.inputs)}
            extra["classes"] = list(data.target.classes)
            save_model(folder, Model(snapshot.net, snapshot.theta, snapshot.history, extra))
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(folder.iterdir()):
                info = zipfile.ZipInfo(f"{folder.name}/{path.name}", _DATE)
                info.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(info, path.read_bytes())
        return packed.getvalue()


def _page(snapshot: Snapshot) -> str:
    subject = subject_of_run(snapshot, "same", _ROWS_OF_A_PAGE)
    moment = PageState(subject.theta, step=snapshot.step, epoch=snapshot.epoch)
    title = f"{snapshot.settings.data}, after {snapshot.step} steps in the playground"
    payload = payload_of(subject, title=title, states=[moment], history=snapshot.history.logs)
    return page_html(payload, formulas_script(subject.net))
