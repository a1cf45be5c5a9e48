"""The time of a training step compared with other libraries, measured in turn."""

from benchmarks.comparison.compare import Comparison, Ratio, Result, Timing, compare, ratio
from benchmarks.comparison.configs import AXES, CONFIGS, Config, find_configs
from benchmarks.comparison.peers import PEERS
from benchmarks.comparison.scaling import Scaling, scaling

__all__ = [
    "AXES",
    "CONFIGS",
    "PEERS",
    "Comparison",
    "Config",
    "Ratio",
    "Result",
    "Scaling",
    "Timing",
    "compare",
    "find_configs",
    "ratio",
    "scaling",
]
