"""What is asked and what is answered on our own paths, typed: the source of the OpenAPI."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Asked(BaseModel):
    """A question about pictures or clips, or in words alone."""

    model_config = ConfigDict(extra="forbid")

    question: str = Field(
        "", description="What is asked; `<image>` / `<video>` in it place the media, else they come first"
    )
    task: str = Field(
        "",
        description="One of /v1/tasks, or `auto`: by the question's words; multiple_choice if there are options, else "
        "open_ended",
    )
    options: list[str] = Field([], max_length=100, description='Choices, such as "A. red"')
    label: str = Field("", max_length=200, description="What to call what is found")
    box: list[float] | None = Field(
        None, min_length=4, max_length=4, description="/v1/track: x1, y1, x2, y2 in the first frame, 0–1000"
    )
    media: list[str] = Field(
        [],
        description="Pictures and clips: data URLs (data:image/png;base64,…), or where the server allows it "
        "addresses (https://…) and paths under its media root",
    )
    model: str = Field("", max_length=200, description="One of /v1/models; the first unless given")
    max_tokens: int | None = Field(None, ge=1, description="Tokens of an answer at most; the model's own unless given")
    temperature: float = Field(
        0.0, ge=0, le=2, allow_inf_nan=False, description="0 takes the likeliest token each time"
    )
    top_p: float = Field(1.0, gt=0, le=1, allow_inf_nan=False, description="Sample among the likeliest of this mass")
    seed: int = Field(0, ge=-(2**63), lt=2**63, description="The same seed draws the same answer")
    stream: bool = Field(False, description="Server-sent events: `delta` as the text comes, then `result`")


class Usage(BaseModel):
    """Tokens; those of the prompt with its media."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class Answered(BaseModel):
    """An answer. result: the record that Python and the command line give too. media: where each can be fetched as PNG
    or MP4; drawing: where the answer drawn on the first of them can, empty without any."""

    id: str
    model: str
    finish: str = Field(description="stop, or length where max_tokens ended it")
    result: dict[str, Any] = Field(
        description="`onethinker.result`, version 1: status, thinking, answer, value, boxes, …"
    )
    usage: Usage
    seconds: float
    expires: float = Field(description="Seconds for which /v1/results/{id} can be fetched")
    media: list[str]
    drawing: str = ""


class TaskInfo(BaseModel):
    """A task. verb: the path that asks it, empty where only /v1/ask does."""

    name: str
    title: str
    verb: str
    takes: list[str]
    answer: str = Field(description="The form of an answer")
    metrics: list[str]


class Tasks(BaseModel):
    tasks: list[TaskInfo]


class ProblemDetails(BaseModel):
    """RFC 9457. detail: what was expected, what came, what to do."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[dict[str, str]] = []


class OpenAIError(BaseModel):
    """An error in OpenAI's form. error: message, type, param, code."""

    error: dict[str, str | None]


class Health(BaseModel):
    """status: ok, or why not. model: the first of the models. batching: its way, continuous, at once or between
    batches."""

    status: str
    model: str
    models: list[str]
    batching: str
    waiting: int


RED = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAACAAAAAgCAIAAAD8GO2jAAAAKklEQVR42mO4o6FBU8QwasGoBaMWjF"
    "owasGoBaMWjFowasGoBaMWDBULAIahsD0l4r5QAAAAAElFTkSuQmCC"
)
"""A red PNG of 32 × 32."""
EXAMPLES: dict[str, dict[str, Any]] = {
    "words": {"summary": "In words alone", "value": {"question": "Is 7 a prime?", "options": ["A. yes", "B. no"]}},
    "picture": {
        "summary": "A box on a picture",
        "value": {"question": "the red disc", "task": "spatial_grounding", "media": [RED]},
    },
    "clip": {
        "summary": "When something happens in a clip, of a host that the server allows",
        "value": {
            "question": "when does the ball move?", "task": "temporal_grounding",
            "media": ["https://example.org/clip.mp4"],
        },
    },
}  # fmt: skip
