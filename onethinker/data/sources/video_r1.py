"""Video-R1-260k: questions about pictures and clips that the paper of Video-R1 drew from public sets and published.

Its counts a set are those of the paper's Figure 3: each set has a reader here beside that of its owner's layout. Which
set a row of the published form is from is the first part of its `data_source`, or where that is empty the folder of its
picture or clip (`./Knowledge/ArxivQA/…`, `./CLEVRER/…`), as users of the file count them. Source: README of
tulerfeng/Video-R1, and converters of the file that quote a row of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache, partial
from pathlib import Path, PurePosixPath
from typing import Any

from onethinker.data.sources.base import Item, Source, as_mapping, each, get, make
from onethinker.data.sources.clips import file_in
from onethinker.data.sources.tabular import file_rows, table_rows
from onethinker.sample import DataError, from_published

FILE = "Video-R1-260k.json"
LAYOUT = """\
Video-R1-260k.json              rows of the published form: problem, problem_type, options, solution, path, data_source
CLEVRER/…, Chart/…, General/…   pictures and clips as the hub's archives unpack, where `path` says"""

PREFIX = "video-r1-"
TASKS = {
    "llava-video": "multiple_choice", "star": "multiple_choice", "clevrer": "multiple_choice",
    "next-qa": "multiple_choice", "perceptiontest": "multiple_choice",
    "a-okvqa": "multiple_choice", "iconqa": "multiple_choice", "visual7w": "multiple_choice",
    "sharegpt4v": "open_ended", "sharegpt4o": "open_ended",
    "figureqa": "multiple_choice", "mapqa": "multiple_choice", "tabmwp": "multiple_choice", "dvqa": "numerical",
    "plotqa": "numerical", "chartqa": "numerical", "chart2text": "open_ended", "robut-sqa": "open_ended",
    "visualwebinstruct": "open_ended",
    "textvqa": "ocr", "hme100k": "ocr", "chromewriting": "ocr", "iam": "ocr", "renderedtext": "ocr",
    "textcaps": "ocr", "textocr": "ocr",
    "unigeo": "multiple_choice", "geometry3k": "multiple_choice", "geoqa+": "multiple_choice",
    "geos": "multiple_choice", "super-clevr": "numerical", "clevr-math": "numerical",
    "arxivqa": "multiple_choice", "pmc-vqa": "multiple_choice", "ai2d": "multiple_choice",
    "scienceqa": "multiple_choice", "gvlqa": "multiple_choice", "tqa": "multiple_choice",
    "exams-v": "multiple_choice", "vqa-rad": "multiple_choice",
    "openspaces": "regression", "spacellava": "multiple_choice",
}  # fmt: skip
"""Set → the task of most of its questions."""
_KNOWN_AS = {"chrome_writting": "chromewriting"}
_PLAIN = re.compile(r"[^a-z0-9+]")


def samples(root: Path, split: str, name: str) -> Iterator[Item]:
    """The set's questions, in the file's order."""
    for where, row in file_rows(root / FILE):
        yield from each(where, _of_row, root, row, where, name)


def _of_row(root: Path, row: Any, where: str, name: str) -> list[Item]:
    if isinstance(row, DataError):
        raise row
    if set_of(as_mapping(row, where)) != name:
        return []
    return [released(root, row, where, PREFIX + name)]


def released(root: Path, row: Any, where: str, source: str) -> Item:
    """A row of the published form, whose media lie where it says or deeper. Raises DataError."""
    kind = get(row, "problem_type", where, str)
    given = {**row, "problem_type": "open-ended" if kind.lower() == "free-form" else kind}
    found = from_published(given, where)
    paths = [PurePosixPath(name) for name in found.media]
    media = tuple(file_in(root, (str(path.parent),), path.name, where) for path in paths)
    fields = {key: getattr(found, key) for key in ("task", "modality", "question", "truth", "options", "meta")}
    return make(where, id=f"train-{found.id}", media=media, source=source, **fields)


def set_of(row: Any) -> str:
    """Which of `TASKS` a row is from; empty for another."""
    named = str(row.get("data_source") or "").split("/")[0]
    if not named:
        path = PurePosixPath(str(row.get("path") or "")).parts
        place = 1 if row.get("data_type") == "image" else 0
        named = path[place] if len(path) > place + 1 else ""
    return _set_named(named[:80])


@lru_cache(maxsize=1024)
def _set_named(named: str) -> str:
    """Remembered, since every row of the file asks."""
    plain = _PLAIN.sub("", _KNOWN_AS.get(named, named).lower())
    return max((name for name in TASKS if plain.startswith(_PLAIN.sub("", name))), key=len, default="")


# ---- SR-91k -------------------------------------------------------------------------------------------------------

SR_FILES = ("SR-91k.jsonl", "annotation/SR-91k.jsonl", "*/SR-91k.jsonl")
SR_LAYOUT = """\
SR-91k.jsonl    rows of the same form (the authors' file); annotation/SR-91k.jsonl serves too
…/VIDEO.mp4     clips of ScanNet where `path` says, as the hub's archives unpack"""


def sr_samples(root: Path, split: str) -> Iterator[Item]:
    """Questions about places in clips of rooms (SpaceR, Ouyang et al. 2025), in the file's order."""
    for where, row in table_rows(root, SR_FILES):
        yield from each(where, _sr_row, root, row, where)


def _sr_row(root: Path, row: Any, where: str) -> Item:
    if isinstance(row, DataError):
        raise row
    return released(root, as_mapping(row, where), where, "sr-91k")


_SETS = tuple(
    Source(
        PREFIX + name,
        task,
        ("train",),
        LAYOUT,
        lambda split: (FILE,),
        partial(samples, name=name),
        licence="not looked up; each set's own besides",
        evidence="tulerfeng/Video-R1 README; its users' converters, which quote a row and count the sets",
        train="train",
    )
    for name, task in TASKS.items()
)
_SR = Source(
    "sr-91k", "multiple_choice", ("train",), SR_LAYOUT, lambda split: (SR_FILES,), sr_samples,
    "CC-BY-NC-4.0 (OuyangKun10/SpaceR)", "OuyangKun10/SpaceR SpaceR-SG-RLVR/src/r1-v/src/open_r1/SG-RLVR.py", "train",
)  # fmt: skip
SOURCES = (*_SETS, _SR)
