"""OneThinker: train, measure and use one model that thinks over images and videos.

    from onethinker import load_samples, score
    samples = load_samples("data/samples.json")
    score(samples[0], "<think>four bags</think><answer>4</answer>").reward("released")

Importing the package imports neither torch nor transformers; names are resolved when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from onethinker.util.lazy import lazy_names

if TYPE_CHECKING:
    from onethinker.inference import ask, load_model
    from onethinker.sample import Sample, load_samples, save_samples
    from onethinker.tasks import get_task, list_tasks, score

__version__ = "0.1.0"
__all__ = ["Sample", "ask", "get_task", "list_tasks", "load_model", "load_samples", "save_samples", "score"]

_HOME = {
    "Sample": "sample",
    "load_samples": "sample",
    "save_samples": "sample",
    "get_task": "tasks",
    "list_tasks": "tasks",
    "score": "tasks",
    "load_model": "inference",
    "ask": "inference",
}

__getattr__ = lazy_names(__name__, _HOME)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
