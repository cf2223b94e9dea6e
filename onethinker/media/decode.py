"""What the decoders of pictures and videos share: the bounds, and errors that name the file.

Bytes are untrusted: every bound is checked from a header before anything is decoded.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
from PIL import Image, UnidentifiedImageError

MAX_FILE_BYTES = 2 * 1024**3
MAX_IMAGE_PIXELS = 100_000_000
IMAGE_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "PPM", "ICO", "JPEG2000")


class MediaError(ValueError):
    """A media file that cannot be used; the message names the file and what to do."""


def check_file(path: str | Path) -> Path:
    file = Path(path)
    if not file.is_file():
        raise MediaError(f"{file}: no such file; check the path and the media root")
    size = file.stat().st_size
    if not 0 < size <= MAX_FILE_BYTES:
        raise MediaError(f"{file}: {size} bytes; expected a media file of 1 byte to {MAX_FILE_BYTES >> 30} GiB")
    return file


def check_pixels(file: Path, size: tuple[int, int], limit: int) -> None:
    if not 0 < size[0] * size[1] <= limit:
        raise MediaError(f"{file}: {size[0]}×{size[1]} pixels; at most {limit:,} are decoded, shrink the file first")


@contextmanager
def decoding(file: Path) -> Iterator[None]:
    """Turn what the decoders raise on bad bytes into a MediaError that names the file."""
    try:
        yield
    except MediaError:
        raise
    except (*_PLAIN, *_OBSCURE) as error:
        reason = re.sub(r" <[^<>]* object at 0x[0-9a-f]+>", "", str(error))
        if isinstance(error, UnidentifiedImageError):
            reason = "a kind of picture that is not read, or a damaged header"
        elif isinstance(error, av.FFmpegError):  # its text is a number and the path once more
            reason = f"neither a picture nor a clip that is read, or damaged; FFmpeg: {error.strerror}"
        elif not isinstance(error, _PLAIN) or "decoder object" in reason:
            reason = "its contents are damaged"
        raise MediaError(f"{file}: cannot be decoded ({reason}); replace the file or leave its sample out") from error


_PLAIN = (av.FFmpegError, OSError, Image.DecompressionBombError, EOFError, SyntaxError, ValueError)
_OBSCURE = (ArithmeticError, AssertionError, LookupError, RuntimeError, TypeError, struct.error, zlib.error)
"""Errors whose words tell about the file, and those whose words tell about the decoder's own code."""
