"""What one asks about, whatever it comes as: a file, bytes, a picture, an array, frames → files with names."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, get_args

import numpy as np
from PIL import Image

from onethinker.media import MediaError, is_clip
from onethinker.media.memory import MediaFolder
from onethinker.sample import Modality

OneMedium: TypeAlias = str | Path | bytes | Image.Image | np.ndarray
"""A file, an encoded file's bytes, a picture of Pillow's, or an array (H, W), (H, W, 3) in RGB or (H, W, 4), uint8."""
Media: TypeAlias = OneMedium | Sequence[OneMedium] | None
"""One medium, several of one question, or none; with `fps`, the frames of one clip, an array (T, H, W, 3) too."""
_ONE = get_args(OneMedium)


@dataclass(frozen=True)
class Given:
    """files: absolute. names: what to call each, without its folder; empty for one from memory. clips: which of them
    are. folder: holds the files of those from memory, as long as it is held itself."""

    files: tuple[Path, ...]
    names: tuple[str, ...]
    clips: tuple[bool, ...]
    folder: MediaFolder

    @property
    def modality(self) -> Modality:
        if not self.files:
            return "text"
        return "video" if all(self.clips) else "video-image" if any(self.clips) else "image"


def given(media: Media, fps: float | None = None) -> Given:
    """The files of what is given. fps: the frames a second of `media`, which then are one clip's frames.

    Raises MediaError for what is no medium, or a file that is not there.
    """
    folder = MediaFolder()
    if fps is not None:
        frames = None if media is None or isinstance(media, str | Path | bytes | Image.Image) else list(media)
        if frames is None:
            raise MediaError(f"fps={fps:g} goes with a list of frames or an array (T, H, W, 3), not {_kind(media)}")
        files, names = [folder.clip(frames, fps)], [""]
    else:
        several = media_list(media)
        files = [_file(one, folder) for one in several]
        names = [Path(one).name if isinstance(one, str | Path) else "" for one in several]
    return Given(tuple(files), tuple(names), tuple(map(is_clip, files)), folder)


def media_list(media: Media) -> list[OneMedium]:
    """One a medium. Raises MediaError for what is none."""
    several: list[Any] = []
    if media is not None:
        several = [media] if isinstance(media, _ONE) else list(media)  # type: ignore[arg-type]
    for one in several:
        if not isinstance(one, _ONE):
            raise MediaError(f"{_kind(one)} is no medium; expected a path, bytes, a PIL picture or a NumPy array")
    return several


def _file(one: OneMedium, folder: MediaFolder) -> Path:
    if isinstance(one, bytes):
        return folder.content(one)
    if isinstance(one, str | Path):
        if str(one).startswith(("http://", "https://")):
            raise MediaError(f"{one}: `onethinker ask --allow-host` opens addresses; here give the file or bytes")
        if "\0" in os.fspath(one):
            raise MediaError(f"{os.fspath(one)!r} is no path; expected a file's name")
        return Path(one).resolve()
    return folder.picture(one)


def _kind(value: Any) -> str:
    return "nothing" if value is None else f"a value of type {type(value).__name__}"
