"""The samples that a run of SFT began with, and those of them that it goes without because they cannot be read.

A run goes on as itself with the samples that it began with, in their order. It does so too

- after a broken file was mended: a run is its questions, truths and worked answers, not pixels. The sample takes part
  from its next turn; steps already made stay as they are.
- after a sample was removed that cannot be read: each step that meets it goes without it, removed or not, so that no
  step changes. Batches count by the samples that the run began with (`RUN/roster.jsonl`).

Samples that can be read and are gone, others that came, and another order are another run. Of a set that is streamed
there is no roster: its shards, as they are, are the run's.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from onethinker.media import MediaBudget, MediaError, is_clip, open_clip, open_image
from onethinker.sample import DataError, Sample, Samples, resolve_under
from onethinker.sample.stream import SampleStream, TrainingSet
from onethinker.train.unreadable import UNREADABLE
from onethinker.util.files import write_whole
from onethinker.util.runs import JsonLines, RunError

ROSTER = "roster.jsonl"


@dataclass(frozen=True, slots=True)
class Entry:
    """A sample that the run began with. digest: of question, truth and worked answer."""

    id: str
    digest: str
    media: tuple[str, ...]


@dataclass(frozen=True)
class Roster:
    """entries: what the run began with, none of a stream. positions: where each is among the samples at hand, None if
    it is gone. fingerprint: of what it began with, as part of the run's identity."""

    entries: tuple[Entry, ...]
    positions: Sequence[int | None]
    fingerprint: dict[str, Any]

    def save(self, run: Path) -> None:
        """Write it once, when the run begins."""
        if self.entries and not (run / ROSTER).exists():
            lines = (json.dumps(asdict(entry), ensure_ascii=False) + "\n" for entry in self.entries)
            write_whole(run / ROSTER, "".join(lines))


def roster_of(samples: TrainingSet, run: Path) -> Roster:
    """What the run in this folder began with, where only unreadable ones of it are gone; else these.

    Raises RunError if there are no samples.
    """
    if isinstance(samples, SampleStream):
        return new_roster(samples)
    contents, began = list(map(_content, samples)), _read(run / ROSTER)
    now = _entries(samples, contents)
    positions = _places(began, now)
    if len(began) > len(now) and positions is not None:
        known = {row["id"] for row in JsonLines(run / UNREADABLE).rows()}
        gone = [entry for entry, position in zip(began, positions, strict=True) if position is None]
        if all(entry.id in known or not _can_be_read(entry, samples.root) for entry in gone):
            config = json.loads((run / "config.json").read_text(encoding="utf-8"))
            return Roster(began, positions, config["samples"])
    return _beginning(samples, contents)


def new_roster(samples: TrainingSet) -> Roster:
    """That of a run that begins with these. Raises RunError if there are none."""
    if isinstance(samples, SampleStream):
        return Roster((), range(len(samples)), samples.identity())
    return _beginning(samples, list(map(_content, samples)))


def _beginning(samples: Samples, contents: Sequence[str]) -> Roster:
    return Roster(_entries(samples, contents), tuple(range(len(samples))), _fingerprint(samples, contents))


def _entries(samples: Samples, contents: Sequence[str]) -> tuple[Entry, ...]:
    hashes = (hashlib.sha256(content.encode()).hexdigest()[:16] for content in contents)
    return tuple(Entry(sample.id, found, sample.media) for sample, found in zip(samples, hashes, strict=True))


def fingerprint(samples: TrainingSet) -> dict[str, Any]:
    """What a run was trained on: questions, truths and worked answers, in order, or a stream's shards. Raises RunError
    if there are none."""
    if isinstance(samples, SampleStream):
        return samples.identity()
    return _fingerprint(samples, map(_content, samples))


def _fingerprint(samples: Samples, contents: Iterable[str]) -> dict[str, Any]:
    if not len(samples):
        raise RunError("no samples to train on; look at data.train and data.limit")
    digest = hashlib.sha256()
    for sample, content in zip(samples, contents, strict=True):
        digest.update(f"{sample.id}|{content}\n".encode())
    return {"n": len(samples), "digest": digest.hexdigest()[:16]}


def _content(sample: Sample) -> str:
    """What of a sample is trained on. Its digest is the costly part, so that this is made once a sample."""
    return f"{sample.digest()}|{sample.meta.get('response', '')}"


def _read(file: Path) -> tuple[Entry, ...]:
    rows = JsonLines(file).rows() if file.exists() else []
    return tuple(Entry(row["id"], row["digest"], tuple(row["media"])) for row in rows)


def _places(began: Sequence[Entry], now: Sequence[Entry]) -> tuple[int | None, ...] | None:
    """Where each of `began` is in `now`, which has the same order; None where `now` has others or another order."""
    found: list[int | None] = []
    place = 0
    for entry in began:
        here = place < len(now) and entry == now[place]
        found.append(place if here else None)
        place += here
    return tuple(found) if place == len(now) else None


def _can_be_read(entry: Entry, root: Path) -> bool:
    try:
        for name in entry.media:
            file = resolve_under(root, name)
            open_clip(file, MediaBudget(frame_pixels=4096)) if is_clip(file) else open_image(file, 4096)
    except (DataError, MediaError, OSError):
        return False
    return True
