"""Still and animated images: what a file holds, upright, as RGB."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image, ImageCms

from onethinker.media import heif, repair
from onethinker.media.decode import IMAGE_FORMATS, MAX_IMAGE_PIXELS, MediaError, check_pixels

MAX_ANIMATION_PIXELS = 4_000_000_000

_ANIMATED_FORMATS = ("PNG", "WEBP", "GIF", "AVIF")
_SIGNATURES = (
    *(b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
    *(b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51"),
)
_ORIENTATION, _BITS_PER_SAMPLE, _PHOTOMETRIC, _SAMPLE_FORMAT = 0x0112, 258, 262, 339
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
T = TypeVar("T")


class Pictures:
    """An image, or the frames of a GIF, animated PNG, WebP or AVIF with their own durations.

    Gives an upright `size` (width, height), `starts`: (N,) ascending seconds at which the frames appear, a `duration`
    in seconds, and `read(indices, size)`, which yields the frames at ascending indices.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        read_whole(file, self._survey)

    def _survey(self, picture: Image.Image) -> None:
        """Decode every frame once, since a GIF's or PNG's durations stand between them."""
        check_pixels(self.file, picture.size, MAX_IMAGE_PIXELS)
        self.picture, self.skipped = picture, int(_has_spare_picture(picture))
        self.animated = is_animated(picture)
        if not self.animated:
            self.still = upright(picture)
            self.size: tuple[int, int] = self.still.size
            self.starts, self.duration = np.zeros(1), 0.0
            return
        self.count = _frames(picture)
        check_pixels(self.file, (picture.width, picture.height * self.count), MAX_ANIMATION_PIXELS)
        starts = np.cumsum([0.0, *self._durations()])
        self.starts, self.duration = starts[:-1], float(starts[-1])
        turned = orientation(picture) >= 5
        self.size = (picture.height, picture.width) if turned else picture.size

    def _durations(self) -> Iterator[float]:
        """Seconds each frame is shown; one that says 0 is shown 0.1 s, as browsers do."""
        for index in range(self.count):
            self.picture.seek(index + self.skipped)
            self.picture.load()
            yield float(self.picture.info.get("duration") or 100) / 1000

    def check_readable(self, wanted: np.ndarray) -> None:
        """Nothing to check: every frame was loaded."""

    def read(self, indices: np.ndarray, size: tuple[int, int]) -> Iterator[np.ndarray]:
        if not self.animated:
            yield np.asarray(self.still.resize(size, Image.Resampling.BICUBIC))
            return
        for index in indices:
            self.picture.seek(int(index) + self.skipped)
            yield np.asarray(upright(self.picture).resize(size, Image.Resampling.BICUBIC))

    def __enter__(self) -> Pictures:
        return self

    def __exit__(self, *raised: object) -> None:
        self.picture.close()


def is_picture(file: Path) -> bool:
    """Whether the file's content is a picture, still or animated, whatever its name and whether it can be read."""
    if heif.kind(file) == "still":
        return True
    with file.open("rb") as opened:
        head = opened.read(16)
    if head.startswith(_SIGNATURES) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP"):
        return True
    try:
        Image.open(file, formats=IMAGE_FORMATS).close()
    except Image.UnidentifiedImageError:
        return False
    return True


def is_animated(picture: Image.Image) -> bool:
    return picture.format in _ANIMATED_FORMATS and _frames(picture) > 1


def _frames(picture: Image.Image) -> int:
    return int(getattr(picture, "n_frames", 1)) - _has_spare_picture(picture)


def _has_spare_picture(picture: Image.Image) -> bool:
    """Whether an animated PNG's first picture is no part of the animation, for viewers that know no animation."""
    return bool(picture.info.get("default_image")) and getattr(picture, "n_frames", 1) > 1


def read_whole(file: Path, read: Callable[[Image.Image], T]) -> T:
    """read(picture), the picture having been checked by nothing but its header.

    Where that fails, once more on the same pixels without the file's metadata: broken EXIF data, text, checksums of
    text or a missing end marker cost nothing. Raises what was raised first, or MediaError.
    """
    try:
        return read(_open(file))
    except MediaError:
        raise
    except Exception as error:  # whatever Pillow's many readers raise; `decoding` names those that bad bytes cause
        bare = repair.without_metadata(file)
        if bare is None:
            raise
        try:
            return read(Image.open(BytesIO(bare), formats=IMAGE_FORMATS))
        except Exception:
            raise error from None


def _open(file: Path) -> Image.Image:
    try:
        return Image.open(file, formats=IMAGE_FORMATS)
    except Image.UnidentifiedImageError:
        if heif.kind(file) is None or heif.holds_av1(file):
            raise
        return heif.open_still(file)


def first_picture(picture: Image.Image) -> Image.Image:
    """What is shown first, RGB and upright."""
    if _has_spare_picture(picture):
        picture.seek(1)
    return upright(picture)


def upright(picture: Image.Image) -> Image.Image:
    """The picture RGB and upright by its orientation."""
    picture.load()  # a TIFF is turned here, by Pillow
    turn = _TURNS.get(orientation(picture))
    rgb = to_rgb(picture)
    return rgb if turn is None else rgb.transpose(turn)


def orientation(picture: Image.Image) -> int:
    """1–8 as EXIF numbers them; 1, upright, where the EXIF data cannot be read."""
    try:
        value = picture.getexif().get(_ORIENTATION, 1)
    except Exception:  # EXIF data are bytes of any make, and none of them is worth the picture
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def to_rgb(picture: Image.Image) -> Image.Image:
    """RGB with transparency on white, grey of more than 8 bits scaled to 8 as in `_grey`, colours as they are stored.

    Colour profiles are not applied, and pictures in PQ or HLG (HDR) are not tone-mapped.
    """
    if picture.mode.startswith(("I", "F")):
        return Image.fromarray(_grey(picture)).convert("RGB")
    if picture.mode == "LAB":
        lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        turn = ImageCms.buildTransform(lab, srgb, "LAB", "RGB")
        return ImageCms.applyTransform(picture, turn)  # type: ignore[return-value]
    if picture.has_transparency_data:
        layer = (picture.convert("LA") if picture.mode == "La" else picture).convert("RGBA")
        base = Image.new("RGBA", layer.size, "white")
        base.alpha_composite(layer)
        return base.convert("RGB")
    return picture.convert("RGB")


def _grey(picture: Image.Image) -> np.ndarray:
    """(H, W) uint8 of grey in 9 bits or more, or in floating point.

    A type of up to 16 bits tells its white: 65535, or 4095 where a TIFF says 12 bits. 32-bit integers and floating
    point do not, and files hold 0–1, 0–255 and 0–65535 alike. Their white is the first of 1 (floating point only),
    255 and 65535 that no value exceeds; where the brightest value is below a sixteenth of that, or some value is
    negative or larger, the least value is made black and the greatest white, so that nothing turns black unseen.
    """
    values, tags = np.asarray(picture), getattr(picture, "tag_v2", {})
    unsigned = tags.get(_SAMPLE_FORMAT, (1,))[0] == 1
    if picture.mode == "I" and unsigned and picture.format == "TIFF":
        values = values.view(np.uint32)
    if picture.mode.startswith("I;16") or (picture.mode == "I" and picture.format == "PPM"):
        whole = tags.get(_BITS_PER_SAMPLE, (16,))[0] if picture.format == "TIFF" else 16
        grey = values.astype(np.uint32) >> (whole - 8)
    else:
        grey = _scaled(values, is_float=picture.mode == "F")
    grey = grey.clip(0, 255).astype(np.uint8)
    if tags.get(_PHOTOMETRIC) == 0:  # a TIFF in which 0 is white
        grey = 255 - grey
    clear = picture.info.get("transparency")
    return np.where(values == clear, np.uint8(255), grey) if isinstance(clear, int) else grey


def _scaled(values: np.ndarray, is_float: bool) -> np.ndarray:
    """Values of unknown range on 0–255."""
    finite = values[np.isfinite(values)].astype(np.float64)
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    plain = np.nan_to_num(values.astype(np.float64), nan=low, posinf=high, neginf=low)
    white = next((w for w in (1, 255, 65535)[not is_float :] if high <= w), 0)
    if high == low == 0:
        return np.zeros(values.shape)
    if low < 0 or not white or high < white / 16:
        return np.round((plain - low) * 255 / (high - low or 1))
    return np.floor(plain / 256) if white == 65535 else np.round(plain * (255 / white))
