"""The common base of the drop-in classifier and regressor: fitting."""

from __future__ import annotations

import dataclasses
import warnings
from abc import ABCMeta, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.model_selection import train_test_split
from sklearn.utils._param_validation import validate_parameter_constraints

from deltarule.engines import Engine
from deltarule.errors import InputError
from deltarule.estimators.fit_warnings import warn_of_fit
from deltarule.estimators.incremental import OptimizerMemory, StartingTheta
from deltarule.estimators.mlp_parameters import MLPParameters
from deltarule.estimators.mlp_predict import PredictingMLP
from deltarule.estimators.parameter_checks import CONSTRAINTS, hidden_widths, plain_parameters
from deltarule.estimators.scoring import Scoring
from deltarule.estimators.sklearn_helpers import (
    ShuffledOrder,
    check_repeatable,
    generator_of,
    initial_theta,
    print_epoch,
    row_source,
    validated_weights,
)
from deltarule.estimators.sklearn_rules import (
    refuse_finite_schedule,
    rule_record,
    schedule_record,
    stopping_criterion,
)
from deltarule.maths import ACTIVATIONS, Activation, Loss, Network
from deltarule.maths.dropout import per_layer
from deltarule.maths.own_memory import zeros
from deltarule.optimizers import Rule
from deltarule.training import EpochLog, History, StopReason, TrainingResult, train
from deltarule.training.threads import blas_threads_for

__all__ = ["DTYPES", "BaseMLP"]

# float32 only if X is float32; everything else is computed in float64.
DTYPES = (np.float64, np.float32)

_CURVES = ("loss_curve_", "validation_scores_")


class BaseMLP(PredictingMLP, MLPParameters, metaclass=ABCMeta):
    """scikit-learn's multilayer perceptron interface over this library's training loop."""

    _parameter_constraints: ClassVar[dict[str, Any]] = dict(CONSTRAINTS)

    @abstractmethod
    def _targets(self, X: Any, y: Any, incremental: bool, reset: bool) -> tuple[Any, np.ndarray]:
        """Check X and y; return X, and the targets Y of shape (N, n_outputs)."""

    @abstractmethod
    def _default_output(self) -> str:
        """Return the name of the default output activation for the task and the loss."""

    @abstractmethod
    def _loss(self) -> Loss:
        """Return the loss of the parameter ``loss``, for the fitted output activation."""

    @abstractmethod
    def _default_score(self, y: np.ndarray, predicted: np.ndarray, s: Any) -> float:
        """Return the accuracy or R², with row weights s."""

    def fit(self, X: Any, y: Any, sample_weight: Any = None, validation_data: Any = None) -> Self:
        """Fit the network.

        Parameters
        ----------
        X : array-like, data frame or sparse matrix of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), optional
        validation_data : tuple (X, y) or (X, y, sample_weight), optional
            Validation rows. With ``early_stopping=True`` they are used in place of a split;
            otherwise their loss is only recorded.

        Returns
        -------
        self

        Raises
        ------
        InputError
            If an argument does not fit; also what scikit-learn raises for bad parameters.
        Diverged
            If a cost, a gradient or the validation loss is not finite, or the loss has grown
            out of proportion. The estimator is then unchanged.
        KeyboardInterrupt
            At Ctrl-C during the first epoch, or at a second one; the estimator is then
            unchanged. A later Ctrl-C ends training and keeps its result.
        """
        return self._fit(X, y, sample_weight, validation_data)

    def _begin_partial_fit(self, y: Any, classes: Any) -> None:
        """Check the classes of a call of ``partial_fit``, and learn them in the first one."""

    def _fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        validation_data: Any = None,
        incremental: bool = False,
        classes: Any = None,
    ) -> Self:
        before = dict(self.__dict__)
        given = self.get_params(deep=False)
        # These lists are appended to in place, since callers may hold references to them.
        curves = [curve for name in _CURVES if isinstance(curve := before.get(name), list)]
        lengths = [len(curve) for curve in curves]
        try:
            # During the fit NumPy scalars are Python numbers; afterwards the given objects return.
            plain = plain_parameters(given, self._parameter_constraints)
            self.__dict__.update(plain)
            if incremental:
                self._begin_partial_fit(y, classes)
            self._fit_checked(X, y, sample_weight, validation_data, incremental)
        except BaseException:
            # A failed fit must not leave diverged coefficients behind.
            self.__dict__.clear()
            self.__dict__.update(before)
            for curve, length in zip(curves, lengths, strict=True):
                del curve[length:]
            raise
        for name, value in given.items():
            if self.__dict__.get(name) is plain[name]:
                self.__dict__[name] = value
        return self

    def _validate_params(self) -> None:
        constraints, parameters = self._parameter_constraints, self.get_params(deep=False)
        parameters = plain_parameters(parameters, constraints)
        validate_parameter_constraints(constraints, parameters, type(self).__name__)
        per_layer(parameters["dropout"])

    def _fit_checked(
        self, X: Any, y: Any, sample_weight: Any, validation_data: Any, incremental: bool
    ) -> None:
        self._validate_params()
        first = not hasattr(self, "coefs_") or (not self.warm_start and not incremental)
        self.__dict__.pop("_coding", None)  # a classifier makes it from its current parameters
        with np.errstate(over="ignore", invalid="ignore"):  # infinite values are refused
            X, Y = self._targets(X, y, incremental, reset=first)
        self._choose_output()
        s = self._row_weights(y, sample_weight, X, learn=True)
        if self.checkpoint is not None and not incremental:
            check_repeatable(self.random_state)
        rng = generator_of(self.random_state)
        self.n_outputs_ = Y.shape[1]
        if first:
            for name in ("_memory", "best_loss_", *_CURVES):
                self.__dict__.pop(name, None)
            self.t_ = 0
        net = self._network(X, Y)
        if first:
            start = StartingTheta.drawn(lambda generator: self._initial(net, generator), rng)
        else:
            start = StartingTheta.current(net, self.coefs_, self.intercepts_)
        if incremental:
            refuse_finite_schedule(self)
        if incremental and self.early_stopping:
            raise InputError(
                "partial_fit does not support early_stopping=True; "
                "call fit, or set early_stopping=False"
            )
        parts, validation_rows = self._split(X, Y, s, rng, validation_data)
        self._train(net, start, parts, validation_rows, rng, incremental)

    def _choose_output(self) -> Activation:
        """Set ``out_activation_`` to ``output_activation``, or to the default one."""
        named = self.output_activation
        self.out_activation_ = self._default_output() if named is None else named
        return ACTIVATIONS.get(self.out_activation_)

    def _row_weights(
        self, y: Any, sample_weight: Any, X: Any, learn: bool = False
    ) -> np.ndarray | None:
        """Check the row weights; with ``learn`` a classifier computes its class weights, too."""
        if sample_weight is None:
            return None
        s: np.ndarray = validated_weights(sample_weight, X)
        with np.errstate(over="ignore"):
            total = s.sum()
        if not total > 0:
            raise InputError("sample_weight adds to 0; expected at least one positive weight")
        if not np.isfinite(total):
            raise InputError(
                f"sample_weight has numbers up to {s.max():.3g}, and their sum is beyond the range "
                f"of {s.dtype}; divide them, and alpha and l1 with them, by the largest"
            )
        return s

    def _network(self, X: Any, Y: np.ndarray) -> Network:
        loss = self._loss()
        widths = [X.shape[1], *hidden_widths(self.hidden_layer_sizes)]
        n_outputs = Y.shape[1] * loss.outputs_per_target()
        output = ACTIVATIONS.get(self.out_activation_)
        loss.require(output)
        if n_outputs == 1 and not output.elementwise:
            raise InputError(
                f"output_activation is {output.name!r} with one output, which is then the same "
                "whatever the network computes; expected several targets, or an output activation "
                "and a loss that go with one, such as 'logistic' and 'log_loss'"
            )
        net = Network(
            [*widths, n_outputs],
            activation=self.activation,
            output_activation=self.out_activation_,
            loss=loss,
            dtype=np.float32 if X.dtype == np.float32 else np.float64,
        )
        self.n_layers_ = net.n_layers + 1
        self.network_ = net
        return net

    def _dtypes(self, reset: bool) -> Any:
        """The dtypes that X may have: in a later call, that of the network.

        A network whose products have bfloat16 operands is float32.
        """
        net: Network | None = getattr(self, "network_", None)
        if not reset and net is not None:
            return net.dtype
        return np.float32 if self.precision == "bfloat16" else DTYPES

    def _initial(self, net: Network, rng: np.random.RandomState) -> np.ndarray:
        """θ from ``initial_weights``, or drawn as in scikit-learn from the same random stream."""
        if self.initial_weights is not None:
            coefs, intercepts = self.initial_weights
            return net.pack([np.asarray(c).T for c in coefs], intercepts)
        return initial_theta(net, self.activation, rng)

    def _set_coefficients(self, theta: np.ndarray) -> None:
        """Set ``coefs_`` and ``intercepts_`` from θ: coefs_[i] has shape (n_in, n_out)."""
        W, b = self.network_.unpack(theta)
        self.coefs_ = [zeros(w.size, w.dtype).reshape(w.shape[::-1]) for w in W[1:]]
        for array, w in zip(self.coefs_, W[1:], strict=True):
            array[...] = w.T
        self.intercepts_ = [np.array(each) for each in b[1:]]

    def _split(
        self, X: Any, Y: np.ndarray, s: np.ndarray | None, rng: Any, validation_data: Any
    ) -> tuple[tuple[Any, np.ndarray, Any], tuple[Any, np.ndarray, Any] | None]:
        if validation_data is not None:
            return (X, Y, s), self._check_validation_data(validation_data)
        # lbfgs does not stop by validation rows; as in scikit-learn it trains on all rows.
        if not self.early_stopping or self.solver == "lbfgs":
            return (X, Y, s), None
        stratify = self._classes_to_stratify(Y)
        arrays = [X, Y] if s is None else [X, Y, s]
        halves = train_test_split(
            *arrays, random_state=rng, test_size=self.validation_fraction, stratify=stratify
        )
        training, validation = halves[0::2], halves[1::2]
        if validation[0].shape[0] < 2:
            raise InputError(
                "The validation set is too small. Increase 'validation_fraction' or the size of "
                "your dataset."
            )
        none = [None] if s is None else []
        return (*training, *none), (*validation, *none)

    def _classes_to_stratify(self, Y: np.ndarray) -> np.ndarray | None:
        """Return the class of each row if the validation split is stratified, else None."""
        return None

    def _check_validation_data(self, data: Any) -> tuple[Any, np.ndarray, Any]:
        if not isinstance(data, tuple | list) or len(data) not in (2, 3):
            given = type(data).__name__
            raise InputError(
                f"validation_data is {given}; expected (X, y) or (X, y, sample_weight)"
            )
        X, Y = self._targets(data[0], data[1], incremental=True, reset=False)
        return X, Y, self._row_weights(data[1], data[2] if len(data) == 3 else None, X)

    def _train(
        self,
        net: Network,
        start: StartingTheta,
        parts: tuple[Any, ...],
        validation_rows: tuple[Any, ...] | None,
        rng: np.random.RandomState,
        incremental: bool,
    ) -> None:
        X, Y, s = parts
        n_rows, rule = X.shape[0], rule_record(self)
        memory: OptimizerMemory | None = getattr(self, "_memory", None) if incremental else None
        previous: TrainingResult | None = None
        self.optimizer_reset_ = ""
        if memory is not None and isinstance(rule, Rule):
            averaging = self.averaging is not None
            previous, self.optimizer_reset_ = memory.begin(
                net, start(), rule, averaging, self.history_
            )
            self._complete_losses(previous.history)
            if self.optimizer_reset_ and self.verbose:
                print(f"The optimizer begins anew: {self.optimizer_reset_}.")
        stochastic = self.solver != "lbfgs"
        uses_score = self.early_stopping and validation_rows is not None and stochastic
        done = len(previous.history) if previous is not None else 0
        epochs = done + 1 if incremental else int(self.max_iter)
        batch = self._batch_size(n_rows)
        per_step = n_rows if not stochastic else min(200, n_rows) if batch == "auto" else int(batch)
        with blas_threads_for(net, per_step):
            result = train(
                net,
                row_source(X),
                Y,
                sample_weight=s,
                validation=None
                if validation_rows is None
                else (row_source(validation_rows[0]), *validation_rows[1:]),
                rule=rule,
                learning_rate=self.learning_rate_init,
                schedule=schedule_record(self, n_rows),
                batch_size=batch,
                epochs=epochs,
                shuffle=self.shuffle,
                order=ShuffledOrder(n_rows, rng, done) if self.shuffle and stochastic else None,
                # Drawn only for dropout, so that other fits draw the same numbers as scikit-learn.
                seed=int(rng.randint(2**31 - 1)) if np.any(self.dropout) else 0,
                theta=start if previous is None else None,
                l2=float(self.alpha),
                l1=float(self.l1),
                dropout=self.dropout,
                clip_norm=self.clip_norm,
                averaging=self.averaging,
                stopping=[stopping_criterion(self, uses_score)]
                if stochastic and not incremental
                else None,
                keep_best=uses_score,
                scorer=self._scorer(validation_rows)
                if uses_score and validation_rows is not None
                else None,
                engine=self.engine,
                precision=self.precision,
                callbacks=[*(self.callbacks or ()), *([print_epoch] if self.verbose else [])],
                resume=previous,
                checkpoint=None if incremental else self.checkpoint,
                on_divergence=self.on_divergence,
                guard="off" if incremental else "quiet",
            )
        if result.stop_reason is StopReason.INTERRUPTED and len(result.history) == done:
            raise KeyboardInterrupt  # no epoch was completed
        self._memory = OptimizerMemory.of(result, rule)
        result = dataclasses.replace(result, state={})  # so that its θ is freed
        logs = result.history.logs
        if done:
            logs = logs[len(logs) - (len(result.history) - done) :]
        self._set_attributes(result, logs, n_rows, uses_score)
        self.findings_ = result.findings
        if not incremental:
            warn_of_fit(result, self.solver, self.max_iter, self.max_fun)

    def _complete_losses(self, history: History) -> None:
        """Give a history that lacks its first epochs all losses, for a schedule that uses them."""
        if self.schedule is None and self.learning_rate != "adaptive":
            return
        if history.before > 0 and len(history.losses()) < len(history):
            history.give_losses(self.loss_curve_[-len(history) :])

    def _batch_size(self, n_rows: int) -> int | str:
        if self.batch_size == "auto" or self.solver == "lbfgs":
            return "auto"
        if self.batch_size > n_rows:
            text = "Got `batch_size` less than 1 or larger than sample size. It is going to be "
            warnings.warn(text + "clipped", stacklevel=2)
        return int(min(self.batch_size, n_rows))

    def _scorer(self, validation_rows: tuple[Any, ...]) -> Callable[[Engine], float]:
        X, Y, s = validation_rows
        y = self._decode_targets(Y)
        scoring = None if self.scoring is None else Scoring(self.scoring, s)

        def score(engine: Engine) -> float:
            # A scikit-learn scorer calls the estimator itself, with its current coefficients.
            self._set_coefficients(engine.averaged_theta)
            if scoring is not None:
                # X is an array here, even if a data frame was given, so it has no names.
                names = self.__dict__.pop("feature_names_in_", None)
                try:
                    return scoring(self, X, y)
                finally:
                    if names is not None:
                        self.feature_names_in_ = names
            return self._default_score(y, self._decode(self._forward(X)), s)

        return score

    @abstractmethod
    def _decode_targets(self, Y: np.ndarray) -> np.ndarray:
        """Turn targets of shape (N, n_outputs) back into y."""

    def _set_attributes(
        self, result: TrainingResult, new: list[EpochLog], n_rows: int, uses_score: bool
    ) -> None:
        """Set scikit-learn's attributes from a result and the logs of this fit."""
        self._set_coefficients(result.theta)
        losses = [log.objective for log in new]
        if not hasattr(self, "loss_curve_"):
            self.loss_curve_: list[float] = []
        self.loss_curve_ += losses
        self.n_iter_ = sum(log.epoch > 0 for log in new)
        if self.solver != "lbfgs":  # as in scikit-learn: rows seen by a stochastic solver
            self.t_ += len(new) * n_rows
        self.stopped_ = result.stopped
        self.history_ = result.history
        # There is no loss after an interruption in the first epoch.
        self.loss_ = losses[-1] if losses else np.inf
        if uses_score:
            scores = [float(log.score) for log in new if log.score is not None]
            earlier = getattr(self, "validation_scores_", None)
            self.validation_scores_: list[Any] | None = [] if earlier is None else earlier
            self.validation_scores_ += scores
            # The best score of this fit, since coefs_ are from its best epoch.
            self.best_validation_score_: float | None = max(scores, default=-np.inf)
            self.best_loss_ = None
        else:
            self.validation_scores_ = self.best_validation_score_ = None
            best = getattr(self, "best_loss_", None)
            known = self.loss_curve_ if best is None else [best, *losses]
            self.best_loss_ = min(known, default=np.inf)

    def _check_partial_fit(self) -> bool:
        if self.solver == "lbfgs":
            raise AttributeError(
                "partial_fit is only available for stochastic optimizers. "
                f"{self.solver} is not stochastic."
            )
        return True

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
