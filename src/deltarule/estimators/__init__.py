"""scikit-learn's interface: classifiers and regressors, and a parallel search."""

from deltarule.estimators.many_search import ManySearchCV
from deltarule.estimators.mlp_classifier import MLPClassifier
from deltarule.estimators.mlp_regressor import MLPRegressor
from deltarule.estimators.tabular import TabularClassifier, TabularRegressor

__all__ = ["MLPClassifier", "MLPRegressor", "ManySearchCV", "TabularClassifier", "TabularRegressor"]
