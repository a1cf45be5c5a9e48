"""scikit-learn's door, and tables in one call."""

from deltarule.estimators.many_search import ManySearchCV
from deltarule.estimators.mlp_classifier import MLPClassifier
from deltarule.estimators.mlp_regressor import MLPRegressor
from deltarule.estimators.table_model import TableModel
from deltarule.estimators.tabular import TableSettings, fit_table

__all__ = [
    "MLPClassifier",
    "MLPRegressor",
    "ManySearchCV",
    "TableModel",
    "TableSettings",
    "fit_table",
]
