"""The places of the plan: what each integer that the driver reads means."""

# Kernels that are always there, by the names under which they are written.
KERNELS = (
    "forward", "backward", "weights", "gemm", "choose", "copy_rows", "transpose", "scatter",
    "row_sums", "fill_rows", "dropout", "flush_denormals", "finite", "largest", "squares",
    "rescale", "multiply", "hold", "clear",
)  # fmt: skip
(
    PRODUCT, PRODUCT_BACK, PRODUCT_DW, GEMM, CHOOSE, COPY_ROWS, TRANSPOSE, SCATTER,
    ROW_SUMS, FILL_ROWS, DROPOUT, FLUSH, FINITE, LARGEST, SQUARES,
    RESCALE, MULTIPLY, HOLD, CLEAR,
) = range(19)  # fmt: skip
# Kernels of this network and its settings, 0 where there is none.
LOSS, OUT_ACT, OUT_ACROSS, UPDATE, PENALTY, BLAS = range(19, 25)
# Sizes: layers, numbers in a vector, bytes of a number, rows there is room for, and
# parameters, rounded up to whole vectors.
LAYERS, LANES, SIZE, ROWS, COUNT = range(25, 30)
# Arrays.
THETA, GRAD, IS_WEIGHT, FROZEN, MEAN, SLOTS, NUMBERS, ZEROS = range(30, 38)
CHOSEN, W_BUFFER, X_ROWS, X_COLUMNS, Y_ROWS, Y_COLUMNS = range(38, 44)
X_ROW_STRIDE, Y_ROW_STRIDE = range(44, 46)
CLIP, SEED_LOW, SEED_HIGH = range(46, 49)
HEADER = 49
# Then for each layer: widths; where W and b stand in θ, in bytes (b: −1 for none); arrays, with
# the last of them a as rows; the activation; from how many rows on BLAS does each product; dropout.
(
    N_IN, N_OUT, WEIGHT, BIAS, OUT, SLOPE, ROWS_OF, ROW_STRIDE, ACT,
    FORWARD_BLAS, BACKWARD_BLAS, WEIGHTS_BLAS, DROPS, DROP_THRESHOLD,
) = range(14)  # fmt: skip
FIELDS = 14

# The array of float64 numbers, what is in it by place. Penalties' scales and the dropout
# factors of the layers, from 1, follow.
T, RATE, COST, DATA_COST, PENALTY_COST, LARGEST_G, SQUARES_G, FACTOR, MAX_NORM, DIVISOR = range(10)
SCALES, DROP_FACTORS = 10, 15

# The array that describes rows. Positions may be 0 for rows as they come from ``BASE`` on, and
# row numbers 0 for the positions. With SHARES the weights are divided by the batch's rows.
X, X_STRIDE, Y, Y_STRIDE, W, SHARES, POSITIONS, ROW_NUMBERS, N_ROWS, BASE, STEP = range(11)
BATCH_FIELDS = 11

# Rows that are predicted at a time.
PREDICT_ROWS = 256
