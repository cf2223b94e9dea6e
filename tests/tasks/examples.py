"""One sample a task with a truth that its measure can score in full, shared by the tests of tasks."""

from __future__ import annotations

from typing import Any

from onethinker.sample import Sample
from onethinker.tasks import TASKS

POINTS = '"positive_points": [[300, 300], [350, 420], [400, 500]], "negative_points": [[90, 90], [600, 100], [90, 700]]'
TRUTHS: dict[str, str] = {
    "multiple_choice": "B",
    "numerical": "1,234.5",
    "regression": "42.7",
    "math": r"$\frac{3}{2}$",
    "ocr": "TOTAL 12/24 <open> a/b",
    "open_ended": "The dog brings the red ball back to the woman.",
    "caption": "A man pours coffee into a blue mug.",
    "spatial_grounding": '{"boxes": [100, 200, 500, 800]}',
    "temporal_grounding": '{"time": [3.5, 9.25]}',
    "spatial_temporal_grounding": '{"time": [3.2, 6.8], "boxes": '
    '{"4": [100, 200, 300, 400], "5": [110, 210, 310, 410], "6": [120, 220, 320, 420]}}',
    "tracking": '{"boxes": {"1": [100, 200, 300, 400], "2": [110, 210, 310, 410], "3": [120, 220, 320, 420]}}',
    "image_segmentation": '{"boxes": [200, 200, 500, 600], ' + POINTS + "}",
    "video_segmentation": '{"time": 4.5, "boxes": [200, 200, 500, 600], ' + POINTS + "}",
}
JSON_TASKS = [name for name, task in TASKS.items() if task.structured]
TEXT_TASKS = [name for name, task in TASKS.items() if not task.structured]


def sample_of(task: str, truth: str | None = None, **changes: Any) -> Sample:
    options = ("A. red", "B. green", "C. blue", "D. cannot be seen") if task == "multiple_choice" else ()
    fields: dict[str, Any] = {
        "id": f"{task}-1",
        "task": task,
        "modality": TASKS[task].modalities[0],
        "question": "What is it?",
        "truth": TRUTHS[task] if truth is None else truth,
        "options": options,
        "media": ("a.png",),
    }
    return Sample(**fields | changes)


def respond(answer: str, thinking: str = "I look closely.") -> str:
    return f"<think>{thinking}</think><answer>{answer}</answer>"
