"""A training step beside those of other libraries, measured in turn on this machine."""

from deltarule.bench.compare import Comparison, Ratio, Result, Timing, compare, ratio
from deltarule.bench.configs import AXES, CONFIGS, Config, find_configs
from deltarule.bench.peers import PEERS
from deltarule.bench.scaling import Scaling, scaling

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
