"""Portfolios: networks of several configurations, each trained on every fold, and averaged."""

from deltarule.tabular.portfolio.configurations import Configuration, default_configurations
from deltarule.tabular.portfolio.fit import StoppedTooEarly, fit_portfolio
from deltarule.tabular.portfolio.members import Member, Portfolio
from deltarule.tabular.portfolio.plan import Plan, make_plan
from deltarule.tabular.portfolio.target_scale import TargetScale

__all__ = [
    "Configuration",
    "Member",
    "Plan",
    "Portfolio",
    "StoppedTooEarly",
    "TargetScale",
    "default_configurations",
    "fit_portfolio",
    "make_plan",
]
