"""The compiled engine. Importing this loads Numba.

- ``engine.py``: the engine, as the rest of the library sees it; start here.
- ``driver.py``: a step, compiled once by Numba for every network.
- ``plan.py``: a network and its arrays as integers that the driver reads.
- ``formulas.py``: kernels made from the formulas of ``maths`` and ``optimizers``.
- ``products.py``, ``rows.py``: kernels for matrix products and for bringing rows into place.
- ``tracing.py``, ``elementary.py``, ``code.py``: how a formula becomes instructions.
- ``library.py``, ``target.py``: compilation, the cache on disk, the processor.
"""

from deltarule.engines.compiled.engine import CompiledEngine

__all__ = ["CompiledEngine"]
