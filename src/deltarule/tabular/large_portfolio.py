"""A portfolio trained on a table larger than memory, from stores of packed rows on disk.

There are no folds, since each would encode all rows anew: validation rows, chosen by a hash of
their numbers, choose the epoch of each network, and those in the sample the weights of the
configurations.
Each encoding has its own store; configurations of the same encoding share it.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.engines import engine_of_precision, make_engine
from deltarule.engines.threads import usable_threads
from deltarule.errors import DataError, InputError, Message, Parameter
from deltarule.maths import Network
from deltarule.tables import Schema, TargetEncoder, TypedColumns
from deltarule.tables.encoder_statistics import CrossFittedEncoder, EncoderStatistics
from deltarule.tables.packed_store import PackedRows
from deltarule.tables.row_sample import parts_of_rows
from deltarule.tables.table import count_noun
from deltarule.tabular.intervals import time_for_portfolio
from deltarule.tabular.large_table import LargeTable, PackedSize, check_disk
from deltarule.tabular.network_fit import true_values
from deltarule.tabular.portfolio import Configuration, StoppedTooEarly, TargetScale
from deltarule.tabular.portfolio.candidates import (
    Candidate,
    Progress,
    deadline_of,
    raised_at,
    train_candidates,
)
from deltarule.tabular.portfolio.losses import PortfolioLoss, portfolio_loss
from deltarule.tabular.portfolio.members import encoding_of
from deltarule.tabular.portfolio.out_of_fold import OutOfFold
from deltarule.tabular.portfolio.plan import make_large_plan
from deltarule.tabular.portfolio_fit import PortfolioRun, check_squares, scored_portfolio
from deltarule.tabular.portfolio_model import PortfolioModel
from deltarule.tabular.settings import TableSettings
from deltarule.tabular.splitting import row_weights, target_values
from deltarule.tabular.text_projection import fit_free_text
from deltarule.training import Checkpoint, StopFlag, TrainingResult, train
from deltarule.training.checkpoint import CheckpointSlot, as_checkpoint
from deltarule.training.checkpoint_pool import CheckpointPool
from deltarule.training.interrupt import interruptible
from deltarule.training.recovery import OnDivergence

__all__ = ["fit_large_portfolio"]

# Training rows are divided into so many folds to encode each without its own target.
_FOLDS, _FOLD_SEED = 4, 0xF01D
_OF_QUANTILES = (
    "the quantiles and medians that numbers are encoded by are those of {rows}: within "
    "±{error:.4f} of those of all, as shares of the rows (99 % confidence)"
)


@dataclasses.dataclass(eq=False)
class StoredCandidate(Candidate):
    """A configuration that is trained from a store; X and Y are of the sample's validation rows.

    Attributes
    ----------
    rows, valid : PackedRows
        Those that are trained on, and those that choose the epoch.
    epochs : int
        The largest number of epochs.
    """

    rows: PackedRows | None = None
    valid: Any = None
    epochs: int = 1

    def train_fold(
        self,
        fold: int,
        held_out: NDArray[np.int64],
        w: NDArray[np.float64],
        slot: CheckpointSlot | None = None,
        on_divergence: OnDivergence = "raise",
    ) -> TrainingResult:
        """Train the network of a number; it keeps its best epoch on the validation rows."""
        assert self.rows is not None
        arguments = self.train_arguments(fold, self.rows.n_rows, on_divergence)
        arguments["epochs"] = min(self.epochs, arguments["epochs"])
        return train(self.net, self.rows, validation=self.valid, **arguments, checkpoint=slot)


@dataclasses.dataclass(eq=False)
class _Group:
    """The configurations that are trained on the same inputs and targets."""

    configurations: list[Configuration]
    encoder: CrossFittedEncoder
    net: Network
    size: PackedSize
    log: bool


def fit_large_portfolio(
    table: LargeTable,
    settings: TableSettings,
    folder: Path,
    say: Callable[[str], Any],
    *,
    quality: str,
    time_budget: float | None,
    started: float,
    stop: StopFlag | None,
    checkpoint: str | os.PathLike[str] | Checkpoint | None,
    keep: bool,
) -> PortfolioModel:
    """Train a portfolio; see :func:`~deltarule.tabular.fit_large_table`.

    Parameters
    ----------
    table : LargeTable
    settings : TableSettings
    folder : Path
        Of the stores.
    keep : bool
        Whether the stores are kept; otherwise each is removed once its networks are trained.

    Raises
    ------
    DataError
        If there are no validation rows, or every network diverged.
    FileError
        If the disk has no room for the stores.
    StoppedTooEarly
        If training was stopped before a first configuration had networks.
    """
    fitting = _Fitting(table, settings, quality)
    own_time = time_budget if fitting.n_classes else time_for_portfolio(time_budget)
    deadline = deadline_of(own_time, started)
    groups = fitting.groups()
    fitting.check_memory(groups)
    largest, total = fitting.disk_bytes(groups)
    needed = total if keep else largest
    check_disk(folder, needed, f"the packed rows of {count_noun(len(groups), 'encoding')} take")
    make_engine(engine_of_precision("auto", settings.precision))
    stop = StopFlag() if stop is None else stop
    flag = StopFlag(stop)  # the end of a time budget raises this one alone
    pool = None
    shown = fitting.progress(lambda name: say(f"training {name}"))
    trained: list[StoredCandidate] = []
    if checkpoint is not None:
        pool = CheckpointPool(
            as_checkpoint(checkpoint), fitting.description(groups), keep_states=False
        )
        deadline = None if deadline is None else deadline - pool.earlier_seconds
    try:
        with interruptible(stop), raised_at(deadline, flag):
            for number, group in enumerate(groups):
                # The first one is trained whatever the time.
                table.progress.stop = own = flag if number else stop
                if own:
                    break
                place = folder / fitting.name_of(group)
                try:
                    stored = fitting.packed(group, place, number, len(groups))
                except KeyboardInterrupt:
                    if own and trained:
                        break
                    raise
                candidates = fitting.candidates(group, stored)
                fitting.train(candidates, own, shown, pool)
                trained += candidates
                if not keep:
                    shutil.rmtree(place)
    finally:
        if pool is not None:
            pool.close()
    found = fitting.out_of_fold(trained)
    if stop and not found.trained and not any(each.diverged for each in trained):
        raise StoppedTooEarly
    encoders = {
        encoding_of(c): group.encoder.encoder for group in groups for c in group.configurations
    }
    portfolio = dataclasses.replace(
        found.portfolio(encoders), notes=tuple(filter(None, (each.note() for each in trained)))
    )
    # That training lacks a class is known of a table that is its own sample alone.
    own_sample = len(table.sample) == sum(table.counts.values())
    parts = {
        name: part for name, part in table.sample_parts.items() if own_sample or name != "train"
    }
    learned = table.sample.take(
        np.sort(np.concatenate([table.sample_rows[name] for name in ("train", "valid")]))
    )
    disk = Message(
        f"packed rows of {count_noun(len(groups), 'encoding')} took {total / 1e9:.3g} GB of disk"
        + ("" if keep else f", at most {largest / 1e9:.3g} GB at a time")
    )
    run = PortfolioRun(
        schema=fitting.schema,
        target=fitting.target,
        settings=settings,
        quality=quality,
        time_budget=time_budget,
        portfolio=portfolio,
        judged=fitting.held_out,
        judged_on="valid",
        learned=learned,
        parts=parts,
        started=started,
        stop=stop,
        notes=(*table.notes(_OF_QUANTILES), disk),
    )
    return scored_portfolio(run, say)


class _Fitting:
    """The statistics of a table, and what the configurations are trained on and judged by."""

    def __init__(self, table: LargeTable, settings: TableSettings, quality: str) -> None:
        self.table, self.settings = table, settings
        if "valid" not in table.sample_parts:
            raise DataError(
                f"{table.stream.source} has no validation row among {len(table.sample)}; expected "
                "more rows, or a single network"
            )
        statistics = EncoderStatistics(table.schema, table.sample_parts["train"], _FOLDS)
        for typed, numbers in table.training_chunks("encoding"):
            statistics.add(typed, self._folds_of(numbers))
        self.statistics = statistics
        described = statistics.table.described(table.schema)
        self.schema: Schema = dataclasses.replace(described, n_rows=table.n_rows)
        self.target: TargetEncoder = statistics.table.target()
        self.n_classes = len(self.target.classes)
        if not self.n_classes:
            check_squares(self.target)
        self.plan = make_large_plan(quality, self.target.task, statistics.n_rows)
        self.by: PortfolioLoss = portfolio_loss(None, self.n_classes)
        self.scale = self._target_scale()
        held_out = table.sample_parts["valid"]
        self.held_out = held_out.take(np.flatnonzero(row_weights(held_out) > 0))
        self.truth = true_values(self.target, self.held_out)
        w = row_weights(self.held_out)
        self.shares = w / w.sum()
        # Every network is judged on all rows that were held out.
        self.folds = [np.arange(len(self.held_out))] * self.plan.networks

    def _folds_of(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """The fold of training rows, by a hash of their numbers."""
        shares = [(str(k), 1 / _FOLDS) for k in range(_FOLDS)]
        return parts_of_rows(numbers, self.table.seed ^ _FOLD_SEED, shares)

    def _target_scale(self) -> TargetScale:
        """The scale of the target: of all rows, but for the logarithms, which are the sample's."""
        sample = self.table.sample_parts["train"]
        y = true_values(self.target, sample)
        scale = self.by.scale(y, self.n_classes, row_weights(sample))
        if self.n_classes:
            return scale
        low, high = self.statistics.table.target_range
        mean, std = self.target.mean, self.target.std
        return dataclasses.replace(scale, mean=mean, std=std, low=low, high=high)

    def groups(self) -> list[_Group]:
        """The configurations by their inputs and targets, in the order of the plan."""
        found: dict[tuple[str, bool], _Group] = {}
        for each in self.plan.configurations:
            if each.log_target and not self.scale.suits_logarithms:
                continue
            key = encoding_of(each), each.log_target
            if key in found:
                found[key].configurations.append(each)
                continue
            encoder = self._encoder(each)
            net = self._network(each, encoder.encoder.n_features)
            weighted = self.schema.weights is not None
            size = PackedSize(net.n_inputs, net.n_outputs, weighted)
            found[key] = _Group([each], encoder, net, size, each.log_target)
        return list(found.values())

    def _encoder(self, configuration: Configuration) -> CrossFittedEncoder:
        n_numbers = sum(column.kind != "category" for column in self.schema.columns)
        return self.statistics.encoder(
            numbers=configuration.numbers,
            bins=configuration.bins_for(self.statistics.n_rows, n_numbers),
            min_rows=1,
            one_hot_levels=configuration.one_hot_levels,
            calendar=True,
            random_features=configuration.random_features,
            random_scale=configuration.random_scale,
            fit_text=fit_free_text,
        )

    def _network(self, configuration: Configuration, n_inputs: int) -> Network:
        return Network(
            [n_inputs, *configuration.layers, self.n_classes if self.n_classes > 2 else 1],
            activation=configuration.activation,
            output_activation=self.by.output,
            loss=self.by.loss,
            dtype=np.float32,
        )

    def name_of(self, group: _Group) -> str:
        """The name of the folder of a group's store."""
        return group.configurations[0].name

    def disk_bytes(self, groups: Sequence[_Group]) -> tuple[int, int]:
        """The bytes of the largest store, and of all."""
        sizes = [group.size.bytes_of(self.table.n_packed) for group in groups]
        return max(sizes), sum(sizes)

    def packed(self, group: _Group, place: Path, number: int, of: int) -> dict[str, PackedRows]:
        """The store of a group."""
        place.parent.mkdir(parents=True, exist_ok=True)

        def arrays(typed: TypedColumns, numbers: NDArray[np.int64] | None) -> tuple[Any, Any, Any]:
            folds = None if numbers is None else self._folds_of(numbers)
            X = group.encoder.transform(typed, folds)
            weights = None if typed.weights is None else typed.weights.astype(np.float32)
            return X, self._targets(group, typed), weights

        most = self._block_rows(group)
        digest = self.table.digest(
            most,
            group.encoder.encoder.to_dict(),
            dataclasses.asdict(self.scale),
            _FOLDS,
            group.log,
            group.net.n_outputs,
            str(group.net.loss),
        )
        gigabytes = group.size.bytes_of(self.table.n_packed) / 1e9
        what = f"packing encoding {number + 1} of {of} ({gigabytes:.3g} GB)"
        return self.table.packed(place, digest, group.size, arrays, what, most)

    def _block_rows(self, group: _Group) -> int:
        """The most rows of a block of a store: two of them fit into a window."""
        return max(self.table.plan.member_window_bytes // (2 * group.size.bytes_of(1)), 1)

    def check_memory(self, groups: Sequence[_Group]) -> None:
        """Refuse a limit on memory in which a window has no room for two batches.

        Raises
        ------
        InputError
        """
        plan, batch = self.table.plan, self.plan.most_batch_rows(self.statistics.n_rows)
        needed = max(2 * group.size.bytes_of(batch) for group in groups)
        if plan.member_window_bytes < needed:
            least = plan.limit + (needed - plan.member_window_bytes) * plan.windows_of_free
            raise InputError(
                Message(
                    Parameter("memory"),
                    f" is {plan.limit / 1e6:.0f} MB, and a batch of {batch} rows takes "
                    f"{needed / 2e6:.2g} MB",
                ),
                parameter="memory",
                given=plan.limit,
                expected=f"at least {-(-least // 1_000_000)} MB for this portfolio",
                hint=Message("or leave ", Parameter("quality"), " out for a single network"),
            )

    def _targets(self, group: _Group, typed: TypedColumns) -> Any:
        net, values = group.net, target_values(typed)
        y = self.target.transform(values) if self.n_classes else values
        Y = self.scale.encode(net, np.asarray(y), group.log)
        return net.loss.prepare(Y, len(typed), net.n_outputs, np.float32)

    def candidates(self, group: _Group, stored: Mapping[str, PackedRows]) -> list[StoredCandidate]:
        """The configurations of a group, to be trained from its store."""
        X = group.encoder.transform(self.held_out, None)
        for rows in stored.values():
            rows.window_bytes = self.table.plan.member_window_bytes
        places = {each.name: k for k, each in enumerate(self.plan.configurations)}
        return [
            StoredCandidate(
                each,
                self._network(each, group.net.n_inputs),
                X,
                self._targets(group, self.held_out),
                first_seed=(self.settings.seed * len(places) + places[each.name])
                * self.plan.networks,
                precision=self.settings.precision,
                rows=stored["train"],
                valid=stored["valid"],
                epochs=self.plan.epochs,
            )
            for each in group.configurations
        ]

    def train(
        self,
        candidates: Sequence[StoredCandidate],
        flag: StopFlag,
        shown: Progress,
        pool: CheckpointPool | None,
    ) -> None:
        """Train the networks of configurations, and keep their predictions in place of the rows."""
        numbers = range(self.plan.networks)
        threads = min(usable_threads(), self.table.plan.members_at_once)
        w = row_weights(self.held_out)
        train_candidates(candidates, numbers, self.folds, w, flag, shown, threads, pool)
        for each in candidates:
            for fold in each.models:
                each.held_out_outputs(fold, self.folds[fold])
            each.X = each.X[:0]

    def out_of_fold(self, candidates: Sequence[Candidate]) -> OutOfFold:
        """The predictions of candidates for the rows that were held out."""
        return OutOfFold(
            self.scale,
            self.truth,
            self.shares,
            self.folds,
            self.by.criterion(self.scale),
            range(self.plan.networks),
            candidates,
        )

    def progress(self, show: Callable[[str], Any]) -> Progress:
        """Messages on the training, with the best loss so far."""
        return Progress(
            show,
            lambda candidate: self.out_of_fold([candidate]).losses[0],
            f"validation {self.by.name.replace('_', ' ')}",
        )

    def description(self, groups: Sequence[_Group]) -> dict[str, Any]:
        """What the portfolio depends on, for its checkpoint."""
        return {
            "table": self.table.digest(),
            "seed": self.settings.seed,
            "precision": self.settings.precision,
            "networks": self.plan.networks,
            "epochs": self.plan.epochs,
            "window": self.table.plan.member_window_bytes,
            "configurations": [each.name for group in groups for each in group.configurations],
        }
