"""Pictures and clips in memory as files: what is asked about has a path, whatever it came as."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from onethinker.media.decode import MAX_FILE_BYTES, MediaError
from onethinker.media.pictures import is_picture, upright
from onethinker.media.read import is_clip
from onethinker.media.write import write_clip, write_image


class MediaFolder:
    """Media from memory written as files, pictures upright and RGB as those of files are read. The folder, readable by
    this user alone, goes with its last owner."""

    def __init__(self) -> None:
        self._path: Path | None = None
        self._written = 0

    def picture(self, picture: Image.Image | np.ndarray) -> Path:
        """A picture's file, PNG. Raises MediaError for an array that is no picture."""
        image = from_array(picture) if isinstance(picture, np.ndarray) else picture
        if not (image.width and image.height):
            raise MediaError(f"a picture of {image.width}×{image.height} pixels; expected at least one")
        return write_image(self._free(".png"), upright(image))

    def clip(self, frames: Iterable[Image.Image | np.ndarray], fps: float) -> Path:
        """The file of a clip of equal-sized frames at `fps` a second, MP4. Raises MediaError."""
        images = [from_array(frame) if isinstance(frame, np.ndarray) else frame for frame in frames]
        sizes = sorted({image.size for image in images})
        if len(sizes) != 1:
            found = " and ".join(f"{width}×{height}" for width, height in sizes[:2]) or "none"
            raise MediaError(f"a clip from memory: expected one or more frames of one size, found {found}")
        return write_clip(self._free(".mp4"), [upright(image) for image in images], fps)

    def content(self, content: bytes) -> Path:
        """The file of an encoded picture or clip, kept as it is; its kind is told by its content.

        Raises MediaError for what is neither, or too long.
        """
        if not 0 < len(content) <= MAX_FILE_BYTES:
            raise MediaError(
                f"{len(content)} bytes; expected a whole picture or clip, up to {MAX_FILE_BYTES >> 30} GiB"
            )
        file = self._free(".bin")
        file.write_bytes(content)
        moving = is_clip(file)
        return file.rename(file.with_suffix(".png" if not moving else ".gif" if is_picture(file) else ".mp4"))

    def _free(self, suffix: str) -> Path:
        if self._path is None:
            self._path = Path(tempfile.mkdtemp(prefix="onethinker-"))
            weakref.finalize(self, shutil.rmtree, self._path, ignore_errors=True)
        self._written += 1
        return self._path / f"{self._written}{suffix}"


def from_array(pixels: np.ndarray) -> Image.Image:
    """(H, W) grey, (H, W, 3) RGB or (H, W, 4) RGBA, uint8. Raises MediaError for any other, saying what to do."""
    shape = "×".join(map(str, pixels.shape))
    if pixels.dtype != np.uint8:
        advice = "; multiply by 255 and convert" if pixels.dtype.kind == "f" else ""
        raise MediaError(f"an array of {pixels.dtype} ({shape}); expected uint8, 0 to 255{advice}")
    if pixels.ndim == 4:
        raise MediaError(f"an array of {shape}, as if frames; say how many a second they are, fps=…")
    if pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] not in (3, 4)):
        raise MediaError(f"an array of {shape}; expected (H, W), (H, W, 3) in RGB or (H, W, 4) in RGBA")
    return Image.fromarray(np.ascontiguousarray(pixels))
