"""Makes a :class:`~deltarule.explain.Subject` of anything that can be explained."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from deltarule.engines import Batch, EngineSettings, started_engine
from deltarule.errors import InputError
from deltarule.explain.subject import Names, StepTaken, Subject
from deltarule.explain.subject_sources import ModelSubject, of_estimator, of_step, of_table
from deltarule.maths import Network
from deltarule.optimizers import Rule
from deltarule.settings import checked
from deltarule.training import Model

__all__ = ["subject_of"]


def subject_of(
    what: Any,
    X: Any = None,
    Y: Any = None,
    *,
    theta: Any = None,
    sample_weight: Any = None,
    masks: list[Any] | None = None,
    **options: Any,
) -> Subject:
    """Return the subject of a network, a model, an estimator or a step of training.

    The parameters, ``options`` included, are those of :func:`deltarule.explain`.

    Raises
    ------
    InputError
        If ``what`` cannot be explained, or the rows do not fit it.

    Examples
    --------
    >>> subject_of(Network([1, 1]), [[1.0]], [[2.0]], theta=[1.0, 0.0]).trace.cost
    1.0
    """
    asked = _Options.of(options)
    if isinstance(getattr(what, "subject", None), Subject):  # of an explanation or a lens
        what = what.subject
    replayed = all(hasattr(what, name) for name in ("batch", "before", "after", "gradient"))
    if isinstance(what, Subject) or replayed:
        rows = {"X": X, "Y": Y, "theta": theta, "sample_weight": sample_weight, "masks": masks}
        given = [name for name, value in rows.items() if value is not None]
        if given:
            kind = "a Subject" if isinstance(what, Subject) else "a step of training"
            raise InputError(
                f"{kind} has rows, weights and parameters of its own; leave {' and '.join(given)} "
                "out"
            )
        return asked.added_to(what if isinstance(what, Subject) else of_step(what))
    if masks is not None and not isinstance(what, Network):
        raise InputError(
            f"masks are given beside a {type(what).__name__}; expected them with a Network and "
            "its theta; leave them out"
        )
    if isinstance(what, Network | Model) and (X is None or Y is None):
        missing = "X" if X is None else "Y"
        raise InputError(f"{missing} was not given; expected rows with their targets, X and Y")
    if isinstance(what, Network):
        if theta is None:
            raise InputError("a Network has no parameters; expected theta=… beside it")
        subject = Subject.of_arrays(what, theta, X, Y, sample_weight, masks=masks)
        return asked.completed(ModelSubject(subject, what, np.asarray(theta)))
    if theta is not None:
        raise InputError(
            f"theta is given beside a {type(what).__name__}, which has its own; expected a "
            "Network, or leave it out"
        )
    if isinstance(what, Model):
        subject = Subject.of_arrays(what.net, what.theta, X, Y, sample_weight)
        return asked.completed(ModelSubject(subject, what.net, what.theta))
    # Looked up, not imported: an estimator exists only where its module is loaded already.
    estimators: Any = sys.modules.get("deltarule.estimators")
    if estimators and isinstance(what, estimators.MLPClassifier | estimators.MLPRegressor):
        return asked.completed(of_estimator(what, X, Y, sample_weight))
    tabular: Any = sys.modules.get("deltarule.tabular")
    if tabular and isinstance(what, tabular.PortfolioModel):
        raise InputError(
            "a PortfolioModel is the mean of many networks; expected a single one; take that of "
            "the highest weight, model.network(), or one of a member, model.network(name), or "
            "train one on the predictions of all, model.distill(table)"
        )
    if tabular and isinstance(what, tabular.TableModel):
        if Y is not None:
            raise InputError("the target of a table is one of its columns; leave Y out")
        return asked.completed(of_table(what, X, sample_weight))
    raise InputError(
        f"{type(what).__name__} cannot be explained; expected a Network with theta, a Model, an "
        "MLPClassifier or MLPRegressor, a TableModel with a table, or a step of training"
    )


@dataclasses.dataclass(frozen=True)
class _Options:
    """The options of :func:`deltarule.explain` that concern the step, the names and the engine."""

    settings: dict[str, Any]
    rule: Any = None
    learning_rate: float | None = None
    engine: str | None = None
    names: Names | None = None
    number: int | None = None
    slots: Mapping[str, Any] | None = None
    theta_after: Any = None

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> _Options:
        """Sort options by name; those without a field belong to EngineSettings."""
        own = {field.name for field in dataclasses.fields(cls)} - {"settings"}
        settings = {name: value for name, value in options.items() if name not in own}
        return cls(settings, **{name: options[name] for name in own & set(options)})

    def step(self, subject: Subject, default: StepTaken | None = None) -> StepTaken | None:
        """The step by these options; ``default``, the model's own, if none of them concerns it."""
        others = (self.rule, self.learning_rate, self.number, self.slots, self.theta_after)
        if all(each is None for each in others) and not self.settings:
            return default
        known = {f.name for f in dataclasses.fields(EngineSettings)} - {"rule"}
        unknown = sorted(set(self.settings) - known)
        if unknown:
            raise InputError(
                f"explain has no option {unknown[0]!r}; expected one of {', '.join(sorted(known))}"
            )
        number = 1 if self.number is None else self.number
        if not isinstance(number, int) or isinstance(number, bool) or number < 1:
            raise InputError(f"number is {number!r}; expected that of a step, from 1")
        theta_after = self.theta_after
        if theta_after is not None:
            theta_after = subject.net.check_theta(theta_after)
        if self.rule is None and default is not None:
            # This step differs from the one that was taken, so its result theta_after is dropped.
            settings = dataclasses.replace(default.settings, **self.settings)
            changes: dict[str, Any] = {"settings": settings, "theta_after": theta_after}
            if self.number is not None:
                changes |= {"number": number, "hypothetical": False}
            if self.learning_rate is not None:
                changes["learning_rate"] = checked("learning_rate", self.learning_rate)
            if self.slots is not None:
                changes["slots"] = _checked_slots(_rule_of(settings), self.slots, subject.net)
            return dataclasses.replace(default, **changes)
        total = {"total_weight": float(subject.s.sum()) or 1.0}
        settings = EngineSettings(
            rule="sgd" if self.rule is None else self.rule, **(total | self.settings)
        )
        rule = _rule_of(settings)
        if self.learning_rate is None and rule.uses_learning_rate:
            raise InputError(
                f"rule {rule.name!r} needs a learning rate; expected learning_rate=…, above 0"
            )
        rate = 0.0 if self.learning_rate is None else checked("learning_rate", self.learning_rate)
        slots = _checked_slots(rule, self.slots or {}, subject.net)
        # For a network alone nothing else is known, so the step counts as the caller's number.
        fresh = self.number is None and default is not None
        return StepTaken(settings, rate, number, slots, theta_after, hypothetical=fresh)

    def added_to(self, subject: Subject) -> Subject:
        """Return a complete subject with these options; the subject itself if none is given."""
        changed: dict[str, Any] = {}
        step = self.step(subject, subject.step)
        if step is not subject.step:
            changed["step"] = step
        if self.names is not None:
            changed["names"] = self.names
        if changed:
            subject = dataclasses.replace(subject, **changed)
        if self.engine is None:
            return subject
        net = subject.net.with_changes(dtype=subject.dtype or "float64")
        return _with_engine(subject, net, subject.theta, self.engine)

    def completed(self, source: ModelSubject) -> Subject:
        """Return a model's subject with these options, and with the gradient of its engine."""
        subject = dataclasses.replace(
            source.subject,
            names=self.names or source.subject.names,
            step=self.step(source.subject, source.step),
            dtype=str(source.net.dtype),
        )
        which = self.engine or source.engine
        if which is None:
            return subject
        return _with_engine(subject, source.net, source.theta, which)


def _rule_of(settings: EngineSettings) -> Rule:
    assert isinstance(settings.rule, Rule)  # EngineSettings turned the name into a Rule
    return settings.rule


def _checked_slots(rule: Rule, slots: Mapping[str, Any], net: Network) -> dict[str, np.ndarray]:
    """Return the slots as float64 arrays; raises InputError for a wrong name or shape."""
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


def _with_engine(subject: Subject, net: Network, theta: np.ndarray, which: str) -> Subject:
    """Return the subject with an engine's gradient on its rows, in the network's own dtype."""
    if subject.masks is not None:
        raise InputError(
            f"engine={which!r} was given with dropout masks; an engine draws masks of its own, so "
            "leave out the engine or the masks"
        )
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
