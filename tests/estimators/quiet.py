"""Fits of a few epochs, which scikit-learn warns of."""

import warnings

from sklearn.exceptions import ConvergenceWarning


def quietly(model, *data, **more):
    """Fit a model without the warning that it has not converged."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(*data, **more)
