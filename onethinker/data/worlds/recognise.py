"""Whether a picture may be one of a world's, told from its size and its edge, without a model."""

from __future__ import annotations

import numpy as np
from PIL import Image

from onethinker.data.worlds.scene import GROUNDS, MARGIN

_NEAR = 16
"""How far the edge's median may be from a ground, of 255 in each channel: grain is up to 6, a clip's coding less."""


def may_be_of_a_world(picture: Image.Image) -> bool:
    """True for every picture and frame of a world, of any difficulty: a square, and most of its edge, where no thing
    stands, in the colour of a ground. Few other pictures are both."""
    pixels_HW3 = np.asarray(picture.convert("RGB"))
    height, width = pixels_HW3.shape[:2]
    if height != width or height < 4 * MARGIN:
        return False
    rim = max(1, height * MARGIN // 256)  # a quarter of the margin of a picture of 64 pixels, the same share of others
    edge = [pixels_HW3[:rim], pixels_HW3[-rim:], pixels_HW3[:, :rim], pixels_HW3[:, -rim:]]
    median_3 = np.median(np.concatenate([side.reshape(-1, 3) for side in edge]), axis=0)
    return any(np.abs(median_3 - ground).max() <= _NEAR for ground in GROUNDS)
