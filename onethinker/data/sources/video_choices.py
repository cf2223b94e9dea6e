"""Multiple choice about clips: LongVideoBench (Wu et al. 2024) and Video-Holmes (Cheng et al. 2025)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from string import ascii_uppercase

from onethinker.data.sources.base import Source, as_list, as_mapping, find, get, load_json, make, show, under
from onethinker.sample import DataError, Sample

LONG = """\
lvb_val.json        rows {id, video_path, question, candidates, correct_choice} (the authors' layout)
videos/VIDEO.mp4    the truth of lvb_test_wo_gt.json is with their server; subtitles are not shown"""

HOLMES = """\
test_Video-Holmes.json      rows {video ID, Question ID, Question, Options, Answer} (the authors' layout)
videos_cropped/VIDEO.mp4    videos/ serves too"""

HOLMES_VIDEOS = ("videos_cropped", "videos")


def long_video_bench(root: Path, split: str) -> Iterator[Sample]:
    file = root / f"lvb_{split}.json"
    for number, row in enumerate(as_list(load_json(file), str(file)), start=1):
        where = f"{file}, row {number}"
        options = [str(text) for text in get(row, "candidates", where, list)]
        right = get(row, "correct_choice", where, int)
        if not 0 <= right < len(options) <= len(ascii_uppercase):
            raise DataError(f"{where}: correct_choice {show(right)} of {len(options)} candidates")
        yield _choice(
            where,
            "longvideobench",
            get(row, "id", where, str),
            get(row, "question", where, str),
            list(zip(ascii_uppercase, options)),
            ascii_uppercase[right],
            under(root, f"videos/{get(row, 'video_path', where, str)}", where),
        )


def video_holmes(root: Path, split: str) -> Iterator[Sample]:
    file, videos = root / f"{split}_Video-Holmes.json", find(root, HOLMES_VIDEOS)
    for number, row in enumerate(as_list(load_json(file), str(file)), start=1):
        where = f"{file}, row {number}"
        video, asked = get(row, "video ID", where), get(row, "Question ID", where)
        options = as_mapping(get(row, "Options", where), where)
        yield _choice(
            where,
            "video-holmes",
            f"{video}.{asked}",
            get(row, "Question", where, str),
            [(letter, str(text)) for letter, text in options.items()],
            get(row, "Answer", where, str),
            under(root, f"{videos}/{video}.mp4", where),
        )


def _choice(
    where: str, source: str, name: str, question: str, options: Sequence[tuple[str, str]], truth: str, clip: str
) -> Sample:
    return make(
        where,
        id=name,
        task="multiple_choice",
        modality="video",
        question=question.strip(),
        options=tuple(f"{letter}. {text}" for letter, text in options),
        truth=truth.strip(),
        media=(clip,),
        source=source,
    )


_choices = partial(Source, task="multiple_choice")
SOURCES = (
    _choices(
        name="longvideobench",
        splits=("val",),
        layout=LONG,
        places=lambda split: (f"lvb_{split}.json", "videos"),
        samples=long_video_bench,
    ),
    _choices(
        name="video-holmes",
        splits=("test", "train"),
        layout=HOLMES,
        places=lambda split: (f"{split}_Video-Holmes.json", HOLMES_VIDEOS),
        samples=video_holmes,
    ),
)
