"""Training: batches, the loop, stopping, history, recordings, models on disk."""

from deltarule.training.batches import Batches, RowSource, epoch_order, split_rows
from deltarule.training.checkpoint import Checkpoint
from deltarule.training.history import EpochLog, History
from deltarule.training.inspection import ModelSummary, inspect_model
from deltarule.training.interrupt import StopFlag, StopReason
from deltarule.training.learning_rate_search import (
    LearningRateDisplay,
    LearningRateSearch,
    find_learning_rate,
)
from deltarule.training.loop import train
from deltarule.training.many import train_many
from deltarule.training.model import Model, load_model, save_model
from deltarule.training.recorder import Recorder
from deltarule.training.recording import Recording
from deltarule.training.recording_reading import load_recording
from deltarule.training.replay import ReplayedStep, replay
from deltarule.training.run import EpochEvent, TrainingResult
from deltarule.training.run_states import RunState, replay_states
from deltarule.training.stopping import GeneralizationLoss, Patience, Progress, Stopping

__all__ = [
    "Batches",
    "Checkpoint",
    "EpochEvent",
    "EpochLog",
    "GeneralizationLoss",
    "History",
    "LearningRateDisplay",
    "LearningRateSearch",
    "Model",
    "ModelSummary",
    "Patience",
    "Progress",
    "Recorder",
    "Recording",
    "ReplayedStep",
    "RowSource",
    "RunState",
    "StopFlag",
    "StopReason",
    "Stopping",
    "TrainingResult",
    "epoch_order",
    "find_learning_rate",
    "inspect_model",
    "load_model",
    "load_recording",
    "replay",
    "replay_states",
    "save_model",
    "split_rows",
    "train",
    "train_many",
]
