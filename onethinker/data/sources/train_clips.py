"""Questions about clips, and captions of them, to train on: sets that are tables, as their owners lay them out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from onethinker.data.sources.base import as_list, as_mapping, get, number, show, text_of
from onethinker.data.sources.clips import cut_clip, file_in
from onethinker.data.sources.dialogues import Dialogue
from onethinker.data.sources.table import (
    Row,
    Table,
    by_letter,
    by_place,
    by_text,
    column,
    columns,
    file_named,
    listed,
    path_in,
    said,
)
from onethinker.sample import DataError

# ---- STAR ---------------------------------------------------------------------------------------------------------


def choices_of(row: Row, where: str) -> list[str]:
    """The texts of `choices`, in the order of the row."""
    found = as_list(get(row, "choices", where), f"{where}, choices")
    return [get(choice, "choice", where, str) for choice in found]


def situation(root: Path, row: Row, where: str) -> list[str]:
    """The stretch of a Charades clip that a question of STAR is about, which is cut once."""
    folders = ("Charades_v1_480", "Charades_v1", "videos")
    clip = file_in(root, folders, f"{get(row, 'video_id', where, str)}.mp4", where)
    start, end = (number(get(row, key, where), where, key) for key in ("start", "end"))
    if not 0 <= start < end:
        raise DataError(f"{where}: a situation from {start} to {end} s; expected one of some length")
    return [cut_clip(root, f"star/{text_of(row, 'question_id', where)}", clip, start, end, where)]


# ---- CLEVRER ------------------------------------------------------------------------------------------------------


def questions_of_clip(row: Row, where: str) -> list[Row]:
    """CLEVRER's questions, each with its clip's name and an id of its own."""
    clip = get(row, "video_filename", where, str)
    found = as_list(get(row, "questions", where), f"{where}, questions")
    return [
        {**as_mapping(one, where), "video": clip, "id": f"{Path(clip).stem}-{place}"} for place, one in enumerate(found)
    ]


def clevrer_options(row: Row, where: str) -> list[str]:
    """The choices of a question that has some; yes and no of one that they answer."""
    if row.get("choices"):
        return choices_of(row, where)
    return ["Yes", "No"] if row.get("answer") in ("yes", "no") else []


def clevrer_answer(row: Row, options: Sequence[str], where: str) -> str:
    """The one choice that is correct, yes or no, or the answer."""
    if not row.get("choices"):
        answer = text_of(row, "answer", where)
        return by_text("answer")({"answer": answer.capitalize() if options else answer}, options, where)
    right = [at for at, choice in enumerate(row["choices"]) if choice.get("answer") == "correct"]
    return by_place("place")({"place": right[0]}, options, where)


def clevrer_skip(row: Row) -> str:
    """Questions with one right choice, a count, or yes and no are kept."""
    choices = row.get("choices")
    if isinstance(choices, list) and choices:
        right = sum(isinstance(one, dict) and one.get("answer") == "correct" for one in choices)
        return "" if right == 1 else "not one right choice"
    answer = str(row.get("answer"))
    return "" if answer in ("yes", "no") or answer.isdecimal() else "an answer that is neither a number nor yes or no"


# ---- Perception Test ------------------------------------------------------------------------------------------------


def questions_of_video(row: Row, where: str) -> list[Row]:
    """Perception Test's questions, each with its video's name and an id of its own."""
    video = get(row, "video", where, str)
    found = as_list(get(row, "mc_question", where), f"{where}, mc_question")
    return [{**as_mapping(one, where), "video": video, "id": f"{video}-{place}"} for place, one in enumerate(found)]


# ---- ShareGPT4Video -------------------------------------------------------------------------------------------------


def whole_caption(row: Row, options: Sequence[str], where: str) -> str:
    """The last of the captions, which is of the whole clip."""
    found = as_list(get(row, "captions", where), f"{where}, captions")
    if not found:
        raise DataError(f"{where}: captions is {show(found)}; expected at least one")
    return get(found[-1], "content", where, str)


_VIDEOS = ("videos", ".")


def _named(name: str, *folders: str) -> dict[str, Any]:
    return {"media": file_named(name, folders), "folders": (folders,), "train": "train"}


TABLES = (
    Table(
        "star", "STAR_train.json and Charades_v1_480/VIDEO.mp4, the authors' layout; Charades_v1/ and videos/ serve "
        "too. "
        "A question is asked of the stretch from `start` to `end` of its clip, which is cut once",
        {split: (f"STAR_{split}.json",) for split in ("train", "val")}, "question_id", column("question"),
        by_text("answer"), situation, choices_of, folders=(("Charades_v1_480", "Charades_v1", "videos"),),
        train="train", licence="Apache-2.0 (csbobby/STAR_Benchmark); clips: Charades, non-commercial",
        evidence="csbobby/STAR_Benchmark README, code/visualization_tools/qa_visualization.py",
    ),
    Table(
        "clevrer", "train.json and video_train/…/video_00000.mp4, the authors' layout. Questions with one right "
        "choice, a "
        "count, or yes or no",
        {split: (f"{split}.json",) for split in ("train", "validation")}, "id", column("question"), clevrer_answer,
        file_named("{video}", ("video_train", "video_validation", "videos")), clevrer_options, numbers=True,
        spread=questions_of_clip, skip=clevrer_skip, meta=("question_type",), train="train",
        folders=(("video_train", "video_validation", "videos"),), licence="not stated (chuangg/CLEVRER)",
        evidence="chuangg/CLEVRER executor/run_mc.py, run_oe.py",
    ),
    Table(
        "next-qa", "train.csv, and NExTVideo/…/VIDEO.mp4 as unpacked by VidOR's folders; videos/ serves too, the "
        "authors' layout",
        {split: (f"{split}.csv", f"dataset/nextqa/{split}.csv", f"nextqa/{split}.csv") for split in ("train", "val")},
        "id", column("question"), by_place("answer"), options=columns("a0", "a1", "a2", "a3", "a4"),
        spread=lambda row, where: [{**row, "id": f"{text_of(row, 'video', where)}-{text_of(row, 'qid', where)}"}],
        **_named("{video}", "NExTVideo", "videos"), meta=("type",), licence="MIT (doc-doc/NExT-QA)",
        evidence="doc-doc/NExT-QA dataloader/sample_loader.py, eval_mc.py",
    ),
    Table(
        "perceptiontest", "mc_question_train.json and videos/VIDEO.mp4, the authors' layout",
        {split: (f"mc_question_{split}.json", f"*/mc_question_{split}.json") for split in ("train", "valid")}, "id",
        column("question"), by_place("answer_id"), options=listed("options"), key_as="video",
        spread=questions_of_video, **_named("{video}", "videos", "train", "valid"), meta=("area", "reasoning"),
        licence="CC-BY-4.0, software Apache-2.0 (google-deepmind/perception_test)",
        evidence="google-deepmind/perception_test README, its table of fields",
    ),
    Table(
        "sharegpt4video", "sharegpt4video_40k.jsonl, and the clips below videos/ or as zip_folder/ unpacks, where "
        "`video_path` says", {"train": ("sharegpt4video_40k.jsonl",)}, "video_id",
        said("Describe this clip in detail, from its beginning to its end."), whole_caption,
        path_in("video_path", _VIDEOS), task="caption", train="train",
        licence="not stated (ShareGPT4Omni/ShareGPT4Video)",
        evidence="ShareGPT4Omni/ShareGPT4Video; its users' loaders read video_id, video_path, captions[-1]",
    ),
    Table(
        "videoespresso", "videoespresso_train_video.json, and the clips where `video_path` says, the authors' layout",
        {"train": ("videoespresso_train_video.json", "*/videoespresso_train_video.json")}, "", column("question"),
        by_letter("answer"), path_in("video_path", (".", "train_video", "all_video", "videos")), task="open_ended",
        meta=("task",), train="train", licence="not stated (hshjerry/VideoEspresso)",
        evidence="hshjerry/VideoEspresso eval/close_ended.py; its users read question, answer, video_path, task",
    ),
)  # fmt: skip

_LLAVA_VIDEO = tuple(
    f"{span}_{source}"
    for span in ("0_30_s", "30_60_s", "1_2_m", "2_3_m")
    for source in ("academic_v0_1", "youtube_v0_1", "nextqa", "perceptiontest", "activitynetqa")
)


def _llava_video(name: str, kind: str, task: str, **more: Any) -> Dialogue:
    return Dialogue(
        name,
        f"SPAN_SOURCE/*_{kind}_*processed.json of LLaVA-Video-178K, and the clips beside them or at the top, as its "
        "archives unpack",
        (f"*/*_{kind}_*processed.json", f"*_{kind}_*processed.json"),
        task,
        **more,
        folders=(".", *_LLAVA_VIDEO),
        licence="code Apache-2.0 (LLaVA-VL/LLaVA-NeXT); the data's not looked up",
        evidence="LLaVA-VL/LLaVA-NeXT docs/LLaVA_Video_1003.md, scripts/train/onevision.yaml; ByteDance-Seed/VeOmni "
        "docs",
    )


SOURCES = (
    *(table.source() for table in TABLES),
    _llava_video("llava-video", "mc", "multiple_choice", choices=True).source(),
    _llava_video("llava-video-captions", "cap", "caption").source(),
    _llava_video("llava-video-open", "oe", "open_ended").source(),
)
