"""A `Request` → tensors: chat template, media at their budget, token ids and M-RoPE positions of one prompt."""

from __future__ import annotations

import io
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from transformers.video_utils import VideoMetadata

from onethinker.engines.base import Part, Request, Turn, disarm_response
from onethinker.media import Clip, MediaBudget, open_clip, open_image
from onethinker.util.lru import LRUCache

PIXELS = ("pixel_values", "pixel_values_videos")
GRIDS = ("image_grid_thw", "video_grid_thw")
PICTURE = "<|vision_start|><|image_pad|><|vision_end|>"
"""How Qwen3-VL's chat template writes a picture's place."""
MOST_ASPECT = 200
"""Qwen3-VL's processor refuses a picture that is longer than so many times its other side."""


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
class AnswerTokens:
    """An answer of several turns, A tokens: what the model wrote and what tools gave back between.

    positions_3A: M-RoPE, counted from the prompt's `next_position`. written_A: tokens of the model's own, which alone
    are learned from. ids_A, types_A, media: as in `Prompt`.
    """

    ids_A: Tensor
    positions_3A: Tensor
    types_A: Tensor
    written_A: Tensor
    media: dict[str, Tensor]

    def __len__(self) -> int:
        return self.ids_A.shape[0]


@dataclass(frozen=True, eq=False)
class Inputs:
    """What the processor is given for one request, all within the budget.

    text: the chat as its template writes it, media not yet expanded. turn_ids: the token ids of the turns that follow
    it, theirs neither. images, clips (lists of (H, W, 3) uint8 frames)
    and the clips' metadata: in the order of their marks. sizes: the processor's options for each kind of media.
    """

    text: str
    images: list[Image.Image]
    clips: list[list[np.ndarray]]
    metadata: list[VideoMetadata]
    sizes: dict[str, dict[str, Any]]
    turn_ids: tuple[int, ...] = ()


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
        if request.turns:
            prompt = self.encode(replace(request, turns=(), answer=0))
            return _appended(prompt, self.answer_tokens(request.turns, (), request.budget))
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
        return self._processed(self._first_inputs(request))

    def _processed(self, inputs: Inputs) -> Prompt:
        arguments: dict[str, Any] = {**inputs.sizes}
        if inputs.images:
            arguments["images"] = inputs.images
        if inputs.clips:  # within the options for clips: where there are any, transformers 5.9 reads those alone
            of_clips = inputs.sizes["videos_kwargs"] | {"video_metadata": inputs.metadata}
            arguments |= {"videos": inputs.clips, "videos_kwargs": of_clips}
        with self._tokenizer_lock:  # a tokenizer serves one thread at a time
            encoded = self.processor(
                text=[inputs.text], return_tensors="pt", return_mm_token_type_ids=True, **arguments
            )
        types = encoded["mm_token_type_ids"][0]
        media = {key: encoded[key] for key in (*PIXELS, *GRIDS) if key in encoded}
        positions = mrope_positions(types, {k: v for k, v in media.items() if k in GRIDS}, self.merge)
        return Prompt(encoded["input_ids"][0], positions, types, media)

    def answer_tokens(self, turns: Sequence[Turn], last: Sequence[int], budget: MediaBudget) -> AnswerTokens:
        """Turns with their tools' responses, and the token ids of the last turn. A turn's own ids are taken where the
        engine gave them, since its text need not tokenize to what was sampled."""
        ids, types, written, media = list[Tensor](), list[Tensor](), list[Tensor](), list[dict[str, Tensor]]()
        for turn in turns:
            own = self._own_ids(turn)
            response = self._processed(self._response(turn, budget))
            ids += [torch.tensor(own), response.ids_T]
            types += [torch.zeros(len(own), dtype=torch.long), response.types_T]
            written += [torch.ones(len(own), dtype=torch.bool), torch.zeros(len(response), dtype=torch.bool)]
            media.append(response.media)
        ids.append(torch.tensor(last, dtype=torch.long))
        types.append(torch.zeros(len(last), dtype=torch.long))
        written.append(torch.ones(len(last), dtype=torch.bool))
        together = _cat_media(media)
        types_A = torch.cat(types)
        grids = {key: grid for key, grid in together.items() if key in GRIDS}
        positions = mrope_positions(types_A, grids, self.merge)
        return AnswerTokens(torch.cat(ids), positions, types_A, torch.cat(written), together)

    def _own_ids(self, turn: Turn) -> tuple[int, ...]:
        return turn.token_ids or (*self.encode_text(turn.text), self.tokenizer.eos_token_id)

    def _response(self, turn: Turn, budget: MediaBudget) -> Inputs:
        """What stands between a turn's end and the next one's begin, as Qwen's chat template writes it."""
        words, pictures = ["\n<|im_start|>user\n<tool_response>\n"], list[Image.Image]()
        for part in turn.response:
            if isinstance(part, bytes):
                words.append(PICTURE)
                with Image.open(io.BytesIO(part), formats=["PNG"]) as opened:
                    pictures.append(within_budget(opened.convert("RGB"), budget.image_pixels, self.unit))
            else:
                words.append(disarm_response(part))
        text = "".join([*words, "\n</tool_response><|im_end|>\n<|im_start|>assistant\n"])
        sizes = {"images_kwargs": {"size": self._size("image", budget.image_pixels)}} if pictures else {}
        return Inputs(text, pictures, [], [], sizes)

    def inputs(self, request: Request) -> Inputs:
        """What the processor is given, media opened and within their budget. Raises as `encode`."""
        inputs, ids = self._first_inputs(request), list[int]()
        responses = [self._response(turn, request.budget) for turn in request.turns]
        for turn, response in zip(request.turns, responses, strict=True):
            ids += [*self._own_ids(turn), *self.tokenizer.encode(response.text, add_special_tokens=False)]
        images = inputs.images + [image for response in responses for image in response.images]
        sizes = inputs.sizes | {key: value for response in responses for key, value in response.sizes.items()}
        return replace(inputs, images=images, sizes=sizes, turn_ids=tuple(ids))

    def _first_inputs(self, request: Request) -> Inputs:
        """Of the prompt before any turn."""
        said, images, clips = request.messages(), list[Image.Image](), list[Clip]()
        for kind, value in (part for _, parts in said for part in parts):
            if kind == "image":
                images.append(self._image(value, request.budget.image_pixels))
            elif kind == "video":
                clips.append(self._clip(value, request.budget))
        system = [{"role": "system", "content": request.system}] if request.system else []
        text = self.processor.apply_chat_template(
            [*system, *map(_message, said)], tokenize=False, add_generation_prompt=True
        )
        sizes: dict[str, dict[str, Any]] = {}
        if images:
            sizes["images_kwargs"] = {"size": self._size("image", request.budget.image_pixels)}
        if clips:
            frames = max(len(clip.times) for clip in clips)
            longest = request.budget.frame_pixels * (frames + frames % 2)
            sizes["videos_kwargs"] = {"do_sample_frames": False, "size": self._size("video", longest)}
        frames_of_clips = [clip_frames(clip, request.budget.frame_pixels, self.unit) for clip in clips]
        return Inputs(text, images, frames_of_clips, [clip_metadata(clip) for clip in clips], sizes)

    def _image(self, path: str, pixels: int) -> Image.Image:
        return self._images.get((path, pixels), lambda: within_budget(open_image(path, pixels), pixels, self.unit))

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


def within_budget(picture: Image.Image, pixels: int, unit: int) -> Image.Image:
    """The picture, resized to multiples of `unit` where the processor, rounding to such, would exceed `pixels`, and
    where it would refuse the picture for being longer than MOST_ASPECT times its other side."""
    width, height = picture.size
    columns, rows, most = max(1, round(width / unit)), max(1, round(height / unit)), max(1, pixels // unit**2)
    is_longer = max(width, height) > MOST_ASPECT * min(width, height)
    if min(width, height) >= unit and columns * rows <= most and not is_longer:
        return picture
    scale = min(1.0, (most / (columns * rows)) ** 0.5)
    rows = max(1, int(rows * scale))
    columns = min(max(1, int(columns * scale)), max(1, most // rows), MOST_ASPECT * rows)
    rows = min(rows, most // columns, MOST_ASPECT * columns)
    return picture.resize((columns * unit, rows * unit), Image.Resampling.BICUBIC)


def clip_frames(clip: Clip, pixels: int, unit: int) -> list[np.ndarray]:
    """Frames within the budget, even in number: the last stands twice, as the processor would have it for all but a
    single frame, which it refuses."""
    frames = [np.asarray(within_budget(Image.fromarray(frame), pixels, unit)) for frame in clip.frames]
    return frames + frames[-1:] * (len(frames) % 2)


def clip_metadata(clip: Clip) -> VideoMetadata:
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


def _appended(prompt: Prompt, answer: AnswerTokens) -> Prompt:
    """A prompt that goes on with the turns of an answer."""
    positions = torch.cat([prompt.positions_3T, answer.positions_3A + prompt.next_position], dim=1)
    ids, types = torch.cat([prompt.ids_T, answer.ids_A]), torch.cat([prompt.types_T, answer.types_A])
    return Prompt(ids, positions, types, _cat_media([prompt.media, answer.media]))


def batch_media(parts: Sequence[Prompt | AnswerTokens], device: torch.device | str) -> dict[str, Tensor]:
    """The media of prompts and answers in one set of tensors, in the order given."""
    return {key: value.to(device) for key, value in _cat_media([part.media for part in parts]).items()}


def _cat_media(media: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    parts = {key: [m[key] for m in media if key in m] for key in (*PIXELS, *GRIDS)}
    return {key: torch.cat(found) if len(found) > 1 else found[0] for key, found in parts.items() if found}
