"""The layout of a predictor's plan, which is smaller than that of training.

A *plan* is an int64 array of addresses, strides in bytes and sizes. It is never changed, and work
arrays are on the stack (one row) or passed by the caller (several rows), so that any number of
threads may use one plan.
"""

# The plan's fields. First the addresses of kernels:
KERNELS = (
    "packed", "copy_out", "all_finite", "differ", "transpose", "scatter", "flush_denormals",
)  # fmt: skip
PACKED, COPY_OUT, ALL_FINITE, DIFFER, TRANSPOSE, SCATTER, FLUSH = range(7)
# The kernel of the output's activation if elementwise, or if not (softmax); both 0: identity. Then
# layers, elements of a SIMD vector, bytes of an element, inputs, outputs, bytes of a work array.
OUT_ACT, OUT_NON_ELEMENTWISE, LAYERS, LANES, ITEM_SIZE = range(7, 12)
N_INPUTS, N_OUTPUTS, WORK_BYTES = range(12, 15)
OUT_PARAMETERS = 15
# The kernel of layer 1 for sparse rows (``packed_sparse.py``), 0 until there are any.
SPARSE_PACKED, HEADER = 16, 17
# Then for each layer: inputs, SIMD vectors of outputs, the addresses of W and b, the stride of z in
# bytes, and the addresses of the activation's kernel and parameters.
N_IN, N_VECTORS, WEIGHT, BIAS, STRIDE, ACT, PARAMETERS = range(7)
FIELDS = 7

# Rows computed together: the activations of 256 rows stay in the second-level cache.
ROWS = 256
# The return codes of ``run_one``.
DONE, WRONG_SHAPE, NOT_FINITE, ARRAY_CHANGED = 0, 1, 2, 3
