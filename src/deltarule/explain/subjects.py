"""From whatever is to be explained to a :class:`~deltarule.explain.Subject`."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from deltarule.engines import Batch, EngineSettings, started_engine
from deltarule.errors import InputError
from deltarule.explain.subject import Names, StepTaken, Subject
from deltarule.explain.subject_sources import Source, of_estimator, of_step, of_table
from deltarule.maths import Network
from deltarule.optimizers import Rule
from deltarule.training import Model

__all__ = ["subject_of"]


def subject_of(
    what: Any,
    X: Any = None,
    Y: Any = None,
    *,
    theta: Any = None,
    sample_weight: Any = None,
    rule: Any = None,
    learning_rate: float | None = None,
    engine: str | None = None,
    names: Names | None = None,
    number: int = 1,
    slots: Mapping[str, Any] | None = None,
    theta_after: Any = None,
    masks: list[Any] | None = None,
    **settings: Any,
) -> Subject:
    """What is explained, from a network, a model, an estimator or a step of training.

    Parameters are those of :func:`deltarule.explain`.

    Raises
    ------
    InputError
        If it is nothing that can be explained, or the rows do not fit it.

    Examples
    --------
    >>> subject_of(Network([1, 1]), [[1.0]], [[2.0]], theta=[1.0, 0.0]).trace.cost
    1.0
    """
    asked = _Asked(
        sample_weight, rule, learning_rate, engine, names, number, slots, theta_after, settings
    )
    if isinstance(what, Subject):
        return what
    if _is_replayed(what):
        if X is not None or Y is not None:
            raise InputError("a step of training has its own batch; leave X and Y out")
        return of_step(what)
    if isinstance(what, Network):
        if theta is None:
            raise InputError("a Network has no parameters; expected theta=… beside it")
        subject = Subject.of_arrays(what, theta, X, Y, sample_weight, names, masks=masks)
        return asked.completed(subject, what, np.asarray(theta))
    if theta is not None:
        raise InputError(
            f"theta is given beside a {type(what).__name__}, which has its own; leave it out"
        )
    if isinstance(what, Model):
        subject = Subject.of_arrays(what.net, what.theta, X, Y, sample_weight, names)
        return asked.completed(subject, what.net, what.theta)
    # Whoever has an estimator has imported it, and scikit-learn; others do without.
    estimators: Any = sys.modules.get("deltarule.estimators")
    if estimators and isinstance(what, estimators.MLPClassifier | estimators.MLPRegressor):
        return completed_by(of_estimator(what, X, Y, sample_weight), asked)
    if estimators and isinstance(what, estimators.TableModel):
        if Y is not None:
            raise InputError("the target of a table is one of its columns; leave Y out")
        return completed_by(of_table(what, X, sample_weight), asked)
    raise InputError(
        f"{type(what).__name__} cannot be explained; expected a Network with theta, a Model, an "
        "MLPClassifier or MLPRegressor, a TableModel with a table, or a step of training"
    )


def _is_replayed(what: Any) -> bool:
    """Whether it is a step of training, by what it holds."""
    return all(hasattr(what, name) for name in ("batch", "before", "after", "gradient"))


def completed_by(source: Source, asked: _Asked) -> Subject:
    """The subject of a model with what was asked for besides."""
    subject = source.subject
    if asked.names is not None:
        subject = dataclasses.replace(subject, names=asked.names)
    return asked.completed(subject, source.net, source.theta, source.step, source.engine)


@dataclasses.dataclass(frozen=True)
class _Asked:
    """What the caller said besides the model and the rows."""

    sample_weight: Any
    rule: Any
    learning_rate: float | None
    engine: str | None
    names: Names | None
    number: int
    slots: Mapping[str, Any] | None
    theta_after: Any
    settings: dict[str, Any]

    def step(self, subject: Subject, default: StepTaken | None = None) -> StepTaken | None:
        """The step: as asked for, else as the model's own settings have it."""
        if self.rule is None and self.learning_rate is None and not self.settings:
            return default
        known = {f.name for f in dataclasses.fields(EngineSettings)} - {"rule"}
        unknown = sorted(set(self.settings) - known)
        if unknown:
            raise InputError(
                f"{unknown[0]!r} is nothing that explain knows; expected one of "
                f"{', '.join(sorted(known))}"
            )
        if self.rule is None and default is not None:
            changed = dataclasses.replace(default.settings, **self.settings)
            given = default.learning_rate if self.learning_rate is None else self.learning_rate
            return dataclasses.replace(default, settings=changed, learning_rate=given)
        if not isinstance(self.number, int) or isinstance(self.number, bool) or self.number < 1:
            raise InputError(f"number is {self.number!r}; expected that of a step, from 1")
        total = {"total_weight": float(subject.s.sum()) or 1.0}
        settings = EngineSettings(rule=self.rule or "sgd", **(total | self.settings))
        rule = settings.rule
        assert isinstance(rule, Rule)
        rate = self.learning_rate
        if rate is None and rule.uses_learning_rate:
            raise InputError(
                f"rule {rule.name!r} needs a learning rate; expected learning_rate=…, above 0"
            )
        if rate is not None and not (np.isfinite(rate) and rate >= 0):
            raise InputError(f"learning_rate is {rate!r}; expected a finite number ≥ 0")
        return StepTaken(
            settings,
            float(rate or 0.0),
            self.number,
            _checked_slots(rule, self.slots or {}, subject.net),
            None if self.theta_after is None else subject.net.check_theta(self.theta_after),
        )

    def completed(
        self,
        subject: Subject,
        net: Network,
        theta: np.ndarray,
        default: StepTaken | None = None,
        engine: str | None = None,
    ) -> Subject:
        """The subject with its step, and with the gradient of the engine that trained."""
        subject = dataclasses.replace(
            subject, step=self.step(subject, default), dtype=str(net.dtype)
        )
        which = self.engine or engine
        return subject if which is None else with_engine(subject, net, theta, which)


def _checked_slots(rule: Rule, slots: Mapping[str, Any], net: Network) -> dict[str, np.ndarray]:
    """What the rule carried, checked."""
    known = {slot.name: slot.kind for slot in rule.slots}
    found = {}
    for name, value in slots.items():
        if name not in known:
            raise InputError(
                f"slots: rule {rule.name!r} carries no {name!r}; expected "
                f"{', '.join(known) or 'none'}"
            )
        array = np.asarray(value, dtype=np.float64)
        shape = (net.n_parameters,) if known[name] == "theta" else ()
        if array.shape != shape:
            raise InputError(f"slots: {name!r} has shape {array.shape}; expected {shape}")
        found[name] = array
    return found


def with_engine(subject: Subject, net: Network, theta: np.ndarray, which: str) -> Subject:
    """The subject with the gradient that an engine computes here, in the network's own type."""
    engine = started_engine(which, net, np.asarray(theta, dtype=net.dtype), EngineSettings())
    batch = Batch(
        np.ascontiguousarray(subject.X, dtype=net.dtype),
        np.ascontiguousarray(subject.Y, dtype=net.dtype),
        subject.w.astype(net.dtype),
        np.arange(len(subject.X)),
        1,
    )
    grad = engine.gradient(batch)[1]
    return dataclasses.replace(
        subject,
        engine=engine.name,
        dtype=str(net.dtype),
        engine_grad=np.asarray(grad, dtype=np.float64),
    )
