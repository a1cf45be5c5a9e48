"""The compiled engine. Importing this loads Numba.

- ``engine.py``: the engine, as the rest of the library sees it; start here.
- ``entry_points.py``, ``row_entry_points.py``: what Python calls; compiled once for all networks.
- ``driver.py``, ``dense.py``, ``apply_update.py``: a step: its passes, a layer of them, the update.
- ``plan.py``, ``plan_layout.py``, ``workspace.py``: networks and arrays as the driver reads them.
- ``thread_pool.py``: where entries are called, and nowhere else; ``barrier.py``: how workers wait.
- ``kernel_parameters.py``: which numbers of a formula its kernel reads at run time.
- ``predictor.py``, ``predict_driver.py``, ``packed_gemm.py``, ``array_kernels.py``: prediction.
- ``formula_kernels.py``, ``update_kernels.py``: kernels made from formulas of ``maths`` and
  ``optimizers``.
- ``gemm_tiles.py``, ``row_kernels.py``: kernels that multiply matrices, and gather and copy rows.
- ``ir_namespace.py``, ``elementary.py``, ``ir_builder.py``: how a formula becomes instructions.
- ``jit.py``, ``linker.py``, ``target.py``: compilation, and the processor.
- ``kernel_cache.py``: compiled code on disk, read and verified in one place.
- ``warmup.py``: all of it compiled ahead.
"""

from deltarule.engines.compiled.engine import CompiledEngine

__all__ = ["CompiledEngine"]
