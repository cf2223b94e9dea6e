"""Open and write images and clips: which frames at which times, every size bounded before anything is decoded.

`read` opens, `write` writes, `decode` meets the files. Names are resolved when they are first used, so that a room that
needs only the suffixes loads no decoder.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from onethinker.media.suffixes import PICTURE_SUFFIXES, VIDEO_SUFFIXES
from onethinker.util.lazy import lazy_names

if TYPE_CHECKING:
    from onethinker.media.budget import MediaBudget
    from onethinker.media.decode import MediaError
    from onethinker.media.read import Clip, MediaInfo, fit, frame_times, is_clip, open_clip, open_image, probe
    from onethinker.media.write import write_clip, write_gif, write_image

__all__ = [
    "PICTURE_SUFFIXES",
    "VIDEO_SUFFIXES",
    "Clip",
    "MediaBudget",
    "MediaError",
    "MediaInfo",
    "fit",
    "frame_times",
    "is_clip",
    "open_clip",
    "open_image",
    "probe",
    "write_clip",
    "write_gif",
    "write_image",
]

_HOME = {
    **dict.fromkeys(("Clip", "MediaInfo", "fit", "frame_times", "is_clip", "open_clip", "open_image", "probe"), "read"),
    **dict.fromkeys(("write_clip", "write_gif", "write_image"), "write"),
    "MediaBudget": "budget",
    "MediaError": "decode",
}

__getattr__ = lazy_names(__name__, _HOME)
