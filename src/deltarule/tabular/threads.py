"""BLAS threads, held to one where a step is too small to share."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from deltarule.maths import Network
from deltarule.training.threads import one_blas_thread

__all__ = ["blas_threads_for"]

# Multiply-adds of one forward pass of a batch, above which a second thread was seen to pay
# (a batch of 256 rows through 512 × 512 has twice as many). Below it the second thread gains
# nothing on a quiet machine, and on a busy one each product waits for a core: a fit of
# 0.6 s then took 28 s.
_WORTH_SHARING = 3.0e7


@contextlib.contextmanager
def blas_threads_for(net: Network, batch_rows: int) -> Iterator[None]:
    """One BLAS thread inside, if the network's steps are small; as it is otherwise.

    Examples
    --------
    >>> from deltarule.maths import Network
    >>> with blas_threads_for(Network([4, 16, 1]), batch_rows=32):
    ...     pass
    """
    if net.n_multiply_adds * batch_rows > _WORTH_SHARING:
        yield
        return
    with one_blas_thread():
        yield
