"""How large media may become before the vision tower."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class MediaBudget(BaseModel):
    """How large media may become before the vision tower. Pixels are width × height after resizing, never enlarged
    beyond the source except to reach the processor's smallest size; frames are taken at `fps`, thinned evenly to
    `max_frames`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    image_pixels: int = Field(1_048_576, gt=0)
    frame_pixels: int = Field(64 * 32 * 32, gt=0)
    fps: float = Field(2.0, gt=0, allow_inf_nan=False)
    max_frames: int = Field(128, gt=0)
