"""The report on a model of a table: one HTML file, which needs no network and no script.

- ``findings.py``: everything that it shows, computed once by ``deltarule.tabular.diagnostics``.
- ``headline.py``, ``errors.py``, ``sections.py``: its parts as HTML.
- ``chart.py``, ``bars.py``, ``markup.py``: charts as inline SVG, rows of bars, numbers and names.
- ``comparison.py``: where a report differs from what its model and table give.
- ``report.py``: joins the parts with the styles of the explain page.
"""

from deltarule.explain.report.report import report_html, write_report

__all__ = ["report_html", "write_report"]
