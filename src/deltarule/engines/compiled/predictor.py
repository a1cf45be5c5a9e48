"""The predictor of the compiled engine: W packed once, a row in about a microsecond.

It has no gradient, slots or masks: θ in the order in which it is read, the kernels of its
activations, and an array of integers. Of the last two a process keeps one for all predictors.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from deltarule.engines.compiled import predict_driver as d
from deltarule.engines.compiled.array_kernels import write_spans
from deltarule.engines.compiled.formula_kernels import Kernel, activation_kernel, prediction_kernel
from deltarule.engines.compiled.ir_builder import LINE, lanes_of
from deltarule.engines.compiled.linker import compiled
from deltarule.engines.compiled.packed_gemm import pack, packed_size, unpack, write_packed_product
from deltarule.engines.compiled.plan_layout import odd_lines
from deltarule.engines.compiled.row_kernels import write_moves
from deltarule.engines.compiled.workspace import address_of, aligned
from deltarule.engines.predictors import Predictor
from deltarule.engines.threads import usable_threads
from deltarule.errors import InputError, NotCompilable
from deltarule.maths import Activation, Network
from deltarule.maths.symbolic import SymbolicNamespace

__all__ = ["CompiledPredictor", "Unchanged"]

# One row is computed under the interpreter's lock up to about 10 µs of multiply-adds, and with
# scratch on the stack, of which a thread may have half a megabyte.
_MOST_MULTIPLY_ADDS = 1 << 18
_MOST_STACK = 1 << 16
# Multiply-adds that are worth a thread of their own, about 4 ms. To start one takes 0.1 ms.
_WORTH_A_THREAD = 1 << 28
# Multiply-adds, and rows, of one call into compiled code: some 20 ms.
_AT_ONCE, _ROWS_AT_ONCE = 1 << 30, 1 << 20

_empty, _ndarray, _run_one = np.empty, np.ndarray, d.run_one


def _write_kernels(module: Any, dtype: Any) -> None:
    write_packed_product(module, dtype)
    write_spans(module, dtype)
    write_moves(module, dtype)


@functools.lru_cache(maxsize=256)
def _kernel(activation: Activation, dtype: str) -> Kernel:
    """The kernel of an activation for single numbers, or of one that looks across outputs."""
    if activation.elementwise:
        xp = SymbolicNamespace()
        z = xp.variable("z")
        if activation.bind(xp).value(z) is z:
            return Kernel(0, np.zeros(1))  # the identity
        return activation_kernel(activation, dtype)
    return prediction_kernel(activation, dtype)


class CompiledPredictor(Predictor):
    """A predictor that runs in machine code."""

    engine = "compiled"

    def __init__(
        self, net: Network, theta: np.ndarray, which: Any, threads: int | None = None
    ) -> None:
        super().__init__(net, which)
        self.threads = threads
        self._dtype, self._n_outputs = np.dtype(net.dtype), net.n_outputs
        lanes, size = lanes_of(self._dtype), self._dtype.itemsize
        self._plan = np.zeros(d.HEADER + d.FIELDS * net.n_layers, dtype=np.int64)
        self._plan_at = address_of(self._plan)
        self._pack(theta)
        try:
            self._kernels()
        except InputError as error:  # what a formula may not do, says who was asked to write it
            raise NotCompilable(str(error)) from error
        p = self._plan
        p[[d.LAYERS, d.LANES, d.SIZE]] = net.n_layers, lanes, size
        p[[d.N_INPUTS, d.N_OUTPUTS]] = net.n_inputs, net.n_outputs
        p[d.HALF] = self._half(1)
        few = net.n_multiply_adds <= _MOST_MULTIPLY_ADDS
        self.quick = bool(few and 2 * p[d.HALF] <= _MOST_STACK)

    def _layer(self, layer: int) -> np.ndarray:
        start = d.HEADER + (layer - 1) * d.FIELDS
        return self._plan[start : start + d.FIELDS]

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
            bias = address_of(part)
            fields = (n_in, vectors, bias + vectors * LINE, bias, odd_lines(vectors) * LINE, 0, 0)
            self._layer(layer)[:] = fields
            start += size

    def _kernels(self) -> None:
        net, dtype = self.net, str(self._dtype)
        self._kept_kernels = []  # the plan has their addresses
        fixed = compiled(("predict", dtype), lambda module: _write_kernels(module, dtype))
        self._plan[: len(d.KERNELS)] = [fixed[name] for name in d.KERNELS]
        for layer, activation in enumerate(net.hidden_activations, start=1):
            kernel = _kernel(activation, dtype)
            self._layer(layer)[[d.ACT, d.PARAMETERS]] = kernel.places
            self._kept_kernels.append(kernel)
        output = net.output_activation
        kernel = _kernel(output, dtype)
        place = d.OUT_ACT if output.elementwise else d.OUT_ACROSS
        self._plan[[place, d.OUT_PARAMETERS]] = kernel.places
        self._kept_kernels.append(kernel)

    def _half(self, rows: int) -> int:
        """Bytes of scratch for one layer of so many rows, at most ``ROWS``."""
        lanes = lanes_of(self._dtype)
        blocks = -(-rows // lanes)
        whole = blocks * lanes if self._plan[d.OUT_ACROSS] else rows
        most = whole * max(int(self._layer(i)[d.STRIDE]) for i in range(1, self.net.n_layers + 1))
        if self._plan[d.OUT_ACROSS]:
            last = int(self._layer(self.net.n_layers)[d.VECTORS])
            most = max(most, last * lanes * odd_lines(blocks) * LINE)
        return most

    @property
    def theta(self) -> np.ndarray:
        """The parameters, of shape (p,): a copy, from where they are packed."""
        widths = self.net.widths
        pairs = [unpack(part, widths[i], widths[i + 1]) for i, part in enumerate(self._parts)]
        W, b = zip(*pairs, strict=True)
        return self.net.pack(W, b if self.net.bias else None)

    # -- prediction ---------------------------------------------------------------------

    def __call__(self, x: Any) -> np.ndarray:
        """a^L of one row, or of rows; see :class:`Predictor`."""
        if type(x) is _ndarray and x.dtype == self._dtype and x.flags.c_contiguous and self.quick:
            n = self._n_outputs
            out = _empty(n if x.ndim == 1 else (1, n), self._dtype)
            try:
                if _run_one(self._plan_at, 0, x, out) == 0:
                    return out
            except TypeError:  # not aligned, or of other dimensions
                pass
        return self.any_rows(x)

    def rows(self, X: np.ndarray, out: np.ndarray) -> None:
        """a^L of rows into ``out``, by several threads where that pays.

        A row's bits do not depend on its neighbours, and so not on who computes it.
        """
        n = len(X)
        worth = n * self.net.n_multiply_adds // _WORTH_A_THREAD
        threads = min(self.threads or usable_threads(), worth, n) if worth > 1 else 1
        # Ctrl-C is seen between two calls into compiled code.
        at_once = _AT_ONCE // self.net.n_multiply_adds
        at_once = min(max(at_once, lanes_of(self._dtype)), _ROWS_AT_ONCE)
        ended = threading.Event()

        def run(first: int, end: int) -> None:
            for start in range(first, end, at_once):
                if ended.is_set():
                    return
                some = slice(start, min(start + at_once, end))
                self._run(X[some], out[some])

        if threads <= 1:
            run(0, n)
            return
        edges = np.linspace(0, n, threads + 1).astype(int).tolist()
        try:
            with ThreadPoolExecutor(threads) as pool:
                try:
                    for _ in pool.map(run, edges[:-1], edges[1:]):
                        pass
                except BaseException:
                    ended.set()  # leaving the block waits for all
                    raise
        except RuntimeError:  # no thread can be started, at the end of the interpreter for one
            ended.clear()
            run(0, n)

    def _run(self, X: np.ndarray, out: np.ndarray) -> None:
        if not len(X):
            return
        half = self._half(min(len(X), d.ROWS))
        scratch = aligned_scratch(2 * half)
        d.run_rows(self._plan_at, address_of(X), len(X), address_of(out), address_of(scratch), half)

    # -- for who keeps the parameters elsewhere -------------------------------------------

    def watch(self, arrays: Sequence[np.ndarray]) -> Unchanged | None:
        """One-row prediction as long as the numbers of these arrays stay what they are."""
        plain = all(
            type(array) is _ndarray and array.dtype == self._dtype and array.flags.carray
            for array in arrays
        )
        return Unchanged(self, arrays) if plain and self.quick else None


def aligned_scratch(n_bytes: int) -> np.ndarray:
    """So many bytes from a cache line on, with anything in them."""
    raw = np.empty(n_bytes + LINE, dtype=np.uint8)
    start = -address_of(raw) % LINE
    return raw[start : start + n_bytes]


class Unchanged:
    """A predictor, and the arrays it was made from, whose owner may write to them.

    To compare them takes as long as to read them, which is less than the prediction does.
    """

    def __init__(self, predictor: CompiledPredictor, arrays: Sequence[np.ndarray]) -> None:
        self.predictor = predictor
        self._arrays = list(arrays)  # so that their addresses stay theirs
        self._as_they_were = [np.array(array, order="C") for array in arrays]
        pairs = zip(self._arrays, self._as_they_were, strict=True)
        table = [len(self._arrays)]
        for now, then in pairs:
            table += [address_of(now), address_of(then), then.nbytes]
        self._table = np.array(table, dtype=np.int64)
        self._table_at, self._plan_at = address_of(self._table), predictor._plan_at
        self._dtype, self._n_outputs = predictor._dtype, predictor._n_outputs

    def __bool__(self) -> bool:
        return not d.run_differs(self._plan_at, self._table_at)

    def one_row(self, X: Any) -> np.ndarray | None:
        """a^L of shape (1, n_L); None if X or the arrays are in any way out of the ordinary."""
        if type(X) is not _ndarray or X.dtype != self._dtype:
            return None
        out = _empty((1, self._n_outputs), self._dtype)
        try:
            return out if _run_one(self._plan_at, self._table_at, X, out) == 0 else None
        except TypeError:  # other dimensions, or another layout
            return None
