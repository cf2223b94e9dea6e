"""The record that every stage hands on: a question, its media and its truth."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, overload

from onethinker.sample.plain import NotPlain, plain

Modality = Literal["image", "video", "video-image", "text"]
MODALITIES: tuple[Modality, ...] = ("image", "video", "video-image", "text")


BESIDE_THE_QUESTION = frozenset({"response", "turns", "annotation", "difficulty"})
"""Keys of `meta` on which neither a question nor its score depends: a worked answer to learn from and its turns, how it
was made, and how often a model answers right."""


class DataError(ValueError):
    """A data file that cannot be used; the message names the file, the row and the fix."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One question.

    id: unique within its file. task: a name in `onethinker.tasks.list_tasks()`.
    question: text; `<image>` and `<video>` place the media in order, without them the media come first (`marks`).
    options: the choices as shown, such as "A. red". media: paths relative to the file's media root.
    truth: the text that belongs inside `<answer>`, as given. source: the data set.
    meta: what else is known, such as `resolution`, `fps`, `response` (a worked answer to learn from), `turns`
    (what a worked answer writes before it: texts that each end in a tool call),
    `segmentation` (COCO run lengths as published), `split`, `kind`. Fields of a file that have no place here go there.
    It holds plain JSON, into which other values are turned (`plain`), so that every sample can be stored. Raises
    DataError for values that cannot.
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

    def __post_init__(self) -> None:
        if self.meta:
            try:
                object.__setattr__(self, "meta", plain(self.meta, "meta") or {})
            except NotPlain as error:
                raise DataError(f"sample {self.id}: {error}") from error

    def digest(self) -> str:
        """16 hex digits over everything that the question and its score depend on (not the worked answer)."""
        meta = {k: v for k, v in self.meta.items() if k not in BESIDE_THE_QUESTION}
        content = [self.task, self.modality, self.question, self.truth, self.options, self.media, meta]
        return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:16]

    @property
    def pass_rate(self) -> float | None:
        """How often a model's sampled answers were right, 0–1, as `onethinker data difficulty` keeps it in
        `meta.difficulty`; None where that is not known."""
        known = self.meta.get("difficulty")
        rate = known.get("pass_rate") if isinstance(known, Mapping) else None
        return float(rate) if isinstance(rate, int | float) and 0 <= rate <= 1 else None

    def paths(self, root: Path) -> list[Path]:
        """The media under `root`. Raises DataError for a path that leaves it."""
        return [resolve_under(root, name) for name in self.media]


def resolve_under(root: Path, name: str) -> Path:
    """`root / name`, refused if it points outside `root` (symbolic links followed)."""
    base = root.resolve()
    try:
        path = (base / name).resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise DataError(f"media path {name!r:.200} under {base} cannot be followed ({error}); mend it") from error
    if not path.is_relative_to(base):
        raise DataError(
            f"media path {name!r:.200} leaves the media root {base}, links followed; give --media-root a folder that "
            "holds it, or where a disk holds the media, link the whole set's folder rather than one within it"
        )
    return path


@dataclass(frozen=True)
class Samples(Sequence[Sample]):
    """Samples and the folder their media paths are relative to.

    left_out: what was wrong with each row of the file that could not be read. renamed: the ids that repeated one before
    them and were made unique, each with the row that it was.
    """

    items: tuple[Sample, ...]
    root: Path
    left_out: tuple[str, ...] = ()
    renamed: tuple[str, ...] = ()

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

    # What training asks of samples, loaded or streamed (`stream.SampleStream`).

    def name_of(self, position: int) -> str:
        """What a message calls a sample."""
        return self.items[position].id

    def prefetch(self, positions: Sequence[int]) -> None:
        """Be ready to read these: their media are files."""

    def head(self, count: int) -> Samples:
        """What a first look is taken at: all of them, since they are loaded."""
        return self

    def column(self, name: str) -> list[Any]:
        """A field of every sample."""
        return [getattr(sample, name) for sample in self.items]

    def of_task(self, *tasks: str) -> Samples:
        return replace(self, items=tuple(s for s in self.items if s.task in tasks))

    def of_difficulty(self, low: float, high: float) -> Samples:
        """Those whose `pass_rate` is known and from `low` to `high`. Raises DataError where there are none."""
        items = tuple(s for s in self.items if s.pass_rate is not None and low <= s.pass_rate <= high)
        if not items:
            known = sum(s.pass_rate is not None for s in self.items)
            raise DataError(
                f"no sample has a pass rate from {low:g} to {high:g}: {known} of {len(self)} have one "
                "(`onethinker data difficulty` measures it)"
            )
        return replace(self, items=items)
