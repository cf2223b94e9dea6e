"""`<think>…</think><answer>…</answer>` → `Answer`. The one place where a response's tags are read.

Model output is untrusted: reading is linear in its length, never raises, and nothing in the text is deleted or
rewritten apart from white space around the answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

MAX_CHARS = 1_000_000
"""Longer responses are malformed; no task's true answer comes near it."""


class Status(StrEnum):
    """How an answer read."""

    OK = "ok"
    NO_ANSWER = "no_answer"  # no answer block after the thinking
    MALFORMED = "malformed"  # a block, but not in the task's form
    TRUNCATED = "truncated"  # the length limit came before the block closed
    ERROR = "error"  # our own or the engine's failure: left out of averages and counted


@dataclass(frozen=True, slots=True)
class Answer:
    """text: what is inside the answer block, or the whole response where there is none (scored as bare text).

    format: 1 if the response is exactly one thinking block followed by one answer block, as published.
    """

    status: Status
    thinking: str
    text: str
    format: int


def read_answer(response: str, finish: str = "stop") -> Answer:
    """Read a response. finish: the engine's finish reason, `stop`, `length` or `error`.

    The last `<answer>…</answer>` after the last `</think>` counts; a block inside the thinking does not.
    """
    if finish == "error":
        return Answer(Status.ERROR, "", "", 0)
    if len(response) > MAX_CHARS:
        return Answer(Status.MALFORMED, "", response[:MAX_CHARS], 0)
    think_open, think_close = response.find("<think>"), response.rfind("</think>")
    if think_close >= 0:
        begin = think_open + len("<think>") if 0 <= think_open < think_close else 0
        thinking, after = response[begin:think_close].strip(), think_close + len("</think>")
    else:
        thinking = response[think_open + len("<think>") :].strip() if think_open >= 0 else ""
        after = len(response) if think_open >= 0 else 0
    end = response.rfind("</answer>", after)
    start = response.rfind("<answer>", after, max(end, after))
    if end < 0 or start < 0:
        status = Status.TRUNCATED if finish == "length" else Status.NO_ANSWER
        return Answer(status, thinking, response.strip(), 0)
    text = response[start + len("<answer>") : end].strip()
    return Answer(Status.OK, thinking, text, int(_is_whole(response)))


def _is_whole(response: str) -> bool:
    """Thinking block, white space, answer block, and nothing else: each tag once."""
    text = response.strip()
    tags = ("<think>", "</think>", "<answer>", "</answer>")
    if any(text.count(tag) != 1 for tag in tags) or not text.startswith(tags[0]) or not text.endswith(tags[3]):
        return False
    return not text[text.index(tags[1]) + len(tags[1]) : text.index(tags[2])].strip()
