"""The compiled engine. Importing this package loads llvmlite, and Numba if it has to compile.

- ``engine.py``: the engine's interface to the rest of the library; start here.
- ``entry_points.py``, ``row_entry_points.py``: the compiled functions that Python calls, listed in
  ``entry_table.py``; ``entry_code.py``: their machine code; ``python_call.py``: how Python calls
  them.
- ``driver.py``, ``dense.py``, ``apply_update.py``: a step: passes, one layer of them, update.
- ``plan.py``, ``plan_layout.py``, ``workspace.py``: a network and its arrays, for the driver.
- ``thread_pool.py``: all calls of entry points, and their threads; ``barrier.py``: how they wait.
- ``predictor.py``, ``predict_driver.py``, ``predict_layout.py``, ``packed_gemm.py``,
  ``array_kernels.py``: prediction.
- ``gemm_tiles.py``, ``row_kernels.py``: kernels that multiply matrices, and select and copy rows.
- ``formula_kernels.py``, ``update_kernels.py``: kernels made from the formulas of ``maths`` and
  ``optimizers``; ``kernel_parameters.py``: the numbers of a formula that a kernel reads at run
  time.
- ``ir_namespace.py``, ``elementary.py``, ``ir_builder.py``: formulas as LLVM instructions.
- ``jit.py``, ``linker.py``, ``target.py``: compilation, and the processor.
- ``kernel_cache.py``: compiled code on disk.
- ``warmup.py``: compilation in advance.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from deltarule.lazy_names import lazy_names

if TYPE_CHECKING:
    from deltarule.engines.compiled.engine import CompiledEngine

__all__ = ["CompiledEngine"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "engine": "CompiledEngine",
    },
)
