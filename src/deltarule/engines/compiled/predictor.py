"""The predictor of the compiled engine: W packed in advance, about a microsecond for a row.

It has no gradient, slots or dropout: only θ in the order in which it is read, the kernels of its
activations, and a plan. All predictors of a process share their kernels.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from deltarule.engines.compiled import predict_layout as f
from deltarule.engines.compiled.array_kernels import write_array_kernels
from deltarule.engines.compiled.entry_code import entry_functions
from deltarule.engines.compiled.formula_kernels import Kernel, activation_kernel, mixing_kernel
from deltarule.engines.compiled.ir_builder import LINE, lanes_of
from deltarule.engines.compiled.linker import Library, compiled_library
from deltarule.engines.compiled.packed_gemm import pack, packed_size, unpack, write_packed_gemm
from deltarule.engines.compiled.packed_sparse import write_sparse_packed
from deltarule.engines.compiled.plan_layout import odd_line_stride
from deltarule.engines.compiled.row_kernels import write_transpose_kernels
from deltarule.engines.compiled.workspace import address_of, aligned
from deltarule.engines.predictors import Predictor
from deltarule.engines.sparse_rows import CsrRows
from deltarule.engines.threads import core_in_use, free_threads, usable_threads
from deltarule.errors import InputError, NotCompilable
from deltarule.maths import Activation, Network
from deltarule.maths.symbolic import SymbolicNamespace

__all__ = ["CompiledPredictor", "GuardedPredictor"]

# The most multiply-adds of a row that is computed under the GIL: about 10 µs. And
# the most bytes of its work arrays, which are on the stack: a thread may have a stack of 512 KB.
_MAX_LOCKED_WORK = 1 << 18
_MAX_STACK = 1 << 16
# Multiply-adds that are worth a thread of their own, about 4 ms; starting a thread takes 0.1 ms.
_WORK_PER_THREAD = 1 << 28
# The most multiply-adds, and rows, of one call into compiled code: some 20 ms.
_CALL_WORK, _CALL_ROWS = 1 << 30, 1 << 20

# Looked up once: a row takes about a microsecond.
_empty, _ndarray = np.empty, np.ndarray
_run_one, _run_rows, _run_sparse_rows, _run_differs = entry_functions(
    "run_one", "run_rows", "run_sparse_rows", "run_differs"
)


def _write_kernels(module: Any, dtype: Any) -> None:
    write_packed_gemm(module, dtype)
    write_array_kernels(module, dtype)
    write_transpose_kernels(module, dtype)


def sparse_prediction_library(dtype: str) -> Library:
    """The kernel for sparse rows, which a process compiles or loads when it has such rows."""
    return compiled_library(
        ("predict sparse", dtype),
        lambda module: write_sparse_packed(module, dtype),
        in_package=True,
    )


@functools.lru_cache(maxsize=256)
def _kernel(activation: Activation, dtype: str) -> Kernel:
    """The prediction kernel of an activation; address 0 for the identity."""
    if activation.elementwise:
        xp = SymbolicNamespace()
        z = xp.variable("z")
        if activation.bind(xp).value(z) is z:
            return Kernel(0, np.zeros(1))
        return activation_kernel(activation, dtype)
    return mixing_kernel(activation, dtype)


class CompiledPredictor(Predictor):
    """A predictor in machine code."""

    engine = "compiled"
    takes_sparse_rows = True

    def __init__(
        self, net: Network, theta: np.ndarray, which: Any, threads: int | None = None
    ) -> None:
        super().__init__(net, which)
        self.threads = threads
        self._dtype, self._n_outputs = np.dtype(net.dtype), net.n_outputs
        lanes, size = lanes_of(self._dtype), self._dtype.itemsize
        self._plan = np.zeros(f.HEADER + f.FIELDS * net.n_layers, dtype=np.int64)
        self._plan_at = address_of(self._plan)
        self._pack(theta)
        try:
            self._kernels()
        except InputError as error:  # a formula uses what compiled code cannot express
            raise NotCompilable(str(error)) from error
        p = self._plan
        p[[f.LAYERS, f.LANES, f.ITEM_SIZE]] = net.n_layers, lanes, size
        p[[f.N_INPUTS, f.N_OUTPUTS]] = net.n_inputs, net.n_outputs
        p[f.WORK_BYTES] = self._half(1)
        small = net.n_multiply_adds <= _MAX_LOCKED_WORK
        self.quick = bool(small and 2 * p[f.WORK_BYTES] <= _MAX_STACK)

    def _layer(self, layer: int) -> np.ndarray:
        start = f.HEADER + (layer - 1) * f.FIELDS
        return self._plan[start : start + f.FIELDS]

    def _pack(self, theta: np.ndarray) -> None:
        net, dtype = self.net, self._dtype
        W, b = net.unpack(theta)
        shapes = [
            (net.widths[layer - 1], net.widths[layer]) for layer in range(1, net.n_layers + 1)
        ]
        sizes = [packed_size(*shape, dtype) for shape in shapes]
        self._packed = aligned(sum(sizes), dtype)
        self._parts = []
        start = 0
        for layer, ((n_in, n_out), size) in enumerate(zip(shapes, sizes, strict=True), start=1):
            part = self._packed[start : start + size]
            pack(W[layer], b[layer] if net.bias else None, part)
            self._parts.append(part)
            vectors = -(-n_out // lanes_of(dtype))
            bias, stride = address_of(part), odd_line_stride(vectors) * LINE
            fields = (n_in, vectors, bias + vectors * LINE, bias, stride, 0, 0)
            self._layer(layer)[:] = fields
            start += size

    def _kernels(self) -> None:
        net, dtype = self.net, str(self._dtype)
        self._kept_kernels = []  # the plan holds their addresses
        fixed = compiled_library(
            ("predict", dtype), lambda module: _write_kernels(module, dtype), in_package=True
        )
        self._plan[: len(f.KERNELS)] = [fixed[name] for name in f.KERNELS]
        for layer, activation in enumerate(net.hidden_activations, start=1):
            kernel = _kernel(activation, dtype)
            self._layer(layer)[[f.ACT, f.PARAMETERS]] = kernel.addresses
            self._kept_kernels.append(kernel)
        output = net.output_activation
        kernel = _kernel(output, dtype)
        field = f.OUT_ACT if output.elementwise else f.OUT_NON_ELEMENTWISE
        self._plan[[field, f.OUT_PARAMETERS]] = kernel.addresses
        self._kept_kernels.append(kernel)

    def _half(self, rows: int) -> int:
        """The bytes of a work array for the widest layer of so many rows, at most ``ROWS``."""
        lanes = lanes_of(self._dtype)
        blocks = -(-rows // lanes)
        whole = blocks * lanes if self._plan[f.OUT_NON_ELEMENTWISE] else rows
        most = whole * max(int(self._layer(i)[f.STRIDE]) for i in range(1, self.net.n_layers + 1))
        if self._plan[f.OUT_NON_ELEMENTWISE]:
            last = int(self._layer(self.net.n_layers)[f.N_VECTORS])
            most = max(most, last * lanes * odd_line_stride(blocks) * LINE)
        return most

    @property
    def theta(self) -> np.ndarray:
        widths = self.net.widths
        pairs = [unpack(part, widths[i], widths[i + 1]) for i, part in enumerate(self._parts)]
        W, b = zip(*pairs, strict=True)
        return self.net.pack(W, b if self.net.bias else None)

    # -- prediction ---------------------------------------------------------------------

    def __call__(self, x: Any) -> np.ndarray:
        """Predict one row, or several; see :class:`Predictor`."""
        if type(x) is _ndarray and x.dtype == self._dtype and x.flags.c_contiguous and self.quick:
            n = self._n_outputs
            out = _empty(n if x.ndim == 1 else (1, n), self._dtype)
            try:
                if _run_one(self._plan_at, 0, x, out) == 0:
                    return out
            except TypeError:  # not aligned, or not of one or two dimensions
                pass
        return self.predict_any(x)

    def rows(self, X: np.ndarray | CsrRows, out: np.ndarray) -> None:
        """Write a^L of X to ``out``, by several threads where that is faster.

        The bits of a row do not depend on other rows, and so not on the number of threads.
        """
        n = len(X)
        each = self.net.n_multiply_adds  # of a row
        if isinstance(X, CsrRows):
            left_out = self.net.n_inputs - len(X.values) // max(n, 1)
            each -= min(left_out * self.net.widths[1], each - 1)
        worthwhile = n * each // _WORK_PER_THREAD
        # Ctrl-C is noticed only between calls into compiled code.
        at_once = _CALL_WORK // each
        at_once = min(max(at_once, lanes_of(self._dtype)), _CALL_ROWS)
        failed = threading.Event()

        def run(first: int, end: int) -> None:
            for start in range(first, end, at_once):
                if failed.is_set():
                    return
                some = slice(start, min(start + at_once, end))
                self._run(X.take(some) if isinstance(X, CsrRows) else X[some], out[some])

        if worthwhile <= 1:
            run(0, n)
            return
        with core_in_use():
            threads = min(free_threads(self.threads or usable_threads()), worthwhile, n)
            edges = np.linspace(0, n, threads + 1).astype(int).tolist()
            try:
                with ThreadPoolExecutor(threads) as pool:
                    try:
                        for _ in pool.map(run, edges[:-1], edges[1:]):
                            pass
                    except BaseException:
                        failed.set()  # leaving the block waits for all threads
                        raise
            except RuntimeError:  # no thread can be started, as at the interpreter's shutdown
                failed.clear()
                run(0, n)

    def _run(self, X: np.ndarray | CsrRows, out: np.ndarray) -> None:
        if not len(X):
            return
        half = self._half(min(len(X), f.ROWS))
        work = aligned_bytes(2 * half)
        rest = (len(X), address_of(out), address_of(work), half)
        if not isinstance(X, CsrRows):
            _run_rows(self._plan_at, address_of(X), *rest)
            return
        # Other threads write the same address, if they do.
        self._plan[f.SPARSE_PACKED] = sparse_prediction_library(str(self._dtype))["sparse_packed"]
        arrays = (address_of(X.values), address_of(X.columns), address_of(X.starts))
        _run_sparse_rows(self._plan_at, *arrays, *rest)

    # -- for the cache of predictors ------------------------------------------------------

    def guard(self, arrays: Sequence[np.ndarray]) -> GuardedPredictor | None:
        """Combine this predictor with copies of the arrays that its parameters came from."""
        plain = all(
            type(array) is _ndarray and array.dtype == self._dtype and array.flags.carray
            for array in arrays
        )
        return GuardedPredictor(self, arrays) if plain and self.quick else None


def aligned_bytes(n_bytes: int) -> np.ndarray:
    """An array of ``n_bytes`` uninitialised bytes, aligned to a cache line."""
    raw = np.empty(n_bytes + LINE, dtype=np.uint8)
    start = -address_of(raw) % LINE
    return raw[start : start + n_bytes]


class GuardedPredictor:
    """A predictor that is used only while the arrays of its parameters are unchanged.

    Its truth value says whether they are. Comparing them with their copies takes about as long as
    reading them, which is less than a prediction takes.
    """

    def __init__(self, predictor: CompiledPredictor, arrays: Sequence[np.ndarray]) -> None:
        self.predictor = predictor
        self._arrays = list(arrays)  # keeps the memory at their addresses alive
        self._copies = [np.array(array, order="C") for array in arrays]
        pairs = zip(self._arrays, self._copies, strict=True)
        table = [len(self._arrays)]
        for now, then in pairs:
            table += [address_of(now), address_of(then), then.nbytes]
        self._table = np.array(table, dtype=np.int64)
        self._table_at, self._plan_at = address_of(self._table), predictor._plan_at
        self._dtype, self._n_outputs = predictor._dtype, predictor._n_outputs

    def __bool__(self) -> bool:
        return not _run_differs(self._plan_at, self._table_at)

    def predict_row(self, X: Any) -> np.ndarray | None:
        """a^L, of shape (1, n_L); None if X is not plain and finite, or an array has changed."""
        if type(X) is not _ndarray or X.dtype != self._dtype or X.ndim != 2:
            return None
        out = _empty((1, self._n_outputs), self._dtype)
        try:
            return out if _run_one(self._plan_at, self._table_at, X, out) == 0 else None
        except TypeError:  # other dimensions, or another layout
            return None
