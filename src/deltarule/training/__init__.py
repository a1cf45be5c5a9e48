"""Training: batches, the loop, stopping, history, recordings, models on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deltarule.lazy_names import lazy_names

if TYPE_CHECKING:
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
    from deltarule.training.run import EpochEvent, TrainingResult
    from deltarule.training.run_states import RunState, replay_states
    from deltarule.training.step_replay import ReplayedStep, replay
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

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "batches": "Batches RowSource epoch_order split_rows",
        "checkpoint": "Checkpoint",
        "history": "EpochLog History",
        "inspection": "ModelSummary inspect_model",
        "interrupt": "StopFlag StopReason",
        "learning_rate_search": "LearningRateDisplay LearningRateSearch find_learning_rate",
        "loop": "train",
        "many": "train_many",
        "model": "Model load_model save_model",
        "recorder": "Recorder",
        "recording": "Recording",
        "recording_reading": "load_recording",
        "step_replay": "ReplayedStep replay",
        "run": "EpochEvent TrainingResult",
        "run_states": "RunState replay_states",
        "stopping": "GeneralizationLoss Patience Progress Stopping",
    },
)
