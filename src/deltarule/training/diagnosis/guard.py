"""The guard of a training run: it finds what keeps a network from learning, and says it once.

An epoch costs the guard a comparison of two numbers. Two kinds of checks cost more, and both are
rare: that of layers and nodes, on a sample of the rows, when the work of training is a hundred
times that of the check, and then each time it has doubled; and that of the learning rate, at the
end of a run whose loss has hardly fallen, by some steps from the same start with other rates. When
a check is due follows from numbers of steps and rows, and not from a clock, so that a run gives the
same findings each time, also if it was resumed.
"""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from deltarule.engines import Batch, Engine, ReferenceEngine
from deltarule.errors import InputError, TrainingWarning
from deltarule.maths.subsample import evenly_spaced
from deltarule.optimizers import Rule
from deltarule.training.batches import Batches
from deltarule.training.diagnosis.advice import (
    THRESHOLDS,
    Advice,
    advise,
    wrong_learning_rate,
)
from deltarule.training.diagnosis.measures import measure_rows

if TYPE_CHECKING:
    from deltarule.training.run import Run

__all__ = ["Guard", "GuardMode", "findings_of", "warn_of"]

GuardMode = Literal["warn", "quiet", "off"]

_ROWS = int(THRESHOLDS["many_rows"])
# Nanoseconds that a check and a step take at least, and for each multiply-add of a row; those of a
# step are those of the fastest engine, so that a check is never a larger share than intended.
_CHECK, _CHECK_ROW = 2e6, 1.0
_STEP, _STEP_ROW = 1.5e3, 0.06
_SHARE = 100
# A run has hardly learned if it ends above this share of the loss it began with; and a rate is far
# off if some steps with another one reach this share of the loss at the end.
_FALLEN = 0.7
_FACTORS = (30.0, 1e3, 3e4)
_FEWEST_STEPS, _PROBE_STEPS = 100, (30, 200)


def warn_of(findings: tuple[Advice, ...], where: str = "") -> None:
    """Warn of each finding."""
    for each in findings:
        warnings.warn(f"{where}{each.text()}", TrainingWarning, stacklevel=3)


@dataclasses.dataclass
class Guard:
    """Watches one run.

    Parameters
    ----------
    mode : {"warn", "quiet", "off"}
        Whether a finding is a warning too, or there are no checks.

    Attributes
    ----------
    findings : list of Advice
        What was found, one of each kind.

    Raises
    ------
    InputError
        If the mode is another.
    """

    mode: GuardMode = "warn"
    findings: list[Advice] = dataclasses.field(default_factory=list)
    # What the last check of the layers found; it is said if the next one finds it too.
    _seen: set[str] = dataclasses.field(default_factory=set)
    # The number of steps from which on the next check is due; 0 before the first epoch.
    _due: int = 0

    def __post_init__(self) -> None:
        if self.mode not in ("warn", "quiet", "off"):
            expected = "'warn', 'quiet' or 'off'"
            raise InputError(parameter="guard", given=self.mode, expected=expected)

    def after_epoch(self, run: Run, steps: int) -> None:
        """Check the layers, if that is due after this number of steps."""
        if self._due == 0:
            self._due = _first_check(run) if self.mode != "off" else 1 << 62
        if steps >= self._due:
            found = self._of_layers(run)
            for each in found:
                if each.kind in self._seen:
                    self._say(each)
            self._seen = {each.kind for each in found}
            self._due = 2 * steps

    def at_end(self, run: Run) -> None:
        """Check the layers and the learning rate, if the loss has hardly fallen."""
        logs = run.history.logs
        steps = logs[-1].steps if logs else 0
        if self.mode == "off" or steps < _FEWEST_STEPS or len(logs) < 2:
            return
        last, first = logs[-1].loss, logs[0].loss
        cost = math.inf if run.first_cost is None else run.first_cost
        if last > _FALLEN * first and last > 0.4 * cost:
            for each in self._of_layers(run):
                self._say(each)
            found = _of_rate(run, steps)
            if found is not None:
                self._say(found)
        elif steps >= _first_check(run):
            for each in self._of_layers(run):
                if each.kind in self._seen:
                    self._say(each)

    def add(self, advice: Advice | None) -> None:
        """Add a finding of the run itself, if there is one; also where the mode is "off"."""
        if advice is not None:
            self._say(advice)

    def _say(self, advice: Advice) -> None:
        if any(each.kind == advice.kind for each in self.findings):
            return
        self.findings.append(advice)
        if self.mode != "quiet":
            warn_of((advice,))

    def _of_layers(self, run: Run) -> list[Advice]:
        """Return the serious findings on layers and nodes at the current parameters."""
        batch, of = _sample(run)
        net, theta = run.engine.net, np.asarray(run.engine.averaged_theta, dtype=np.float64)
        measured = measure_rows(net, theta, batch.X, batch.Y, batch.w)
        penalised = bool(run.engine.settings.penalties)
        found = advise(net, measured, measured, len(batch.w), of, penalised=penalised)
        return [each for each in found if each.serious]

    def state(self) -> dict[str, Any]:
        """Return what :meth:`restore` needs, for JSON."""
        found = [dataclasses.asdict(each) for each in self.findings]
        return {"findings": found, "seen": sorted(self._seen), "due": self._due}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a state; what was said then is not said again."""
        self.findings = list(findings_of(state))
        self._seen, self._due = set(state["seen"]), int(state["due"])


def findings_of(state: Mapping[str, Any]) -> tuple[Advice, ...]:
    """Return the findings in a state of :meth:`Guard.state`."""
    found = [each | {"layers": tuple(each["layers"])} for each in state["findings"]]
    return tuple(Advice(**each) for each in found)


def _first_check(run: Run) -> int:
    """Return the number of steps whose work is a hundred times that of a check of the layers."""
    batches, work = run.batches, run.engine.net.n_multiply_adds
    check = _CHECK + _CHECK_ROW * min(batches.n_rows, _ROWS) * work
    step = _STEP + _STEP_ROW * batches.batch_size * work
    return max(int(_SHARE * check / step), _FEWEST_STEPS)


def _sample(run: Run) -> tuple[Batch, int]:
    """Return evenly spaced training rows with their weights, and the number of all."""
    batches = run.batches
    weights = batches.training_rows().s
    present = np.flatnonzero(weights > 0)
    rows = present[evenly_spaced(len(present), _ROWS)]
    w = np.asarray(weights[rows], dtype=np.float64)
    w = (w / w.sum()).astype(run.engine.net.dtype)
    return Batch(np.asarray(batches.X[rows]), batches.Y[rows], w, rows, 1), len(present)


def _of_rate(run: Run, steps: int) -> Advice | None:
    """Return the finding that the learning rate is far off, by trying others from the start.

    From the start of the run, some steps with a rate far from that of the run reach a loss that the
    run has not reached in all its steps.
    """
    rule, rate = run.engine.settings.rule, getattr(run, "rate", None)
    if rate is None or run.start is None or not isinstance(rule, Rule) or run.earlier_epochs:
        return None
    if not rule.uses_learning_rate:
        return None
    batch, _ = _sample(run)
    start = run.start()
    first = _cost(run, start, batch)
    last = _cost(run, np.asarray(run.engine.averaged_theta), batch)
    if not last > _FALLEN * first:
        return None
    few, many = _PROBE_STEPS
    count = min(max(steps // 60, few), many)
    for factor in _FACTORS:
        for other in (rate / factor, rate * factor):
            reached = _probe(run, start, other, count, batch)
            if reached < _FALLEN * min(first, last):
                tried = (other, count, reached)
                return wrong_learning_rate(rate, (steps, first, last), tried, len(batch.w))
    return None


def _cost(run: Run, theta: np.ndarray, batch: Batch) -> float:
    engine = ReferenceEngine()
    engine.load(run.engine.net, theta, dataclasses.replace(run.engine.settings, dropout=0.0))
    with np.errstate(all="ignore"):
        return float(engine.cost(batch))


def _probe(run: Run, start: np.ndarray, rate: float, count: int, rows: Batch) -> float:
    """Return the cost of the rows after some steps from the start; infinite if one fails."""
    given = run.batches
    own = (given.X, given.Y, given.s, given.batch_size, given.seed, given.shuffle)
    batches = Batches(*own, rows=given.rows)
    engine: Engine = type(run.engine)()
    engine.threads = run.engine.threads
    engine.load(run.engine.net, start, dataclasses.replace(run.engine.settings, averaging=None))
    done, epoch = 0, 0
    with np.errstate(all="ignore"):
        while done < count:
            steps = batches.epoch_steps(epoch)
            for index in range(min(steps.steps, count - done)):
                if not math.isfinite(engine.step(steps.batch(index), rate)):
                    return math.inf
            done, epoch = done + steps.steps, epoch + 1
    cost = _cost(run, np.asarray(engine.theta), rows)
    return cost if math.isfinite(cost) else math.inf
