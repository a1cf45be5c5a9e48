"""The layout of the plan: the meaning of each integer that the driver reads."""


def odd_lines(lines: int) -> int:
    """The distance in cache lines for rows (or features) of so many lines; odd if it is large.

    A distance that is a power of two would map the same column of all rows to few cache sets.
    """
    return lines | 1 if lines >= 8 else lines


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
# elementwise, or if it mixes outputs; the update; the penalty.
LOSS, OUT_ACT, OUT_MIXING, UPDATE, PENALTY = range(23, 28)
# Sizes: layers; numbers in a vector; bytes of a number; rows that the workspace can hold;
# parameters, rounded up to whole vectors; parameters in a chunk of an update; rows of a block, and
# the most parts that a batch of several blocks is divided into.
LAYERS, LANES, SIZE, ROWS, COUNT, CHUNK, BLOCK, MAX_PARTS = range(28, 36)
# Arrays. IS_WEIGHT and FROZEN have a bit for each parameter, PARTIALS a number for each chunk of
# the parameters, COSTS a number for each pair of vectors of rows, or for each part. PART_GRADS
# holds the gradients of all parts but the first. Columns of W are copied to PACK_BUFFER.
THETA, GRAD, IS_WEIGHT, FROZEN, MEAN, SLOTS, NUMBERS, ZEROS = range(36, 44)
SELECTED, W_BUFFER, X_ROWS, X_COLUMNS, Y_ROWS, Y_COLUMNS = range(44, 50)
X_ROW_STRIDE, Y_ROW_STRIDE, PACK_BUFFER, PARTIALS, COSTS, PART_GRADS = range(50, 56)
CLIP, SEED_LOW, SEED_HIGH = range(56, 59)
# The worker that reads this plan: its number, the number of workers, the address of their barrier,
# that of the system's function to yield the processor (or 0), and that of its plan for its own
# rows.
WORKER, WORKERS, BARRIER, YIELD, OWN_PLAN = range(59, 64)
# The float64 parameters of formulas: of the loss, the output's activation, and the rule.
LOSS_PARAMETERS, OUT_PARAMETERS, UPDATE_PARAMETERS = range(64, 67)
HEADER = 67
# Then for each layer: its widths; the offsets of W and b in θ in bytes (b: −1 if there is none);
# the arrays of z or a, of slopes or δ, and of a as rows; the activation; dropout; the parameters of
# the activation.
(
    N_IN, N_OUT, WEIGHT, BIAS, OUT, SLOPE, OUT_ROWS, ROW_STRIDE, ACT, HAS_DROPOUT, DROP_THRESHOLD,
    PARAMETERS,
) = range(12)  # fmt: skip
FIELDS = 12

# The float64 array NUMBERS. Followed by the penalties' scales and the layers' dropout factors, from
# 1.
T, RATE, COST, DATA_COST, PENALTY_COST, LARGEST_G, SQUARES_G, FACTOR, MAX_NORM, DIVISOR = range(10)
SCALES, DROP_FACTORS = 10, 15

# The array that describes the rows of a batch or epoch. If POSITIONS is 0, rows are taken in order
# from BASE on; if ROW_NUMBERS is 0, row numbers are positions. If DIVIDE_W is 1, weights are
# divided by the number of rows of a batch.
(
    X, X_STRIDE, Y, Y_STRIDE, W, W_STRIDE, DIVIDE_W, POSITIONS, ROW_NUMBERS, N_ROWS, BASE, STEP,
) = range(12)  # fmt: skip
BATCH_FIELDS = 12

# Rows that a worker passes forward at a time when it predicts. Few, as in most batches, so that
# validation needs no more memory than training; with 784-512-512-10 it reaches the same 109 GFLOP/s
# as with 256 rows.
PREDICT_ROWS = 32
# The most parts of any batch.
PARTS_LIMIT = 8

# The barrier, as int64 words a cache line apart: the workers that have arrived, the number of times
# that all have, whether a call is cancelled before all workers have started; whether a stop is
# requested, and whether a worker has skipped work because of it.
ARRIVED, GENERATION, CANCELLED, STOP_REQUESTED, WORK_SKIPPED = 0, 8, 16, 24, 32
BARRIER_WORDS = 40
