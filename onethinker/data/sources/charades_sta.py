"""Charades-STA: when in a clip of daily life a sentence happens (Gao et al. 2017, TALL, whose lines these are)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from onethinker.data.sources.base import Item, Source, each, find, moment, span_of, text_lines
from onethinker.data.sources.clips import video_at
from onethinker.sample import DataError

LAYOUT = """\
charades_sta_test.txt, charades_sta_train.txt   lines `VIDEO start end##sentence.`, seconds (the authors' files)
Charades_v1_480/VIDEO.mp4                       the data set's own clips; Charades_v1/ or videos/ serve too"""

VIDEOS = ("Charades_v1_480", "Charades_v1", "videos")
_LINE = re.compile(r"(\S+) (\S+) (\S+?)##(.+)")


def samples(root: Path, split: str) -> Iterator[Item]:
    """A question a line; moments of no length, which no answer can meet, are left out."""
    videos = find(root, VIDEOS)
    for at, (where, line) in enumerate(text_lines(root / f"charades_sta_{split}.txt")):
        yield from each(where, _sample, root, videos, f"{split}-{at}", line, where)


def _sample(root: Path, videos: str, id: str, line: str, where: str) -> Item:
    match = _LINE.fullmatch(line)
    if match is None:
        raise DataError(f"{where}: {line!r:.80}; expected `VIDEO start end##sentence`")
    name, start, end, sentence = match.groups()
    clip = video_at(root, f"{videos}/{name}", where)
    return moment(where, "charades-sta", id, sentence, span_of(start, end, where), clip)


SOURCE = Source(
    "charades-sta",
    "temporal_grounding",
    ("test", "train"),
    LAYOUT,
    lambda split: (f"charades_sta_{split}.txt", VIDEOS),
    samples,
    licence="annotations: not stated; clips: Charades, non-commercial (its license.txt)",
    evidence="jiyanggao/TALL (README, the files' lines)",
    train="train",
)
