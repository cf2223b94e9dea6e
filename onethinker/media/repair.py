"""The same pixels without the metadata around them, for files whose metadata are broken."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import av

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_KEPT = (b"IHDR", b"PLTE", b"IDAT", b"tRNS", b"eXIf", b"acTL", b"fcTL", b"fdAT")
_MAX_BYTES = 256 * 1024**2
_JPEG_KEPT = (0xE0, 0xE1, 0xEE)  # JFIF, EXIF (the orientation), Adobe (the colours)


def without_metadata(file: Path) -> bytes | None:
    """The file's bytes without what a picture can do without; None where nothing is known to leave out.

    PNG: text, profiles and ancillary chunks whose checksum is wrong. JPEG: comments and application segments, and the
    end marker is set where it is missing after whole pixels. HEIF and AVIF: the EXIF item. Damaged pixels stay damaged.
    """
    return None if file.stat().st_size > _MAX_BYTES else bare(file.read_bytes())


def bare(data: bytes) -> bytes | None:
    """`without_metadata` of a picture in memory."""
    if data.startswith(_PNG):
        return _png(data)
    if data.startswith(b"\xff\xd8\xff"):
        return _jpeg(data)
    if data[4:8] == b"ftyp":
        return re.sub(rb"(infe\x02.{7})Exif", rb"\1none", data, flags=re.DOTALL)
    return None


def broken_chunk(data: bytes) -> str:
    """The name of a PNG's first chunk whose checksum is wrong; empty where none is, and for what is no PNG."""
    chunks = _png_chunks(data) if data.startswith(_PNG) else ()
    whole = (
        kind
        for kind, chunk, is_sound in chunks
        if not is_sound and len(chunk) == 12 + struct.unpack_from(">I", chunk)[0]
    )
    return next((kind.decode("latin-1") for kind in whole), "")


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes, bool]]:
    """(name, the whole chunk, whether its checksum is right) of a PNG's chunks."""
    at = len(_PNG)
    while at + 12 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        chunk, at = data[at : at + 12 + size], at + 12 + size
        yield kind, chunk, chunk[-4:] == struct.pack(">I", zlib.crc32(chunk[4:-4]))


def _png(data: bytes) -> bytes:
    parts = [_PNG]
    for kind, chunk, is_sound in _png_chunks(data):
        is_ancillary = bool(kind[0] & 0x20)
        if kind in _PNG_KEPT and (is_sound or not is_ancillary):
            parts.append(chunk)
    return b"".join([*parts, b"\0\0\0\0IEND\xaeB`\x82"])


def _jpeg(data: bytes) -> bytes | None:
    """Segments up to the first scan are sifted; what follows is kept."""
    parts, at = [data[:2]], 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker, size = struct.unpack_from(">xBH", data, at)
        if marker == 0xFF:  # a fill byte
            at += 1
            continue
        if marker == 0xDA:
            break
        if not (0xE0 <= marker <= 0xEF or marker == 0xFE) or marker in _JPEG_KEPT:
            parts.append(data[at : at + 2 + size])
        at += 2 + size
    parts.append(data[at:])
    bare = b"".join(parts)
    if b"\xff\xd9" in data[at:]:
        return bare
    return bare + b"\xff\xd9" if _has_all_pixels(bare) else None


def _has_all_pixels(jpeg: bytes) -> bool:
    """Whether the coded pixels reach to the last block; libjpeg would fill up with grey and say nothing."""
    decoder = av.CodecContext.create("mjpeg", "r")
    decoder.options = {"err_detect": "explode"}
    try:
        return bool(decoder.decode(av.Packet(jpeg)) + decoder.decode(None))
    except av.FFmpegError:
        return False
