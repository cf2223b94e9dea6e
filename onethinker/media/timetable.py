"""When each frame of a video stream is shown: read from the container's packets, which costs no decoding."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import NamedTuple

import av
import numpy as np

_STREAMED = ("mpegts", "mpeg")
"""Containers in which time stamps may start again: recordings joined by bytes, a broadcast's next programme."""
_UNTIMED = ("avi", "asf")
"""Containers that tell when a packet is decoded, not when its frame is shown; libavformat's guess at that is wrong."""
_BACK_SECONDS, _AHEAD_SECONDS = 0.1, 10.0


class Stamp(NamedTuple):
    """One packet's header, in units of the stream's time base; the packet's bytes are not kept."""

    pts: int | None
    dts: int | None
    duration: int
    is_key: bool
    is_shown: bool
    at: int | None


@dataclass(frozen=True)
class Timetable:
    """Packets in the file's order (P) and frames in the order in which they are shown (N).

    stamps: P. positions_P: where each packet's frame stands among those shown, -1 where it is only
    decoded for others. starts_N: seconds at which they appear, the first at 0 or later. keys: the packets from which
    decoding can start. is_timed: the packets say when their frames are shown; otherwise frames are shown in the order
    in which the decoder gives them. is_reordered: the packets' own times are not in the file's order, as the times of
    showing are where a codec decodes some frames early. firm_N: how many of the frames so far can be decoded for sure;
    those that a key frame precedes in the file, yet not on screen, may refer to frames that were cut off.
    end: seconds at which the last frame ends. has_breaks: time stamps start again on the way.
    """

    stamps: list[Stamp]
    positions_P: np.ndarray
    starts_N: np.ndarray
    keys: np.ndarray
    is_timed: bool
    is_reordered: bool
    firm_N: np.ndarray
    end: float
    has_breaks: bool


def read_stamps(container: av.container.InputContainer, stream: av.VideoStream) -> list[Stamp]:
    """The headers of all packets that hold something, in the file's order."""
    new = partial(tuple.__new__, Stamp)  # an hour has 100,000 packets: three times as fast as Stamp(…)
    return [
        new((p.pts, p.dts, p.duration or 0, p.is_keyframe, not p.is_discard, p.pos))
        for p in container.demux(stream)
        if p.size
    ]


def exact_edit(cut: list[Stamp], uncut: list[Stamp]) -> list[Stamp] | None:
    """The packets of a clip cut by one edit list, with the frame that is on screen where the cut begins.

    libavformat drops that frame unless the cut falls on its start, and moves the next one to 0. cut: as libavformat
    applies the list. uncut: the same packets with times from the list's start, none dropped (`advanced_editlist=0`).
    None if the list does more than to cut once, which only libavformat's own reading follows.
    """
    pairs = [(c.pts, u.pts) for c, u in zip(cut, uncut)]
    if len(cut) != len(uncut) or any(c is None or u is None for c, u in pairs) or not pairs:
        return None
    times = [u.pts or 0 for u in uncut]
    shown = [u for u, c in zip(times, cut) if c.is_shown]
    if len({(u or 0) - (c or 0) for c, u in pairs}) > 1 or not shown:
        return None
    before = [t for t in times if t <= 0]
    first = max(before) if before else min(shown)
    return [u._replace(is_shown=c.is_shown or t == first) for u, c, t in zip(uncut, cut, times)]


def build(
    stamps: list[Stamp], container: av.container.InputContainer, stream: av.VideoStream, is_exact: bool = False
) -> Timetable:
    """From the packets' times, or their order at the stream's mean rate where the container has none.

    is_exact: the stamps are those of `exact_edit`, whose first frame may have begun before the cut, at 0.
    """
    unit, rate, name = float(stream.time_base or 1), float(stream.average_rate or 25), container.format.name
    if name == "matroska,webm" and any(s.pts is not None for s in stamps):
        # After a cut, pictures shown before the first key frame have times below zero, which are read as none.
        stamps = [s._replace(is_shown=False) if s.pts is None else s for s in stamps]
    shown = np.array([s.is_shown for s in stamps], bool)
    times = [s.dts if name in _UNTIMED else s.pts for s in stamps]
    known = [t for t, is_shown in zip(times, shown) if is_shown and t is not None]
    is_reordered, is_known = not _ascends(known), len(known) == shown.sum()
    if name == "mpeg":  # times are told now and then, and guessed in between
        is_known &= len(set(known)) == len(known)
    is_timed = is_known and (is_reordered or not stream.codec_context.has_b_frames)
    breaks: np.ndarray = np.zeros(len(stamps))
    if is_timed and name in _STREAMED:
        breaks = _breaks(stamps, unit, rate)
    seconds_P: np.ndarray = np.arange(len(stamps)) / rate
    if is_known:
        seconds_P = np.array([t or 0 for t in times], np.int64) * unit + breaks
    order = np.flatnonzero(shown)[np.argsort(seconds_P[shown], kind="stable")]
    positions_P = np.full(len(stamps), -1, np.int64)
    positions_P[order] = np.arange(len(order))
    begin = seconds_P[order[0]] if len(order) else 0.0
    starts_N = np.maximum(seconds_P[order] - (max(begin, 0.0) if is_exact else begin), 0.0)
    last = stamps[order[-1]].duration * unit if len(order) and is_timed else 0.0
    return Timetable(
        stamps=stamps,
        positions_P=positions_P,
        starts_N=starts_N,
        keys=np.flatnonzero([s.is_key for s in stamps]),
        is_timed=is_timed,
        is_reordered=is_reordered,
        firm_N=np.cumsum(~_leading(stamps, positions_P)[order]),
        end=float(starts_N[-1]) + (last or 1 / rate) if len(order) else 0.0,
        has_breaks=bool(breaks.any()),
    )


def _leading(stamps: list[Stamp], positions_P: np.ndarray) -> np.ndarray:
    """(P,) whether a packet's frame is shown before that of the last key packet."""
    is_key = np.array([s.is_key for s in stamps], bool)
    last_key = np.maximum.accumulate(np.where(is_key, np.arange(len(stamps)), -1))
    return (last_key >= 0) & (positions_P < positions_P[last_key])


def _ascends(times: list[int]) -> bool:
    return all(a < b for a, b in pairwise(times))


def _breaks(stamps: list[Stamp], unit: float, rate: float) -> np.ndarray:
    """(P,) seconds to add where time stamps jump back, or far ahead, so that the joined parts follow one another.

    The bounds are those of the ffmpeg tool for these containers (`-dts_delta_threshold`).
    """
    added, sums = 0.0, np.zeros(len(stamps))
    before: float | None = None
    for i, stamp in enumerate(stamps):
        time = (stamp.dts if stamp.dts is not None else stamp.pts or 0) * unit
        if before is not None and not -_BACK_SECONDS <= time + added - before <= _AHEAD_SECONDS:
            added = before + (stamps[i - 1].duration * unit or 1 / rate) - time
        sums[i], before = added, time + added
    return sums
