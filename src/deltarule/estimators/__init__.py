"""scikit-learn's door, and tables in one call."""

from deltarule.estimators.many_search import ManySearchCV
from deltarule.estimators.mlp_classifier import MLPClassifier
from deltarule.estimators.mlp_regressor import MLPRegressor
from deltarule.estimators.replaying import RecordedTable, replay_table
from deltarule.estimators.table_model import TableModel
from deltarule.estimators.table_settings import TableSettings
from deltarule.estimators.tabular import fit_table

__all__ = [
    "MLPClassifier",
    "MLPRegressor",
    "ManySearchCV",
    "RecordedTable",
    "TableModel",
    "TableSettings",
    "fit_table",
    "replay_table",
]
