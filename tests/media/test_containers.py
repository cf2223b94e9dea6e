"""Clips as cameras, cutters and recorders leave them: at every time the frame that a plain pass shows."""

from __future__ import annotations

import struct
from pathlib import Path

import av
import numpy as np
import pytest

from onethinker.media import MediaBudget, MediaError, open_clip, probe
from tests.amount import thinned

CASES = Path(__file__).parents[3] / "shared" / "cases"
needs_cases = pytest.mark.skipif(not CASES.is_dir(), reason="../shared/cases, inputs that once failed, is absent")
RATE, COUNT = 30, 150
WIDTH, HEIGHT = 160, 64
CODECS = {
    "h264": ("libx264", {"bf": "0", "g": "250"}),
    "h264-b": ("libx264", {"bf": "3", "g": "20", "x264-params": "scenecut=0:b-adapt=0"}),
    "h264-open": ("libx264", {"bf": "3", "g": "20", "x264-params": "open-gop=1:scenecut=0:b-adapt=0"}),
    "h264-refresh": ("libx264", {"bf": "0", "g": "40", "x264-params": "intra-refresh=1"}),
    "hevc": ("libx265", {"x265-params": "keyint=60:log-level=none:pools=none:frame-threads=1"}),
    "av1": ("libsvtav1", {"g": "250", "preset": "12", "crf": "20"}),
    "vp9": ("libvpx-vp9", {"g": "250", "deadline": "realtime", "cpu-used": "8"}),
    "mpeg4": ("mpeg4", {"g": "250"}),
    "mpeg4-b": ("mpeg4", {"g": "30", "bf": "2"}),
    "mpeg2": ("mpeg2video", {"g": "15", "bf": "2"}),
}


def painted(index: int) -> np.ndarray:
    """A frame whose number stands in ten black and white blocks, block b being bit b."""
    blocks = np.array([index >> bit & 1 for bit in range(10)], np.uint8) * 255
    return np.ascontiguousarray(np.broadcast_to(np.repeat(blocks, WIDTH // 10)[None, :, None], (HEIGHT, WIDTH, 3)))


def number(frame: np.ndarray) -> int:
    """The number in a frame of `painted`, at any size."""
    height, width = frame.shape[:2]
    middle = frame[height // 2, ((np.arange(10) + 0.5) * width / 10).astype(int)]
    return sum(1 << bit for bit in range(10) if middle[bit].mean() > 115)


@pytest.fixture(scope="session")
def clips(tmp_path_factory):
    """clips(codec) → an MP4 of COUNT painted frames, encoded once a session."""
    folder, made = tmp_path_factory.mktemp("clips"), {}

    def clip(name: str) -> Path:
        if name not in made:
            codec, options = CODECS[name]
            made[name] = folder / f"{name}.mp4"
            with av.open(str(made[name]), "w") as container:
                stream = container.add_stream(codec, rate=RATE, options=options)
                stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
                for index in range(COUNT):
                    container.mux(stream.encode(av.VideoFrame.from_ndarray(painted(index), "rgb24")))
                container.mux(stream.encode())
        return made[name]

    return clip


def copied(source: Path, out: Path, begin: float = 0.0, parts: int = 1, **options: str) -> Path:
    """The source's packets in another container, from the key frame at or before `begin`, which becomes time 0, as
    `ffmpeg -ss BEGIN -i SOURCE -c copy OUT` writes them; several parts one behind the other."""
    with av.open(str(out), "w", options=options) as target:
        stream, shift = None, 0
        for _ in range(parts):
            with av.open(str(source)) as container:
                video = container.streams.video[0]
                stream = stream or target.add_stream_from_template(video, opaque=True)
                start = round(begin / video.time_base)
                container.seek(start, stream=video)
                length = round(COUNT / RATE / video.time_base)
                for packet in container.demux(video):
                    if packet.size:
                        packet.pts += shift - start
                        packet.dts = (packet.dts if packet.dts is not None else packet.pts) + shift - start
                        packet.stream = stream
                        target.mux(packet)
                shift += length
    return out


def plain_pass(path: Path) -> tuple[np.ndarray, list[int]]:
    """(seconds from the first frame, numbers) of all frames that a plain pass shows, in the order of their times."""
    shown = []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        for packet in container.demux(stream):
            try:
                frames = stream.codec_context.decode(packet if packet.size else None)
            except av.FFmpegError:
                continue
            shown += [(frame.pts, number(frame.to_ndarray(format="rgb24"))) for frame in frames]
        shown.sort()
        return np.array([(pts - shown[0][0]) * float(stream.time_base) for pts, _ in shown]), [n for _, n in shown]


def assert_shows(path: Path, starts: np.ndarray, numbers: list[int]) -> None:
    """All frames, some far apart, late ones alone: each is the one on screen then. Not asked within 2 ms of a change,
    which containers round."""
    rng, end = np.random.default_rng(0), float(starts[-1])
    middles = (starts + np.append(starts[1:], end + 1 / RATE)) / 2
    for asked in (middles, rng.uniform(0, end, 9), np.linspace(0, end, 4), [0.96 * end], np.arange(0, end, 0.5)):
        times = [t for t in asked if np.abs(starts - t).min() > 2e-3] or [0.0]
        shown = [numbers[max(0, int(np.searchsorted(starts, t + 1e-6, side="right")) - 1)] for t in times]
        assert [number(f) for f in open_clip(path, times=times).frames] == shown


# ---- cut without encoding anew ----------------------------------------------------------------------------------


@pytest.mark.parametrize("begin", thinned([1.0, 1.57, 3.37, 4.9], 3.37))
@pytest.mark.parametrize(
    "codec", thinned(["h264", "h264-b", "hevc", "av1", "vp9", "mpeg4", "mpeg4-b"], "h264-b", "vp9", "mpeg4-b")
)
def test_a_cut_clip_begins_with_the_frame_on_screen_at_the_cut(clips, tmp_path, codec, begin):
    path = copied(clips(codec), tmp_path / "cut.mp4", begin)
    first = int(begin * RATE + 1e-6)
    numbers = plain_pass(clips(codec))[1][first:]
    assert_shows(path, np.maximum(np.arange(first, COUNT) / RATE - begin, 0), numbers)
    assert probe(path).duration == pytest.approx(COUNT / RATE - begin, abs=0.07)


@pytest.mark.parametrize("codec", thinned(["h264-open", "h264-refresh", "hevc", "vp9"], "h264-open", "h264-refresh"))
@pytest.mark.parametrize("suffix", [".mkv", ".mov"])
def test_cuts_within_open_groups_and_without_edit_lists(clips, tmp_path, codec, suffix):
    if codec == "vp9" and suffix == ".mov":
        suffix = ".webm"
    path = copied(clips(codec), tmp_path / f"cut{suffix}", 2.4, use_editlist="0")
    assert_shows(path, *plain_pass(path))


@needs_cases
@pytest.mark.parametrize(("name", "first"), [("bf0_cut2.0.mp4", 60), ("hevc_cut3.37.mp4", 101)])
def test_cut_cases(name, first):
    frames = open_clip(CASES / "cut_clips" / name, MediaBudget(fps=2)).frames
    assert [number(f) for f in frames] == [first + 15 * k for k in range(len(frames) - 1)] + [number(frames[-1])]
    assert len(frames) >= 16


# ---- containers without times of showing ------------------------------------------------------------------------


@pytest.mark.parametrize("codec", thinned(["h264-b", "h264", "mpeg4-b", "mpeg4"], "h264-b", "mpeg4-b"))
@pytest.mark.parametrize("suffix", [".avi", ".wmv", ".mpg"])
def test_containers_that_tell_the_order_of_decoding_only(clips, tmp_path, codec, suffix):
    if suffix != ".avi" and codec.startswith("mpeg4"):
        pytest.skip("not stored so")
    with av.open(str(clips(codec))) as source, av.open(str(tmp_path / f"c{suffix}"), "w") as target:
        video = source.streams.video[0]
        stream = target.add_stream_from_template(video)
        to_start_codes = av.BitStreamFilterContext("h264_mp4toannexb", video) if codec.startswith("h264") else None
        for packet in source.demux(video):
            for part in to_start_codes.filter(packet) if to_start_codes and packet.size else [packet][: packet.size]:
                part.stream = stream
                target.mux(part)
    path = tmp_path / f"c{suffix}"
    assert_shows(path, np.arange(COUNT) / RATE, list(range(COUNT)))


@needs_cases
@pytest.mark.parametrize("name", ["b2.avi", "b3g10.avi"])
def test_avi_cases(name):
    frames = open_clip(CASES / "avi" / name, MediaBudget(fps=2)).frames
    assert [number(f) for f in frames] == [0, 15, 30, 45, 60, 75, 90, 105]


# ---- joined, broken off, put together ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "codec", thinned(["h264-b", "h264-open", "h264-refresh", "hevc", "mpeg2"], "h264-b", "h264-open", "mpeg2")
)
@pytest.mark.parametrize("share", thinned([0.12, 0.5], 0.12))
def test_a_recording_that_begins_in_the_middle_shows_what_can_be_decoded(clips, tmp_path, codec, share):
    whole = copied(clips(codec), tmp_path / "whole.ts").read_bytes()
    path = tmp_path / "joined.ts"
    path.write_bytes(whole[int(len(whole) * share) // 188 * 188 :])
    starts, numbers = plain_pass(path) if codec not in ("h264-open", "h264-refresh") else (np.array([]), [])
    if len(numbers):
        assert_shows(path, starts, numbers)
    else:  # x264 writes the parameters of these once, at the start
        with pytest.raises(MediaError, match=r"joined\.ts: no frame of it can be decoded"):
            open_clip(path)


@needs_cases
def test_joined_cases():
    clip = open_clip(CASES / "joined" / "from0.12.ts")
    assert [number(f) for f in clip.frames] == list(range(30, 120))
    assert np.allclose(clip.times, np.arange(90) / 30)
    with pytest.raises(MediaError, match=r"opencut\.ts: no frame of it can be decoded"):
        open_clip(CASES / "joined" / "opencut.ts")


@pytest.mark.parametrize("suffix", thinned([".mp4", ".mkv", ".ts"], ".mkv"))
@pytest.mark.parametrize("codec", thinned(["h264-b", "hevc"], "h264-b"))
def test_clips_put_together(clips, tmp_path, codec, suffix):
    path = copied(clips(codec), tmp_path / f"twice{suffix}", parts=2)
    assert_shows(path, np.arange(2 * COUNT) / RATE, list(range(COUNT)) * 2)


@pytest.mark.parametrize("codec", ["h264-b", "mpeg2"])
def test_streams_joined_byte_by_byte_follow_one_another(clips, tmp_path, codec):
    part = copied(clips(codec), tmp_path / "part.ts").read_bytes()
    path = tmp_path / "twice.ts"
    path.write_bytes(part * 2)
    clip = open_clip(path, times=np.arange(0.01, 10, 0.25))
    assert [number(f) for f in clip.frames] == [int(t * RATE) % COUNT for t in clip.times]
    assert clip.duration == pytest.approx(10, abs=0.1)


def test_time_stamps_that_wrap(clips, tmp_path):
    path = copied(clips("h264-b"), tmp_path / "wrap.ts", output_ts_offset=str(2**33 / 90_000 - 3))
    assert_shows(path, np.arange(COUNT) / RATE, list(range(COUNT)))


def test_damage_is_named_by_the_second_until_which_frames_are_shown(clips, tmp_path):
    media = bytearray(clips("h264-b").read_bytes())
    with av.open(str(clips("h264-b"))) as container:
        places = [(p.pts * p.time_base, p.pos, p.size) for p in container.demux(video=0) if p.size]
    for second, place, size in places:
        if 2 < second < 2.6:
            media[place : place + size] = b"\xff" * size
    path = tmp_path / "damaged.mp4"
    path.write_bytes(media)
    assert [number(f) for f in open_clip(path, times=[0.5, 1.5, 4.0]).frames] == [15, 45, 120]
    with pytest.raises(MediaError, match=r"damaged\.mp4: damaged after [12]\.\d\d s"):
        open_clip(path, times=[2.3])


# ---- how it is shown --------------------------------------------------------------------------------------------

UPRIGHT = {
    "quarter": ((0, 1, -1, 0), lambda f: np.rot90(f, -1)),
    "half": ((-1, 0, 0, -1), lambda f: np.rot90(f, 2)),
    "three quarters": ((0, -1, 1, 0), np.rot90),
    "mirrored": ((-1, 0, 0, 1), lambda f: f[:, ::-1]),
    "upside down": ((1, 0, 0, -1), lambda f: f[::-1]),
    "transposed": ((0, 1, 1, 0), lambda f: f.transpose(1, 0, 2)),
}


@pytest.mark.parametrize("turn", UPRIGHT)
def test_display_matrices(clips, tmp_path, turn):
    (a, b, c, d), upright = UPRIGHT[turn]
    media = clips("h264").read_bytes()
    plain, turned = (
        struct.pack(">9i", *(v << 16 for v in (m[0], m[1], 0, m[2], m[3], 0, 0, 0)), 1 << 30)
        for m in ((1, 0, 0, 1), (a, b, c, d))
    )
    track = media.index(plain, media.index(b"tkhd"))
    path = tmp_path / "turned.mp4"
    path.write_bytes(media[:track] + turned + media[track + 36 :])
    frame = open_clip(path, times=[3.5]).frames[0]
    assert np.array_equal(frame, upright(open_clip(clips("h264"), times=[3.5]).frames[0]))
