"""What the kinds of questions that need a tool share: the question, and the turns of a teacher that uses the tool."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np

from onethinker.data.worlds.scene import Level


@dataclass(frozen=True, slots=True)
class Worked:
    """A worked answer: turns, texts that each end in a tool call, and the response after them."""

    turns: tuple[str, ...]
    response: str


@dataclass(frozen=True, slots=True)
class Question:
    """pixels: uint8 RGB (frames, height, width, 3); one frame is a picture. key: tells its picture or clip from all
    others, whatever is asked. clue: what the tool has to give for the answer to be known."""

    kind: str
    task: str
    text: str
    truth: str
    pixels: np.ndarray
    key: str
    worked: Worked
    options: tuple[str, ...] = ()
    clue: str = ""


Maker = Callable[[Random, Level, float], Question | None]
"""(rng, level, the teacher's rate of errors) → a question, or None where what was drawn gives none."""


def call(thought: str, tool: str, **arguments: Any) -> str:
    """A turn that thinks and calls. Without spaces, as answers in JSON are written: the same numbers are then the same
    tokens in a grounding's answer, in a question and in a call."""
    words = json.dumps({"name": tool, "arguments": arguments}, separators=(",", ":"))
    return f"<think>{thought}</think><tool_call>{words}</tool_call>"


def final(thought: str, answer: str) -> str:
    return f"<think>{thought}</think><answer>{answer}</answer>"


def work(rng: Random, error: float, calls: tuple[str, str], answers: tuple[str, str]) -> Worked:
    """A teacher that errs at a rate: it first calls for the wrong thing and then, seeing that, for the right one, and
    it misreads what it is shown, which it does not notice. calls, answers: the right one and a wrong one."""
    astray, misread = rng.random() < error, rng.random() < error
    right, wrong = calls
    turns = (wrong, right.replace("<think>", "<think>not there. ", 1)) if astray else (right,)
    return Worked(turns, answers[misread])
