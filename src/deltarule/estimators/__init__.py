"""scikit-learn's door, and tables in one call."""

from deltarule.estimators.mlp_classifier import MLPClassifier
from deltarule.estimators.mlp_regressor import MLPRegressor
from deltarule.estimators.table_model import TableModel
from deltarule.estimators.tabular import TableSettings, fit_table

__all__ = ["MLPClassifier", "MLPRegressor", "TableModel", "TableSettings", "fit_table"]
