"""The places of the plan: what each integer that the driver reads means."""


def odd_lines(lines: int) -> int:
    """Cache lines between rows, or features, of so many: an odd number where there are many.

    A power of two would bring the same lane of all of them into few sets of the cache.
    """
    return lines | 1 if lines >= 8 else lines


# Kernels that are always there, by the names under which they are written.
KERNELS = (
    "forward", "forward_more", "backward", "backward_first", "backward_more", "backward_last",
    "weights", "weights_more", "choose", "copy_rows", "transpose", "scatter", "row_sums",
    "dropout", "flush_denormals", "finite", "largest", "squares", "rescale", "hold", "clear",
    "add", "meet",
)  # fmt: skip
(
    FORWARD, FORWARD_MORE, BACKWARD, BACKWARD_FIRST, BACKWARD_MORE, BACKWARD_LAST,
    WEIGHTS, WEIGHTS_MORE, CHOOSE, COPY_ROWS, TRANSPOSE, SCATTER, ROW_SUMS,
    DROPOUT, FLUSH, FINITE, LARGEST, SQUARES, RESCALE, HOLD, CLEAR,
    ADD, MEET,
) = range(23)  # fmt: skip
# Kernels of this network and its settings, 0 where there is none.
LOSS, OUT_ACT, OUT_ACROSS, UPDATE, PENALTY = range(23, 28)
# Sizes: layers, numbers in a vector, bytes of a number, rows there is room for, parameters,
# rounded up to whole vectors, and how many of them a pass takes at a time; from how many rows
# on a batch is divided, and into how many parts at most.
LAYERS, LANES, SIZE, ROWS, COUNT, CHUNK, BLOCK, MOST_PARTS = range(28, 36)
# Arrays. IS_WEIGHT and FROZEN have a bit for each parameter. One number for each chunk of the
# parameters: PARTIALS; for each two vectors of rows, or part: COSTS; the gradients of all parts
# but the first, one behind the other: PART_GRADS.
THETA, GRAD, IS_WEIGHT, FROZEN, MEAN, SLOTS, NUMBERS, ZEROS = range(36, 44)
CHOSEN, W_BUFFER, X_ROWS, X_COLUMNS, Y_ROWS, Y_COLUMNS = range(44, 50)
X_ROW_STRIDE, Y_ROW_STRIDE, ROOM, PARTIALS, COSTS, PART_GRADS = range(50, 56)
CLIP, SEED_LOW, SEED_HIGH = range(56, 59)
# Who reads this: its number among how many, where they meet, how it waits (the address of a
# function that yields the processor, or 0), and its plan for work that it does alone.
MEMBER, MEMBERS, MEETING, YIELD, ALONE = range(59, 64)
# The parameters of the formulas of kernels, float64: of the loss, the output, and the rule.
LOSS_PARAMETERS, OUT_PARAMETERS, UPDATE_PARAMETERS = range(64, 67)
HEADER = 67
# Then for each layer: its kind; widths; where W and b stand in θ, in bytes (b: −1 for none);
# arrays, with the last of them a as rows; the activation; dropout; its parameters.
(
    KIND, N_IN, N_OUT, WEIGHT, BIAS, OUT, SLOPE, ROWS_OF, ROW_STRIDE, ACT, DROPS, DROP_THRESHOLD,
    PARAMETERS,
) = range(13)  # fmt: skip
FIELDS = 13
# The kinds of layers.
DENSE = 0

# The array of float64 numbers, what is in it by place. Penalties' scales and the dropout
# factors of the layers, from 1, follow.
T, RATE, COST, DATA_COST, PENALTY_COST, LARGEST_G, SQUARES_G, FACTOR, MAX_NORM, DIVISOR = range(10)
SCALES, DROP_FACTORS = 10, 15

# The array that describes rows. Positions may be 0 for rows as they come from ``BASE`` on, and
# row numbers 0 for the positions. With SHARES the weights are divided by the batch's rows.
(
    X, X_STRIDE, Y, Y_STRIDE, W, W_STRIDE, SHARES, POSITIONS, ROW_NUMBERS, N_ROWS, BASE, STEP,
) = range(12)  # fmt: skip
BATCH_FIELDS = 12

# Rows that are passed forward at a time, no more than batches usually have, so that validation
# needs no more memory than training (and no more time: 109 GFLOP/s with 784-512-512-10, as with
# 256 rows); and parts of a batch at most.
PREDICT_ROWS, PARTS = 32, 8

# Where the members of a team meet, in words that are a cache line apart: how many have
# arrived, how often all have, whether the meeting is called off before it has begun; whether
# somebody asks to stop, and whether a member has skipped some of a step since.
ARRIVED, MEETINGS, CALLED_OFF, ASKED, SKIPPED = 0, 8, 16, 24, 32
MEETING_WORDS = 40
