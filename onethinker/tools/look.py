"""`look`: other frames of a clip, with their times."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image

from onethinker.engines.base import Request
from onethinker.engines.content import png_bytes
from onethinker.media import frame_times, open_clip, probe
from onethinker.tools.base import Response, ToolError, medium, number

MAX_FRAMES = 16
"""Frames of one look, or the budget's `max_frames` where that is less."""


class Look:
    """Gives back frames as pictures, each after its second as Qwen3-VL writes it, `<1.5 seconds>`."""

    name = identity = "look"
    description = f"Look again: shows other frames of the clip from `start` to `end`, at most {MAX_FRAMES} of them."
    parameters: Mapping[str, Any] = {
        "type": "object",
        "properties": {
            "start": {"type": "number", "description": "second of the first frame"},
            "end": {"type": "number", "description": "second of the last frame"},
            "fps": {"type": "number", "description": "frames a second, 2 unless given"},
            "media": {"type": "integer", "description": "which picture or clip of the question, from 1; a clip"},
        },
        "required": ["start", "end"],
    }

    def call(self, arguments: Mapping[str, Any], request: Request) -> Response:
        file = medium(arguments, request, clips_only=True)
        duration = probe(file).duration
        start, end = number(arguments, "start"), number(arguments, "end")
        fps = number(arguments, "fps", 2.0)
        if fps <= 0 or end < start or end < 0 or start >= duration:
            raise ToolError(
                f"start {start:g}, end {end:g}, fps {fps:g}; expected start ≤ end within the clip's {duration:.1f} "
                "seconds and fps above 0"
            )
        start, end = max(start, 0.0), min(end, duration)
        count = int(min((end - start) * fps, MAX_FRAMES, request.budget.max_frames - 1)) + 1
        times = np.linspace(start, end, min(count, MAX_FRAMES)) if count > 1 else np.array([(start + end) / 2])
        shown = np.searchsorted(frame_times(file), times + 1e-6, side="right")
        times = times[np.unique(shown, return_index=True)[1]]  # no frame twice, however many a second were asked for
        clip = open_clip(file, request.budget, times=times)
        parts: list[str | bytes] = []
        for frame, seconds in zip(clip.frames, clip.times, strict=True):
            parts += [f"<{seconds:.1f} seconds>", png_bytes(Image.fromarray(frame))]
        return tuple(parts)
