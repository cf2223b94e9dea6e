"""Images and clips: the right frames at the right times, and nothing hostile gets far."""

import re
import struct
import zlib
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from onethinker.media import (
    MediaBudget,
    MediaError,
    fit,
    is_clip,
    open_clip,
    open_image,
    probe,
    write_clip,
    write_image,
)
from tests.amount import thinned

REAL = Path(__file__).parents[3] / "shared" / "real" / "media"
needs_real = pytest.mark.skipif(not REAL.is_dir(), reason="../shared/real, the pack of real media, is absent")
SIDE = 96


def numbered(index: int, width: int = SIDE, height: int = SIDE) -> np.ndarray:
    """A frame that carries its index as 8 bright or dark columns."""
    frame = np.zeros((height, width, 3), np.uint8)
    for bit in range(8):
        if index >> bit & 1:
            frame[:, bit * width // 8 : (bit + 1) * width // 8] = 230
    return frame


def number(frame: np.ndarray) -> int:
    """The index painted by `numbered`."""
    width = frame.shape[1]
    return sum(1 << bit for bit in range(8) if frame[:, int((bit + 0.5) * width / 8)].mean() > 115)


def encode(path: Path, count: int, rate: int, codec: str = "libx264", *, rotation: int = 0) -> Path:
    """Numbered frames by PyAV alone, with B-frames where the codec has them; wide when rotated."""
    width = SIDE * 2 if rotation else SIDE
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = width, SIDE, "yuv420p"
        stream.gop_size = 12
        if rotation:
            stream.set_display_rotation(rotation)
        for index in range(count):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(numbered(index, width), "rgb24")))
        container.mux(stream.encode())
    return path


def encode_at(path: Path, times: list[float], unit: Fraction = Fraction(1, 90_000)) -> Path:
    """Numbered frames at the given times, by PyAV alone: a variable frame rate with B-frames."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30, options={"bf": "2", "g": "10"})
        stream.width = stream.height = SIDE
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = stream.time_base = unit
        for index, time in enumerate(times):
            frame = av.VideoFrame.from_ndarray(numbered(index), "rgb24")
            frame.pts, frame.time_base = round(time / unit), unit
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


# ---- clips: which frames ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", thinned([".mp4", ".mkv"], ".mp4"))
def test_exact_frames_of_a_variable_rate_clip(tmp_path, suffix):
    rng = np.random.default_rng(0)
    starts = np.concatenate([[0], np.cumsum(rng.choice([0.02, 0.04, 0.3, 1.5], 199))]).round(3)
    path = encode_at(tmp_path / f"v{suffix}", starts.tolist())
    asked = rng.uniform(0, starts[-1], 40)
    expected = [int(np.flatnonzero(starts <= t)[-1]) for t in asked]
    clip = open_clip(path, times=asked)
    assert [number(f) for f in clip.frames] == expected
    assert np.array_equal(clip.times, asked)
    assert [number(f) for f in open_clip(path, times=starts).frames] == list(range(200))
    everything = open_clip(path)
    assert np.allclose(everything.times, starts, atol=1e-3) and len(everything.frames) == 200


def test_sparse_times_of_a_long_clip_are_sought(tmp_path, monkeypatch):
    path = encode(tmp_path / "long.mp4", 250, 25)
    decoded = []
    import onethinker.media.read as sources

    class Counting(sources.Video):
        def _decode(self, *given, **named):
            for found in super()._decode(*given, **named):
                decoded.append(found)
                yield found

    monkeypatch.setattr(sources, "Video", Counting)
    clip = open_clip(path, times=[9.2, 0.0, 5.0])
    assert [number(f) for f in clip.frames] == [230, 0, 125]
    assert len(decoded) < 60


def test_budget_takes_frames_at_its_rate_and_thins_them_evenly(tmp_path):
    path = encode(tmp_path / "c.mp4", 100, 10)
    clip = open_clip(path, MediaBudget(fps=2, frame_pixels=32 * 32))
    assert clip.frames.shape == (20, 32, 32, 3) and (clip.width, clip.height) == (SIDE, SIDE)
    assert clip.times.tolist() == [k / 2 for k in range(20)]
    assert [number(f) for f in clip.frames] == [5 * k for k in range(20)]
    thinned = open_clip(path, MediaBudget(fps=2, max_frames=4))
    assert thinned.times.tolist() == [0, 3.0, 6.5, 9.5]
    assert clip.duration == pytest.approx(10)


def test_times_outside_the_clip_give_its_ends(tmp_path):
    path = encode(tmp_path / "c.mp4", 20, 10)
    assert [number(f) for f in open_clip(path, times=[-1, 0.95, 100]).frames] == [0, 9, 19]


@pytest.mark.parametrize("times", [[], [float("nan")], [[1.0]], [float("inf")]])
def test_times_that_are_no_times(tmp_path, times):
    with pytest.raises(MediaError, match="finite seconds"):
        open_clip(encode(tmp_path / "c.mp4", 5, 10), times=times)


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [
        (".avi", "mpeg4"),
        (".ts", "libx264"),
        (".webm", "libvpx-vp9"),
        (".mpg", "mpeg2video"),
        (".mov", "libx265"),
        (".mkv", "ffv1"),
    ],
)
def test_other_containers_and_codecs(tmp_path, suffix, codec):
    path = encode(tmp_path / f"c{suffix}", 60, 25, codec)
    asked = [0.0, 0.2, 1.0, 2.36]
    assert [number(f) for f in open_clip(path, times=asked).frames] == [0, 5, 25, 59]
    assert probe(path).frames == 60 and probe(path).duration == pytest.approx(2.4, abs=0.05)


@pytest.mark.parametrize("rotation", [90, -90, 180])
def test_rotation_is_honoured(tmp_path, rotation):
    path = encode(tmp_path / "r.mp4", 8, 8, rotation=rotation)
    upright = np.rot90(numbered(5, SIDE * 2), rotation // 90)
    clip = open_clip(path, times=[5 / 8])
    assert (clip.height, clip.width) == upright.shape[:2] == clip.frames.shape[1:3]
    assert np.abs(clip.frames[0].astype(int) - upright).mean() < 8
    assert (probe(path).width, probe(path).height) == (clip.width, clip.height)


@needs_real
@pytest.mark.slow
def test_same_frames_as_opencv_on_real_clips():
    reader = cv2.VideoCapture(str(REAL / "coffee.mp4"))
    theirs = {}
    for index in range(287):
        good, frame = reader.read()
        assert good
        if index in (0, 100, 286):
            theirs[index] = frame[:, :, ::-1]
    ours = open_clip(REAL / "coffee.mp4", times=[i * 1001 / 30000 for i in theirs])
    for frame, expected in zip(ours.frames, theirs.values()):
        assert np.abs(frame.astype(int) - expected).max() <= 3
    info = probe(REAL / "dog.mp4")
    assert (info.kind, info.width, info.height, info.frames) == ("clip", 1280, 720, 289)
    assert info.fps == pytest.approx(30000 / 1001)


@needs_real
@pytest.mark.slow
def test_seeking_gives_the_frames_of_a_whole_pass():
    times = np.linspace(0, 9.6, 15)
    sought, whole = open_clip(REAL / "dog.mp4", times=times[::7]), open_clip(REAL / "dog.mp4", times=times)
    assert np.array_equal(sought.frames, whole.frames[::7])


# ---- animated and still pictures --------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png"])
def test_animated_pictures_are_clips(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    frames = [Image.fromarray(numbered(i)) for i in range(6)]
    durations = [100, 200, 100, 500, 100, 100]
    lossless = {"lossless": True} if suffix == ".webp" else {}
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=durations, loop=0, **lossless)
    clip = open_clip(path, times=[0, 0.15, 0.35, 0.85, 0.95, 9])
    assert [number(f) for f in clip.frames] == [0, 1, 2, 3, 4, 5]
    assert clip.duration == pytest.approx(1.1)
    assert is_clip(path) and probe(path).kind == "clip" and probe(path).frames == 6
    assert number(np.asarray(open_image(path))) == 0


def test_an_image_is_a_clip_of_one_frame(tmp_path):
    path = write_image(tmp_path / "i.png", numbered(3))
    for clip in (open_clip(path), open_clip(path, MediaBudget()), open_clip(path, times=[0, 4])):
        assert all(number(f) == 3 for f in clip.frames)
    assert not is_clip(path) and probe(path).kind == "image"


def test_exif_orientation(tmp_path):
    picture = Image.fromarray(numbered(1, 80, 40))
    exif = picture.getexif()
    exif[0x0112] = 6  # turned a quarter clockwise to be upright
    path = tmp_path / "e.jpg"
    picture.save(path, exif=exif, quality=95)
    upright = np.rot90(np.asarray(picture), -1)
    assert open_image(path).size == (40, 80) == (probe(path).width, probe(path).height)
    for found in (np.asarray(open_image(path)), open_clip(path).frames[0]):
        assert np.abs(found.astype(int) - upright).mean() < 8


def test_modes_become_rgb(tmp_path):
    grey16 = tmp_path / "16.png"
    Image.fromarray(np.full((8, 8), 40_000, np.uint16)).save(grey16)
    assert open_image(grey16).getpixel((0, 0)) == (156, 156, 156)
    clear = tmp_path / "clear.png"
    Image.new("RGBA", (8, 8), (255, 0, 0, 0)).save(clear)
    assert open_image(clear).getpixel((0, 0)) == (255, 255, 255)
    cmyk = tmp_path / "cmyk.jpg"
    Image.new("CMYK", (8, 8), (0, 0, 0, 255)).save(cmyk)
    assert open_image(cmyk).mode == "RGB"


@pytest.mark.parametrize(("size", "most"), [((1000, 500), 5000), ((100_000, 1), 10), ((3, 7), 1), ((640, 480), 10**9)])
def test_fit_bounds_pixels_and_keeps_the_aspect(size, most):
    width, height = fit(*size, most)
    assert 1 <= width * height <= most or (width, height) == (1, 1)
    assert width <= size[0] and height <= size[1]
    if min(width, height) > 20:
        assert width / height == pytest.approx(size[0] / size[1], rel=0.05)


def test_open_image_shrinks_but_never_enlarges(tmp_path):
    path = write_image(tmp_path / "i.png", numbered(5, 200, 100))
    assert open_image(path, 50 * 25).size == (50, 25)
    assert open_image(path, 10**6).size == (200, 100)


# ---- hostile and broken files -----------------------------------------------------------------------------------


def png_header(width: int, height: int) -> bytes:
    """A PNG that promises width × height pixels and holds none."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    size = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not a media file at all",
        b"\x00" * 5000,
        png_header(50_000, 50_000),
        png_header(12_000, 12_000),
        png_header(10, 10),
        b"#EXTM3U\nhttp://localhost/a.ts",
        b"GIF89a" + b"\xff" * 40,
        b"%!PS-Adobe-3.0 EPSF-3.0\n",
    ],
)
@pytest.mark.parametrize("suffix", [".png", ".mp4", ".gif"])
def test_hostile_files_are_refused_by_name(tmp_path, content, suffix):
    path = tmp_path / f"hostile{suffix}"
    path.write_bytes(content)
    for call in (open_image, open_clip, probe):
        if call is probe and content == png_header(10, 10):
            continue  # a header is all that a probe reads of an image
        with pytest.raises(MediaError, match="hostile"):
            call(path)


def test_missing_file_and_folder(tmp_path):
    for path in (tmp_path / "none.png", tmp_path):
        for call in (open_image, open_clip, probe):
            with pytest.raises(MediaError, match="no such file"):
                call(path)


def test_sound_without_pictures(tmp_path):
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.raises(MediaError, match="no video stream"):
        open_clip(path)


@pytest.fixture
def long_clip(tmp_path):
    return write_clip(tmp_path / "long.mp4", [noisy(i) for i in range(60)], 10)


def noisy(index: int) -> np.ndarray:
    noise = np.random.default_rng(index).integers(0, 25, (SIDE, SIDE, 3), dtype=np.uint8)
    return numbered(index) + noise


@pytest.mark.parametrize(("name", "content"), [("a.png", b"hello\n"), ("a.mp4", b"\0\0\0 ftypisom" + bytes(400))])
def test_of_what_is_no_medium_that_is_said_without_ffmpegs_numbers(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(MediaError, match=r"decoded \(neither a picture nor a clip that is read") as raised:
        probe(tmp_path / name)
    assert str(raised.value).count(name) == 1 and not re.search(r"\d{2,}", str(raised.value).replace(str(tmp_path), ""))


def test_a_truncated_clip_still_gives_what_it_holds(tmp_path, long_clip):
    media, index = long_clip.read_bytes(), tmp_path / "fast.mp4"
    with av.open(str(long_clip)) as source, av.open(str(index), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                container.mux(packet)
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(index.read_bytes()[: len(media) // 2])
    assert number(open_clip(cut, times=[1.0]).frames[0]) == 10
    with pytest.raises(MediaError, match=r"cut\.mp4: cut off"):
        open_clip(cut, MediaBudget())
    headless = tmp_path / "headless.mp4"
    headless.write_bytes(media[: len(media) // 2])  # the index is at the end of the file
    with pytest.raises(MediaError, match="headless"):
        open_clip(headless, times=[0])


def test_a_clip_broken_in_the_middle(tmp_path, long_clip):
    media = bytearray(long_clip.read_bytes())
    middle = len(media) // 2
    media[middle : middle + 4000] = bytes(4000)
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(media)
    assert number(open_clip(broken, times=[0.5]).frames[0]) == 5
    with pytest.raises(MediaError, match=r"broken\.mp4"):
        open_clip(broken, MediaBudget())


def test_output_is_bounded(tmp_path, monkeypatch):
    path = write_clip(tmp_path / "c.mp4", [numbered(i) for i in range(10)], 10)
    monkeypatch.setattr("onethinker.media.read.MAX_CLIP_BYTES", 5 * SIDE * SIDE * 3)
    assert len(open_clip(path, times=[0] * 5).frames) == 5
    with pytest.raises(MediaError, match="smaller budget"):
        open_clip(path)


# ---- writing ----------------------------------------------------------------------------------------------------


def test_the_same_frames_give_the_same_bytes(tmp_path):
    frames = [noisy(i) for i in range(10)]
    assert (
        write_clip(tmp_path / "a.mp4", frames, 8).read_bytes() == write_clip(tmp_path / "b.mp4", frames, 8).read_bytes()
    )
    assert (
        write_image(tmp_path / "a.png", frames[0]).read_bytes()
        == write_image(tmp_path / "b.png", frames[0]).read_bytes()
    )


def test_written_colours_survive(tmp_path):
    rng = np.random.default_rng(0)
    frames = np.full((8, 64, 64, 3), 128, np.uint8)
    for frame in frames:
        for _ in range(6):
            x, y = rng.integers(0, 58, 2)
            frame[y : y + 6, x : x + 6] = rng.integers(0, 256, 3)
    clip = open_clip(write_clip(tmp_path / "c.mp4", frames, 8))
    assert clip.frames.shape == frames.shape
    assert np.abs(clip.frames.astype(int) - frames).mean() < 2
    assert np.quantile(np.abs(clip.frames.astype(int) - frames), 0.999) < 25
    reader = cv2.VideoCapture(str(tmp_path / "c.mp4"))
    assert np.abs(reader.read()[1][:, :, ::-1].astype(int) - frames[0]).mean() < 2


def test_written_times_and_sizes(tmp_path):
    times = [0, 0.1, 0.5, 0.55, 2.0]
    path = write_clip(tmp_path / "v.mp4", [Image.fromarray(numbered(i)) for i in range(5)], times)
    clip = open_clip(path)
    assert clip.times.tolist() == pytest.approx(times) and [number(f) for f in clip.frames] == list(range(5))
    assert clip.duration == pytest.approx(2 + 1.45)
    odd = write_clip(tmp_path / "odd.mp4", [numbered(1, 301, 257)] * 2, 29.97)
    assert open_clip(odd).frames.shape == (2, 258, 302, 3)
    assert probe(odd).fps == pytest.approx(29.97, rel=1e-3)
    with pytest.raises(MediaError, match="ascend"):
        write_clip(tmp_path / "x.mp4", [numbered(0)] * 2, [1, 1])
    with pytest.raises(MediaError, match="at least one"):
        write_clip(tmp_path / "x.mp4", [], 8)
