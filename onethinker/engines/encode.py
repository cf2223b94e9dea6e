"""A `Request` → tensors: chat template, media at their budget, token ids and M-RoPE positions of one prompt."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from transformers.video_utils import VideoMetadata

from onethinker.engines.base import Part, Request
from onethinker.engines.lru import LRUCache
from onethinker.media import Clip, MediaBudget, open_clip, open_image

PIXELS = ("pixel_values", "pixel_values_videos")
GRIDS = ("image_grid_thw", "video_grid_thw")


@dataclass(frozen=True, eq=False)
class Prompt:
    """One encoded prompt of T tokens.

    ids_T: int64. positions_3T: M-RoPE positions (time, height, width). types_T: 0 text, 1 image, 2 video token.
    media: `pixel_values` (patches, channels·2·patch²), `image_grid_thw` (images, 3) and the same for videos.
    """

    ids_T: Tensor
    positions_3T: Tensor
    types_T: Tensor
    media: dict[str, Tensor]

    def __len__(self) -> int:
        return self.ids_T.shape[0]

    @property
    def next_position(self) -> int:
        """The position, equal on all three axes, of the first answer token."""
        return int(self.positions_3T.max()) + 1

    @property
    def nbytes(self) -> int:
        return sum(t.nbytes for t in (self.ids_T, self.positions_3T, self.types_T, *self.media.values()))


@dataclass(frozen=True, eq=False)
class Inputs:
    """What the processor is given for one request, all within the budget.

    text: the chat as its template writes it, media not yet expanded. images, clips (lists of (H, W, 3) uint8 frames)
    and the clips' metadata: in the order of their marks. sizes: the processor's options for each kind of media.
    """

    text: str
    images: list[Image.Image]
    clips: list[list[np.ndarray]]
    metadata: list[VideoMetadata]
    sizes: dict[str, dict[str, Any]]


def mrope_positions(types_T: Tensor, grids: dict[str, Tensor], merge: int) -> Tensor:
    """(3, T) positions as Qwen3-VL counts them: text advances all axes together; an image, or one temporal patch of a
    clip, stands still in time and spreads over height and width, and the text after it goes on from its longer side.
    """
    stills = [tuple(g) for g in grids.get("image_grid_thw", torch.empty(0, 3)).tolist()]
    clips = [(1, h, w) for t, h, w in grids.get("video_grid_thw", torch.empty(0, 3)).tolist() for _ in range(int(t))]
    queues = {1: iter(stills), 2: iter(clips)}
    kinds, counts = torch.unique_consecutive(types_T, return_counts=True)
    pieces, position = [], 0
    for kind, count in zip(kinds.tolist(), counts.tolist(), strict=True):
        if kind == 0:
            pieces.append(torch.arange(count).expand(3, -1) + position)
            position += count
            continue
        while count > 0:
            t, h, w = (int(v) for v in next(queues[kind]))
            rows, columns = h // merge, w // merge
            grid = torch.stack(
                torch.meshgrid(torch.arange(t), torch.arange(rows), torch.arange(columns), indexing="ij")
            )
            pieces.append(grid.reshape(3, -1) + position)
            position += max(rows, columns)
            count -= t * rows * columns
    return torch.cat(pieces, dim=1)


class Encoder:
    """Encodes requests with a Qwen3-VL processor, in many threads at a time if so called.

    Recent prompts are kept, and recent media for other prompts about them, each up to `cache_bytes`. Prompts on `hold`
    are kept beside them until they are released, whatever their size.
    """

    def __init__(self, processor: Any, cache_bytes: int = 2 << 30) -> None:
        self.processor = processor
        self.tokenizer = processor.tokenizer
        self.merge = processor.image_processor.merge_size
        self.unit = processor.image_processor.patch_size * self.merge
        self._prompts = LRUCache[Prompt](lambda prompt: prompt.nbytes, cache_bytes)
        self._images = LRUCache[Image.Image](lambda image: 3 * image.width * image.height, cache_bytes // 2)
        self._clips = LRUCache[Clip](lambda clip: clip.frames.nbytes, cache_bytes // 2)
        self._held: dict[Request, tuple[Prompt, int]] = {}
        self._tokenizer_lock, self._held_lock = threading.Lock(), threading.Lock()

    def encode(self, request: Request) -> Prompt:
        """Raises MediaError for unreadable media and ValueError where marks and media do not match."""
        held = self._held.get(request)
        return held[0] if held else self._prompts.get(request, lambda: self._encode(request))

    def hold(self, request: Request) -> Prompt:
        """As `encode`, and keep the prompt until it was released as often as it was held."""
        held = self._held.get(request)
        prompt = held[0] if held else self._encode(request)
        with self._held_lock:
            _, times = self._held.get(request, (prompt, 0))
            self._held[request] = (prompt, times + 1)
        return prompt

    def release(self, request: Request) -> None:
        """Take back one `hold`."""
        with self._held_lock:
            prompt, times = self._held.pop(request)
            if times > 1:
                self._held[request] = (prompt, times - 1)

    def release_all(self) -> None:
        with self._held_lock:
            self._held.clear()

    def _encode(self, request: Request) -> Prompt:
        inputs = self.inputs(request)
        arguments: dict[str, Any] = {**inputs.sizes}
        if inputs.images:
            arguments["images"] = inputs.images
        if inputs.clips:
            arguments |= {"videos": inputs.clips, "video_metadata": inputs.metadata}
        with self._tokenizer_lock:  # a tokenizer serves one thread at a time
            encoded = self.processor(
                text=[inputs.text], return_tensors="pt", return_mm_token_type_ids=True, **arguments
            )
        types = encoded["mm_token_type_ids"][0]
        media = {key: encoded[key] for key in (*PIXELS, *GRIDS) if key in encoded}
        positions = mrope_positions(types, {k: v for k, v in media.items() if k in GRIDS}, self.merge)
        return Prompt(encoded["input_ids"][0], positions, types, media)

    def inputs(self, request: Request) -> Inputs:
        """What the processor is given, media opened and within their budget. Raises as `encode`."""
        turns, images, clips = request.turns(), list[Image.Image](), list[Clip]()
        for kind, value in (part for _, parts in turns for part in parts):
            if kind == "image":
                images.append(self._image(value, request.budget.image_pixels))
            elif kind == "video":
                clips.append(self._clip(value, request.budget))
        messages = [{"role": "system", "content": request.system}] if request.system else []
        text = self.processor.apply_chat_template(
            [*messages, *map(_message, turns)], tokenize=False, add_generation_prompt=True
        )
        sizes: dict[str, dict[str, Any]] = {}
        if images:
            sizes["images_kwargs"] = {"size": self._size("image", request.budget.image_pixels)}
        if clips:
            frames = max(len(clip.times) for clip in clips)
            longest = request.budget.frame_pixels * (frames + frames % 2)
            sizes["videos_kwargs"] = {"do_sample_frames": False, "size": self._size("video", longest)}
        frames_of_clips = [_frames(clip, request.budget.frame_pixels, self.unit) for clip in clips]
        return Inputs(text, images, frames_of_clips, [_metadata(clip) for clip in clips], sizes)

    def _image(self, path: str, pixels: int) -> Image.Image:
        return self._images.get((path, pixels), lambda: _within(open_image(path, pixels), pixels, self.unit))

    def _clip(self, path: str, budget: MediaBudget) -> Clip:
        return self._clips.get((path, budget), lambda: open_clip(path, budget))

    def _size(self, kind: str, longest: int) -> dict[str, int]:
        processor = self.processor.image_processor if kind == "image" else self.processor.video_processor
        shortest = min(processor.size["shortest_edge"], longest)
        return {"shortest_edge": shortest, "longest_edge": max(longest, self.unit**2)}

    def encode_text(self, text: str) -> list[int]:
        """Token ids of an answer, special tokens in it read as plain text."""
        return self.tokenizer.encode(text.replace("<|", "< |"), add_special_tokens=False)


def _message(turn: tuple[str, list[Part]]) -> dict[str, Any]:
    role, parts = turn
    return {
        "role": role,
        "content": [{"type": kind} | ({"text": value} if kind == "text" else {}) for kind, value in parts],
    }


def _within(picture: Image.Image, pixels: int, unit: int) -> Image.Image:
    """The picture, resized to multiples of `unit` where the processor, rounding to such, would exceed `pixels`."""
    width, height = picture.size
    columns, rows, most = max(1, round(width / unit)), max(1, round(height / unit)), max(1, pixels // unit**2)
    if min(width, height) >= unit and columns * rows <= most:
        return picture
    scale = min(1.0, (most / (columns * rows)) ** 0.5)
    rows = max(1, int(rows * scale))
    columns = min(max(1, int(columns * scale)), max(1, most // rows))
    return picture.resize((columns * unit, min(rows, most // columns) * unit), Image.Resampling.BICUBIC)


def _frames(clip: Clip, pixels: int, unit: int) -> list[np.ndarray]:
    """Frames within the budget, even in number: the last stands twice, as the processor would have it for all but a
    single frame, which it refuses."""
    frames = [np.asarray(_within(Image.fromarray(frame), pixels, unit)) for frame in clip.frames]
    return frames + frames[-1:] * (len(frames) % 2)


def _metadata(clip: Clip) -> VideoMetadata:
    """Milliseconds as frame indices at 1000 fps: the processor's timestamps are then exact for any frame rate."""
    indices = [round(float(t) * 1000) for t in clip.times]
    indices += indices[-1:] * (len(indices) % 2)
    return VideoMetadata(
        total_num_frames=max(indices) + 1,
        fps=1000.0,
        duration=clip.duration,
        frames_indices=indices,
        width=clip.width,
        height=clip.height,
    )


def batch_media(prompts: Sequence[Prompt], device: torch.device | str) -> dict[str, Tensor]:
    """The media of several prompts in one set of tensors, in the order of the prompts."""
    found: dict[str, Tensor] = {}
    for key in (*PIXELS, *GRIDS):
        parts = [p.media[key] for p in prompts if key in p.media]
        if parts:
            found[key] = torch.cat(parts).to(device)
    return found
