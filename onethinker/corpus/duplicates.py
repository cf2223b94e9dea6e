"""Media that are copies of one another: alike by bytes, by decoded pixels, or near duplicates as pictures or as clips.

Near duplicates are looked for among hashes of views (`candidates`) and then laid over each other (`likeness`). Of two
clips the frames that look alike vote for the time by which one begins later; frames at that time apart are then laid
over each other too, and most of them must agree.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from onethinker.corpus.candidates import Groups, near
from onethinker.corpus.hashes import views_of
from onethinker.corpus.likeness import KEPT, Likeness, Look, compare
from onethinker.media import MediaBudget, MediaError, open_clip, open_image
from onethinker.util.progress import bar

if TYPE_CHECKING:
    import pyarrow as pa

How = Literal["bytes", "pixels", "picture", "clip", "mirrored"]
_CHECKED = 5
"""Frames of a clip that are laid over another's."""
_BESIDE = (0.0, -0.08, 0.08, -0.16, 0.16)
"""Seconds by which the time between two clips may be off, since frames are hashed a quarter of a second apart."""
_BUDGET = MediaBudget(frame_pixels=KEPT * KEPT)


class Near(BaseModel):
    """What counts as a near duplicate. The values stand in docs/cleaning.md with what they find and miss."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    bits: int = Field(12, ge=0, le=20, description="bits of 64 in which views may differ that are looked at closely")
    less: float = Field(0.08, ge=0, le=1, description="unexplained share of what is to see, in one direction")
    more: float = Field(0.6, ge=0, description="the same in the other direction, where a watermark may lie")
    area: float = Field(0.15, ge=0, le=1, description="unexplained share of all pixels")
    overlap: float = Field(0.72, ge=0, le=1, description="share of the area that both pictures must show")
    frames: float = Field(0.6, ge=0, le=1, description="share of frames of two clips that must be near duplicates")
    seconds: float = Field(0.5, ge=0, le=1, description="share of the shorter clip that the longer one must show")
    mirrored: bool = Field(False, description="whether mirror images count")

    def holds(self, found: Likeness) -> bool:
        return (
            found.less <= self.less
            and found.more <= self.more
            and found.area <= self.area
            and found.overlap >= self.overlap
        )


@dataclass(frozen=True, slots=True)
class Pair:
    """Two media by path, the first the lesser. how: what of them is alike. shift: seconds by which a clip's frame is
    shown later in the second."""

    first: str
    second: str
    how: How
    shift: float = 0.0


class Media:
    """A table of signatures as arrays. sides: of each medium, 0 unless given; only media of two sides are compared if
    there are two."""

    def __init__(self, table: pa.Table, roots: Sequence[Path], sides: NDArray[np.int64] | None = None) -> None:
        rows = table.drop_columns(["hashes", "mirrored", "contents", "flat", "times"])
        self.rows: list[dict[str, Any]] = rows.to_pylist()
        self.roots = roots
        self.sides = np.zeros(len(table), np.int64) if sides is None else sides
        self._lists = {
            name: _ragged(table.column(name)) for name in ("hashes", "mirrored", "contents", "flat", "times")
        }

    def part(self, name: str, place: int) -> NDArray[Any]:
        values, ends = self._lists[name]
        return values[ends[place] : ends[place + 1]]

    def file(self, place: int) -> Path:
        return self.roots[int(self.sides[place])] / self.rows[place]["path"]

    @property
    def two_sided(self) -> bool:
        return len(self.roots) > 1

    def may_pair(self, one: int, other: int) -> bool:
        return not self.two_sided or bool(self.sides[one] != self.sides[other])


def _ragged(column: pa.ChunkedArray) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """All values of a column of lists, and where each list begins and ends."""
    import pyarrow.compute as pc

    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy()
    return column.combine_chunks().flatten().to_numpy(zero_copy_only=False), np.r_[0, np.cumsum(lengths)].astype(int)


def find(media: Media, config: Near) -> list[Pair]:
    """The pairs that make up the groups of duplicates; not every pair of a group is among them. Between two sides all
    pairs are."""
    groups = Groups(len(media.rows))
    found = {(one, other): _pair(media, one, other, how) for one, other, how in _exact(media, groups)}
    sound = [place for place, row in enumerate(media.rows) if not row["problem"]]
    # A copy of what another copies exactly is found by that one; between two sides it need not be.
    first = sound if media.two_sided else [place for place in sound if groups.find(place) == place]
    for clips, verify in ((False, _verify_pictures), (True, _verify_clips)):
        places = [place for place in first if bool(media.rows[place]["clip"]) is clips]
        candidates = _candidates(media, places, config)
        with bar("near duplicates", len(candidates)) as advance:
            for (one, other), frames in candidates.items():
                advance()
                joined = not media.two_sided and groups.find(one) == groups.find(other)
                if joined or (one, other) in found:
                    continue
                pair = verify(media, one, other, frames, config)
                if pair is not None:
                    groups.join(one, other)
                    found[one, other] = pair
    return list(found.values())


def _exact(media: Media, groups: Groups) -> Iterator[tuple[int, int, How]]:
    """Media of the same bytes, or else of the same decoded pixels."""
    names: tuple[Literal["bytes"], Literal["pixels"]] = ("bytes", "pixels")
    met: set[tuple[int, int]] = set()
    for name in names:
        homes: dict[str, list[int]] = defaultdict(list)
        for place, row in enumerate(media.rows):
            if row["problem"]:
                continue
            earlier = homes[row[name]]
            partners = [p for p in earlier if media.may_pair(p, place) and (p, place) not in met]
            for partner in partners if media.two_sided else partners[:1]:
                if media.two_sided or groups.find(partner) != groups.find(place):
                    groups.join(partner, place)
                    met.add((partner, place))
                    yield partner, place, name
            earlier.append(place)


def _pair(media: Media, one: int, other: int, how: How, shift: float = 0.0) -> Pair:
    if (media.sides[one], one) > (media.sides[other], other):
        one, other, shift = other, one, -shift
    return Pair(media.rows[one]["path"], media.rows[other]["path"], how, shift)


Frames = list[tuple[int, int]]
"""Frames of two media that look alike."""


def _candidates(media: Media, places: Sequence[int], config: Near) -> dict[tuple[int, int], Frames]:
    """Pairs of media with frames whose views are near, in the order of their places."""
    asked, shown = _Rows(), _Rows()
    for place in places:
        hashes, flat = media.part("hashes", place), media.part("flat", place)
        each = len(hashes) // max(len(flat), 1)
        turned = media.part("mirrored", place) if config.mirrored else hashes[:0]
        for frame, nothing in enumerate(flat):
            if not nothing:
                own = hashes[frame * each : (frame + 1) * each]
                shown.add(place, frame, own)
                asked.add(place, frame, own[:2])
                asked.add(place, frame, turned[2 * frame : 2 * frame + 2])
    found: dict[tuple[int, int], set[tuple[int, int]]] = defaultdict(set)
    (queries, owners_q, frames_q), (entries, owners_e, frames_e) = asked.arrays(), shown.arrays()
    apart = (media.sides[owners_q], media.sides[owners_e]) if media.two_sided else (owners_q, owners_e)
    for q, e in zip(*near(queries, entries, config.bits, owners=apart)):
        one, other = (int(owners_q[q]), int(frames_q[q])), (int(owners_e[e]), int(frames_e[e]))
        low, high = sorted((one, other))
        found[low[0], high[0]].add((low[1], high[1]))
    return {pair: sorted(frames) for pair, frames in sorted(found.items())}


class _Rows:
    """Hashes with their medium and frame, gathered."""

    def __init__(self) -> None:
        self.hashes: list[NDArray[np.uint64]] = []
        self.owners: list[int] = []
        self.frames: list[int] = []
        self.counts: list[int] = []

    def add(self, owner: int, frame: int, hashes: NDArray[np.uint64]) -> None:
        self.hashes.append(hashes)
        self.owners.append(owner)
        self.frames.append(frame)
        self.counts.append(len(hashes))

    def arrays(self) -> tuple[NDArray[np.uint64], NDArray[np.int64], NDArray[np.int64]]:
        if not self.hashes:
            return np.empty(0, np.uint64), np.empty(0, np.int64), np.empty(0, np.int64)
        owners, frames = (np.repeat(np.array(values, np.int64), self.counts) for values in (self.owners, self.frames))
        return np.concatenate(self.hashes).astype(np.uint64), owners, frames


# ---- a closer look ----------------------------------------------------------------------------------------------


@lru_cache(maxsize=512)
def _look(file: Path, mirrored: bool = False) -> Look | None:
    try:
        return look_of(np.asarray(open_image(file)), mirrored=mirrored)
    except MediaError:
        return None


def look_of(rgb_HWC: NDArray[np.uint8], *, mirrored: bool = False) -> Look:
    """A picture as `likeness` takes it."""
    shown = np.ascontiguousarray(rgb_HWC[:, ::-1]) if mirrored else rgb_HWC
    views = views_of(shown)
    return Look.of(shown, views.hashes_V.tolist(), views.content)


def alike(one: Look, other: Look, config: Near) -> bool:
    """Whether two pictures are near duplicates."""
    return config.holds(compare(one, other, config.bits + 4))


def _verify_pictures(media: Media, one: int, other: int, frames: Frames, config: Near) -> Pair | None:
    first = _look(media.file(one))
    for mirrored in (False, True) if config.mirrored else (False,):
        second = _look(media.file(other), mirrored)
        if first and second and alike(first, second, config):
            return _pair(media, one, other, "mirrored" if mirrored else "picture")
    return None


def _verify_clips(media: Media, one: int, other: int, frames: Frames, config: Near) -> Pair | None:
    seconds = media.part("times", one), media.part("times", other)
    shift, voted = _shift(seconds, frames)
    begin, end = max(seconds[0][0], seconds[1][0] - shift), min(seconds[0][-1], seconds[1][-1] - shift)
    within = [t for t in seconds[0] if begin <= t <= end]
    shorter = min(s[-1] - s[0] for s in seconds)
    if not within or len(voted) < 0.5 * config.frames * len(within) or end - begin < config.seconds * shorter:
        return None
    times = sorted({within[i] for i in np.linspace(0, len(within) - 1, _CHECKED).round().astype(int)})
    try:
        firsts = open_clip(media.file(one), _BUDGET, times=times).frames
        tries = [[max(0.0, t + shift + off) for t in times] for off in _BESIDE]
        seconds_of = open_clip(media.file(other), _BUDGET, times=[t for row in tries for t in row]).frames
    except MediaError:
        return None
    looks = [look_of(frame) for frame in firsts]
    others = seconds_of.reshape(len(tries), len(times), *seconds_of.shape[1:])
    agreed = 0
    for at, look in enumerate(looks):
        agreed += any(alike(look, look_of(row[at]), config) for row in others)
    return _pair(media, one, other, "clip", shift) if agreed >= config.frames * len(looks) else None


def _shift(seconds: tuple[NDArray[Any], NDArray[Any]], frames: Frames) -> tuple[float, set[int]]:
    """The seconds by which most frames of the first are shown later in the second, and those frames."""
    apart = np.array([seconds[1][b] - seconds[0][a] for a, b in frames])
    step = max(float(np.diff(s).max()) if len(s) > 1 else 0.25 for s in seconds)
    near_by = np.abs(apart[:, None] - apart[None]) <= step / 2 + 1e-6
    best = min(range(len(apart)), key=lambda i: (-int(near_by[i].sum()), abs(apart[i])))
    return float(np.median(apart[near_by[best]])), {frames[i][0] for i in np.flatnonzero(near_by[best])}


def grouped(paths: Iterable[str], pairs: Iterable[Pair]) -> dict[str, str]:
    """Each medium → the one that stands for its group, the first by path."""
    names = sorted(set(paths))
    places = {name: at for at, name in enumerate(names)}
    groups = Groups(len(names))
    for pair in pairs:
        groups.join(places[pair.first], places[pair.second])
    return {name: names[groups.find(at)] for at, name in enumerate(names)}
