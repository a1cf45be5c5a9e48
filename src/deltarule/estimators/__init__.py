"""scikit-learn's door, and tables in one call."""

from deltarule.estimators.fit_table import TableSettings, fit_table
from deltarule.estimators.mlp import MLPClassifier, MLPRegressor
from deltarule.estimators.table_model import TableModel

__all__ = ["MLPClassifier", "MLPRegressor", "TableModel", "TableSettings", "fit_table"]
