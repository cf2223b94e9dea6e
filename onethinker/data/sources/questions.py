"""Questions about pictures and clips: the data sets that are tables, as their hubs and authors lay them out.

Columns are those that lmms-eval's task files and VLMEvalKit's data set classes read. Where neither says how the hub
names its files, several patterns are tried. What is published as TSV alone, such as MMT-Bench, is `sample.tsv`'s.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from onethinker.data.sources.base import as_list, get, number, show
from onethinker.data.sources.clips import video_at
from onethinker.data.sources.table import (
    EMPTY,
    Row,
    Table,
    before_options,
    by_letter,
    by_place,
    by_text,
    column,
    columns,
    file_named,
    kept_picture,
    keyed,
    listed,
    picture_in,
    within,
    written,
)
from onethinker.sample import DataError
from onethinker.sample.options import split_options
from onethinker.sample.tsv import SHORT, hinted

# ---- readers of columns that need a rule of their own -------------------------------------------------------------


def with_hint(row: Row, where: str) -> str:
    """The question after its context, where it has one."""
    hint, question = (column(key)(row, where) if row.get(key) not in EMPTY else "" for key in ("hint", "question"))
    return hinted(hint, question)


def with_unit(row: Row, where: str) -> str:
    """MathVista's question with the unit and the decimals that its answer is to have."""
    parts = [column("question")(row, where)]
    if row.get("unit"):
        parts.append(f"(Unit: {row['unit']})")
    if row.get("answer_type") == "float" and row.get("precision"):
        parts.append(f"Round to {number(row['precision'], where, 'precision'):.0f} decimal places.")
    return " ".join(parts)


def or_picture(row: Row, where: str) -> str:
    """MathVerse's question, which in the version `Vision Only` stands in the picture."""
    return split_options(column("question")(row, where))[0] or "Answer the question in the picture."


def in_picture(row: Row, where: str) -> list[str]:
    """The options of a MathVerse question that stand in its picture: the row has them for whoever grades it."""
    return within("question_for_eval")(row, where) if row.get("question_for_eval") else []


def first_accepted(row: Row, options: Sequence[str], where: str) -> str:
    """The letter; of an open question the first of its accepted answers."""
    if options:
        return by_letter("answer")(row, options, where)
    return all_accepted(row, where)[0]


def all_accepted(row: Row, where: str) -> list[str]:
    """The answers that an open question takes: text, or a written list of texts."""
    answer = get(row, "answer", where, str)
    if not re.fullmatch(r"\[.{1,4000}\]", answer, re.DOTALL):
        return [answer]
    try:
        found = list(map(str, as_list(ast.literal_eval(answer), where)))
    except (ValueError, SyntaxError, MemoryError, RecursionError) as error:
        raise DataError(f"{where}: answer {show(answer)}; expected text or a written list of texts") from error
    if not found:
        raise DataError(f"{where}: answer {show(answer)}; expected at least one text")
    return found


# ---- MMMU: pictures within the text -------------------------------------------------------------------------------

_MMMU_MARK = re.compile(r"<image (\d)>")


def _mmmu_order(row: Row, where: str) -> tuple[bool, list[int]]:
    """Whether every picture has its place in the question, and the pictures' numbers as they are shown."""
    asked = [int(k) for k in _MMMU_MARK.findall(get(row, "question", where, str))]
    others = _MMMU_MARK.findall(str(row.get("options") or ""))
    there = [k for k in range(1, 8) if row.get(f"image_{k}")]
    placed = not others and sorted(asked) == there
    return placed, asked if placed else there


def mmmu_question(row: Row, where: str) -> str:
    placed, _ = _mmmu_order(row, where)
    question = _MMMU_MARK.sub("<image>" if placed else r"image \1", get(row, "question", where, str))
    return question if mmmu_options(row, where) else f"{question}\n{SHORT}"


def mmmu_options(row: Row, where: str) -> list[str]:
    return [_MMMU_MARK.sub(r"image \1", option) for option in written("options")(row, where)]


def mmmu_pictures(root: Path, row: Row, where: str) -> list[str]:
    return [kept_picture(root, row[f"image_{k}"], f"{where}, image {k}") for k in _mmmu_order(row, where)[1]]


# ---- clips ----------------------------------------------------------------------------------------------------------


def at_the_end(row: Row, where: str) -> str:
    """VideoMMMU's question with the instruction of its track, as the authors' task files in lmms-eval give it: clips
    end with the picture of the adaptation question, which the other two tracks do not ask about."""
    question = get(row, "question", where, str)
    if row["track"] != "Adaptation":
        return f"{question}\nPlease ignore the Quiz question in last frame of the video."
    kind = "multi-choice" if row.get("options") else "open-ended"
    return (
        "You should watch and learn the video content. Then apply what you learned to answer the following "
        f"{kind} question. The image for this question is at the end of the video.\n{question}"
    )


def mmvu_clip(root: Path, row: Row, where: str) -> list[str]:
    """`videos/…` of a path or an address that ends so."""
    path = row.get("video_path") or get(row, "video", where, str)
    return [video_at(root, f"videos/{str(path).partition('videos/')[2]}", where)]


LONG_FOLDERS = ("longvila_videos", "videos", *(f"longvideo_eval_subset{n}" for n in range(10)))
DISCIPLINES = ("Art", "Business", "Engineering", "Humanities", "Medicine", "Science")


def long_clip(root: Path, row: Row, where: str) -> list[str]:
    """The clip by its file's name, in whichever folder has it: the archives do not unpack to the rows' folder."""
    name = Path(get(row, "videos", where, str)).name
    return file_named("{name}", LONG_FOLDERS)(root, {"name": name}, where)


def _clips(name: str, *folders: str) -> dict[str, Any]:
    return {"media": file_named(name, folders), "folders": (folders,)}


_HUB = "the hub's Parquet"

TABLES = (
    Table(
        "mmmu", f"validation: data/validation-*.parquet or SUBJECT/validation-*.parquet, {_HUB}; dev alike",
        {split: (f"data/{split}-*.parquet", f"*/{split}-*.parquet") for split in ("validation", "dev")},
        "id", mmmu_question, first_accepted, mmmu_pictures, mmmu_options, "image", free="math", numbers=True,
        meta=("subfield",), accepted=all_accepted,
    ),
    Table(
        "mathvista", f"data/testmini-*.parquet, {_HUB}; the answers of test are not public",
        {"testmini": ("data/testmini-*.parquet",)},
        "pid", with_unit, by_text("answer"), picture_in("decoded_image"), listed("choices"), "image", free="math",
        numbers=True, meta=("precision", "answer_type"),
    ),
    Table(
        "mathverse", f"testmini.parquet, {_HUB}; vision-only are its rows of that version",
        {"testmini": ("testmini.parquet", "*/testmini*.parquet"), "vision-only": ("testmini.parquet",)},
        "sample_index", or_picture, by_letter("answer", in_picture), picture_in("image"), within("question"), "image",
        "math", chosen=lambda row: row.get("question_type") == "multi-choice",
        keep=lambda row, split: split == "testmini" or row.get("problem_version") == "Vision Only",
        meta=("problem_version", "problem_index"),
    ),
    Table(
        "scienceqa", f"ScienceQA-IMG/test-*.parquet, {_HUB} of lmms-eval, or data/test-*.parquet, where half of the "
        "questions have no picture and are left out; validation alike",
        {split: tuple(f"{folder}/{split}-*.parquet" for folder in ("ScienceQA-IMG", "data", "ScienceQA-FULL"))
         for split in ("test", "validation", "train")},
        "", with_hint, by_place("answer"), picture_in("image"), listed("choices"), "image", meta=("subject",),
        train="train",
    ),
    Table(
        "ai2d", f"data/test-*.parquet, {_HUB} of lmms-eval", {"test": ("data/test-*.parquet",)},
        "", column("question"), by_place("answer"), picture_in("image"), listed("options"), "image",
    ),
    Table(
        "mmstar", f"mmstar.parquet, {_HUB}; the options stand in the question", {"val": ("mmstar.parquet",)},
        "index", column("question"), by_letter("answer"), picture_in("image"), modality="image",
        meta=("category", "l2_category"),
    ),
    Table(
        "mmbench", f"en/dev-*.parquet, {_HUB} of lmms-eval: rotation k of question i has the index i + k·10⁶",
        {"dev-en": ("en/dev-*.parquet", "data/dev-*.parquet")},
        "index", with_hint, by_letter("answer"), picture_in("image"), columns("A", "B", "C", "D", "E"), "image",
        meta=("category", "L2-category"),
    ),
    Table(
        "videomme", f"videomme/test-*.parquet, {_HUB} of lmms-eval; data/VIDEO.mp4 (or video/, videos/)",
        {"test": ("videomme/test-*.parquet", "test-*.parquet")},
        "question_id", column("question"), by_letter("answer"), options=listed("options"),
        **_clips("{videoID}", "data", "video", "videos"), meta=("duration", "domain", "task_type"),
    ),
    Table(
        "mmvu", "validation.json, the authors' rows, or data/validation-*.parquet (lmms-eval); videos/SUBJECT/N.mp4. "
        "Multiple choice only: a judge is needed for the rest",
        {"validation": ("validation.json", "data/validation-*.parquet", "validation*.parquet")},
        "id", column("question"), by_letter("answer"), mmvu_clip, keyed("choices"), folders=("videos",),
        keep=lambda row, split: row.get("question_type") == "multiple-choice",
    ),
    Table(
        "longvideobench", "lvb_val.json and videos/, the authors' layout; asked without subtitles",
        {"val": ("lvb_val.json",)},
        "id", column("question"), by_place("correct_choice"), options=listed("candidates"),
        **_clips("{video_path}", "videos"), meta=("duration_group", "question_category"),
    ),
    Table(
        "video-holmes", "test_Video-Holmes.json and videos_cropped/VIDEO.mp4, as videos.zip unpacks; video/ serves too",
        {split: (f"{split}_Video-Holmes.json",) for split in ("test", "train")},
        "", column("Question"), by_letter("Answer"), options=keyed("Options"),
        **_clips("{video ID}", "videos_cropped", "video", "videos"), meta=("Question Type", "Question ID"),
        train="train",
    ),
    Table(
        "videommmu", f"Perception/test-*.parquet, Comprehension/…, Adaptation/…, {_HUB} of lmms-eval; "
        "the clips as unpacked: Art/ID.mp4, Business/, Engineering/, Humanities/, Medicine/, Science/",
        {
            "test": ("*/test-*.parquet",), "perception": ("Perception/test-*.parquet",),
            "comprehension": ("Comprehension/test-*.parquet",), "adaptation": ("Adaptation/test-*.parquet",),
        },
        "", at_the_end, first_accepted, file_named("{id}", DISCIPLINES), listed("options"), free="math", numbers=True,
        folders=(DISCIPLINES,), meta=("id", "question_type", "track"), folder_as="track", accepted=all_accepted,
    ),
    Table(
        "videomathqa", f"mcq/test-*.parquet, {_HUB} of lmms-eval; videos/VIDEO.mp4",
        {"test": ("mcq/test-*.parquet", "mcq/*.parquet")},
        "question_id", column("question"), by_letter("answer"), options=listed("options"),
        **_clips("{videoID}", "videos"), meta=("category", "length"),
    ),
    Table(
        "longvideo-reason", "data/test-*.parquet, test.json or test.jsonl; clips in longvila_videos/ as the rows say, "
        "or in the archives' longvideo_eval_subset0/ … 9/. Two rows of the release have no options",
        {split: (f"data/{split}-*.parquet", f"{split}*.parquet", f"{split}.json", f"{split}.jsonl")
         for split in ("test", "train", "validation")},
        "problem_id", before_options("problem"), by_letter("answer"), long_clip, within("problem"),
        folders=(LONG_FOLDERS,), meta=("problem_type",), train="train",
    ),
)  # fmt: skip
_LICENCES = {
    "mmmu": "Apache-2.0 (its card)", "mathvista": "CC-BY-SA-4.0 (its card)", "mathverse": "MIT (its card)",
    "scienceqa": "CC-BY-NC-SA-4.0 (its repository)", "mmbench": "Apache-2.0 (its repository)",
    "videomme": "academic research only (its repository)",
    "video-holmes": "Apache-2.0, academic purposes only (its card)",
    "longvideobench": "CC-BY-NC-SA-4.0 (its card)",
    "videommmu": "clips belong to their channels (its card)",
}  # fmt: skip
_EVIDENCE = {"longvideo-reason": "NVlabs/Long-RL eval/eval.py, examples/new_supports"}
SOURCES = tuple(
    replace(
        table,
        licence=_LICENCES.get(table.name, "not stated where it was looked up"),
        evidence=_EVIDENCE.get(
            table.name, "open-compass/VLMEvalKit and EvolvingLMMs-Lab/lmms-eval, its classes and tasks"
        ),
    ).source()
    for table in TABLES
)
