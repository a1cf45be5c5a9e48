"""Matrix products of bfloat16 numbers with float32 sums, and the rounding of their operands.

A bfloat16 is the upper half of a float32: the same range, 8 bits of precision. The instruction
``vdpbf16ps`` of AVX512-BF16 adds two products to every float32 sum of a vector. So operands are
stored as *words* of 32 bits, each with two neighbours along the sum, the first in the upper half:

=========  ============================  =========================  ============================
product    s, broadcast                  v, vectors                 sum over
=========  ============================  =========================  ============================
forward    W, as rows of pairs           A, as pairs of rows        pairs of inputs k
backward   W, as pairs of rows           δ, as pairs of rows        pairs of nodes j
weights    δ, as rows of pairs           A as rows [i, k], as       pairs of samples i
                                         pairs of rows
=========  ============================  =========================  ============================

*Rows of pairs* hold the words (x[r, 2q], x[r, 2q + 1]), *pairs of rows* the words
(x[2q, c], x[2q + 1, c]). With words in the place of numbers the tiles and loops are those
of ``gemm_tiles.py``. Where the length of a sum is odd, the other half of the last word is 0.

The words of v are in *panels* of two vectors, each panel in the order of q: what a tile reads is
contiguous, so that the processor fetches it from the caches ahead of its use. Sums are then cut
only where they are very long.

The processor adds the product of the upper halves first and rounds after each of the two
additions; a product of two bfloat16 is a float32 without rounding. A sum is therefore
bit for bit that of ``gemm_tiles.py`` over operands rounded to bfloat16, term by term in the same
order. Only numbers below 2⁻¹²⁶ differ where the float32 kernels run without flushing: these
instructions take and give 0 for them. Operands are rounded to nearest, ties to even.
"""

from __future__ import annotations

from typing import Any, ClassVar

from llvmlite import ir

from deltarule.engines.compiled.gemm_tiles import first_lanes, masked_load, write_gemm_kernels
from deltarule.engines.compiled.ir_builder import LINE, KernelBuilder
from deltarule.engines.compiled.target import processor

__all__ = ["has_bfloat16", "write_bfloat16_kernels"]

_HALF = ir.IntType(16)
_ROW_LANES = 32
"""Numbers of a row whose words fill a vector."""


class _BfloatType(ir.Type):  # type: ignore[misc]  # llvmlite has no types
    """LLVM's type ``bfloat``, which llvmlite does not have."""

    def __str__(self) -> str:
        return "bfloat"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _BfloatType)

    def __hash__(self) -> int:
        return hash(_BfloatType)


_BFLOATS = ir.VectorType(_BfloatType(), 2 * 16)
_HALVES = ir.VectorType(_HALF, 2 * 16)


def has_bfloat16() -> bool:
    """Whether this processor has the instructions of AVX512-BF16."""
    return {"+avx512bf16", "+avx512bw"} <= set(processor()[1].split(","))


class _WordBuilder(KernelBuilder):
    """A builder of float32 kernels whose products are of words of two bfloat16."""

    in_panels: ClassVar[bool] = True

    def _intrinsic(self, name: str, result: Any, *values: Any) -> Any:
        full = f"llvm.x86.avx512bf16.{name}.512"
        function = self.module.globals.get(full)
        if function is None:
            signature = ir.FunctionType(result, [value.type for value in values])
            function = ir.Function(self.module, signature, full)
        return self.b.call(function, values)

    def multiply_add(self, x: Any, y: Any, z: Any) -> Any:
        """z + x₀ y₀ + x₁ y₁ in each lane, rounded after each addition."""
        words = [self.b.bitcast(each, _BFLOATS) for each in (x, y)]
        return self._intrinsic("dpbf16ps", self.vector, z, *words)

    def rounded(self, first: Any, second: Any) -> Any:
        """The numbers of two vectors rounded to bfloat16, one after the other."""
        both = self._intrinsic("cvtne2ps2bf16", _BFLOATS, second, first)
        return self.b.bitcast(both, _HALVES)

    def words(self, halves: Any, order: list[int]) -> Any:
        """Words as a vector of float32, from halves in this order, the lower half of each first."""
        index = ir.Constant(ir.VectorType(ir.IntType(32), len(order)), order)
        shuffled = self.b.shuffle_vector(halves, ir.Constant(_HALVES, ir.Undefined), index)
        return self.b.bitcast(shuffled, self.vector)


def write_bfloat16_kernels(module: Any) -> None:
    """Write the kernels of ``write_gemm_kernels`` for words, ``row_words`` and ``pair_words``."""
    write_gemm_kernels(module, "float32", _WordBuilder)
    _row_words(_WordBuilder(module, "row_words", 6, "float32"))
    _pair_words(_WordBuilder(module, "pair_words", 7, "float32"))


def _row_words(code: _WordBuilder) -> None:
    """``row_words(source, stride, target, target_stride, n_rows, n_columns)``: rows of pairs.

    Whole vectors of words are written; halves after the last column are 0.
    """
    source, stride, target, target_stride, n_rows, n_columns = code.args
    b = code.b
    full = b.udiv(n_columns, code.int64(_ROW_LANES))
    rest = b.urem(n_columns, code.int64(_ROW_LANES))
    masks = [first_lanes(code, b.sub(rest, code.int64(start))) for start in (0, code.lanes)]
    swapped = [q ^ 1 for q in range(2 * code.lanes)]
    with code.loop(n_rows) as row:
        from_row = code.sum(source, (row.index, stride))
        to_row = code.sum(target, (row.index, target_stride))
        with code.loop(full) as part:
            place = code.sum(from_row, (part.index, code.int64(2 * LINE)))
            pair = code.load(place), code.load(b.add(place, code.int64(LINE)))
            words = code.words(code.rounded(*pair), swapped)
            code.store(words, code.sum(to_row, (part.index, code.int64(LINE))))
        with code.b.if_then(b.icmp_signed(">", rest, code.int64(0))):
            place = code.sum(from_row, (full, code.int64(2 * LINE)))
            first = masked_load(code, place, masks[0])
            second = masked_load(code, b.add(place, code.int64(LINE)), masks[1])
            words = code.words(code.rounded(first, second), swapped)
            code.store(words, code.sum(to_row, (full, code.int64(LINE))))
    code.ret()


def _pair_words(code: _WordBuilder) -> None:
    """``pair_words(source, stride, target, target_stride, panel, n_rows, n_columns)``.

    Pairs of rows, ``target_stride`` apart, in panels of two vectors that are ``panel`` bytes apart;
    as plain rows if that is the size of two vectors. Whole vectors of words are written, with 0
    after the last column; if the number of rows is odd, the lower halves of the last pair are 0.
    """
    source, stride, target, target_stride, panel, n_rows, n_columns = code.args
    b, lanes = code.b, code.lanes
    full = b.udiv(n_columns, code.int64(lanes))
    rest = b.urem(n_columns, code.int64(lanes))
    mask = first_lanes(code, rest)
    # The word of a column: its second row in the lower half, its first in the upper one.
    order = [place for column in range(lanes) for place in (lanes + column, column)]

    zero = code.int64(0)
    pairs = b.udiv(b.add(n_rows, code.int64(1)), code.int64(2))
    with code.loop(pairs) as each:
        first_row = b.mul(each.index, code.int64(2))
        from_row = code.sum(source, (first_row, stride))
        to_row = code.sum(target, (each.index, target_stride))
        # Without a second row, the first is read again and masked.
        present = b.icmp_signed("<", b.add(first_row, code.int64(1)), n_rows)
        below = b.select(present, stride, zero)
        lane_present = code.splat(present, mask.type)

        def words(offset: Any, lanes_read: Any) -> Any:
            place = b.add(from_row, offset)
            second_place = b.add(place, below)
            if lanes_read is None:
                first = code.load(place)
                second = b.select(lane_present, code.load(second_place), code.zeros)
            else:
                first = masked_load(code, place, lanes_read)
                both = b.and_(lanes_read, lane_present)
                second = masked_load(code, second_place, both)
            return code.words(code.rounded(first, second), order)

        def place(part: Any) -> Any:
            half = b.and_(part, code.int64(1))
            return code.sum(to_row, (b.udiv(part, code.int64(2)), panel), (half, code.int64(LINE)))

        with code.loop(full) as part:
            offset = b.mul(part.index, code.int64(LINE))
            code.store(words(offset, None), place(part.index))
        with code.b.if_then(b.icmp_signed(">", rest, zero)):
            offset = b.mul(full, code.int64(LINE))
            code.store(words(offset, mask), place(full))
    code.ret()
