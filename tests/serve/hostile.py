"""Broken and hostile media, made here: what a server must refuse, or read as what it is, and outlive."""

from __future__ import annotations

import io
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from onethinker.media import write_clip

REFUSED = frozenset((413, 415, 422))
EITHER = REFUSED | {200}


def media() -> Iterator[tuple[str, bytes, frozenset[int]]]:
    """(name, bytes, statuses that are right)."""
    png, jpeg, clip = _picture("PNG"), _picture("JPEG"), _clip()
    yield "zero length", b"", frozenset({422})
    yield "one byte", b"\x00", REFUSED
    yield "text", b"just words\n" * 50, REFUSED
    yield "PNG cut in half", png[: len(png) // 2], frozenset({422})
    yield "JPEG cut in half", jpeg[: len(jpeg) // 2], frozenset({422})
    yield "MP4 cut in half", clip[: len(clip) // 2], frozenset({422})
    yield "MP4's first 100 bytes", clip[:100], REFUSED
    yield "PNG and zip and script in one", png + _zip(1 << 10) + b"<script>alert(1)</script>", frozenset({200})
    yield "GIF and script in one", b"GIF89a/*" + b"\0" * 20 + b"*/=1;alert(1)//", REFUSED
    yield "zip bomb", _zip(200 << 20), frozenset({415})
    yield "gzip", b"\x1f\x8b\x08" + b"\0" * 100, frozenset({415})
    yield "PDF", b"%PDF-1.7\n" + b"x" * 100, frozenset({415})
    yield (
        "SVG with script",
        b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
        frozenset({415}),
    )
    yield "SVG after a comment", b"\xef\xbb\xbf \n<?xml version='1.0'?><!-- --><svg/>", frozenset({415})
    yield "a web page", b"<!DOCTYPE html><script>alert(1)</script>", frozenset({415})
    yield "PNG of 50,000 × 50,000", _png(50_000, 50_000), frozenset({413})
    yield "PNG that says 2³¹ × 2³¹", _png(2**31 - 1, 2**31 - 1), REFUSED
    yield "PNG whose data go on for 1 GB", _png(100, 100, 1 << 30), EITHER
    yield "PNG with 500 MB of text", _png_with_text(500 << 20), EITHER
    yield "PPM that says 100,000 × 100,000", b"P6 100000 100000 255\n" + b"\0" * 99, REFUSED
    yield (
        "GIF of 65,535 × 65,535",
        b"GIF89a" + struct.pack("<HH", 65535, 65535) + b"\0\0\0,\0\0\0\0\xff\xff\xff\xff\0\x02\0;",
        REFUSED,
    )
    yield "GIF of 30,000 frames", _gif(30_000, 1), frozenset({413})
    yield "GIF of 2,500 frames of 2,000 × 2,000", _gif(2_500, 2_000), frozenset({413})
    yield "BMP that says 60,000 × 60,000", _bmp(60_000, 60_000), REFUSED
    yield "TIFF whose directory is its own next", b"II*\0\x08\0\0\0\x00\x00\x08\x00\x00\x00", REFUSED
    yield "1 × 100,000", _picture("PNG", 1, 100_000), EITHER
    yield "100,000 × 1", _picture("PNG", 100_000, 1), EITHER
    yield "a clip called a picture", clip, frozenset({200})
    yield "a clip of ten hours by its header", _lasting(clip, 36_000), EITHER
    yield "a clip of 68 years by its header", _lasting(clip, 2**31 - 1), EITHER
    yield "a clip of ten hours by its frames' times", _clip([0.0, 12_000.0, 24_000.0, 36_000.0]), frozenset({413})
    yield "a playlist of this machine's files", b"#EXTM3U\n#EXTINF:10,\nfile:///etc/passwd\n", frozenset({415})
    yield "a list of files for ffmpeg", b"ffconcat version 1.0\nfile /etc/passwd\n", REFUSED
    yield "a session description", b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nm=video 9 RTP/AVP 96\n", REFUSED
    yield "a clip whose data are elsewhere", clip.replace(b"url \x00\x00\x00\x01", b"url \x00\x00\x00\x00"), EITHER
    yield "a DASH manifest", b'<?xml version="1.0"?><MPD><BaseURL>http://127.0.0.1/</BaseURL></MPD>', frozenset({415})
    draw = np.random.default_rng(0)
    for number in range(8):
        yield f"MP4 with bytes changed {number}", _changed(clip, draw), EITHER
        yield f"PNG with bytes changed {number}", _changed(png, draw), EITHER
    yield "noise", draw.bytes(10_000), REFUSED
    yield "RIFF and noise", b"RIFF\xff\xff\xff\x7fWEBPVP8X" + draw.bytes(5_000), REFUSED
    yield "Matroska and noise", b"\x1a\x45\xdf\xa3" + draw.bytes(5_000), REFUSED


def _picture(kind: str, width: int = 64, height: int = 48) -> bytes:
    made = io.BytesIO()
    pixels = np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(made, kind)
    return made.getvalue()


def _clip(times: Sequence[float] = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75)) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        frames = np.random.default_rng(2).integers(0, 256, (len(times), 32, 32, 3), dtype=np.uint8)
        return write_clip(Path(folder) / "a.mp4", frames, times).read_bytes()


def _zip(size: int) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("a", "w") as out:
        for _ in range(max(1, size >> 20)):
            out.write(b"\0" * min(size, 1 << 20))
    return made.getvalue()


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _zeros(size: int) -> bytes:
    pack = zlib.compressobj(9)
    return b"".join(pack.compress(b"\0" * (1 << 20)) for _ in range(size >> 20)) + pack.flush()


def _png(width: int, height: int, size: int = 1 << 20) -> bytes:
    """A grey PNG whose header says so, with `size` zeros."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", _zeros(size)) + _chunk(b"IEND", b"")


def _png_with_text(size: int) -> bytes:
    png = _picture("PNG")
    return png[:33] + _chunk(b"zTXt", b"Comment\0\0" + _zeros(size)) + png[33:]


def _gif(frames: int, side: int) -> bytes:
    """Frames of one colour, of which each takes some ten to a few hundred bytes."""
    one = io.BytesIO()
    Image.new("P", (side, side)).save(one, "GIF")
    single = one.getvalue()
    start = single.index(b",", 13 + 3 * 2 ** ((single[10] & 7) + 1))
    frame = b"!\xf9\x04\0\x01\0\0\0" + single[start:-1]
    return single[:start] + frame * frames + b";"


def _bmp(width: int, height: int) -> bytes:
    return (
        b"BM"
        + struct.pack("<IHHIIiiHHIIiiII", 154, 0, 0, 54, 40, width, height, 1, 24, 0, 100, 0, 0, 0, 0)
        + b"\0" * 100
    )


def _lasting(clip: bytes, seconds: int) -> bytes:
    """The clip with so many seconds in its headers (version 0 boxes)."""
    made = bytearray(clip)
    scale = 1000
    for name, at in ((b"mvhd", 16), (b"mdhd", 16), (b"tkhd", 20)):
        place = made.find(name) + 4
        if name != b"tkhd":
            scale = struct.unpack(">I", made[place + at - 4 : place + at])[0]
        made[place + at : place + at + 4] = struct.pack(">I", min(seconds * scale, 2**32 - 1))
    return bytes(made)


def _changed(content: bytes, draw: np.random.Generator) -> bytes:
    made = bytearray(content)
    for place in draw.integers(8, len(made), 20).tolist():
        made[place] = int(draw.integers(0, 256))
    return bytes(made)
