"""scikit-learn's interface: ``MLPClassifier``, ``MLPRegressor``, and a parallel search."""

from deltarule.estimators.many_search import ManySearchCV
from deltarule.estimators.mlp_classifier import MLPClassifier
from deltarule.estimators.mlp_regressor import MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor", "ManySearchCV"]
