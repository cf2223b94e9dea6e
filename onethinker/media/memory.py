"""Pictures in memory as files: what is asked about has a path, whatever it came as."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from pathlib import Path

import numpy as np
from PIL import Image

from onethinker.media.decode import MediaError
from onethinker.media.pictures import upright
from onethinker.media.write import write_image


class PictureFolder:
    """Pictures written as PNG, upright and RGB as those of files are read. It goes with its last owner."""

    def __init__(self) -> None:
        self._path: Path | None = None
        self._written = 0

    def file(self, picture: Image.Image | np.ndarray) -> Path:
        """The picture's file. Raises MediaError for an array that is no picture."""
        image = from_array(picture) if isinstance(picture, np.ndarray) else picture
        if not (image.width and image.height):
            raise MediaError(f"a picture of {image.width}×{image.height} pixels; expected at least one")
        if self._path is None:
            self._path = Path(tempfile.mkdtemp(prefix="onethinker-"))
            weakref.finalize(self, shutil.rmtree, self._path, ignore_errors=True)
        self._written += 1
        return write_image(self._path / f"{self._written}.png", upright(image))


def from_array(pixels: np.ndarray) -> Image.Image:
    """(H, W) grey, (H, W, 3) RGB or (H, W, 4) RGBA, uint8. Raises MediaError for any other, saying what to do."""
    shape = "×".join(map(str, pixels.shape))
    if pixels.dtype != np.uint8:
        advice = "; multiply by 255 and convert" if pixels.dtype.kind == "f" else ""
        raise MediaError(f"an array of {pixels.dtype} ({shape}); expected uint8, 0 to 255{advice}")
    if pixels.ndim == 4:
        raise MediaError(f"an array of {shape}, as if frames; a clip's times matter, so write it (`media.write_clip`)")
    if pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] not in (3, 4)):
        raise MediaError(f"an array of {shape}; expected (H, W), (H, W, 3) in RGB or (H, W, 4) in RGBA")
    return Image.fromarray(np.ascontiguousarray(pixels))
