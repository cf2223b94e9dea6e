"""`<think>…</think><answer>…</answer>` → `Answer`. The one place where a response's tags are read.

Model output is untrusted: reading is linear in its length, never raises, and nothing in the text is deleted or
rewritten apart from white space around the answer.
"""

from __future__ import annotations

import re
from enum import StrEnum

import msgspec
from msgspec.structs import astuple

MAX_CHARS = 1_000_000
"""Longer responses are malformed; no task's true answer comes near it."""

_TAGS = ("<think>", "</think>", "<answer>", "</answer>")
_TURN = re.compile(r"</think>\s*<answer>")


class Status(StrEnum):
    """How an answer read."""

    OK = "ok"
    NO_ANSWER = "no_answer"  # no answer block after the thinking
    MALFORMED = "malformed"  # a block, but not in the task's form
    TRUNCATED = "truncated"  # the length limit came before the block closed
    ERROR = "error"  # our own or the engine's failure: left out of averages and counted


_OK = Status.OK


class Answer(msgspec.Struct, frozen=True, eq=False):
    """What a response says; a record that is made in a fraction of a frozen dataclass's time.

    text: what is inside the answer block, or the whole response where there is none (scored as bare text).

    format: 1 if a thinking block, then an answer block, span the whole response, as the published run rewards it.
    tidy: 1 if besides each tag stands exactly once and the thinking is not blank, as the `hardened` profile asks.
    characters: of the whole response. tokens: of it, None where nobody counted them.
    """

    status: Status
    thinking: str
    text: str
    format: int
    tidy: int = 0
    characters: int = 0
    tokens: int | None = None

    def __eq__(self, other: object) -> bool:
        """Whether both say the same; how long the responses are does not count."""
        return isinstance(other, Answer) and astuple(self)[:-2] == astuple(other)[:-2]

    def __hash__(self) -> int:
        return hash(astuple(self)[:-2])


def read_answer(response: str, finish: str = "stop", tokens: int | None = None) -> Answer:
    """Read a response. finish: the engine's finish reason, `stop`, `length` or `error`. tokens: how long it is.

    The last `<answer>…</answer>` after the last `</think>` counts; a block inside the thinking does not. A block begins
    at the first `<answer>` after the block before it, so that an answer may hold the tag's name, as it is published.
    """
    if finish == "error":
        return Answer(Status.ERROR, "", "", 0, 0, len(response), tokens)
    if len(response) > MAX_CHARS:
        return Answer(Status.MALFORMED, "", response[:MAX_CHARS], 0, 0, len(response), tokens)
    return _read_usual(response, tokens) or _read_any(response, finish, tokens)


def _read_usual(response: str, tokens: int | None = None) -> Answer | None:
    """A response of the four tags, once each and in order, around all else, with no other `<`; None for any other.

    What `_read_any` says of it too, in a third of the time.
    """
    close = response.find("<", 7)  # of the characters of <think>
    start = response.find("<", close + 8)  # of </think>
    end = len(response) - 9  # of </answer>
    if response.find("<", start + 8) != end or not response.startswith("<think>"):
        return None
    turn = response[close : start + 8]
    if turn != "</think><answer>" and not _TURN.fullmatch(turn):
        return None
    if not response.endswith("</answer>"):
        return None
    thinking = response[7:close].strip()
    text = response[start + 8 : end].strip()
    return Answer(_OK, thinking, text, 1, 1 if thinking else 0, len(response), tokens)


def _read_any(response: str, finish: str, tokens: int | None = None) -> Answer:
    think_open, think_close = response.find("<think>"), response.rfind("</think>")
    if think_close >= 0:
        begin = think_open + len("<think>") if 0 <= think_open < think_close else 0
        thinking, after = response[begin:think_close].strip(), think_close + len("</think>")
    else:
        thinking = response[think_open + len("<think>") :].strip() if think_open >= 0 else ""
        after = len(response) if think_open >= 0 else 0
    end = response.rfind("</answer>", after)
    start = block_start(response, after, end)
    if end < 0 or start < 0:
        status = Status.TRUNCATED if finish == "length" else Status.NO_ANSWER
        return Answer(status, thinking, response.strip(), 0, 0, len(response), tokens)
    text = response[start + len("<answer>") : end].strip()
    whole = _is_whole(response.strip())
    tidy = int(whole and bool(thinking) and _each_once(response))
    return Answer(Status.OK, thinking, text, int(whole), tidy, len(response), tokens)


def block_start(text: str, after: int, end: int) -> int:
    """Where the answer block that ends at `end` begins, not before `after`; −1 where it does not."""
    if end < 0:
        return -1
    before = text.rfind("</answer>", after, end)
    start = text.find("<answer>", after if before < 0 else before, end)
    return start if start >= 0 else text.rfind("<answer>", after, end)


def _is_whole(text: str) -> bool:
    """`<think>…</think>`, white space, `<answer>…</answer>` from the first character to the last; … may be anything."""
    if not text.startswith(_TAGS[0]) or not text.endswith(_TAGS[3]):
        return False
    turn = _TURN.search(text, len(_TAGS[0]))
    return turn is not None and turn.end() <= len(text) - len(_TAGS[3])


def _each_once(response: str) -> bool:
    return all(response.count(tag) == 1 for tag in _TAGS)
