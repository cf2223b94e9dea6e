"""The data set class that verl is given: pictures, clips with the times of their frames, and text.

Rows are those of `export verl`. A prompt travels through verl with its media as paths (or, embedded, as a file's
bytes); they are opened where the prompt is asked, bounded before decoding and within the recipe's budget, as our own
engines open them, so that the processor leaves their sizes as they are.
"""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np
from PIL import Image
from verl.utils.dataset.rl_dataset import RLHFDataset

from onethinker.engines.base import disarm
from onethinker.engines.encode import clip_frames, clip_metadata, within_budget
from onethinker.media import MediaBudget, open_clip, open_image
from onethinker.scale.verl.plugin import check

MERGE = 2
"""Patches that Qwen-VL's vision tower makes one token of, along each side."""
Clip = tuple[np.ndarray, dict[str, Any]]
"""(T, H, W, 3) uint8 frames, and what a processor calls the metadata of a video."""
Media = tuple[list[Image.Image] | None, list[Clip] | None, None]


class OneThinkerDataset(RLHFDataset):
    """verl: `data.custom_cls.path=pkg://onethinker.scale.verl.dataset`, budget in `data.media_budget`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Raises PluginMissingError where verl loaded no plugin, which it says to nobody."""
        check()
        super().__init__(*args, **kwargs)

    def _build_messages(self, example: dict[str, Any], key: str) -> list[dict[str, Any]]:
        """The row's messages, each mark in their words replaced by its medium, unopened."""
        media = {kind: iter(example.get(self._column(kind)) or []) for kind in ("image", "video")}
        return [
            {"role": message["role"], "content": list(_parts(message["content"], media))} for message in example[key]
        ]

    def _column(self, kind: str) -> str:
        return str(self.image_key if kind == "image" else self.video_key)

    @classmethod
    def _process_multi_modal_info(cls, messages: list[dict[str, Any]], image_patch_size: int, config: Any) -> Media:
        """The media of the messages, opened. Raises MediaError, which costs this prompt alone."""
        budget = MediaBudget(**dict(config.get("media_budget") or {}))
        unit = image_patch_size * MERGE
        images, clips = list[Image.Image](), list[Clip]()
        for part in (part for message in messages for part in message["content"] if isinstance(part, dict)):
            if part["type"] == "image":
                images.append(within_budget(_picture(part, budget.image_pixels), budget.image_pixels, unit))
            elif part["type"] == "video":
                clip = open_clip(part["video"], budget)
                frames = np.stack(clip_frames(clip, budget.frame_pixels, unit))
                clips.append((frames, _plain(asdict(clip_metadata(clip)))))
        return images or None, clips or None, None

    @classmethod
    async def process_multi_modal_info(
        cls, messages: list[dict[str, Any]], image_patch_size: int, config: Any
    ) -> Media:
        """As verl's agent loops ask for it: decoding happens in a thread, since many prompts share one event loop."""
        work = partial(cls._process_multi_modal_info, messages, image_patch_size, config)
        return await asyncio.get_running_loop().run_in_executor(None, work)


def _parts(words: str, media: dict[str, Iterator[dict[str, Any]]]) -> Iterator[dict[str, Any]]:
    for piece in re.split("(<image>|<video>)", words):
        if piece in ("<image>", "<video>"):
            kind = piece[1:-1]
            held = next(media[kind])
            yield {"type": kind} | {name: value for name, value in held.items() if value is not None}
        elif piece:
            yield {"type": "text", "text": disarm(piece)}


def _picture(part: dict[str, Any], pixels: int) -> Image.Image:
    if "bytes" not in part:
        return open_image(part["image"], pixels)
    with tempfile.NamedTemporaryFile() as file:
        file.write(part["bytes"])
        file.flush()
        return open_image(file.name, pixels)


def _plain(metadata: dict[str, Any]) -> dict[str, Any]:
    """Without what is not known, and a list of indices of its own: processors extend it in place."""
    return {
        key: list(value) if isinstance(value, list) else value for key, value in metadata.items() if value is not None
    }
