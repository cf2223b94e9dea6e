"""Pictures that stand within a table's row: what kind they are, by their headers, before anything is written."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

from PIL import Image

from onethinker.media import heif, repair
from onethinker.media.decode import IMAGE_FORMATS, MAX_IMAGE_PIXELS, MediaError, check_pixels, decoding


def picture_format(data: bytes, name: Path) -> str:
    """The format of a picture's bytes, by Pillow's name ("PNG", "JPEG2000", "HEIF").

    name: what errors call it. What `open_image` reads of a file is taken here, phones' HEIC and pictures whose metadata
    are broken among it. Raises MediaError for other bytes and for pictures that are too large, naming the cause.
    """
    with decoding(name):
        size = heif.size_within(data, name)
        if size is not None:
            check_pixels(name, size, MAX_IMAGE_PIXELS)
            return "HEIF"
        try:
            return _format(data, name)
        except MediaError:
            raise
        except Exception as error:  # whatever Pillow's many readers raise; `decoding` names those that bad bytes cause
            bare = repair.bare(data)
            try:
                if bare is not None:
                    return _format(bare, name)
            except Exception:
                pass
            chunk = repair.broken_chunk(data)
            if chunk:
                raise MediaError(
                    f"{name}: a PNG whose chunk {chunk!a} has a wrong checksum; its bytes were damaged, fetch it again"
                ) from error
            raise


def _format(data: bytes, name: Path) -> str:
    with Image.open(BytesIO(data), formats=IMAGE_FORMATS) as picture:
        check_pixels(name, picture.size, MAX_IMAGE_PIXELS)
        return picture.format or ""
