"""The layout of the plan: the meaning of each integer that the driver reads.

A *plan* is an int64 array of addresses, offsets and strides in bytes, and sizes. It tells the
compiled training loop (the *driver*) which arrays and kernels to use. A *worker* is one of the
threads that run the same call; each has a copy of the plan with its own number. A *block* is the
rows whose activations fit the second-level cache; a *part* is the rows of a large batch that share
one gradient array; a *chunk* is a range of the parameters in θ.
"""


def odd_line_stride(lines: int) -> int:
    """A stride in cache lines, at least ``lines``; rounded up to an odd number from 8 lines on.

    A stride that is a power of two would map the same column of all rows to few cache sets.
    """
    return lines | 1 if lines >= 8 else lines


def vector_count(n: int, lanes: int) -> int:
    """The number of vectors of so many lanes that hold n numbers."""
    return (n + lanes - 1) // lanes


def word_count(n: int) -> int:
    """The number of words that hold n bfloat16, two in each."""
    return (n + 1) // 2


# Kernels that every network uses, by name; then their fields in the plan, in the same order.
KERNELS = (
    "forward", "forward_add", "backward", "backward_first", "backward_add", "backward_last",
    "weights", "weights_add", "select_rows", "copy_rows", "transpose", "scatter", "row_sums",
    "dropout", "flush_denormals", "finite", "largest", "squares", "rescale", "zero_frozen", "clear",
    "add", "barrier_wait",
)  # fmt: skip
(
    FORWARD, FORWARD_ADD, BACKWARD, BACKWARD_FIRST, BACKWARD_ADD, BACKWARD_LAST,
    WEIGHTS, WEIGHTS_ADD, SELECT_ROWS, COPY_ROWS, TRANSPOSE, SCATTER, ROW_SUMS,
    DROPOUT, FLUSH, FINITE, LARGEST, SQUARES, RESCALE, ZERO_FROZEN, CLEAR,
    ADD, BARRIER_WAIT,
) = range(23)  # fmt: skip
# Kernels of this network and its settings, 0 if it has none: the loss; the output's activation, if
# elementwise, or if not (softmax); the update; the penalty.
LOSS, OUT_ACT, OUT_NON_ELEMENTWISE, UPDATE, PENALTY = range(23, 28)
# Sizes: layers; elements of a SIMD vector; bytes of an element; rows that the workspace can hold;
# parameters, rounded up to whole vectors; parameters in a chunk; rows of a block; the most parts
# for a batch of this network (at most PARTS_LIMIT).
LAYERS, LANES, ITEM_SIZE, ROWS, COUNT, CHUNK, BLOCK, MAX_PARTS = range(28, 36)
# Addresses of arrays. IS_WEIGHT and FROZEN have a bit for each parameter, PARTIALS a float64 for
# each chunk, COSTS a float64 for each pair of vectors of rows, or for each part. PART_GRADS holds
# the gradients of all parts but the first. Columns of W are copied to PACK_BUFFER.
THETA, GRAD, IS_WEIGHT, FROZEN, MEAN, SLOTS, NUMBERS, ZEROS = range(36, 44)
SELECTED, W_BUFFER, X_ROWS, X_COLUMNS, Y_ROWS, Y_COLUMNS = range(44, 50)
X_ROW_STRIDE, Y_ROW_STRIDE, PACK_BUFFER, PARTIALS, COSTS, PART_GRADS = range(50, 56)
# Whether gradients are clipped (0 or 1), and the 32-bit halves of the seed of dropout.
CLIP, SEED_LOW, SEED_HIGH = range(56, 59)
# The number of the worker that reads this plan; the number of workers; the addresses of the
# barrier, of the system's function that yields the processor (or 0), and of the plan by which this
# worker computes rows without the others.
WORKER, WORKERS, BARRIER, YIELD, OWN_PLAN = range(59, 64)
# The float64 parameters of formulas: of the loss, the output's activation, and the rule.
LOSS_PARAMETERS, OUT_PARAMETERS, UPDATE_PARAMETERS = range(64, 67)
# 1 if products are of words of two bfloat16 (``bfloat16_kernels.py``), else 0; then their kernels,
# and the kernel ``weights`` of float32, for the gradient of a single row.
HAS_WORDS, ROW_WORDS, PAIR_WORDS, FLOAT32_WEIGHTS = range(67, 71)
# Words: of X by rows, with their stride; of X as pairs of rows; of the columns that a product
# reads, as pairs; of the columns of a, from which its pairs of rows are made.
X_WORDS, X_WORD_STRIDE, X_ROW_PAIRS, PAIRS, OUT_WORDS = range(71, 76)
# The kernels for sparse rows (``sparse_kernels.py``), 0 until there are any.
SPARSE_KERNELS = (
    "panel_start", "panel_columns", "panel_rows", "sparse_forward", "sparse_weights",
)  # fmt: skip
PANEL_START, PANEL_COLUMNS, PANEL_ROWS, SPARSE_FORWARD, SPARSE_WEIGHTS = range(76, 81)
# The sparse rows of X that the gathered batch is selected from: the entries, their columns (0 if
# rows are dense), and where rows begin. Buffers: a panel of W or dW, a vector of sums or of δ for
# each row, and the entries at which the rows of the batch go on and end.
VALUES, COLUMNS, ROW_STARTS, PANEL, PANEL_SUMS, CURSORS, ROW_ENDS = range(81, 88)
# The bytes of a panel of ``PAIRS``: the same for every layer, so that the panels of a worker are
# never those of another one, which may be in another layer.
PAIRS_STRIDE = 88
HEADER = 89
# Then for each layer: its widths; the offsets of W and b in θ in bytes (b: −1 if there is none);
# the arrays of z or a, of g′(z), later overwritten by δ, and of a as rows (or, in words, as pairs
# of rows); the activation; dropout; the parameters of the activation; words of W by rows and as
# pairs of rows, each with its stride, and of δ.
(
    N_IN, N_OUT, WEIGHT, BIAS, OUT, DELTA, OUT_ROWS, ROW_STRIDE, ACT, HAS_DROPOUT,
    DROP_THRESHOLD, PARAMETERS, W_WORDS, W_WORD_STRIDE, W_PAIRS, W_PAIR_STRIDE, DELTA_WORDS,
) = range(17)  # fmt: skip
FIELDS = 17

# The float64 array NUMBERS: the step t; η; the cost, its data term and its penalty; for clipping,
# max |g|, Σ (g/max |g|)², the factor and the largest norm; the divisor of row weights. Then the
# scales of up to five penalties, and the dropout factor of each layer, index 0 unused.
STEP_COUNT, RATE, COST, DATA_COST, PENALTY_COST = range(5)
LARGEST_G, SQUARES_G, CLIP_FACTOR, MAX_NORM, WEIGHT_DIVISOR = range(5, 10)
SCALES, DROP_FACTORS = 10, 15

# The array that describes the rows of a batch or epoch. If POSITIONS is 0, rows are taken in order
# from BASE on; if ROW_NUMBERS is 0, row numbers are positions. If DIVIDE_W is 1, weights are
# divided by the number of rows of a batch. X_COLUMNS_AT is 0 if rows are dense; of sparse rows X is
# the address of the entries, and the others are those of their columns and of the rows' starts.
(
    X, X_STRIDE, Y, Y_STRIDE, W, W_STRIDE, DIVIDE_W, POSITIONS, ROW_NUMBERS, N_ROWS, BASE, STEP,
    X_COLUMNS_AT, X_STARTS,
) = range(14)  # fmt: skip
BATCH_FIELDS = 14

# Rows that a worker passes forward at a time when it predicts. Few, as in most batches, so that
# validation needs no more memory than training; a 784-512-512-10 network runs at 109 GFLOP/s
# with 32 rows and with 256.
PREDICT_ROWS = 32
# Columns of a panel of W or dW for sparse rows: 256 KB of the second-level cache.
PANEL_WIDTH = 4096
# Bytes of a SIMD vector, and of a cache line.
VECTOR_BYTES = 64
# Bytes of the two vectors of a panel of words; the most words of a sum that is not cut; and the
# most words (4 MB) of the columns of dW that are computed at a time. The panels are then read from
# the third-level cache in their order, ahead of their use.
PAIR_BYTES = 2 * VECTOR_BYTES
SUM_WORDS, COLUMN_WORDS = 1024, 1 << 20
# The most parts of a batch of any network; it sizes COSTS.
PARTS_LIMIT = 8

# The barrier, as int64 words a cache line apart: the number of workers that have arrived, how often
# all workers have arrived, whether a call is cancelled before all workers
# have started, whether a stop is requested, and whether a worker has skipped work because of it.
ARRIVED, GENERATION, CANCELLED, STOP_REQUESTED, WORK_SKIPPED = 0, 8, 16, 24, 32
BARRIER_WORDS = 40
