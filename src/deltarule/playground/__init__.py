"""The playground: a page on this machine where the real engine trains, live.

- ``data.py``, ``tabledata.py``: built-in data and tables, as a network takes them.
- ``settings.py``, ``live.py``, ``state.py``: what can be chosen, and the run that it gives.
- ``runner.py``: the thread that trains.
- ``picture.py``, ``surface.py``, ``frames.py``: what is seen of it.
- ``messages.py``, ``guard.py``, ``server.py``, ``serving.py``: who may ask for what, and
  the server.
- ``explained.py``: the run as something to explain.
- ``export.py``, ``script.py``: the script, the model and the page of a run.
- ``assets/``, ``page.py``: the page.
"""

from deltarule.playground.data import BUILTIN, Axis, Data, Target, builtin_data
from deltarule.playground.live import LiveRun, started_run
from deltarule.playground.serving import serve
from deltarule.playground.settings import RunSettings
from deltarule.playground.tabledata import ReadTable, table_data

__all__ = [
    "BUILTIN",
    "Axis",
    "Data",
    "LiveRun",
    "ReadTable",
    "RunSettings",
    "Target",
    "builtin_data",
    "serve",
    "started_run",
    "table_data",
]
