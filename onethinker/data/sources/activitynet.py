"""ActivityNet Captions (Krishna et al. 2017) and ANet-RTL (LITA, Huang et al. 2024): moments of ActivityNet's clips."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from onethinker.data.sources.base import (
    Item,
    LeftOut,
    Source,
    as_list,
    as_mapping,
    each,
    find,
    get,
    load_json,
    moment,
    number,
    numbers,
    show,
    span_of,
)
from onethinker.data.sources.clips import video_at
from onethinker.sample import DataError

VIDEOS = ("videos", "activitynet-captions/videos")
_CLIPS = "videos/v_VIDEO.mp4                     ActivityNet's clips, .mkv and .webm too"

CAPTIONS = f"""\
val_1.json, val_2.json, train.json     v_VIDEO → {{duration, timestamps, sentences}}, seconds (the authors' files)
{_CLIPS}"""
RTL = f"""\
temporal_reasoning/annot_val_1_q229.json  {{vid, duration, question, answer}}, moments `<12.5>` in it (LITA's layout)
{_CLIPS}"""

_TIME = re.compile(r"<\s*(\d+(?:\.\d*)?|\.\d+)\s*>")


def captions(root: Path, split: str) -> Iterator[Item]:
    """A question a sentence; spans are cut to the clip as 2D-TAN's loader cuts them, and put in order where they end
    before they start, which that loader leaves out. Moments of no length are left out as it leaves them: VTimeLLM's
    tool, which the release follows, asks them and gives every answer 0."""
    file, videos = root / f"{split}.json", find(root, VIDEOS)
    for video, entry in as_mapping(load_json(file), str(file)).items():
        where = f"{file}, video {show(video)}"
        yield from each(where, _captions, root, videos, video, entry, where)


def _captions(root: Path, videos: str, video: str, entry: Any, where: str) -> Iterator[Item]:
    moments, sentences = (get(entry, key, where, list) for key in ("timestamps", "sentences"))
    if len(moments) != len(sentences):
        raise DataError(f"{where}: {len(moments)} timestamps for {len(sentences)} sentences")
    for at, (span, sentence) in enumerate(zip(moments, sentences)):
        yield from each(where, _caption, root, videos, video, entry, where, at, span, sentence)


def _caption(root: Path, videos: str, video: str, entry: Any, where: str, at: int, span: Any, sentence: Any) -> Item:
    start, end = numbers(span, 2, where, f"timestamp {at}")
    if not isinstance(sentence, str):
        raise DataError(f"{where}: sentence {at} is {show(sentence)}; expected text")
    return _moment(root, videos, video, entry, where, f"{video}-{at}", sentence, start, end)


def reasoning(root: Path, split: str) -> Iterator[Item]:
    """A question a row; the truth is the first two times in its answer. Those of no length are left out."""
    file, videos = root / "temporal_reasoning/annot_val_1_q229.json", find(root, VIDEOS)
    for at, row in enumerate(as_list(load_json(file), str(file))):
        where = f"{file}, entry {at}"
        yield from each(where, _reasoning, root, videos, row, where, str(at))


def _reasoning(root: Path, videos: str, row: Any, where: str, id: str) -> Item:
    times = _TIME.findall(get(row, "answer", where, str))
    if len(times) < 2:
        raise DataError(f"{where}: {len(times)} times in its answer {show(row['answer'])}; expected `<start> <end>`")
    name, question = f"v_{get(row, 'vid', where, str)}", get(row, "question", where, str)
    found = _moment(root, videos, name, row, where, id, question, float(times[0]), float(times[1]))
    return found if isinstance(found, LeftOut) else replace(found, meta={**found.meta, **ORDERED})


ORDERED = {"tiou": "ordered"}
"""How LITA's tool measures (`tasks.temporal_grounding`)."""


def _moment(
    root: Path, videos: str, video: str, entry: Any, where: str, id: str, question: str, start: float, end: float
) -> Item:
    """The question of a moment, cut to the clip."""
    duration = number(get(entry, "duration", where), where, "duration")
    if duration <= 0:
        raise DataError(f"{where}: duration {duration}; expected seconds above 0")
    span = [min(max(second, 0.0), duration) for second in span_of(start, end, where)]
    clip = video_at(root, f"{videos}/{video}", where)
    return moment(where, "activitynet", id, question, span, clip, duration=duration)


SOURCES = (
    Source(
        "activitynet-captions",
        "temporal_grounding",
        ("val_2", "val_1", "train"),
        CAPTIONS,
        lambda split: (f"{split}.json", VIDEOS),
        captions,
        licence="not stated; ActivityNet's clips are YouTube's",
        evidence="microsoft/VideoX 2D-TAN/lib/datasets/activitynet.py; huangb23/VTimeLLM vtimellm/eval",
        train="train",
    ),
    Source(
        "anet-rtl",
        "temporal_grounding",
        ("val",),
        RTL,
        lambda split: ("temporal_reasoning/annot_val_1_q229.json", VIDEOS),
        reasoning,
        licence="CC-BY-NC-SA-4.0 (NVlabs/LITA)",
        evidence="NVlabs/LITA lita/eval/eval_model_rtl.py",
    ),
)
