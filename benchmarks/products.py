"""The compiled engine's matrix products compared with BLAS: GFLOP/s, one thread, float32.

``python benchmarks/products.py [--bfloat16] [--rounds N]``

For each size: the forward product, the backward product, and that of the weights' gradient, in
the engine's blocks, and by SciPy's sgemm on arrays in Fortran order. The two are measured in turn.
With ``--bfloat16``, on a processor that has them: products of words of two bfloat16, and the same
in float32, in processor time; and the microseconds that rounding W, a and δ takes.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import ctypes
import math
import statistics
import time

import numpy as np
from scipy.linalg.blas import sgemm

from deltarule.engines.compiled.bfloat16_kernels import write_bfloat16_kernels
from deltarule.engines.compiled.dense import cache_block
from deltarule.engines.compiled.linker import compiled_library
from deltarule.engines.compiled.plan import write_fixed_kernels
from deltarule.engines.compiled.workspace import address_of, aligned, line_stride

SIZES = [
    (64, 64, 32),
    (784, 128, 128),
    (784, 512, 256),
    (512, 512, 256),
    (512, 10, 256),
    (1024, 2048, 512),
    (2048, 2048, 512),
]
LANES, SIZE = 16, 4
PRODUCTS = ("forward", "forward_add", "backward", "backward_first", "backward_add", "backward_last",
            "weights")  # fmt: skip


def kernels():
    """The products by name, as functions of eleven integers."""
    library = compiled_library(
        ("fixed", "float32"), lambda module: write_fixed_kernels(module, "float32")
    )
    kind = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * 11)
    return {name: kind(library[name]) for name in PRODUCTS}


def ours(n_in, n_out, rows, random):
    """{product: function}, with the blocks of ``dense.py``."""
    kernel, cut = kernels(), cache_block.py_func
    stride = line_stride(rows, LANES) * 64
    by_rows = line_stride(n_in, LANES) * 64

    def array(n_bytes):
        values = aligned(n_bytes // SIZE, np.float32)
        values[:] = random.standard_normal(len(values))
        return values

    W, bias, dW = (array(n) for n in (n_in * n_out * SIZE, n_out * SIZE, n_in * n_out * SIZE))
    A, partial = array(n_in * stride), array(n_in * stride)
    Z, delta, A_rows, room = (
        array(n) for n in (n_out * stride, n_out * stride, rows * by_rows, 64 * n_out)
    )
    w, b, g, a, p, z, d, r, place = map(
        address_of, (W, bias, dW, A, partial, Z, delta, A_rows, room)
    )
    kept = (W, bias, dW, A, partial, Z, delta, A_rows, room)
    vectors = -(-rows // LANES)

    def forward():
        length, name, k = cut(n_in, vectors * 64), "forward", 0
        while k < n_in:
            m = min(length, n_in - k)
            kernel[name](z, stride, w + k * SIZE, n_in * SIZE, a + k * stride, stride, m, b, n_out,
                         vectors * LANES, 0)  # fmt: skip
            name, k = "forward_add", k + m
        return kept

    def backward():
        length, j = cut(n_out, vectors * 64), 0
        packs = place if vectors >= 4 and n_in * SIZE >= 1024 else 0
        name = "backward" if length == n_out else "backward_first"
        while j < n_out:
            m = min(length, n_out - j)
            if j and j + m == n_out:
                name = "backward_last"
            target = p if name in ("backward_first", "backward_add") else a
            source = (w + j * n_in * SIZE, n_in * SIZE, d + j * stride, stride)
            kernel[name](target, stride, *source, m, p, n_in, vectors * LANES, packs)
            name, j = "backward_add", j + m

    def weights():
        width = -(-cut(n_in, rows * SIZE) // (2 * LANES)) * 2 * LANES
        for k in range(0, n_in, width):
            m = min(width, n_in - k)
            kernel["weights"](g + k * SIZE, n_in * SIZE, d, stride, r + k * SIZE, by_rows, rows, 0,
                              n_out, m, 0)  # fmt: skip

    return {"forward": forward, "backward": backward, "weights": weights}


def of_words(n_in, n_out, rows, random):
    """The products of bfloat16 by name, and the roundings of their operands."""
    library = compiled_library("bfloat16", write_bfloat16_kernels)
    fixed = compiled_library(
        ("fixed", "float32"), lambda module: write_fixed_kernels(module, "float32")
    )
    product, copy = (ctypes.CFUNCTYPE(*[ctypes.c_int64] * (1 + n)) for n in (11, 6))
    kernel = {name: product(library[name]) for name in PRODUCTS}
    row_words, pair_words, transpose = map(
        copy, (library["row_words"], library["pair_words"], fixed["transpose"])
    )
    cut, (k_words, j_words, i_words) = (
        cache_block.py_func,
        (-(-n // 2) for n in (n_in, n_out, rows)),
    )
    stride, word_stride, by_rows, w_stride = (
        line_stride(n, LANES) * 64 for n in (rows, i_words, n_in, k_words)
    )
    squares, vectors = -(-n_in // LANES), -(-rows // LANES)
    kept = []

    def array(n_rows, row_bytes):
        values = aligned((n_rows + LANES) * row_bytes // SIZE, np.float32)
        values[:] = random.standard_normal(len(values))
        kept.append(values)
        return address_of(values)

    w, b, g = array(n_out, n_in * SIZE), array(1, n_out * SIZE), array(n_out, n_in * SIZE)
    a, d, z, p = (array(n, stride) for n in (n_in, n_out, n_out, n_in))
    w_words, w_pairs = array(n_out, w_stride), array(j_words, by_rows)
    a_pairs, d_pairs = array(k_words, stride), array(j_words, stride)
    a_words, d_words = array(squares * LANES, word_stride), array(n_out, word_stride)
    a_rows, place = array(-(-i_words // LANES) * LANES, by_rows), array(1, 64 * n_out)

    def forward():
        length, name, k = cut(k_words, vectors * 64), "forward", 0
        while k < k_words:
            m = min(length, k_words - k)
            source = (w_words + k * SIZE, w_stride, a_pairs + k * stride, stride)
            kernel[name](z, stride, *source, m, b, n_out, vectors * LANES, 0)
            name, k = "forward_add", k + m
        return kept

    def backward():
        length, j = cut(j_words, vectors * 64), 0
        packs = place if vectors >= 4 and by_rows >= 1024 else 0
        name = "backward" if length == j_words else "backward_first"
        while j < j_words:
            m = min(length, j_words - j)
            if j and j + m == j_words:
                name = "backward_last"
            target = p if name in ("backward_first", "backward_add") else a
            source = (w_pairs + j * by_rows, by_rows, d_pairs + j * stride, stride)
            kernel[name](target, stride, *source, m, p, n_in, vectors * LANES, packs)
            name, j = "backward_add", j + m

    def weights():
        width = -(-cut(n_in, i_words * SIZE) // (2 * LANES)) * 2 * LANES
        for k in range(0, n_in, width):
            m = min(width, n_in - k)
            kernel["weights"](g + k * SIZE, n_in * SIZE, d_words, word_stride, a_rows + k * SIZE,
                              by_rows, i_words, 0, n_out, m, 0)  # fmt: skip

    def round_w():
        row_words(w, n_in * SIZE, w_words, w_stride, n_out, n_in)
        pair_words(w, n_in * SIZE, w_pairs, by_rows, n_out, n_in)

    def round_a():
        pair_words(a, stride, a_pairs, stride, n_in, rows)
        row_words(a, stride, a_words, word_stride, n_in, rows)
        transpose(a_words, word_stride, a_rows, by_rows, squares, -(-i_words // LANES))

    def round_delta():
        pair_words(d, stride, d_pairs, stride, n_out, rows)
        row_words(d, stride, d_words, word_stride, n_out, rows)

    for rounding in (round_w, round_a, round_delta):
        rounding()
    return {"forward": forward, "backward": backward, "weights": weights,
            "W": round_w, "a": round_a, "δ": round_delta}  # fmt: skip


def theirs(n_in, n_out, rows, random):
    """The same products by BLAS, into existing arrays."""

    def array(*shape):
        return np.asfortranarray(random.standard_normal(shape), dtype=np.float32)

    A, W, D = array(rows, n_in), array(n_in, n_out), array(rows, n_out)
    Z, U, G = array(rows, n_out), array(rows, n_in), array(n_in, n_out)
    return {
        "forward": lambda: sgemm(1.0, A, W, c=Z, overwrite_c=1),
        "backward": lambda: sgemm(1.0, D, W, c=U, trans_b=1, overwrite_c=1),
        "weights": lambda: sgemm(1.0, A, D, c=G, trans_a=1, overwrite_c=1),
    }


def main() -> None:
    """Print a line for each size: tiles/BLAS, or bfloat16/float32."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--bfloat16", action="store_true")
    arguments = parser.parse_args()
    random = np.random.default_rng(0)
    what = "bfloat16/float32, and µs of rounding W, a, δ" if arguments.bfloat16 else "tiles/BLAS"
    print(f"{'n_in × n_out × rows':<22}{'forward':>12}{'backward':>12}{'weights':>12}   {what}")
    for size in SIZES:
        one = ours(*size, random)
        pair = (
            (of_words(*size, random), one) if arguments.bfloat16 else (one, theirs(*size, random))
        )
        work = 2.0 * math.prod(size)
        clock = time.process_time if arguments.bfloat16 else time.perf_counter
        cells = []
        for product in pair[0]:
            functions = [each[product] for each in pair if product in each]
            taken = measured(functions, work, arguments, clock)
            if len(taken) == 2:
                rates = [work / seconds / 1e9 for seconds in taken]
                cells.append(f"{rates[0]:8.0f}/{rates[1]:<3.0f}")
            else:
                cells.append(f"{1e6 * taken[0]:8.0f}")
        print(f"{' × '.join(map(str, size)):<22}" + "".join(cells), flush=True)


def measured(functions, work, arguments, clock):
    """The median seconds of each function, called in turn."""
    times = max(int(2e7 / work), 1)
    found = [[] for _ in functions]
    for _ in range(arguments.rounds + 1):
        for taken, function in zip(found, functions, strict=True):
            started = clock()
            for _ in range(times):
                function()
            taken.append((clock() - started) / times)
    return [statistics.median(taken[1:]) for taken in found]


if __name__ == "__main__":
    main()
