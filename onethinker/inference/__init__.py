"""Ask a model: the library's short way from media and words to a typed, drawable answer.

from onethinker import load_model
model = load_model("mini-rl")
result = model.ground("photo.jpg", "the red circle")
result.boxes.xyxy, result.plot(), result.to_json()
"""

from __future__ import annotations

from onethinker.inference.drawing import check_drawing
from onethinker.inference.fields import Boxes, Masks, Points
from onethinker.inference.given import Media, OneMedium, given
from onethinker.inference.model import DEFAULT_MODEL, Model, ask, load_model
from onethinker.inference.question import AUTO, Question
from onethinker.inference.result import Result

__all__ = [
    "AUTO",
    "DEFAULT_MODEL",
    "Boxes",
    "Masks",
    "Media",
    "Model",
    "OneMedium",
    "Points",
    "Question",
    "Result",
    "ask",
    "check_drawing",
    "given",
    "load_model",
]

Thought, Thinker = Result, Model
"""The names of version 0.1, kept for one version."""
