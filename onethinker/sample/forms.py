"""A row of a file ↔ a `Sample`: the published form, the SFT form and our own."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, cast

from onethinker.media import VIDEO_SUFFIXES
from onethinker.sample.record import MODALITIES, DataError, Modality, Sample


def parse_row(row: Any, where: str) -> Sample:
    """One row in any of the three forms."""
    if not isinstance(row, Mapping):
        raise DataError(f"{where}: expected an object with a sample's fields, found {type(row).__name__}")
    if "messages" in row:
        return from_sft(row, where)
    if "problem" in row:
        return from_published(row, where)
    return _from_native(row, where)


# ---- published form ---------------------------------------------------------------------------------------------

_FROM_PUBLISHED = {
    "multiple choice": "multiple_choice",
    "numerical": "numerical",
    "regression": "regression",
    "math": "math",
    "ocr": "ocr",
    "open-ended": "open_ended",
    "caption": "caption",
    "spatial grounding": "spatial_grounding",
    "temporal grounding": "temporal_grounding",
    "spatial-temporal grounding": "spatial_temporal_grounding",
    "tracking": "tracking",
}
_TO_PUBLISHED = {task: name for name, task in _FROM_PUBLISHED.items()} | {
    "ocr": "OCR",
    "image_segmentation": "segmentation",
    "video_segmentation": "segmentation",
}
_PUBLISHED = frozenset(
    ("problem_id", "problem", "data_type", "problem_type", "options", "solution", "path", "data_source")
) | {"segmentation_output"}
_CHAT = frozenset(("messages", "images", "videos"))


def strip_answer(solution: str) -> str:
    """The text inside the last `<answer>…</answer>`, or the whole text where there is none."""
    end = solution.rfind("</answer>")
    start = solution.rfind("<answer>", 0, max(end, 0))
    return solution[start + len("<answer>") : end].strip() if 0 <= start < end else solution.strip()


def from_published(row: Mapping[str, Any], where: str) -> Sample:
    """One row of the published JSON. `where` names the file and row for errors."""
    for key in ("problem", "data_type", "problem_type", "solution"):
        if not isinstance(row.get(key), str):
            raise DataError(f"{where}: field {key!r} is {row.get(key)!r:.80}; a published row needs it as text")
    modality, kind = row["data_type"].lower(), row["problem_type"].lower()
    if modality not in MODALITIES:
        raise DataError(f"{where}: data_type {modality!r:.80}; expected one of {', '.join(MODALITIES)}")
    if kind == "segmentation":
        task = "image_segmentation" if modality == "image" else "video_segmentation"
    elif kind in _FROM_PUBLISHED:
        task = _FROM_PUBLISHED[kind]
    else:
        known = ", ".join([*_FROM_PUBLISHED, "segmentation"])
        raise DataError(f"{where}: problem_type {kind!r:.80}; expected one of {known}")
    meta = {key: value for key, value in row.items() if key not in _PUBLISHED and value is not None}
    if row.get("segmentation_output"):
        meta["segmentation"] = row["segmentation_output"]
    return Sample(
        id=_id(row, "problem_id" if row.get("problem_id") is not None else "id", where),
        task=task,
        modality=cast(Modality, modality),
        question=row["problem"],
        truth=strip_answer(row["solution"]),
        options=_texts(row, "options", where),
        media=_names(row, "path", where) + _names(row, "additional_path", where),
        source=str(row.get("data_source") or ""),
        meta=meta,
    )


def to_published(sample: Sample) -> dict[str, Any]:
    """The published JSON row of a sample; `from_published` gives the sample back."""
    extra = _names(sample.meta, "additional_path", f"sample {sample.id}")
    media = list(sample.media[: len(sample.media) - len(extra)])
    number = sample.id.isdecimal() and len(sample.id) < 19 and str(int(sample.id)) == sample.id
    row: dict[str, Any] = {
        "problem_id": int(sample.id) if number else sample.id,
        "problem": sample.question,
        "data_type": sample.modality,
        "problem_type": _TO_PUBLISHED[sample.task],
        "options": list(sample.options),
        "solution": f"<answer>{sample.truth}</answer>",
        "path": media[0] if len(media) == 1 else media,
        "data_source": sample.source,
    }
    if "segmentation" in sample.meta:
        row["segmentation_output"] = sample.meta["segmentation"]
    return {key: value for key, value in sample.meta.items() if key not in _PUBLISHED | {"segmentation"}} | row


def _id(row: Mapping[str, Any], key: str, where: str) -> str:
    """The row's id, or its number where it has none."""
    value = row.get(key)
    if value is None:
        return where.rpartition(", ")[2]
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise DataError(f"{where}: field {key!r} is {value!r:.80}; expected text or a whole number")
    return str(value)


def _texts(row: Mapping[str, Any], key: str, where: str) -> tuple[str, ...]:
    """A list of texts; numbers are written out, nothing is an empty list."""
    values = row.get(key)
    values = () if values is None else values
    if not isinstance(values, list | tuple) or not all(isinstance(v, str | int | float) for v in values):
        raise DataError(f"{where}: field {key!r} is {values!r:.80}; expected a list of texts")
    return tuple(str(v) for v in values)


def _names(row: Mapping[str, Any], key: str, where: str) -> tuple[str, ...]:
    """Media paths: one, a list, or nothing."""
    value = row.get(key) or ()
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) and name for name in names):
        raise DataError(f"{where}: field {key!r} is {value!r:.80}; expected a path or a list of paths")
    return tuple(names)


# ---- SFT form ---------------------------------------------------------------------------------------------------

_MARK = re.compile("<image>|<video>")


def from_sft(row: Mapping[str, Any], where: str) -> Sample:
    """One chat record. The record says nothing of the task unless it carries `problem_type`; then it is open-ended.

    The worked answer becomes meta['response'], its answer block the truth unless the record has a `solution`.
    """
    messages = row.get("messages")
    if not isinstance(messages, list) or not all(
        isinstance(m, dict) and isinstance(m.get("content"), str) for m in messages
    ):
        raise DataError(f"{where}: field 'messages' must be a list of {{role, content}} with content as text")
    user = [m["content"] for m in messages if m.get("role") == "user"]
    assistant = [m["content"] for m in messages if m.get("role") == "assistant"]
    if len(user) != 1 or len(assistant) != 1:
        raise DataError(f"{where}: expected one user and one assistant message, found {len(user)} and {len(assistant)}")
    images, videos = _names(row, "images", where), _names(row, "videos", where)
    extra = _names(row, "additional_path", where)
    media = _in_order(images, videos, _MARK.findall(user[0]))
    modality = "video-image" if images and videos else "video" if videos else "image" if images else "text"
    default = {"problem": user[0], "data_type": modality, "problem_type": "open-ended", "solution": assistant[0]}
    given = {key: value for key, value in row.items() if key not in _CHAT}
    own = {"path": media[: len(media) - len(extra)], "response": assistant[0]}
    return from_published(default | given | own, where)


def _in_order(images: Sequence[str], videos: Sequence[str], marks: Sequence[str]) -> list[str]:
    """The media as the marks have them; videos first where the marks are not theirs."""
    if marks.count("<image>") != len(images) or marks.count("<video>") != len(videos):
        return [*videos, *images]
    queues = {"<image>": iter(images), "<video>": iter(videos)}
    return [next(queues[mark]) for mark in marks]


def to_sft(sample: Sample, prompt: str) -> dict[str, Any]:
    """A chat record with `prompt` as the user's message and the worked answer as the assistant's.

    `prompt` as `Task.prompt` writes it marks every medium, so that `from_sft` gives the sample back.
    """
    row = to_published(sample)
    response = row.pop("response", None)
    if not response:
        raise DataError(f"sample {sample.id} has no worked answer (meta['response']); the SFT form needs one")
    row.pop("path")
    clips = [m for m in sample.media if _is_video(sample, m)]
    stills = [m for m in sample.media if not _is_video(sample, m)]
    messages = [{"role": "user", "content": prompt}, {"role": "assistant", "content": response}]
    return {"messages": messages, "images": stills, "videos": clips} | row


def _is_video(sample: Sample, name: str) -> bool:
    if sample.modality in ("image", "video"):
        return sample.modality == "video"
    return Path(name).suffix.lower() in VIDEO_SUFFIXES


# ---- native form -------------------------------------------------------------------------------------------------


def _from_native(row: Mapping[str, Any], where: str) -> Sample:
    known = {f.name for f in fields(Sample)}
    missing = {"id", "task", "modality", "question", "truth"} - row.keys()
    if missing:
        raise DataError(
            f"{where}: fields {', '.join(sorted(missing))} are missing; a row holds {', '.join(sorted(known))} "
            "(native), `problem` ... (published) or `messages` ... (SFT)"
        )
    for name in ("task", "modality", "question", "truth"):
        if not isinstance(row[name], str):
            raise DataError(f"{where}: field {name!r} is {row[name]!r:.80}; expected text")
    if row["modality"] not in MODALITIES:
        raise DataError(f"{where}: modality {row['modality']!r:.80}; expected one of {', '.join(MODALITIES)}")
    return Sample(
        id=_id(row, "id", where),
        task=row["task"],
        modality=row["modality"],
        question=row["question"],
        truth=row["truth"],
        options=_texts(row, "options", where),
        media=_names(row, "media", where),
        source=str(row.get("source") or ""),
        meta={key: value for key, value in row.items() if key not in known} | _native_meta(row, where),
    )


def _native_meta(row: Mapping[str, Any], where: str) -> dict[str, Any]:
    """An object, or its JSON text as Parquet keeps it."""
    meta = row.get("meta") or {}
    if isinstance(meta, str):
        try:
            meta = json.loads(meta)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{where}: field 'meta' is not JSON ({error})") from error
    if not isinstance(meta, dict):
        raise DataError(f"{where}: field 'meta' is {meta!r:.80}; expected an object")
    return meta


def to_native(sample: Sample) -> dict[str, Any]:
    """The JSON-lines row of a sample."""
    row = {f.name: getattr(sample, f.name) for f in fields(Sample)}
    return row | {"options": list(sample.options), "media": list(sample.media), "meta": dict(sample.meta)}
