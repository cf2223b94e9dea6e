"""Which task a question is, where its words make that clear.

The first rule that fits decides; a question that fits none is open-ended, as is one whose task is not one of
the media.

| words | of | task |
| --- | --- | --- |
| options are given | anything | multiple_choice |
| begins with "track" or "follow", and holds a box [x1, y1, x2, y2] | a clip | tracking |
| begins with "segment", "please segment", "cut out" or "mask" | a picture, a clip | segmentation |
| "when and where", "where and when" | a clip | spatial_temporal_grounding |
| begins with "when", "at what time", "from when", "between which seconds" | a clip | temporal_grounding |
| begins with "point to", "point at", "click", "where do I click" | a picture | pointing |
| begins with "detect", "find all", "find every", "box all" | a picture | detection |
| begins with "where is", "locate", "find", "box", "give the box of" | a picture | spatial_grounding |
| begins with "how many", "count" | anything | numerical |
| begins with "describe", "caption" | a picture, a clip | caption |
| begins with "read", "transcribe", "what does the text say" (or the sign, label, …) | a picture, a clip | ocr |
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from onethinker.sample import Modality
from onethinker.tasks import TASKS


class Inferred(NamedTuple):
    """task: its name. why: in a few words, empty where nothing was clear. phrase: what is asked for, where the words
    around it can be told; for tasks that are asked by a phrase alone it is the question."""

    task: str
    why: str = ""
    phrase: str = ""


class _Rule(NamedTuple):
    """words: a pattern from the question's start, with a group `phrase`. task: by modality. said: for people."""

    words: re.Pattern[str]
    task: dict[str, str]
    said: str


_TEXT = r"(?:text|sign|label|writing|words?|caption|title|letters?|plate|receipt|page)"
_BOX = r"\[\s*-?\d[\d.]*(?:\s*,\s*-?\d[\d.]*){3}\s*\]"
_THING = r"(?P<phrase>.+?)[?.!]*\s*$"


def _rule(words: str, said: str, **task: str) -> _Rule:
    return _Rule(re.compile(words, re.IGNORECASE | re.DOTALL), task, said)


_RULES = (
    _rule(rf"\s*(?:please )?(?:track|follow)\b.*{_BOX}", "it says to track a box", video="tracking"),
    _rule(rf"\s*given the bounding box {_BOX}.*\btrack\b", "it says to track a box", video="tracking"),
    _rule(
        rf"\s*(?:please )?(?:segment|cut out|mask)\b\s+{_THING}", "it says to segment",
        image="image_segmentation", video="video_segmentation",
    ),
    _rule(r".*\b(?:when and where|where and when)\b", "it asks when and where", video="spatial_temporal_grounding"),
    _rule(
        r"\s*(?:when|(?:at )?what time|(?:from|since|until) when|between which|(?:in|during) which seconds?)\b",
        "it asks when", video="temporal_grounding",
    ),
    _rule(rf"\s*(?:please )?(?:point (?:to|at)|click(?: on)?|where (?:do|should) I click(?: to| for)?)\s+{_THING}",
          "it says to point", image="pointing"),
    _rule(rf"\s*(?:please )?(?:detect(?: all| every)?|(?:find|box|locate) (?:all|every))\s+{_THING}",
          "it says to find all", image="detection"),
    _rule(rf"\s*(?:where (?:is|are)|(?:please )?(?:locate|find|box)|(?:give|show)(?: me)? the (?:bounding )?box of)\s+"
          rf"{_THING}", "it asks where", image="spatial_grounding"),
    _rule(r"\s*(?:how many|count)\b", "it asks how many", image="numerical", video="numerical", text="numerical",
          **{"video-image": "numerical"}),
    _rule(r"\s*(?:please )?(?:describe|caption)\b", "it says to describe", image="caption", video="caption"),
    _rule(rf"\s*(?:please )?(?:read|transcribe)\b|\s*what (?:does|do) (?:the|this|that) (?:\w+ )?{_TEXT} (?:say|read)",
          "it asks for the text", image="ocr", video="ocr"),
)  # fmt: skip
_BY_PHRASE = ("spatial_grounding", "detection", "pointing")


def infer_task(question: str, modality: Modality, options: Sequence[str] = ()) -> Inferred:
    """The task, by the rules above; what a rule names and this version does not have counts as no rule."""
    if options:
        return Inferred("multiple_choice", "there are options")
    for rule in _RULES:
        found, task = rule.words.match(question[:1000]), rule.task.get(modality, "")
        if found and task in TASKS:
            phrase = found.groupdict().get("phrase") or ""
            return Inferred(task, rule.said, phrase)
    return Inferred("open_ended")


def asked_words(inferred: Inferred, question: str) -> str:
    """What the model is asked: of a task that is asked by a phrase the phrase, else the question as it is."""
    return inferred.phrase if inferred.phrase and inferred.task in _BY_PHRASE else question
