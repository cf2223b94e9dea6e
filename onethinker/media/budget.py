"""How large media may become before the vision tower."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class MediaBudget(BaseModel):
    """How large media may become before the vision tower. Pixels are width × height after resizing, never enlarged
    beyond the source except to reach the processor's smallest size; frames are taken at `fps`, thinned evenly to
    `max_frames`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    image_pixels: int = Field(1_048_576, gt=0, description="pixels of an image, width × height after resizing")
    frame_pixels: int = Field(64 * 32 * 32, gt=0, description="pixels of each frame of a clip, after resizing")
    fps: float = Field(2.0, gt=0, allow_inf_nan=False, description="frames taken of a second of a clip")
    max_frames: int = Field(128, gt=0, description="frames of a clip at most; more are thinned evenly")
