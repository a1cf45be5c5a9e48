"""The compiled engine. Importing this loads Numba.

- ``engine.py``: the engine, as the rest of the library sees it; start here.
- ``entries.py``, ``row_entries.py``: what Python calls, compiled once by Numba for every network.
- ``driver.py``, ``dense.py``, ``moving.py``: a step: its passes, a layer of them, the update.
- ``plan.py``, ``fields.py``, ``scratch.py``: a network and its arrays as integers for the driver.
- ``team.py``: where entries are called, and nowhere else; ``meeting.py``: how workers wait.
- ``parameters.py``: which numbers of a formula its kernel reads, so that all values have one.
- ``predictor.py``, ``predicting.py``, ``packed.py``, ``spans.py``: prediction by itself.
- ``formulas.py``, ``updates.py``: kernels made from the formulas of ``maths`` and ``optimizers``.
- ``products.py``, ``rows.py``: kernels for matrix products and for bringing rows into place.
- ``tracing.py``, ``elementary.py``, ``code.py``: how a formula becomes instructions.
- ``calling.py``, ``library.py``, ``target.py``: compilation, and the processor.
- ``cache.py``: compiled code on disk, read and verified in one place.
- ``warming.py``: all of it compiled ahead.
"""

from deltarule.engines.compiled.engine import CompiledEngine

__all__ = ["CompiledEngine"]
