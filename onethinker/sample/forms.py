"""A row of a file ↔ a `Sample`: the published form, the SFT form and our own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, cast

from onethinker.media import VIDEO_SUFFIXES
from onethinker.sample.answer import block_start
from onethinker.sample.chat import read_chat
from onethinker.sample.media_fields import media_of, names
from onethinker.sample.plain import NEVER_NULL, NotPlain, is_null
from onethinker.sample.record import MODALITIES, DataError, Modality, Sample
from onethinker.sample.task_names import find_task, known_names, published_name
from onethinker.util.names import nearest

_TEXT = frozenset((str,))
_FIELDS = dict.fromkeys(f.name for f in fields(Sample)).keys()
_NEEDED = frozenset(("id", "task", "modality", "question", "truth"))


def parse_row(row: Any, where: str) -> Sample:
    """One row in any of the three forms. A field that is null is one that is not there. Raises DataError."""
    if type(row) is not dict and not isinstance(row, Mapping):
        raise DataError(f"{where}: expected an object with a sample's fields, found {type(row).__name__}")
    columns = row.keys()
    # Most rows hold no null and need no copy, most values cannot be one: told by their types alone.
    if nulls := [key for key, value in row.items() if type(value) not in NEVER_NULL and is_null(value)]:
        row = dict(row)
        for key in nulls:
            del row[key]
    if not _TEXT.issuperset(map(type, columns)):
        row = {str(k): v for k, v in row.items()}
    try:
        if row.get("messages") or ("messages" in columns and not {"problem", "question"} & row.keys()):
            return from_sft(row, where)
        if "problem" in row or ("problem" in columns and "question" not in row):
            return _published(row, where)
        return _from_native(row, where)
    except DataError as error:
        if isinstance(error.__cause__, NotPlain):  # which a sample raises without knowing its row
            raise DataError(f"{where}: {error.__cause__}; write it otherwise or leave the field out") from error
        raise


# ---- published form ---------------------------------------------------------------------------------------------

_PUBLISHED = frozenset(
    ("problem_id", "problem", "data_type", "problem_type", "options", "solution", "path", "data_source")
) | {"segmentation_output"}


def strip_answer(solution: str) -> str:
    """The text inside the last `<answer>…</answer>`, or the whole text where there is none."""
    end = solution.rfind("</answer>")
    start = block_start(solution, 0, end)
    return solution[start + len("<answer>") : end].strip() if 0 <= start < end else solution.strip()


def from_published(row: Mapping[str, Any], where: str) -> Sample:
    """One row of the published JSON, or of the release's RL file. `where` names the file and row for errors.

    The RL file has `answer` for `solution` and `images` or `videos` for `path` (`EasyR1/verl/utils/dataset.py` of the
    release reads it so). `task` may stand for `problem_type`; `data_type` is that of the media where it is not given.
    """
    return _published({k: v for k, v in row.items() if not is_null(v)}, where)


def _published(row: Mapping[str, Any], where: str, marked: str | None = None) -> Sample:
    """row: without nulls. marked: the text whose marks order the media that are given by kind, the question unless
    given."""
    question = _text(row, "problem", where)
    media, kind, read = media_of(row, where, "path", question if marked is None else marked)
    modality = _text(row, "data_type", where, kind).strip().lower()
    if modality not in MODALITIES:
        raise DataError(f"{where}: data_type {modality!r:.80}; expected one of {', '.join(MODALITIES)}")
    task, said = _task(row, modality, where)
    solution = "answer" if "solution" not in row and "answer" in row else "solution"
    meta: dict[str, Any] = {}
    if not row.keys() <= _PUBLISHED:  # most rows have no other fields
        meta = {key: value for key, value in row.items() if key not in _PUBLISHED}
        extra = names(row, "additional_path", where) if "additional_path" in row else ()
        if extra and media[-len(extra) :] != extra:
            read.add("additional_path")
        for key in (solution, said, *read):
            meta.pop(key, None)
    if row.get("segmentation_output"):
        meta["segmentation"] = row["segmentation_output"]
    name = _id(row, "problem_id" if "problem_id" in row else "id", where)
    truth, options = strip_answer(_text(row, solution, where)), _texts(row, "options", where)
    source = str(row.get("data_source") or "")
    # In the fields' order: by keyword a row takes 7% longer.
    return Sample(name, task, cast(Modality, modality), question, truth, options, media, source, meta)


def _text(row: Mapping[str, Any], key: str, where: str, default: str | None = None) -> str:
    """A field of text; a truth may be a number. Raises DataError where there is none."""
    value = row.get(key, default)
    if type(value) is str:
        return value
    if key in ("solution", "answer") and isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise DataError(f"{where}: field {key!r} is {value!r:.80}; a published row needs it as text")
    return value


def _task(row: Mapping[str, Any], modality: str, where: str) -> tuple[str, str]:
    """The task, and which field said so: `problem_type`, or `task` where that is not there. Raises DataError.

    Both take published names ("spatial grounding") and ours ("spatial_grounding"), in any case. Beside a `problem_type`
    a `task` that names no task of ours is a column like any other.
    """
    key = "problem_type" if "problem_type" in row else "task" if "task" in row else "problem_type"
    name = _text(row, key, where)
    task = find_task(name, modality)
    if task is None:
        known = known_names()
        raise DataError(
            f"{where}: {key} {name.lower()!r:.80}; the nearest is {nearest(name, known)!r}, all are {', '.join(known)}"
        )
    if key == "task" or "task" not in row:
        return task, key
    other = find_task(row["task"], modality) if isinstance(row["task"], str) else None
    if other not in (None, task):
        raise DataError(f"{where}: problem_type {name!r:.40} and task {row['task']!r:.40} differ; give one of them")
    return task, "task" if other else key


def to_published(sample: Sample) -> dict[str, Any]:
    """The published JSON row of a sample; `from_published` gives the sample back."""
    extra = names(sample.meta, "additional_path", f"sample {sample.id}")
    media = list(sample.media[: len(sample.media) - len(extra)])
    number = sample.id.isdecimal() and len(sample.id) < 19 and str(int(sample.id)) == sample.id
    row: dict[str, Any] = {
        "problem_id": int(sample.id) if number else sample.id,
        "problem": sample.question,
        "data_type": sample.modality,
        "problem_type": published_name(sample.task),
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
    if type(value) is int or type(value) is str:
        return str(value)
    if value is None:
        return where.rpartition(", ")[2]
    if isinstance(value, float) and value.is_integer():  # pandas' whole numbers in a column with gaps
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise DataError(f"{where}: field {key!r} is {value!r:.80}; expected text or a whole number")
    return str(value)


def _texts(row: Mapping[str, Any], key: str, where: str) -> tuple[str, ...]:
    """A list of texts; numbers are written out, nothing is an empty list."""
    values = row.get(key)
    if not values:
        return ()
    if type(values) is list and _TEXT.issuperset(map(type, values)):
        return tuple(values)
    if not isinstance(values, list | tuple) or not all(isinstance(v, str | int | float) for v in values):
        raise DataError(f"{where}: field {key!r} is {values!r:.80}; expected a list of texts")
    return tuple(str(v) for v in values)


# ---- SFT form ---------------------------------------------------------------------------------------------------


def from_sft(row: Mapping[str, Any], where: str) -> Sample:
    """One chat record. Without `problem_type` or `task` it is open-ended.

    The worked answer becomes meta['response'], its answer block the truth unless the record has a `solution` (or
    `answer`). Without a worked answer the solution is enough for RL and evaluation.
    """
    chat = read_chat(row.get("messages"), where)
    given = {key: value for key, value in row.items() if key != "messages" and not is_null(value)}
    for key, inline in (("images", chat.media.get("image")), ("videos", chat.media.get("video"))):
        if inline and given.get(key) not in (None, [], inline):
            raise DataError(f"{where}: messages and field {key!r} both name media; expected them in one place")
        given |= {key: inline} if inline else {}
    if not chat.response and "solution" not in given and "answer" not in given:
        raise DataError(f"{where}: neither an assistant message nor a `solution`; expected one, as the truth")
    kept = {"response": chat.response, "system": chat.system}
    default = {"problem": chat.question, "solution": chat.response} if chat.response else {"problem": chat.question}
    if not {"problem_type", "task"} & given.keys():
        given["problem_type"] = "open-ended"
    if "answer" in given:
        default.pop("solution", None)
    return _published(default | given | {k: v for k, v in kept.items() if v}, where, chat.question)


def to_sft(sample: Sample, prompt: str) -> dict[str, Any]:
    """A chat record with `prompt` as the user's message and the worked answer as the assistant's.

    `prompt` as `Task.prompt` writes it marks every medium, so that `from_sft` gives the sample back.
    """
    row = to_published(sample)
    response = row.pop("response", None)
    if not response:
        raise DataError(f"sample {sample.id} has no worked answer (meta['response']); the SFT form needs one")
    row.pop("path")
    system = row.pop("system", "")
    clips = [m for m in sample.media if is_video(sample, m)]
    stills = [m for m in sample.media if not is_video(sample, m)]
    messages = [{"role": "user", "content": prompt}, {"role": "assistant", "content": response}]
    if system:
        messages.insert(0, {"role": "system", "content": system})
    return {"messages": messages} | row | {"images": stills, "videos": clips}


def is_video(sample: Sample, name: str) -> bool:
    """Whether a medium of the sample is a clip: by its modality, or where that is both by the name's ending."""
    if sample.modality in ("image", "video"):
        return sample.modality == "video"
    return Path(name).suffix.lower() in VIDEO_SUFFIXES


# ---- native form -------------------------------------------------------------------------------------------------


def _from_native(row: Mapping[str, Any], where: str) -> Sample:
    if not row.keys() >= _NEEDED:
        missing = _NEEDED - row.keys()
        raise DataError(
            f"{where}: fields {', '.join(sorted(missing))} are missing; a row holds {', '.join(sorted(_FIELDS))} "
            "(native), `problem` ... (published) or `messages` ... (SFT)"
        )
    for name in ("task", "modality", "question", "truth"):
        if not isinstance(row[name], str):
            raise DataError(f"{where}: field {name!r} is {row[name]!r:.80}; expected text")
    if row["modality"] not in MODALITIES:
        raise DataError(f"{where}: modality {row['modality']!r:.80}; expected one of {', '.join(MODALITIES)}")
    task, modality, question, truth = row["task"], row["modality"], row["question"], row["truth"]
    media, _, read = media_of({**row, "data_type": modality}, where, "media", question)
    meta = _native_meta(row, where)
    if not row.keys() <= _FIELDS:
        meta = {key: value for key, value in row.items() if key not in _FIELDS and key not in read} | meta
    name, options, source = _id(row, "id", where), _texts(row, "options", where), str(row.get("source") or "")
    return Sample(name, task, modality, question, truth, options, media, source, meta)


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
    row = {name: getattr(sample, name) for name in _FIELDS}
    return row | {"options": list(sample.options), "media": list(sample.media), "meta": dict(sample.meta)}
