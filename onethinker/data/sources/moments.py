"""When in a clip something happens, to train on: DiDeMo, QuerYD, HiREST and VTG-IT."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
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
    text_lines,
    text_of,
)
from onethinker.data.sources.clips import file_in
from onethinker.data.sources.tabular import file_rows, table_rows
from onethinker.sample import DataError

VIDEOS = ("videos", "clips")


# ---- DiDeMo -------------------------------------------------------------------------------------------------------

DIDEMO = """\
train_data.json (or data/train_data.json)   {annotation_id, description, video, times}, times in chunks of 5 seconds
videos/VIDEO.mp4                            Flickr's clips under the names of `video`, whatever their suffix"""
CHUNK, LONGEST = 5.0, 30.0
"""Seconds of a chunk; of a clip that was annotated."""


def didemo(root: Path, split: str) -> Iterator[Item]:
    """A question a description; its moment is the one that most of its annotators chose."""
    names = (f"{split}_data.json", f"data/{split}_data.json")
    for where, row in table_rows(root, names):
        yield from each(where, _didemo, root, row, where)


def _didemo(root: Path, row: Any, where: str) -> Item:
    """`(a, b)` is the time from 5·a to 5·(b + 1) seconds, or to the clip's end (README of LisaAnne/LocalizingMoments).

    Of moments that as many chose it is the one nearest to all that were chosen.
    """
    if isinstance(row, DataError):
        raise row
    times = [tuple(numbers(pair, 2, where, "times")) for pair in as_list(get(row, "times", where), where)]
    if not times:
        raise DataError(f"{where}: times is empty; expected a moment an annotator")
    chosen = Counter(times)
    first, last = min(
        chosen, key=lambda own: (-chosen[own], sum(abs(own[0] - t[0]) + abs(own[1] - t[1]) for t in times), own)
    )
    if not 0 <= first <= last < LONGEST / CHUNK:
        raise DataError(f"{where}: chunks {first:g} to {last:g}; expected 0 to {LONGEST / CHUNK - 1:g}")
    name = get(row, "video", where, str)
    clip = file_in(root, (find(root, VIDEOS),), f"{PurePosixPath(name).stem}.mp4", where)
    span = [CHUNK * first, CHUNK * (last + 1)]
    id = text_of(row, "annotation_id", where)
    return moment(where, "didemo", id, get(row, "description", where, str), span, clip)


# ---- QuerYD -------------------------------------------------------------------------------------------------------

QUERYD = """\
raw_captions_combined_filtered.json    VIDEO → a list of sentences, each a list of words (the authors' files)
times_captions_combined_filtered.json  VIDEO → [start, end] of each, seconds
train_list.txt                         the split's videos, a name a line; exists_train_list.txt (TimeChat's) too
videos/VIDEO/…                         a folder or a file of that name"""


def _queryd_places(split: str) -> tuple[Any, ...]:
    files = (f"{part}_captions_combined_filtered.json" for part in ("raw", "times"))
    return (*files, (f"{split}_list.txt", f"exists_{split}_list.txt"), VIDEOS)


def queryd(root: Path, split: str) -> Iterator[Item]:
    """A question a sentence of the split's videos."""
    captions, times, names, videos = (root / find(root, place) for place in _queryd_places(split))
    sentences, moments = (as_mapping(load_json(file), str(file)) for file in (captions, times))
    for where, video in text_lines(names):
        yield from each(where, _queryd, root, videos.name, video, sentences.get(video), moments.get(video), where)


def _queryd(root: Path, videos: str, video: str, sentences: Any, moments: Any, where: str) -> Iterator[Item]:
    said, spans = as_list(sentences, f"{where}, captions of {show(video)}"), as_list(moments, f"{where}, its times")
    if len(said) != len(spans):
        raise DataError(f"{where}: {len(spans)} times for {len(said)} sentences of {show(video)}")
    clip = _clip_or_folder(root, videos, video, where)
    for at, (words, span) in enumerate(zip(said, spans)):
        yield from each(where, _queryd_sentence, words, span, clip, f"{video}-{at}", where)


def _queryd_sentence(words: Any, span: Any, clip: str, id: str, where: str) -> Item:
    start, end = numbers(span, 2, where, "a moment")
    sentence = (
        words if isinstance(words, str) else " ".join(str(word) for word in as_list(words, f"{where}, a sentence"))
    )
    return moment(where, "queryd", id, sentence, span_of(start, end, where), clip)


def _clip_or_folder(root: Path, folder: str, name: str, where: str) -> str:
    """A clip of that name, or the one clip in a folder of that name, as the authors' downloader leaves it."""
    inner = root / folder / name
    if inner.is_dir():
        found = sorted(file.name for file in inner.iterdir())
        if len(found) == 1:
            return file_in(root, (f"{folder}/{name}",), found[0], where)
    return file_in(root, (folder,), f"{name}.mp4", where)


# ---- HiREST -------------------------------------------------------------------------------------------------------

HIREST = """\
all_data_train.json (or data/splits/…)   QUERY → VIDEO.mp4 → {relevant, clip, v_duration, bounds, steps}, seconds
videos/VIDEO.mp4                         YouTube's clips (the authors' files)"""


def hirest(root: Path, split: str) -> Iterator[Item]:
    """A question a query and video whose moment is a part of the video, by `relevant` and `clip`."""
    names = (f"all_data_{split}.json", f"data/splits/all_data_{split}.json")
    for where, row in file_rows(root / find(root, names), key_as="query"):
        yield from each(where, _hirest, root, row, where)


def _hirest(root: Path, row: Any, where: str) -> Iterator[Item]:
    if isinstance(row, DataError):
        raise row
    query = get(row, "query", where, str)
    for video, entry in as_mapping(row, where).items():
        if video != "query":
            yield from each(
                f"{where}, {show(video)}", _hirest_video, root, query, video, entry, f"{where}, {show(video)}"
            )


def _hirest_video(root: Path, query: str, video: str, entry: Any, where: str) -> Item:
    if get(entry, "relevant", where) is not True or get(entry, "clip", where) is not True:
        return LeftOut(where, "no part of the video is the query's moment", fault=False)
    start, end = numbers(get(entry, "bounds", where), 2, where, "bounds")
    duration = number(get(entry, "v_duration", where), where, "v_duration")
    clip = file_in(root, (find(root, VIDEOS),), video, where)
    return moment(where, "hirest", f"{query}-{video}", query, span_of(start, end, where), clip, duration=duration)


# ---- VTG-IT -------------------------------------------------------------------------------------------------------

VTG_IT = """\
moment_retrieval/VTG-IT-MR/time_token.json   {video, QA: [{q, a}]}, the times of `a` as numbers or as <TIME_ONE>… tokens
                                             (the hub's Yongxin-Guo/VTG-IT; VTG-IT/moment_retrieval/… serves too)
…/VIDEO.mp4                                  the clips where `video` says, below the root or videos/"""
_VTG_FILES = tuple(
    f"{above}moment_retrieval/VTG-IT-MR/{name}.json" for above in ("", "VTG-IT/") for name in ("time_token", "*")
)
_DIGITS = {
    name: str(digit)
    for digit, name in enumerate(("ZERO", "ONE", "TWO", "THREE", "FOUR", "FIVE", "SIX", "SEVEN", "EIGHT", "NINE"))
} | {"DOT": "."}
_TOKENS = re.compile(r"(?:<TIME_[A-Z]+>\s*)+")
_TOKEN = re.compile(r"<TIME_([A-Z]+)>\s*")
_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*(?:seconds?|s)?\s*(?:-|–|to|and)\s*(\d+(?:\.\d+)?)")
_QUOTED = re.compile(r"'(.+)'|\"(.+)\"", re.DOTALL)


def vtg_it(root: Path, split: str) -> Iterator[Item]:
    """A question a round. What is asked for stands in quotes within `q`, which is else the question as it is."""
    for at, (where, row) in enumerate(table_rows(root, _VTG_FILES)):
        yield from each(where, _vtg_it, root, row, where, str(at))


def _vtg_it(root: Path, row: Any, where: str, id: str) -> Iterator[Item]:
    if isinstance(row, DataError):
        raise row
    path = PurePosixPath(get(row, "video", where, str))
    clip = file_in(root, [f"{folder}/{path.parent}" for folder in (".", "videos", "data")], path.name, where)
    for turn, said in enumerate(as_list(get(row, "QA", where), f"{where}, QA")):
        yield from each(where, _vtg_round, said, clip, where, f"{id}-{turn}")


def _vtg_round(said: Any, clip: str, where: str, id: str) -> Item:
    asked, answer = get(said, "q", where, str), _as_numbers(get(said, "a", where, str))
    quoted, span = _QUOTED.search(asked), _SPAN.search(answer)
    if span is None:
        raise DataError(f"{where}: no moment in the answer {show(answer)}; expected `start - end seconds`")
    question = (quoted[1] or quoted[2]) if quoted else asked
    return moment(where, "vtg-it", id, question, span_of(span[1], span[2], where), clip)


def _as_numbers(text: str) -> str:
    """Tokens of time as digits (utils/format_tvg.py of gyxxyg/VTG-LLM)."""
    return _TOKENS.sub(lambda run: "".join(_DIGITS.get(name, "") for name in _TOKEN.findall(run[0])) + " ", text)


# ---- the sets -----------------------------------------------------------------------------------------------------


def _source(
    name: str, splits: tuple[str, ...], layout: str, places: Any, samples: Any, licence: str, evidence: str
) -> Source:
    return Source(name, "temporal_grounding", splits, layout, places, samples, licence, evidence, "train")


SOURCES = (
    _source(
        "didemo", ("train", "val", "test"), DIDEMO,
        lambda split: ((f"{split}_data.json", f"data/{split}_data.json"), VIDEOS), didemo,
        "BSD-2-Clause (LisaAnne/LocalizingMoments); clips: Flickr's, Creative Commons (its video_licenses.txt)",
        "LisaAnne/LocalizingMoments README",
    ),
    _source(
        "queryd", ("train", "val", "test"), QUERYD, _queryd_places, queryd,
        "not stated (oncescuandreea/QuerYD_downloader); clips are YouTube's",
        "RenShuhuai-Andy/TimeChat utils/construct_it_data/process_grounding_data.py",
    ),
    _source(
        "hirest", ("train", "val", "test"), HIREST,
        lambda split: ((f"all_data_{split}.json", f"data/splits/all_data_{split}.json"), VIDEOS), hirest,
        "MIT (j-min/HiREST); clips are YouTube's", "j-min/HiREST README",
    ),
    _source(
        "vtg-it", ("train",), VTG_IT, lambda split: (_VTG_FILES,), vtg_it,
        "code Apache-2.0 (gyxxyg/VTG-LLM); the data's not looked up",
        "gyxxyg/VTG-LLM utils/construct_it_data/merge.py, process_grounding_data.py, utils/format_tvg.py",
    ),
)  # fmt: skip
