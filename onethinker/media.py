"""Open images and clips."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class MediaBudget(BaseModel):
    """How large media may become before the vision tower. Pixels are width × height after resizing, never enlarged
    beyond the source except to reach the processor's smallest size; frames are taken at `fps`, thinned evenly to
    `max_frames`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    image_pixels: int = 1_048_576
    frame_pixels: int = 64 * 32 * 32
    fps: float = 2.0
    max_frames: int = 128
