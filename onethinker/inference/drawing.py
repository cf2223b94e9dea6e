"""A result's pictures: drawn on its frames, as files, as crops; and the masks that a segmenter makes of it."""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from onethinker.inference.fields import Masks
from onethinker.media import MediaBudget, MediaError, is_clip, open_clip, open_image, write_clip, write_gif, write_image
from onethinker.segment import Segmenter
from onethinker.segment.answers import majority, masks_of, parts_of
from onethinker.tasks import get_task
from onethinker.util.files import write_whole

if TYPE_CHECKING:
    from onethinker.inference.result import Result

DRAWN_FRAMES = 360
"""Of a clip that are drawn at most, 12 s of 30 frames a second; of a longer one as many, evenly."""
DRAWN_PIXELS = 640 * 480
GIF_RATE = 10.0
"""Frames a second of a GIF, whose frames are not pressed against one another."""
PICTURES = (".png", ".jpg", ".jpeg", ".webp")
CLIPS = (".mp4", ".gif")


def check_drawing(path: Path, media: Sequence[str | Path]) -> None:
    """Raises MediaError where the answer cannot be drawn into such a file."""
    if path.suffix.lower() == ".json":
        return
    if not media:
        raise MediaError(f"{path}: nothing to draw on, the question has no media")
    if path.suffix.lower() not in (*PICTURES, *(CLIPS if is_clip(Path(media[0])) else [])):
        raise MediaError(
            f"{path}: drawings are written as .png, .jpg or .webp, those of a clip as .mp4 and .gif too, the answer's "
            "values as .json"
        )


def drawn_frames(result: Result) -> MediaBudget:
    """All frames of its clip, up to DRAWN_FRAMES, at most DRAWN_PIXELS each."""
    return MediaBudget(frame_pixels=DRAWN_PIXELS, fps=result.infos[0].fps or 1.0, max_frames=DRAWN_FRAMES)


def draw(
    result: Result,
    budget: MediaBudget | None = None,
    segmenter: Segmenter | None = None,
    times: Sequence[float] | None = None,
) -> tuple[list[Image.Image], list[float]]:
    """As `Result.draw`. times: the frames' seconds in place of the budget's."""
    if not result.media:
        return [], []
    file = result.media[0]
    if result.of_clip:
        clip = open_clip(file, budget or drawn_frames(result), times=times)
        frames, seconds = [Image.fromarray(f) for f in clip.frames], [float(t) for t in clip.times]
    else:
        frames, seconds = [open_image(file)], [0.0]
    task, masks = get_task(result.task), []
    if parts_of(result.sample, result.value):
        makes = segmenter or result.segmenter()
        masks = masks_of(makes, result.sample, file, [result.value, *result.others], seconds)
    return task.draw(result.sample, result.answer, frames, seconds, masks), seconds


def plot(result: Result) -> Image.Image:
    """As `Result.plot`."""
    if not result.media:
        raise MediaError("nothing to draw on, the question has no media")
    if not result.of_clip:
        return draw(result)[0][0]
    found, end = result.found, result.infos[0].duration
    seconds = [box.second for box in found.boxes if box.second is not None and any(box.box)]
    second = min(seconds) if seconds else sum(found.span) / 2 if found.span else 0.0
    second = min(max(second, 0.0), end)
    # The clip's end is drawn too, so that the time line is as long as the clip.
    return draw(result, times=[second, max(end, second)])[0][0]


def save(result: Result, path: Path) -> Path:
    """As `Result.save`."""
    check_drawing(path, result.media)
    suffix = path.suffix.lower()
    if suffix == ".json":
        write_whole(path, result.to_json() + "\n")
        return path
    if suffix == ".mp4":
        return write_clip(path, *draw(result))
    if suffix == ".gif":
        whole = drawn_frames(result)
        return write_gif(path, *draw(result, whole.model_copy(update={"fps": min(whole.fps, GIF_RATE)})))
    return write_image(path, plot(result))


def film(result: Result) -> bytes:
    """The drawn clip as MP4."""
    with tempfile.TemporaryDirectory(prefix="onethinker-") as folder:
        return save(result, Path(folder) / "drawn.mp4").read_bytes()


def show(result: Result) -> None:
    """In a notebook by its rich display, elsewhere in a window of the system's."""
    if "ipykernel" in sys.modules:
        from IPython.display import display

        display(result)
        return
    plot(result).show()


def save_crop(result: Result, folder: Path) -> list[Path]:
    """As `Result.save_crop`. A box beyond the picture's edges is cut to them; one without a pixel has no crop."""
    boxes, made, frames = result.boxes, list[Path](), dict[float, Image.Image]()
    for n, (box, label, second) in enumerate(zip(boxes.xyxy, boxes.labels, boxes.seconds, strict=True), 1):
        at = 0.0 if np.isnan(second) else float(second)
        if at not in frames:
            frames[at] = frame_at(result, at)
        frame = frames[at]
        left, top = np.floor(box[:2].clip(0, frame.size)).astype(int).tolist()
        right, bottom = np.ceil(box[2:].clip(0, frame.size)).astype(int).tolist()
        if right > left and bottom > top:
            made.append(write_image(folder / f"{_file_name(label)}-{n}.png", frame.crop((left, top, right, bottom))))
    return made


def frame_at(result: Result, second: float) -> Image.Image:
    """The first medium's frame at full size."""
    if not result.of_clip:
        return open_image(result.media[0])
    return Image.fromarray(open_clip(result.media[0], times=[second]).frames[0])


def masks_at(result: Result, times: np.ndarray | None, label: str) -> Masks:
    """As `Result.masks_at`."""
    width, height = result.size
    none = Masks(np.zeros((0, height, width), bool), np.zeros(0), label, result.size)
    if parts_of(result.sample, result.value) is None:
        return none
    wanted = np.asarray([result.value.time or 0.0] if times is None else times, np.float64)
    if get_task(result.task).masks == "image":
        wanted = np.array([np.nan])
    return Masks(majority(_votes(result, wanted)), wanted, label, result.size)


def _votes(result: Result, times: np.ndarray) -> Iterator[np.ndarray]:
    """What the segmenter makes of each answer, at full size: (1, H, W) of an image, (T, H, W) of a clip, which each is
    followed through from a key frame of its own: other frames, which are not kept."""
    picture = open_image(result.media[0]) if get_task(result.task).masks == "image" else None
    for value in (result.value, *result.others):
        parts = parts_of(result.sample, value)
        assert parts is not None
        if picture is not None:
            yield result.segmenter().segment_image(picture, *parts)[None]
        else:
            yield result.segmenter().segment_clip(result.media[0], value.time or 0.0, *parts, times)


def _file_name(label: str) -> str:
    """Letters, digits and dashes of a label, which may be anything, at most 40."""
    return re.sub(r"[^\w]+", "-", label, flags=re.ASCII).strip("-_")[:40] or "crop"
