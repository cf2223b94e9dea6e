"""A video file's frames by their place in the timetable, decoded when asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import chain, islice
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.stream import Disposition
from av.video.reformatter import VideoReformatter

from onethinker.media import hdr, timetable
from onethinker.media.decode import MediaError, check_pixels

MAX_FRAME_PIXELS = 8192 * 4352
SEEK_FRAMES = 24
"""Seek to a key frame when it skips more frames than this; below it, decoding on costs less than a flushed decoder."""

_CONTAINERS = "mov,mp4,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,asf,ogg,h264,hevc,m4v,ivf,y4m"
_JOINED_ANYWHERE = ("mpegts", "mpeg", "mpegvideo", "h264", "hevc", "m4v", "flv")
"""Containers without an index: a recording may begin in the middle, with packets that cannot be decoded yet."""
_CUT_SECONDS = 0.25
_HIDDEN_PACKETS = 2  # packets in a row that may carry no frame of their own, such as a reference that is never shown


class _LostError(Exception):
    """The packets after a seek, or the decoder's frames, are not those of the timetable."""


class _OverlapError(Exception):
    """Frames come in another order than their times, which other packets' times show to be meant."""


class Video:
    """A video file's first moving stream.

    Positions are places in the timetable. `shown` is the frame decoded last, `ahead` the one after it if decoding had
    to look ahead. Each packet is given its position as its time before it is decoded, so that the decoder hands it on
    to the frame; where the container tells no times of frames, they are counted, and nothing is sought.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self.resizer = VideoReformatter()
        self.is_overlapping = False
        self.options = {"protocol_whitelist": "file", "format_whitelist": _CONTAINERS}
        self._reopen()
        self._read_timetable()
        self.shown: tuple[int, av.VideoFrame]
        self.ahead: tuple[int, av.VideoFrame] | None
        self._restart()
        self._begin_at(self.shown[0])
        frame = self.shown[1]
        check_pixels(self.file, (frame.width, frame.height), MAX_FRAME_PIXELS)
        self.is_mirrored, self.quarter_turns = _display(frame)
        self.size: tuple[int, int] = (
            (frame.height, frame.width) if self.quarter_turns % 2 else (frame.width, frame.height)
        )

    def _reopen(self) -> None:
        self.container = av.open(str(self.file.resolve()), options=self.options, metadata_errors="replace")
        moving = [s for s in self.container.streams.video if not s.disposition & Disposition.attached_pic]
        if not moving:
            raise MediaError(f"{self.file}: no video stream in it; expected a clip")
        self.stream = moving[0]
        if self.stream.codec_context is None:
            raise MediaError(f"{self.file}: its video is coded in a way that is not read; write it as H.264")
        size = self.stream.width, self.stream.height
        if any(size):  # a recording joined in the middle tells its size later; the decoder has its own bound
            check_pixels(self.file, size, MAX_FRAME_PIXELS)
        self.stream.codec_context.options = {"max_pixels": str(MAX_FRAME_PIXELS)}
        self.stream.thread_type = "AUTO"

    def _read_timetable(self) -> None:
        stamps = timetable.read_stamps(self.container, self.stream)
        declared, edited = self._declared(stamps), None
        if "mov" in self.container.format.name and not all(s.is_shown for s in stamps):
            edited = self._read_edit(stamps)
        self.table = timetable.build(edited or stamps, self.container, self.stream, is_exact=bool(edited))
        if not len(self.table.starts_N):
            raise MediaError(f"{self.file}: its video stream holds no frames; replace the file")
        self.positions, self.starts, self.base = self.table.positions_P, self.table.starts_N, 0
        self.readable = self.table.end
        self.duration = self.readable if self.table.has_breaks else max(declared, self.readable)
        self.is_timed = self.table.is_timed
        self.first_key = int(self.table.keys[0]) if len(self.table.keys) else 0
        self.places = {(s.pts, s.at): i for i, s in enumerate(self.table.stamps) if s.is_key}
        self.sought = self.table.keys[self.positions[self.table.keys] >= 0]
        if not self.is_timed or (np.diff(self.positions[self.sought]) <= 0).any():
            self.sought = self.sought[:0]

    def _declared(self, stamps: list[timetable.Stamp]) -> float:
        """Seconds from the first frame to the end that the header declares, 0 where it declares none."""
        unit = float(self.stream.time_base or 1)
        if self.stream.duration:
            return self.stream.duration * unit
        if len(self.container.streams) == 1 and self.container.duration:
            begin = min((s.pts for s in stamps if s.pts is not None), default=0) * unit
            return self.container.duration / av.time_base - max(begin, 0.0)
        return 0.0

    def _read_edit(self, cut: list[timetable.Stamp]) -> list[timetable.Stamp] | None:
        """The packets of a clip that was cut without encoding it anew, which begins with frames that are not shown."""
        plain = self.options
        self.options = {**plain, "advanced_editlist": "0"}
        self.container.close()
        self._reopen()
        exact = timetable.exact_edit(cut, timetable.read_stamps(self.container, self.stream))
        if exact is None:
            self.options = plain
        return exact

    def _begin_at(self, position: int) -> None:
        """Count times from the first frame that can be shown."""
        begin = self._second(position)
        self.base, self.starts = position, self.starts[position:] - begin
        self.readable, self.duration = self.readable - begin, self.duration - begin

    def _second(self, position: int) -> float:
        return float(self.starts[max(position - self.base, 0)])

    def check_readable(self, wanted: np.ndarray) -> None:
        if self.duration > self.readable + _CUT_SECONDS and wanted.max() > self.readable:
            raise MediaError(
                f"{self.file}: cut off, frames end at {self.readable:.2f} s of the {self.duration:.2f} s that its "
                "header declares; replace the file or ask for earlier times"
            )

    def read(self, indices: np.ndarray, size: tuple[int, int]) -> Iterator[np.ndarray]:
        positions = [int(index) + self.base for index in indices]
        done = 0
        try:
            for position in positions:
                self._go_to(position)
                yield self._picture(self.shown[1], size)
                done += 1
        except _OverlapError:
            yield from self._collect(positions[done:], size)

    def _picture(self, frame: av.VideoFrame, size: tuple[int, int]) -> np.ndarray:
        """The frame upright at `size`, (H, W, 3) uint8 RGB, HDR tone-mapped."""
        width, height = reversed(size) if self.quarter_turns % 2 else size
        coding = "rgb48le" if frame.color_trc in (hdr.PQ, hdr.HLG) else "rgb24"
        plain = self.resizer.reformat(frame, width, height, coding, interpolation="BICUBIC").to_ndarray()
        if coding == "rgb48le":
            plain = hdr.tone_map(plain.astype(np.uint16, copy=False), int(frame.color_trc))
        return np.rot90(plain[:, ::-1] if self.is_mirrored else plain, self.quarter_turns)

    def _collect(self, positions: list[int], size: tuple[int, int]) -> Iterator[np.ndarray]:
        """The frames at ascending positions of a file whose joined parts overlap in time: by one pass over all."""
        self.is_overlapping = True
        self._restart()
        found = dict.fromkeys(positions, (-1, np.empty(0, np.uint8)))
        for at, frame in chain([self.shown], self.frames):
            closer = [p for p, (best, _) in found.items() if best < at <= p]
            if closer:
                found.update(dict.fromkeys(closer, (at, self._picture(frame, size))))
        for position, (at, picture) in found.items():
            self._check_gap(at, position)
            yield picture

    def _check_gap(self, at: int, position: int) -> None:
        """Raise MediaError where frames between `at`, which is shown, and `position`, which is wanted, are lost."""
        if at < 0 or abs(self.table.firm_N[position] - self.table.firm_N[at]) > _HIDDEN_PACKETS:
            raise MediaError(f"{self.file}: damaged, no frame at {self._second(position):.2f} s; replace the file")

    def _go_to(self, position: int) -> None:
        """Decode on, or from a later key frame, until the frame at `position` is shown."""
        if len(self.sought):
            before = int(np.searchsorted(self.positions[self.sought], position, side="right")) - 1
            if before >= 0 and self.positions[self.sought[before]] - self.shown[0] > SEEK_FRAMES:
                self._seek(int(self.sought[before]))
        try:
            self._decode_on(position)
        except _LostError:
            self._give_up_seeking()
            self._decode_on(position)
        self._check_gap(self.shown[0], position)

    def _decode_on(self, position: int) -> None:
        while self.shown[0] < position:
            following = self.ahead or next(self.frames, None)
            if following is None or following[0] > position:
                self.ahead = following
                break
            self.shown, self.ahead = following, None

    def _seek(self, key: int) -> None:
        """Go to the key packet or one before it; to the start, and seek no more, where the container finds neither."""
        stamp = self.table.stamps[key]
        for time in (stamp.pts, stamp.dts):  # some indices hold the times of showing, others those of decoding
            with suppress(av.FFmpegError, _LostError):
                self.container.seek(time or 0, stream=self.stream)
                packets = self._packets()
                first = next((p for p in packets if p.is_keyframe), None)
                place = self.places.get((first.pts, first.pos)) if first else None
                if first is None or place is None or place > key:
                    continue
                self.frames = self._decode(chain([first], packets), place)
                frame = next(self.frames, None)
                if frame is None or frame[0] > self.positions[key]:
                    break
                if frame[0] <= self.shown[0]:  # a container without an index: seeking only leads back
                    self.sought = self.sought[:0]
                self.shown, self.ahead = frame, None
                return
        self._give_up_seeking()

    def _give_up_seeking(self) -> None:
        self.sought = self.sought[:0]
        self._restart()

    def _restart(self) -> None:
        self.container.close()
        self._reopen()
        self.frames = self._decode(islice(self._packets(), self.first_key, None), self.first_key, is_start=True)
        first = next(self.frames, None)
        if first is None:
            raise MediaError(f"{self.file}: no frame of it can be decoded, nor does one begin in it; replace the file")
        self.shown, self.ahead = first, None

    def _packets(self) -> Iterator[av.Packet]:
        return (p for p in self.container.demux(self.stream) if p.size)

    def _decode(
        self, packets: Iterable[av.Packet], place: int, is_start: bool = False
    ) -> Iterator[tuple[int, av.VideoFrame]]:
        """Frames with their positions, from the key packet at `place` on.

        Frames that are shown before that key may lack what they refer to, so they are left out where they are damaged;
        so is everything up to the first good frame of a recording that begins in the middle.
        """
        key, last = int(self.positions[place]), -1
        is_joined = is_start and self.container.format.name in _JOINED_ANYWHERE
        for at, packet in chain(enumerate(packets, place), [(-1, None)]):
            position = int(self.positions[at]) if packet else last
            is_broken = False
            try:
                frames = self._decoded(packet, at)
            except av.FFmpegError:
                if position < key or (is_joined and last < 0):
                    continue
                frames, is_broken = self._remaining(), True
            for frame in frames:
                position = last + 1 if frame.pts is None or (last >= 0 and not self.is_timed) else frame.pts
                if position < 0 or (frame.is_corrupt and (position < key or (is_joined and last < 0))):
                    continue
                if frame.is_corrupt:
                    raise MediaError(f"{self.file}: damaged at {self._second(position):.2f} s; replace the file")
                if position <= last and self.table.is_reordered and not self.is_overlapping:
                    raise _OverlapError
                if position <= last and not self.table.is_reordered:  # these were times of decoding
                    self.is_timed = False
                    raise _LostError
                if position >= len(self.table.starts_N):
                    return
                yield position, frame
                last = position
            if is_broken:
                second = self._second(max(last, key))
                raise MediaError(
                    f"{self.file}: damaged after {second:.2f} s; replace the file or ask for earlier times"
                )

    def _decoded(self, packet: av.Packet | None, place: int) -> list[av.VideoFrame]:
        """The frames that the packet makes ready, each with the position of its own packet as its time."""
        if packet is not None:
            if packet.pts != self.table.stamps[place].pts:
                raise _LostError
            packet.pts = int(self.positions[place])
        return self.stream.codec_context.decode(packet)

    def _remaining(self) -> list[av.VideoFrame]:
        try:
            return self.stream.codec_context.decode(None)
        except av.FFmpegError:
            return []

    def __enter__(self) -> Video:
        return self

    def __exit__(self, *raised: object) -> None:
        self.container.close()


def _display(frame: av.VideoFrame) -> tuple[bool, int]:
    """(mirrored left to right, then quarter turns counterclockwise) that bring a frame upright, by its display matrix.

    The matrix's first four numbers a, b, c, d (16.16 fixed point) map a pixel (x, y) to (ax + cy, bx + dy).
    """
    matrix: Any = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return False, 0
    a, b, _, c, d = np.frombuffer(matrix, np.int32)[:5].astype(float)
    is_mirrored = a * d - b * c < 0
    if is_mirrored:
        a, b = -a, -b
    return is_mirrored, round(-np.degrees(np.arctan2(b, a)) / 90) % 4
