"""A `Sample`: one question about images or a clip, with its truth as given.

Three file forms are read and written, told apart by their content:

- *published*: the OneThinker JSON list (`problem_id, problem, data_type, problem_type, options, solution, path, ...`);
- *sft*: chat records (`messages` + `images` / `videos`), whose last assistant message is the answer to learn;
- *native*: JSON lines or Parquet with this dataclass's own fields.

Boxes and points run from 0 to 1000 of the frame's width and height (Qwen3-VL's convention), times are in seconds.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, cast, overload

Modality = Literal["image", "video", "video-image", "text"]
MODALITIES: tuple[Modality, ...] = ("image", "video", "video-image", "text")


class DataError(ValueError):
    """A data file that cannot be used; the message names the file, the row and the fix."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One question.

    id: unique within its file. task: a name in `onethinker.tasks.list_tasks()`.
    question: text; `<image>` and `<video>` place the media in order, without them the media come first.
    options: the choices as shown, such as "A. red". media: paths relative to the file's media root.
    truth: the text that belongs inside `<answer>`, as given. source: the data set.
    meta: what else is known, such as `resolution`, `fps`, `response` (a worked answer to learn from),
    `segmentation` (COCO run lengths as published), `split`, `kind`.
    """

    id: str
    task: str
    modality: Modality
    question: str
    truth: str
    options: tuple[str, ...] = ()
    media: tuple[str, ...] = ()
    source: str = ""
    meta: Mapping[str, Any] = field(default_factory=dict)

    def digest(self) -> str:
        """16 hex digits over everything that the question and its score depend on (not the worked answer)."""
        meta = {k: v for k, v in self.meta.items() if k != "response"}
        content = [self.task, self.modality, self.question, self.truth, self.options, self.media, meta]
        return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:16]

    def paths(self, root: Path) -> list[Path]:
        """The media under `root`. Raises DataError for a path that leaves it."""
        return [resolve_under(root, name) for name in self.media]


def resolve_under(root: Path, name: str) -> Path:
    """`root / name`, refused if it points outside `root` (symbolic links followed)."""
    base = root.resolve()
    path = (base / name).resolve()
    if not path.is_relative_to(base):
        raise DataError(f"media path {name!r} leaves the media root {base}; give --media-root a folder that holds it")
    return path


@dataclass(frozen=True)
class Samples(Sequence[Sample]):
    """Samples and the folder their media paths are relative to."""

    items: tuple[Sample, ...]
    root: Path

    def __len__(self) -> int:
        return len(self.items)

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice) -> Samples: ...
    def __getitem__(self, index: int | slice) -> Sample | Samples:
        return replace(self, items=self.items[index]) if isinstance(index, slice) else self.items[index]

    def __iter__(self) -> Iterator[Sample]:
        return iter(self.items)

    def of_task(self, *tasks: str) -> Samples:
        return replace(self, items=tuple(s for s in self.items if s.task in tasks))


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
_PUBLISHED_META = ("resolution", "fps")


def strip_answer(solution: str) -> str:
    """The text inside `<answer>…</answer>`, or the whole text where there is no tag."""
    start, end = solution.find("<answer>"), solution.rfind("</answer>")
    return solution[start + len("<answer>") : end].strip() if 0 <= start < end else solution.strip()


def from_published(row: Mapping[str, Any], where: str) -> Sample:
    """One row of the published JSON. `where` names the file and row for errors."""
    for key in ("problem", "data_type", "problem_type", "solution"):
        if not isinstance(row.get(key), str):
            raise DataError(f"{where}: field {key!r} is {row.get(key)!r}; a published row needs it as text")
    modality, kind = row["data_type"].lower(), row["problem_type"].lower()
    if modality not in MODALITIES:
        raise DataError(f"{where}: data_type {row['data_type']!r}; expected one of {', '.join(MODALITIES)}")
    if kind == "segmentation":
        task = "image_segmentation" if modality == "image" else "video_segmentation"
    elif kind in _FROM_PUBLISHED:
        task = _FROM_PUBLISHED[kind]
    else:
        known = ", ".join([*_FROM_PUBLISHED, "segmentation"])
        raise DataError(f"{where}: problem_type {row['problem_type']!r}; expected one of {known}")
    meta: dict[str, Any] = {key: row[key] for key in _PUBLISHED_META if row.get(key) is not None}
    if row.get("segmentation_output"):
        meta["segmentation"] = row["segmentation_output"]
    if row.get("additional_path"):
        meta["additional_path"] = row["additional_path"]
    if row.get("response"):
        meta["response"] = row["response"]
    return Sample(
        id=str(row.get("problem_id", where)),
        task=task,
        modality=cast(Modality, modality),
        question=row["problem"],
        truth=strip_answer(row["solution"]),
        options=tuple(str(o) for o in row.get("options") or ()),
        media=tuple(_as_list(row.get("path")) + _as_list(row.get("additional_path"))),
        source=str(row.get("data_source") or ""),
        meta=meta,
    )


def to_published(sample: Sample) -> dict[str, Any]:
    """The published JSON row of a sample; `from_published` gives the sample back."""
    extra = _as_list(sample.meta.get("additional_path"))
    media = list(sample.media[: len(sample.media) - len(extra)])
    row: dict[str, Any] = {
        "problem_id": int(sample.id) if sample.id.isdecimal() and str(int(sample.id)) == sample.id else sample.id,
        "problem": sample.question,
        "data_type": sample.modality,
        "problem_type": _TO_PUBLISHED[sample.task],
        "options": list(sample.options),
        "solution": f"<answer>{sample.truth}</answer>",
        "path": media[0] if len(media) == 1 else media,
        "data_source": sample.source,
    }
    row |= {key: sample.meta[key] for key in (*_PUBLISHED_META, "additional_path", "response") if key in sample.meta}
    if "segmentation" in sample.meta:
        row["segmentation_output"] = sample.meta["segmentation"]
    return row


def _as_list(value: Any) -> list[str]:
    if not value:
        return []
    return [str(v) for v in value] if isinstance(value, list | tuple) else [str(value)]


# ---- SFT form ---------------------------------------------------------------------------------------------------


def from_sft(row: Mapping[str, Any], where: str) -> Sample:
    """One chat record. The record says nothing of the task unless it carries `problem_type`; then it is open-ended."""
    messages = row.get("messages")
    if not isinstance(messages, list) or not all(isinstance(m, dict) for m in messages):
        raise DataError(f"{where}: field 'messages' must be a list of {{role, content}}")
    user = [str(m.get("content", "")) for m in messages if m.get("role") == "user"]
    assistant = [str(m.get("content", "")) for m in messages if m.get("role") == "assistant"]
    if len(user) != 1 or len(assistant) != 1:
        raise DataError(f"{where}: expected one user and one assistant message, found {len(user)} and {len(assistant)}")
    images, videos = _as_list(row.get("images")), _as_list(row.get("videos"))
    modality = "video-image" if images and videos else "video" if videos else "image" if images else "text"
    published = {
        "problem_id": row.get("problem_id", row.get("id", where)),
        "problem": row.get("problem", user[0]),
        "data_type": modality,
        "problem_type": row.get("problem_type", "open-ended"),
        "options": row.get("options"),
        "solution": row.get("solution", f"<answer>{strip_answer(assistant[0])}</answer>"),
        "path": videos + images if modality == "video-image" else images or videos,
        "data_source": row.get("data_source"),
        "resolution": row.get("resolution"),
        "fps": row.get("fps"),
        "segmentation_output": row.get("segmentation_output"),
        "response": assistant[0],
    }
    return from_published(published, where)


def to_sft(sample: Sample, prompt: str) -> dict[str, Any]:
    """A chat record with `prompt` as the user's message and the worked answer as the assistant's."""
    row = to_published(sample)
    response = row.pop("response", None)
    if not response:
        raise DataError(f"sample {sample.id} has no worked answer (meta['response']); the SFT form needs one")
    row.pop("path")
    clips = [m for m in sample.media if Path(m).suffix.lower() in VIDEO_SUFFIXES]
    stills = [m for m in sample.media if m not in clips]
    messages = [{"role": "user", "content": prompt}, {"role": "assistant", "content": response}]
    return {"messages": messages, "images": stills, "videos": clips} | row


VIDEO_SUFFIXES = frozenset(".mp4 .mov .mkv .webm .avi .m4v .mpg .mpeg .ts .flv .wmv .gif".split())


# ---- files ------------------------------------------------------------------------------------------------------


def load_samples(path: str | Path, media_root: str | Path | None = None, limit: int | None = None) -> Samples:
    """Read samples from a file or from the first data file of a folder (`samples.jsonl|json|parquet`).

    media_root: the folder media paths are relative to; the data file's folder unless given.
    Raises DataError naming the file, the row and the fix; an id that occurs twice is an error too.
    """
    file = _data_file(Path(path))
    samples: list[Sample] = []
    seen: dict[str, int] = {}
    for number, row in enumerate(_rows(file), start=1):
        if limit is not None and len(samples) >= limit:
            break
        where = f"{file}, row {number}"
        sample = parse_row(row, where)
        if sample.id in seen:
            raise DataError(f"{where}: id {sample.id!r} is also row {seen[sample.id]}; ids must be unique in a file")
        seen[sample.id] = number
        samples.append(sample)
    if not samples:
        raise DataError(f"{file}: no samples in it")
    return Samples(tuple(samples), Path(media_root) if media_root else file.parent)


def parse_row(row: Any, where: str) -> Sample:
    """One row in any of the three forms."""
    if not isinstance(row, Mapping):
        raise DataError(f"{where}: expected an object with a sample's fields, found {type(row).__name__}")
    if "messages" in row:
        return from_sft(row, where)
    if "problem" in row:
        return from_published(row, where)
    return _from_native(row, where)


def _from_native(row: Mapping[str, Any], where: str) -> Sample:
    known = {f.name for f in fields(Sample)}
    missing = {"id", "task", "modality", "question", "truth"} - row.keys()
    if missing:
        raise DataError(
            f"{where}: fields {', '.join(sorted(missing))} are missing; a row holds {', '.join(sorted(known))} "
            "(native), `problem` ... (published) or `messages` ... (SFT)"
        )
    values = {k: v for k, v in row.items() if k in known}
    meta = values.get("meta") or {}
    values["meta"] = json.loads(meta) if isinstance(meta, str) else dict(meta)
    values["options"] = tuple(values.get("options") or ())
    values["media"] = tuple(values.get("media") or ())
    for name in ("id", "task", "modality", "question", "truth"):
        if not isinstance(values[name], str):
            raise DataError(f"{where}: field {name!r} is {values[name]!r}; expected text")
    if values["modality"] not in MODALITIES:
        raise DataError(f"{where}: modality {values['modality']!r}; expected one of {', '.join(MODALITIES)}")
    return Sample(**values)


def _data_file(path: Path) -> Path:
    if path.is_file():
        return path
    if path.is_dir():
        for name in ("samples.jsonl", "samples.json", "samples.parquet"):
            if (path / name).is_file():
                return path / name
        raise DataError(f"{path}: no samples.jsonl, samples.json or samples.parquet in this folder; name the file")
    raise DataError(f"{path}: no such file or folder")


def _rows(file: Path) -> Iterator[Any]:
    if file.suffix == ".parquet":
        import pyarrow.parquet as pq

        for batch in pq.ParquetFile(file).iter_batches():
            yield from batch.to_pylist()
    elif file.suffix == ".json":
        try:
            rows = json.loads(file.read_text(encoding="utf-8"))
        except (ValueError, RecursionError) as error:
            raise DataError(f"{file}: not JSON ({error}); one object a line belongs in a .jsonl file") from error
        if not isinstance(rows, list):
            raise DataError(f"{file}: expected a JSON list of samples, found {type(rows).__name__}")
        yield from rows
    else:
        with file.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    try:
                        yield json.loads(line)
                    except (ValueError, RecursionError) as error:
                        raise DataError(f"{file}, line {number}: not JSON ({error})") from error


def save_samples(samples: Sequence[Sample], path: str | Path) -> Path:
    """Write `.jsonl` or `.parquet` (native) or `.json` (published), by the file's suffix; moved in whole."""
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    aside = file.with_name(file.name + ".part")
    if file.suffix == ".json":
        aside.write_text(json.dumps([to_published(s) for s in samples], indent=1, ensure_ascii=False), encoding="utf-8")
    elif file.suffix == ".jsonl":
        with aside.open("w", encoding="utf-8") as out:
            for sample in samples:
                out.write(json.dumps(to_native(sample), ensure_ascii=False) + "\n")
    elif file.suffix == ".parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        rows = [to_native(s) for s in samples]
        pq.write_table(pa.Table.from_pylist([r | {"meta": json.dumps(r["meta"])} for r in rows]), aside)
    else:
        raise DataError(f"{file}: unknown suffix {file.suffix!r}; use .jsonl, .parquet or .json (published form)")
    aside.replace(file)
    return file


def to_native(sample: Sample) -> dict[str, Any]:
    """The JSON-lines row of a sample."""
    row = {f.name: getattr(sample, f.name) for f in fields(Sample)}
    return row | {"options": list(sample.options), "media": list(sample.media), "meta": dict(sample.meta)}
