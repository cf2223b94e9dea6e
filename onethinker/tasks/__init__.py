"""The tasks. A new one is a file beside these and a line in `TASKS`."""

from __future__ import annotations

from typing import Any

from onethinker.sample import Sample
from onethinker.sample.answer import read_answer
from onethinker.tasks.base import Score, Task
from onethinker.tasks.caption import Caption
from onethinker.tasks.detection import Detection
from onethinker.tasks.image_segmentation import ImageSegmentation
from onethinker.tasks.instruction_following import InstructionFollowing
from onethinker.tasks.math import Math
from onethinker.tasks.multiple_choice import MultipleChoice
from onethinker.tasks.numerical import Numerical
from onethinker.tasks.ocr import OCR
from onethinker.tasks.open_ended import OpenEnded
from onethinker.tasks.pointing import Pointing
from onethinker.tasks.regression import Regression
from onethinker.tasks.spatial_grounding import SpatialGrounding
from onethinker.tasks.spatial_temporal_grounding import SpatialTemporalGrounding
from onethinker.tasks.temporal_grounding import TemporalGrounding
from onethinker.tasks.tracking import Tracking
from onethinker.tasks.video_segmentation import VideoSegmentation
from onethinker.util.names import nearest

_ALL: tuple[Task[Any], ...] = (
    MultipleChoice(),
    Numerical(),
    Regression(),
    Math(),
    OCR(),
    OpenEnded(),
    Caption(),
    SpatialGrounding(),
    TemporalGrounding(),
    SpatialTemporalGrounding(),
    Tracking(),
    ImageSegmentation(),
    VideoSegmentation(),
    Detection(),
    Pointing(),
    InstructionFollowing(),
)
TASKS: dict[str, Task[Any]] = {task.name: task for task in _ALL}


def list_tasks() -> list[str]:
    """The names of the tasks."""
    return list(TASKS)


def released_tasks() -> list[str]:
    """The names of the tasks that the release has."""
    return [task.name for task in TASKS.values() if task.released]


def task_groups() -> dict[str, tuple[str, ...]]:
    """The columns of report tables → the tasks in each."""
    groups: dict[str, tuple[str, ...]] = {}
    for task in TASKS.values():
        groups[task.group] = (*groups.get(task.group, ()), task.name)
    return groups


def statistics_of(name: str) -> str:
    """The name under which an algorithm keeps a task's statistics; one that is no task of ours stands for itself."""
    return (TASKS[name].statistics if name in TASKS else "") or name


class TaskError(KeyError):
    """A task that there is not; the message names the nearest."""


def get_task(name: str) -> Task[Any]:
    """The task of that name. Raises TaskError."""
    if name not in TASKS:
        raise TaskError(f"no task {name!r}; the nearest is {nearest(name, TASKS)!r}, all are {', '.join(TASKS)}")
    return TASKS[name]


def score(sample: Sample, response: str, finish: str = "stop") -> Score:
    """Score a response to a sample. finish: the engine's finish reason, `stop`, `length` or `error`."""
    return get_task(sample.task).score(sample, read_answer(response, finish))
