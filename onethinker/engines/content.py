"""The parts of a chat message that servers read: words, pictures and clips as JSON.

Pictures go as PNG, so that the server sees the pixels that the local engine sees. A clip goes in one of three ways:

- `sequence` (vLLM): a `video_url` part that holds every frame as a PNG, with its time in milliseconds beside it. Pixels
  and times are exactly the local engine's, at any frame rate.
- `video` (vLLM, SGLang): a `video_url` part, an MP4 of the budget's frames only. Such servers take a frame's time to be
  its index over the file's rate, so the frames stand at one rate: those of `open_clip` where the budget's fps is met,
  else as many evenly from the first to the last of them. The coding costs grey levels. vLLM keeps 32 frames unless
  the request says otherwise, which it must be trusted to (`--trust-request-mm-kwargs`), and a processor that takes 2
  frames a second leaves out some of a clip with more.
- `frames` (servers that take images only): each frame an image after its `<1.5 seconds>`.
"""

from __future__ import annotations

import base64
import io
import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from onethinker.engines.base import Request, Turn, disarm_response
from onethinker.media import MediaBudget, open_clip, open_image, probe, write_clip

CLIPS = ("sequence", "video", "frames")
"""Ways in which a clip goes."""
KEPT_FRAMES = 32
"""A clip's frames that a vLLM keeps unless it is told otherwise."""

Part = dict[str, Any]


Encoded = tuple[list[Part], dict[str, Any]]
"""A medium's parts, and what of a request's `media_io_kwargs` they ask for."""


def message_parts(
    request: Request, clips: str, encode: Callable[[str, str, MediaBudget], Encoded] | None = None
) -> tuple[list[Part], dict[str, Any]]:
    """A request's words and media in order, and the fields that its body needs beside them.

    clips: one of CLIPS; of several clips none goes as a sequence, since vLLM takes one list of times a request.
    encode(path, way, budget): in place of `encode_medium`, for who keeps what was encoded; way: `image` or one of
    CLIPS. Raises MediaError (a ValueError), ValueError, OSError.
    """
    _, content, options = chat_turns(request, clips, encode)
    return content, options


def chat_turns(
    request: Request, clips: str, encode: Callable[[str, str, MediaBudget], Encoded] | None = None
) -> tuple[list[dict[str, Any]], list[Part], dict[str, Any]]:
    """As `message_parts`, with the messages of the request's history first."""
    turns, options = request.messages(), dict[str, Any]()
    alone = sum(kind == "video" for _, parts in turns for kind, _ in parts) == 1
    clips = "video" if clips == "sequence" and not alone else clips
    messages = list[dict[str, Any]]()
    for role, parts in turns:
        content = list[Part]()
        for kind, value in parts:
            if kind == "text":
                content.append(text_part(value))
                continue
            made, times = (encode or encode_medium)(value, "image" if kind == "image" else clips, request.budget)
            content += made
            options |= times
        messages.append({"role": role, "content": content})
    return messages[:-1], messages[-1]["content"], {"media_io_kwargs": options} if options else {}


def encode_medium(path: str, way: str, budget: MediaBudget) -> Encoded:
    """A picture (`image`), or a clip in one of CLIPS. Raises MediaError, OSError."""
    if way == "image":
        return [image_part(open_image(path, budget.image_pixels))], {}
    if way == "frames":
        return frame_parts(path, budget), {}
    part, times = (sequence if way == "sequence" else video)(path, budget)
    return [part], times


def text_part(words: str) -> Part:
    return {"type": "text", "text": words}


def image_part(picture: Image.Image) -> Part:
    return _png_part(png_bytes(picture))


def _png_part(png: bytes) -> Part:
    return {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{base64.b64encode(png).decode()}"}}


def sequence_part(frames: Sequence[np.ndarray]) -> Part:
    """A clip as its (H, W, 3) uint8 frames; the request's `sequence_times` say when they are on screen."""
    pictures = ",".join(_png(Image.fromarray(frame)) for frame in frames)
    return {"type": "video_url", "video_url": {"url": f"data:video/jpeg;base64,{pictures}"}}


def sequence_times(milliseconds: Sequence[int], duration: float) -> dict[str, Any]:
    """A request's `media_io_kwargs` for the one clip that it holds. duration: seconds."""
    total = max(max(milliseconds) + 1, len(milliseconds))
    times = {"fps": 1000.0, "frames_indices": list(milliseconds), "total_num_frames": total, "duration": duration}
    return {"video": {"num_frames": -1, **times}}


def sequence(path: str, budget: MediaBudget) -> tuple[Part, dict[str, Any]]:
    """A clip's part and its request's `media_io_kwargs`. The last of an odd number of frames stands twice, as the
    processor would have it for all but a single frame, which it refuses."""
    clip = open_clip(path, budget)
    index = [*range(len(clip.times)), *([len(clip.times) - 1] * (len(clip.times) % 2))]
    milliseconds = [round(float(clip.times[i]) * 1000) for i in index]
    return sequence_part([clip.frames[i] for i in index]), sequence_times(milliseconds, clip.duration)


def video(path: str, budget: MediaBudget) -> tuple[Part, dict[str, Any]]:
    """A clip's part and its request's `media_io_kwargs`, none where the server keeps all frames without being told."""
    clip = open_clip(path, budget, times=even_times(probe(path).duration, budget))
    with tempfile.TemporaryDirectory() as folder:
        made = write_clip(Path(folder) / "clip.mp4", clip.frames, clip.times)
        url = f"data:video/mp4;base64,{base64.b64encode(made.read_bytes()).decode()}"
    times = {"video": {"num_frames": -1}} if len(clip.times) > KEPT_FRAMES else {}
    return {"type": "video_url", "video_url": {"url": url}}, times


def frame_parts(path: str, budget: MediaBudget) -> list[Part]:
    clip, parts = open_clip(path, budget), list[Part]()
    for frame, seconds in zip(clip.frames, clip.times, strict=True):
        parts += [text_part(f"<{seconds:.1f} seconds>"), image_part(Image.fromarray(frame))]
    return parts


def response_parts(turn: Turn, prepared: Iterator[Image.Image] | None = None) -> list[Part]:
    """A tool's response as the message of a user: what Qwen's chat template makes of a tool's message, token for token,
    and any other server takes, where a tool's message may hold no picture or wants an id. prepared: its pictures as
    they are sent, where that is not as the tool gave them."""
    parts = [text_part("<tool_response>\n")]
    for part in turn.response:
        if isinstance(part, bytes):
            parts.append(image_part(next(prepared)) if prepared else _png_part(part))
        else:
            parts.append(text_part(disarm_response(part)))
    return [*parts, text_part("\n</tool_response>")]


def even_times(duration: float, budget: MediaBudget) -> np.ndarray:
    """(T,) seconds at one distance: as many as `open_clip` takes from a clip of `duration`, with its first and last."""
    steps = max(1, math.ceil(duration * budget.fps - 1e-6))
    count = min(steps, budget.max_frames)
    return np.linspace(0, (steps - 1) / budget.fps if count > 1 else 0, count)


def png_bytes(picture: Image.Image) -> bytes:
    """A whole PNG file, quickly."""
    file = io.BytesIO()
    picture.save(file, "PNG", compress_level=1)
    return file.getvalue()


def _png(picture: Image.Image) -> str:
    return base64.b64encode(png_bytes(picture)).decode()
