"""The guard of a training run: it finds what keeps a network from learning, and says it once.

An epoch costs the guard a comparison of two numbers. Two kinds of checks cost more, and both are
rare: that of layers and nodes, on a sample of the rows, when the work of training is a hundred
times that of the check, and then each time it has doubled; and that of the learning rate, at the
end of a run whose loss has hardly fallen or jumps about, by some steps from the same start with
other rates. When
a check is due follows from numbers of steps and rows, and not from a clock, so that a run gives the
same findings each time, also if it was resumed.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from deltarule.engines import Engine, make_engine
from deltarule.errors import InputError, TrainingWarning
from deltarule.optimizers import Rule
from deltarule.training.diagnosis.advice import (
    THRESHOLDS,
    Advice,
    advise,
)
from deltarule.training.diagnosis.measures import measure_rows
from deltarule.training.diagnosis.rate_finding import RATE_LIMITS, RateTrials, level_of_jumps
from deltarule.training.diagnosis.trials import cost_of

if TYPE_CHECKING:
    from deltarule.training.run import Run

__all__ = ["Guard", "GuardMode", "findings_of", "quiet_mode", "warn_of", "warn_of_many"]

GuardMode = Literal["warn", "quiet", "off"]

_ROWS = int(THRESHOLDS["many_rows"])
# Nanoseconds that a check and a step take at least, and for each multiply-add of a row; those of a
# step are those of the fastest engine, so that a check is never a larger share than intended.
_CHECK, _CHECK_ROW = 2e6, 1.0
_STEP, _STEP_ROW = 1.5e3, 0.06
_SHARE = 100
_FEWEST_STEPS = int(RATE_LIMITS["few_steps"])


def warn_of(findings: tuple[Advice, ...], where: str = "") -> None:
    """Warn of each finding."""
    for each in findings:
        warnings.warn(f"{where}{each.text()}", TrainingWarning, stacklevel=3)


def warn_of_many(findings: Sequence[tuple[Advice, ...]]) -> None:
    """Warn of the findings on many networks, once for each kind."""
    first: dict[str, tuple[int, Advice]] = {}
    count: Counter[str] = Counter()
    for network, found in enumerate(findings):
        for each in found:
            first.setdefault(each.kind, (network, each))
            count[each.kind] += 1
    for kind, (network, each) in first.items():
        others = "" if count[kind] == 1 else f" and {count[kind] - 1} more of {len(findings)}"
        warn_of((each,), f"network {network}{others}: ")


def quiet_mode(mode: GuardMode) -> GuardMode:
    """Return the mode of a run whose findings are said by its caller."""
    return "quiet" if mode == "warn" else mode


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
        """Check the layers, and the learning rate if the loss has hardly fallen or jumps about."""
        logs = run.history.logs
        steps = logs[-1].steps if logs else 0
        if self.mode == "off" or steps < _FEWEST_STEPS or len(logs) < 2:
            return
        losses = [each.loss for each in logs]
        # The cost of the first batch is a noisy start; the sample of the rows decides.
        near = run.first_cost is None or logs[-1].loss > 0.5 * abs(run.first_cost)
        trials = _rate_trials(run) if near or level_of_jumps(losses) is not None else None
        found = None if trials is None else trials.finding(steps, losses)
        if trials is not None and trials.hardly_learned:
            for each in self._of_layers(run):
                self._say(each)
        elif steps >= _first_check(run):
            for each in self._of_layers(run):
                if each.kind in self._seen:
                    self._say(each)
        self.add(found)

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
        batch, of = run.batches.sample(_ROWS)
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


# The engines that a trial uses as the run did; others would be slow, or are a user's.
_OWN_ENGINES = ("compiled", "compiled_bfloat16", "reference")


def _fresh(engine: Engine) -> Engine:
    """Return an engine of the library of the same name; a user's own may do more than compute."""
    known = engine.name if engine.name in _OWN_ENGINES else "reference"
    fresh = make_engine(known)
    fresh.threads = engine.threads
    return fresh


def _rate_trials(run: Run) -> RateTrials | None:
    """Return what compares the loss at the end with that at the start; None if that is not known.

    It tries other learning rates too, where the run has one and began with this call.
    """
    if run.start is None:
        return None
    engine, rule = run.engine, run.engine.settings.rule
    usable = isinstance(rule, Rule) and rule.uses_learning_rate and not run.earlier_epochs
    rows, _ = run.batches.sample(_ROWS)
    # First the end, so that this copy of θ is freed before the next one is made.
    last = cost_of(engine, np.asarray(engine.averaged_theta), rows)
    return RateTrials(
        engine=_fresh(engine),
        settings=engine.settings,
        net=engine.net,
        batches=run.batches,
        rows=rows,
        start=run.start(),
        last=last,
        rate=getattr(run, "rate", None) if usable else None,
    )
