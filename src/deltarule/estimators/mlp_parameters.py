"""The parameters that the classifier and the regressor share: signature and documentation.

:meth:`MLPParameters.__init__` is their only declaration. Each class adds its own parameters with
:func:`with_shared_parameters`, and ``{shared}`` in its docstring is replaced by their descriptions.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

__all__ = ["MLPParameters", "with_shared_parameters"]

_DOCUMENTED = """\
hidden_layer_sizes : array-like of int
    activation : str, Activation, or one for each hidden layer
        Any registered activation (scikit-learn has four).
    solver : str
        ``"lbfgs"``, ``"sgd"`` (with ``momentum`` and ``nesterovs_momentum``), ``"adam"``, or
        any other update rule: ``"adamw"``, ``"rmsprop"``, ``"rprop"``, …
    alpha : float
        The strength of the L2 penalty. **Different:** the penalty is α/(2 Σs) ‖W‖² with Σs
        the sum of sample weights over the training set, so its strength does not grow as
        batches get smaller;
        scikit-learn divides by each batch's own Σs.
    batch_size, learning_rate, learning_rate_init, power_t, max_iter, shuffle, random_state, \
tol, verbose, warm_start, momentum, nesterovs_momentum, early_stopping, \
validation_fraction, beta_1, beta_2, epsilon, n_iter_no_change, max_fun
        As in scikit-learn.
    dropout : float or sequence of float
        Added. The rate for each hidden layer.
    weight_decay : float, optional
        Added. λ of AdamW, for the solvers adam and adamw.
    scoring : str or callable, optional
        Added. Any scikit-learn scorer, or ``f(estimator, X, y)``, for early stopping; it is
        called with this estimator and its current weights. A scorer that takes no ``sample_weight``
        is computed unweighted, with a warning.
    schedule : str, Schedule or mapping, optional
        Added. A schedule of the learning rate, instead of ``learning_rate``.
    clip_norm : float, optional
        Added. The largest norm of a step's gradient.
    averaging : float, optional
        Added. The decay of a moving average of the weights, which is then the fitted model.
    callbacks : sequence of callables, optional
        Added. Called with a ``deltarule.training.EpochEvent`` after each epoch.
    engine : str
        Added. The engine that computes, see ``deltarule.make_engine``.
    initial_weights : tuple (coefs, intercepts), optional
        Added. Initial weights, in the shapes of ``coefs_`` and ``intercepts_``.
    l1 : float
        Added. The strength λ of the L1 penalty λ/Σs ‖W‖₁, with any solver but lbfgs.
    checkpoint : path or deltarule.training.Checkpoint, optional
        Added. A folder in which ``fit`` saves its training every 30 seconds. The same call goes on
        from there, to the same bits; ``random_state`` must be an integer. ``partial_fit`` does not
        use it: it goes on from the estimator, which may be pickled between calls.
    on_divergence : {"raise", "restore_best", "halve_learning_rate"}
        Added. What ``fit`` does if training diverges, as in :func:`deltarule.train`. What kept the
        network from learning is a ``TrainingWarning``, and in the attribute ``findings_``.
    precision : {"full", "bfloat16"}
        Added. Of the matrix products in ``fit``, as in :func:`deltarule.train`. With ``"bfloat16"``
        the network is float32 whatever the dtype of X. Predictions have full precision."""


class MLPParameters:
    """A base class that declares the shared parameters; its constructor is not called."""

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        activation: Any = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        loss: Any = "log_loss",
        output_activation: Any = None,
        dropout: Any = 0.0,
        weight_decay: float | None = None,
        scoring: Any = None,
        schedule: Any = None,
        clip_norm: float | None = None,
        averaging: float | None = None,
        callbacks: Any = None,
        engine: Any = "auto",
        initial_weights: Any = None,
        l1: float = 0.0,
        checkpoint: Any = None,
        on_divergence: str = "raise",
        precision: str = "full",
    ) -> None:
        raise NotImplementedError

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        if cls.__doc__:
            cls.__doc__ = cls.__doc__.replace("{shared}", _DOCUMENTED)


def with_shared_parameters(init: Callable[..., None]) -> Callable[..., None]:
    """Make a constructor of a declaration ``__init__(self, own=…, *args, **shared)``.

    Its signature has the positional parameters of the declaration, then the shared parameters,
    then the keyword-only ones of the declaration; a parameter that both have is the declaration's.
    It stores each argument unchanged under its own name, as scikit-learn asks.

    Examples
    --------
    >>> class Estimator:
    ...     @with_shared_parameters
    ...     def __init__(self, *args, bias=True, **shared): ...
    >>> list(inspect.signature(Estimator).parameters)[-2:]
    ['precision', 'bias']
    >>> Estimator((8,), alpha=0.5).hidden_layer_sizes
    (8,)
    """
    declared = [
        each
        for each in inspect.signature(init).parameters.values()
        if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)
    ]
    names = {each.name for each in declared}
    inherited = inspect.signature(MLPParameters.__init__).parameters.values()
    parameters = [
        *(each for each in declared if each.kind is not each.KEYWORD_ONLY),
        *(each for each in inherited if each.name not in names),
        *(each for each in declared if each.kind is each.KEYWORD_ONLY),
    ]
    signature = inspect.Signature(parameters)

    @functools.wraps(init)
    def __init__(self: Any, *args: Any, **given: Any) -> None:  # noqa: N807  the constructor's name
        try:
            bound = signature.bind(self, *args, **given)
        except TypeError as error:
            raise TypeError(f"{type(self).__name__}.__init__() {error}") from None
        bound.apply_defaults()
        for name, value in bound.arguments.items():
            if name != "self":
                setattr(self, name, value)

    # scikit-learn's get_params and clone read it, and so do help and editors at run time.
    vars(__init__)["__signature__"] = signature
    return __init__
