"""A local web page on which the compiled engine trains a network interactively.

- ``data.py``, ``tabledata.py``: built-in data sets and tables as arrays for a network.
- ``settings.py``, ``interactive_run.py``, ``run_state.py``: the settings of a run, the run, and
  the run together with its data and its view.
- ``runner.py``: the training thread and its command queue.
- ``decision_surface.py``, ``run_view.py``, ``frame_format.py``: what the page shows of a run,
  and its binary format.
- ``client_messages.py``, ``access_control.py``, ``server.py``, ``launch.py``: parsing of the
  browser's messages, access control, the web server, and :func:`serve`, which starts it.
- ``run_subject.py``: a run as a subject of ``deltarule.explain``.
- ``export.py``, ``script.py``: the files that can be downloaded.
- ``assets/``, ``page.py``: the page.
- ``static_page.py``: the page as one file, which trains in the browser without a server.
"""

from deltarule.playground.data import BUILTIN, Axis, Data, TargetSpec, builtin_data
from deltarule.playground.interactive_run import InteractiveRun, start_run
from deltarule.playground.launch import serve
from deltarule.playground.settings import RunSettings
from deltarule.playground.static_page import static_playground_html, write_static_playground
from deltarule.playground.tabledata import ReadTable, table_data

__all__ = [
    "BUILTIN",
    "Axis",
    "Data",
    "InteractiveRun",
    "ReadTable",
    "RunSettings",
    "TargetSpec",
    "builtin_data",
    "serve",
    "start_run",
    "static_playground_html",
    "table_data",
    "write_static_playground",
]
