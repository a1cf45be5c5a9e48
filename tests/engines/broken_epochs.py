"""Engines with one fault each in their epochs."""

from __future__ import annotations

import numpy as np
from tests.engines.broken import fails

from deltarule.engines import CsrRows, Epoch, ReferenceEngine


class _OwnEpoch(ReferenceEngine):
    """Takes the steps of an epoch as a method of its own says."""

    def own(self, epoch, first):
        raise NotImplementedError

    def epoch(self, epoch, first=0):
        yield from super().epoch(*self.own(epoch, first))


@fails("epoch")
class DropsTheShortBatch(_OwnEpoch):
    def own(self, epoch, first):
        full = epoch.n_rows // epoch.batch_size * epoch.batch_size
        order = np.arange(len(epoch.Y)) if epoch.order is None else epoch.order
        return epoch._replace(order=order[: max(full, 1)]), first


@fails("epoch")
class IgnoresTheOrder(_OwnEpoch):
    def own(self, epoch, first):
        order = None if epoch.order is None else np.sort(epoch.order)
        return epoch._replace(order=order), first


@fails("epoch")
class BeginsAtTheFirstStep(_OwnEpoch):
    def own(self, epoch, first):
        return epoch, 0


@fails("epoch")
class TakesTheFirstRateThroughout(_OwnEpoch):
    def own(self, epoch, first):
        return epoch._replace(rates=np.full_like(epoch.rates, epoch.rates[0])), first


@fails("epoch")
class DropsAnEntryOfSparseRows(_OwnEpoch):
    takes_sparse_rows = True

    def own(self, epoch, first):
        if isinstance(epoch.X, CsrRows):
            X = epoch.X[:]
            X[0, np.flatnonzero(X[0])[-1]] = 0
            epoch = epoch._replace(X=X)
        return epoch, first


@fails("epoch")
class CountsStepsFromOne(_OwnEpoch):
    """Dropout depends on the number of a step in the whole training."""

    def own(self, epoch, first):
        return epoch._replace(first_step=1), first


@fails("epoch")
class NumbersRowsByTheirPlace(_OwnEpoch):
    """Dropout depends on the number of a row in the training set."""

    def own(self, epoch, first):
        return epoch._replace(numbers=None), first


class _FullBatchWeights(Epoch):
    def batch(self, index):
        batch = super().batch(index)
        return batch._replace(w=batch.w * len(batch.w) / np.array(self.batch_size, batch.w.dtype))


@fails("epoch")
class DividesByTheFullBatch(_OwnEpoch):
    """The weights of a short batch then add up to less than those of a full one."""

    def own(self, epoch, first):
        return _FullBatchWeights(*epoch), first


@fails("epoch")
class ForgetsTheWeightsOfLoadedRows(_OwnEpoch):
    loaded = False

    def load(self, network, theta, settings):
        super().load(network, theta, settings)
        self.loaded = False

    def load_data(self, X, Y, w):
        self.loaded = True

    def own(self, epoch, first):
        return (epoch._replace(w=np.ones_like(epoch.w)) if self.loaded else epoch), first


@fails("epoch")
class ReturnsTheCostsOfTheFirstArrayAlone(ReferenceEngine):
    def epoch(self, epoch, first=0):
        for number, costs in enumerate(super().epoch(epoch, first)):
            if not number:
                yield costs


@fails("epoch")
class RoundsInEpochs(ReferenceEngine):
    """Far below all tolerances; but the same bits are promised."""

    def epoch(self, epoch, first=0):
        yield from super().epoch(epoch, first)
        self._theta = self._theta * (1 + np.finfo(self.net.dtype).eps)


@fails("epoch")
class RoundsCoarselyInEpochs(ReferenceEngine):
    """The same bits are not promised; but more than rounding differs."""

    promises = ReferenceEngine.promises.__class__(
        tolerance={"float32": 64.0, "float64": 64.0}, same_bits_for_epochs=False
    )

    def epoch(self, epoch, first=0):
        yield from super().epoch(epoch, first)
        self._theta = self._theta * (1 + 2.0**14 * np.finfo(self.net.dtype).eps)
