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
from deltarule.engines.compiled.dense import cache_block, word_block, word_columns
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


def kernels(library):
    """The products of a library by name, as functions of eleven integers."""
    kind = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * 11)
    return {name: kind(library[name]) for name in PRODUCTS}


def fixed_kernels():
    """The library of the products of float32."""
    return compiled_library(
        ("fixed", "float32"), lambda module: write_fixed_kernels(module, "float32")
    )


def allocator(random):
    """A function that makes an array of rows of so many bytes, and the list of all that it made."""
    kept = []

    def array(n_rows, row_bytes):
        values = aligned((n_rows + LANES) * row_bytes // SIZE, np.float32)
        values[:] = random.standard_normal(len(values))
        kept.append(values)
        return address_of(values)

    return array, kept


def in_blocks(kernel, size, memory, forward_from, backward_from, weights_from, words=False):
    """{product: function}, with the blocks of ``dense.py``.

    Each product is given by the number of terms of its sums, and its operands s and v of
    ``gemm_tiles.py``: address, stride, address, stride (of panels, if they are ``words``).
    ``memory`` is what :func:`allocator` gave.
    """
    (n_in, n_out, rows), cut = size, cache_block.py_func

    def block(terms):
        return word_block.py_func(terms) if words else cut(terms, vectors * 64)

    array, kept = memory
    stride, vectors = line_stride(rows, LANES) * 64, -(-rows // LANES)
    bias, place = array(1, n_out * SIZE), array(1, 64 * n_out)
    z, partial, below = array(n_out, stride), array(n_in, stride), array(n_in, stride)
    gradient = array(n_out, n_in * SIZE)

    def forward():
        terms, s, s_stride, v, v_stride = forward_from
        length, name, k = block(terms), "forward", 0
        while k < terms:
            m = min(length, terms - k)
            source = (s + k * SIZE, s_stride, v + k * (128 if words else v_stride), v_stride)
            kernel[name](z, stride, *source, m, bias, n_out, vectors * LANES, 0)
            name, k = "forward_add", k + m
        return kept

    def backward():
        terms, s, s_stride, v, v_stride = backward_from
        length, j = block(terms), 0
        packs = place if vectors >= 4 and s_stride >= 1024 else 0
        name = "backward" if length == terms else "backward_first"
        while j < terms:
            m = min(length, terms - j)
            if j and j + m == terms:
                name = "backward_last"
            target = partial if name in ("backward_first", "backward_add") else below
            place_of_v = v + j * (128 if words else v_stride)
            source = (s + j * s_stride, s_stride, place_of_v, v_stride)
            kernel[name](target, stride, *source, m, partial, n_in, vectors * LANES, packs)
            name, j = "backward_add", j + m

    def weights():
        terms, s, s_stride, v, v_stride = weights_from
        width = word_columns.py_func(n_in, terms) if words else cut(n_in, terms * SIZE)
        width = -(-width // (2 * LANES)) * 2 * LANES
        for k in range(0, n_in, width):
            m = min(width, n_in - k)
            place_of_v = v + (k // 32 * v_stride if words else k * SIZE)
            source = (s, s_stride, place_of_v, v_stride)
            target = gradient + k * SIZE
            kernel["weights"](target, n_in * SIZE, *source, terms, 0, n_out, m, 0)

    return {"forward": forward, "backward": backward, "weights": weights}


def ours(n_in, n_out, rows, random):
    """The products of float32 by name."""
    memory, row_bytes = allocator(random), n_in * SIZE
    stride, by_rows = (line_stride(n, LANES) * 64 for n in (rows, n_in))
    array = memory[0]
    w, a, d = array(n_out, row_bytes), array(n_in, stride), array(n_out, stride)
    a_rows = array(rows, by_rows)
    return in_blocks(
        kernels(fixed_kernels()),
        (n_in, n_out, rows),
        memory,
        (n_in, w, row_bytes, a, stride),
        (n_out, w, row_bytes, d, stride),
        (rows, d, stride, a_rows, by_rows),
    )


def of_words(n_in, n_out, rows, random):
    """The products of bfloat16 by name, and the roundings of their operands."""
    library, fixed = compiled_library("bfloat16", write_bfloat16_kernels), fixed_kernels()
    copy, copy_in_panels = (ctypes.CFUNCTYPE(*[ctypes.c_int64] * n) for n in (7, 8))
    row_words, transpose = copy(library["row_words"]), copy(fixed["transpose"])
    pair_words = copy_in_panels(library["pair_words"])
    k_words, j_words, i_words = (-(-n // 2) for n in (n_in, n_out, rows))
    stride, word_stride, by_rows, w_stride = (
        line_stride(n, LANES) * 64 for n in (rows, i_words, n_in, k_words)
    )
    squares = -(-n_in // LANES)
    a_panel, d_panel, row_panel = (
        -(-n // LANES) * LANES * 128 for n in (k_words, j_words, i_words)
    )
    memory = allocator(random)
    array = memory[0]
    w, a, d = array(n_out, n_in * SIZE), array(n_in, stride), array(n_out, stride)
    w_words, w_pairs = array(n_out, w_stride), array(j_words, by_rows)
    panels = -(-rows // (2 * LANES))
    a_pairs, d_pairs = array(panels, a_panel), array(panels, d_panel)
    a_words, d_words = array(squares * LANES, word_stride), array(n_out, word_stride)
    a_rows = array(-(-n_in // (2 * LANES)), row_panel)

    def round_w():
        row_words(w, n_in * SIZE, w_words, w_stride, n_out, n_in)
        pair_words(w, n_in * SIZE, w_pairs, by_rows, 128, n_out, n_in)

    def round_a():
        pair_words(a, stride, a_pairs, 128, a_panel, n_in, rows)
        row_words(a, stride, a_words, word_stride, n_in, rows)
        for nodes in range(squares):
            source = a_words + nodes * LANES * word_stride
            target = a_rows + nodes // 2 * row_panel + nodes % 2 * 64
            transpose(source, word_stride, target, 128, 1, -(-i_words // LANES))

    def round_delta():
        pair_words(d, stride, d_pairs, 128, d_panel, n_out, rows)
        row_words(d, stride, d_words, word_stride, n_out, rows)

    for rounding in (round_w, round_a, round_delta):
        rounding()
    found = in_blocks(
        kernels(library),
        (n_in, n_out, rows),
        memory,
        (k_words, w_words, w_stride, a_pairs, a_panel),
        (j_words, w_pairs, by_rows, d_pairs, d_panel),
        (i_words, d_words, word_stride, a_rows, row_panel),
        words=True,
    )
    return found | {"W": round_w, "a": round_a, "δ": round_delta}


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
            taken = measured(functions, max(int(2e7 / work), 1), arguments.rounds, clock)
            if len(taken) == 2:
                rates = [work / seconds / 1e9 for seconds in taken]
                cells.append(f"{rates[0]:8.0f}/{rates[1]:<3.0f}")
            else:
                cells.append(f"{1e6 * taken[0]:8.0f}")
        print(f"{' × '.join(map(str, size)):<22}" + "".join(cells), flush=True)


def measured(functions, times, rounds, clock):
    """The median seconds of a call of each function, called so many times in turn."""
    found = [[] for _ in functions]
    for _ in range(rounds + 1):
        for taken, function in zip(found, functions, strict=True):
            started = clock()
            for _ in range(times):
                function()
            taken.append((clock() - started) / times)
    return [statistics.median(taken[1:]) for taken in found]


if __name__ == "__main__":
    main()
