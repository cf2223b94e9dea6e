"""HEIF files, of which phones' HEIC photos are one kind: what they hold, and their still pictures.

A HEIF file is boxes like an MP4's (ISO/IEC 23008-12): `meta` describes still pictures, often cut into tiles, `moov` a
sequence that plays. A video decoder would take a tile or a thumbnail for a clip, so that stills are told by their
boxes before any decoder sees them.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

from PIL import Image

from onethinker.media.decode import MediaError

_STILLS = frozenset(b"heic heix heim heis mif1 mif2 mif3 miaf avif avic jpeg j2ki vvic evbi".split())
_SEQUENCES = frozenset(b"hevc hevx hevm hevs msf1 avis avcs jpgs j2is vvis evbs".split())
_MAX_BOXES = 64


def kind(file: Path) -> Literal["still", "sequence"] | None:
    """Whether the file is to be seen as a picture, as a sequence that plays, or is no HEIF file.

    Decided by its major brand; a file of another brand that holds pictures and no track is a still as well.
    """
    with file.open("rb") as opened:
        head = opened.read(12)
        if head[4:8] != b"ftyp":
            return None
        brand, names, has_pictures = head[8:12], set[bytes](), False
        for name, start, _ in _boxes(opened):
            names.add(name)
            if name == b"meta":
                opened.seek(start)
                has_pictures |= b"pict" in opened.read(64)  # its handler
    plays = b"moov" in names
    if brand in _SEQUENCES and plays:
        return "sequence"
    return "still" if brand in _STILLS | _SEQUENCES or (has_pictures and not plays) else None


def _boxes(opened: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    """(name, first byte inside, first byte behind) of the boxes at the top."""
    at = 0
    for _ in range(_MAX_BOXES):
        opened.seek(at)
        header = opened.read(16)
        if len(header) < 8:
            return
        size, name = struct.unpack(">I4s", header[:8])
        start = at + 8
        if size == 1 and len(header) == 16:
            size, start = struct.unpack(">Q", header[8:])[0], at + 16
        yield name, start, at + size
        if size < 8:
            return
        at += size


def holds_av1(file: Path) -> bool:
    """Whether its brands call the file AVIF, which Pillow reads itself."""
    with file.open("rb") as opened:
        size = struct.unpack(">I", opened.read(4).rjust(4, b"\0"))[0]
        brands = opened.read(min(size, 1024))
    return b"avif" in brands or b"avis" in brands


def open_still(file: Path) -> Image.Image:
    """The whole picture, upright, of up to 8 bits a channel. Raises MediaError where what reads it is not installed."""
    reader = _reader(file)
    with file.open("rb") as opened:
        if max((end for _, _, end in _boxes(opened)), default=0) > file.stat().st_size:
            raise MediaError(f"{file}: cut off, some of the picture is missing; replace the file")
    return cast(Image.Image, reader(str(file)))


def size_within(data: bytes, name: Path) -> tuple[int, int] | None:
    """Width and height of a HEIF picture in memory, None for bytes that are none or that Pillow reads itself (AVIF).
    Raises MediaError where what reads it is not installed."""
    brands = data[8 : min(struct.unpack(">I", data[:4].rjust(4, b"\0"))[0], 1024)]
    if data[4:8] != b"ftyp" or data[8:12] not in _STILLS | _SEQUENCES or b"avif" in brands or b"avis" in brands:
        return None
    width, height = _reader(name)(BytesIO(data)).size
    return width, height


def _reader(name: Path) -> Callable[..., Any]:
    """Raises MediaError that names the extra where it is not installed."""
    try:
        from pillow_heif import HeifImageFile
    except ImportError:
        raise MediaError(
            f"{name}: a HEIC (HEIF) picture; install what reads it, pip install 'onethinker[heic]', or write it as JPEG"
        ) from None
    return HeifImageFile
