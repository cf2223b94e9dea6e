"""The process that decodes what clients send: `python -m onethinker.serve.media_worker`, one JSON job a line.

It alone opens an upload. What the server's own process opens is what this one wrote: a picture as plain pixels, a clip
as the frames that the model will see, each in PNG. A file that needs too much memory, crashes a decoder or never ends
costs this process, which is then replaced.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from onethinker.media import MediaBudget, MediaError, is_clip, open_clip, open_image, probe, write_clip, write_image
from onethinker.media.decode import IMAGE_FORMATS
from onethinker.media.pictures import MAX_ANIMATION_PIXELS
from onethinker.media.write import write_exact_clip

SHOWN_PIXELS = 1280 * 960
"""Of a picture that is shown or drawn on."""
THUMB_PIXELS = 160 * 160


class _Refused(Exception):
    """kind: too_large, unsupported or damaged."""

    def __init__(self, kind: str, words: str) -> None:
        super().__init__(words)
        self.kind = kind


def prepare(job: dict[str, Any]) -> dict[str, Any]:
    """Check an upload and write what the engine is to open. job: file, kind (image, video or any), out (a folder and a
    name's beginning), budget, pixels, frames, seconds."""
    file = Path(job["file"])
    about = look(job)
    if about["kind"] == "image":
        return about | {"path": str(write_image(Path(job["out"] + ".ppm"), open_image(file)))}
    budget = MediaBudget(**job["budget"])
    return about | {"path": str(_write_frames(file, Path(job["out"] + ".mov"), budget, about["duration"]))}


def look(job: dict[str, Any]) -> dict[str, Any]:
    """Check a file and say what it is. job: as of `prepare`, without out and budget."""
    file = Path(job["file"])
    _check_kind(file)
    _check_header(file, job)
    clip = job["kind"] == "video" or (job["kind"] != "image" and is_clip(file))
    if not clip:
        picture = open_image(file)
        about = {"width": picture.width, "height": picture.height, "duration": 0.0, "frames": 1, "fps": 0.0}
        return {"kind": "image", **about}
    info = probe(file)
    _check_size(info.width, info.height, job)
    if info.frames > job["frames"]:
        raise _Refused("too_large", f"a clip of {info.frames:,} frames; at most {job['frames']:,} are taken")
    if info.duration > job["seconds"]:
        raise _Refused("too_large", f"a clip of {info.duration:,.0f} s; at most {job['seconds']:g} s are taken")
    about = {"duration": info.duration, "frames": info.frames, "fps": info.fps}
    return {"kind": "clip", "width": info.width, "height": info.height, **about}


def thumb(job: dict[str, Any]) -> dict[str, Any]:
    """Write a small JPEG of a picture, or of a clip's first frame. job: as of `look`, and out."""
    file, out = Path(job["file"]), Path(job["out"] + ".jpg")
    if look(job)["kind"] == "image":
        picture = open_image(file, THUMB_PIXELS)
    else:
        first = open_clip(file, MediaBudget(frame_pixels=THUMB_PIXELS, max_frames=1)).frames[0]
        picture = Image.fromarray(first)
    picture.save(out, "JPEG", quality=85)
    return {"path": str(out)}


def _write_frames(file: Path, out: Path, budget: MediaBudget, duration: float) -> Path:
    """The frames that `open_clip` gives of this budget, and those at even distances that some servers are sent: whoever
    opens what is written with the same budget gets the same pixels at the same times."""
    from onethinker.engines.content import even_times

    times = np.union1d(open_clip(file, budget).times, even_times(duration, budget))
    clip = open_clip(file, budget, times=times)
    return write_exact_clip(out, clip.frames, times, max(duration, times[-1] + 1e-3))


def show(job: dict[str, Any]) -> dict[str, Any]:
    """Write an upload as a browser shows it: a PNG, or an MP4 of at most `drawing.DRAWN_FRAMES`."""
    from onethinker.inference.drawing import DRAWN_FRAMES, DRAWN_PIXELS

    file = Path(job["file"])
    if job["media"]["kind"] == "image":
        return {"path": str(write_image(Path(job["out"] + ".png"), open_image(file, SHOWN_PIXELS)))}
    budget = MediaBudget(frame_pixels=DRAWN_PIXELS, fps=job["media"]["fps"], max_frames=DRAWN_FRAMES)
    clip = open_clip(file, budget)
    return {"path": str(write_clip(Path(job["out"] + ".mp4"), clip.frames, clip.times))}


def draw(job: dict[str, Any]) -> dict[str, Any]:
    """Write the answer drawn on its first medium. job: told and media as `results` has them, files, out."""
    suffix = ".png" if job["media"][0]["kind"] == "image" else ".mp4"
    return {"path": str(_result(job).save(job["out"] + suffix))}


def record(job: dict[str, Any]) -> dict[str, Any]:
    """The result's record with its masks, which are made on the upload itself. job: as of `draw`."""
    return {"record": _result(job).record()}


def _result(job: dict[str, Any]) -> Any:
    from onethinker.serve.results import result_of

    return result_of(job["told"], [Path(file) for file in job["files"]], job["media"])


def _check_kind(file: Path) -> None:
    """Say plainly of the kinds that are often sent and never read."""
    with file.open("rb") as opened:
        head = opened.read(1024)
    if not head:
        raise _Refused("damaged", "an empty file; expected a picture or a clip")
    kinds = {b"PK\x03\x04": "a zip archive", b"%PDF": "a PDF", b"#EXTM3U": "a playlist", b"\x1f\x8b": "a gzip archive"}
    for magic, name in kinds.items():
        if head.startswith(magic):
            raise _Refused("unsupported", f"{name}; expected a picture (PNG, JPEG, WebP, …) or a clip (MP4, WebM, …)")
    words = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if words.startswith((b"<svg", b"<?xml", b"<!doctype", b"<html")):
        raise _Refused("unsupported", "an SVG or a web page; expected a picture of pixels: save it as PNG")


def _check_header(file: Path, job: dict[str, Any]) -> None:
    """A picture's size before any of it is decoded."""
    try:
        with Image.open(file, formats=IMAGE_FORMATS) as picture:
            _check_size(*picture.size, job)
            frames = int(getattr(picture, "n_frames", 1))
            if frames > job["frames"]:
                raise _Refused("too_large", f"a picture of {frames:,} frames; at most {job['frames']:,} are taken")
            if frames > 1 and frames * picture.width * picture.height > MAX_ANIMATION_PIXELS:
                raise _Refused(
                    "too_large", f"{frames:,} frames of {picture.width:,} × {picture.height:,} pixels; shorten it"
                )
    except (_Refused, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        raise _Refused("too_large", f"a picture of more than {job['pixels']:,} pixels; shrink it first") from error
    except Exception:  # not a picture, or a damaged one: what opens it says so
        return


def _check_size(width: int, height: int, job: dict[str, Any]) -> None:
    if width * height > job["pixels"]:
        raise _Refused(
            "too_large", f"{width:,} × {height:,} pixels; at most {job['pixels']:,} are decoded, shrink it first"
        )


JOBS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "prepare": prepare,
    "look": look,
    "thumb": thumb,
    "show": show,
    "draw": draw,
    "record": record,
}


@contextmanager
def _limited(memory: int, seconds: float) -> Iterator[None]:
    """A bound on what this process may have beside what it has now, and on the processor's time for one job."""
    import resource

    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        now = pages * resource.getpagesize()
    except OSError:  # no /proc (macOS): the bounds on sizes hold, this one does not
        now = 0
    if now:
        resource.setrlimit(resource.RLIMIT_AS, (now + memory, resource.RLIM_INFINITY))
    used = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
    resource.setrlimit(resource.RLIMIT_CPU, (int(used + 2 * seconds) + 1, resource.RLIM_INFINITY))
    yield
    if now:
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def answer(line: bytes) -> dict[str, Any]:
    job = json.loads(line)
    try:
        with _limited(job["memory"], job["cpu_seconds"]):
            return JOBS[job["do"]](job)
    except _Refused as refused:
        return {"error": refused.kind, "words": str(refused)}
    except MediaError as error:
        words = str(error)
        for file in (job.get("file"), *job.get("files", ())):
            words = words.replace(f"{file}: ", "").replace(str(file), "the file")
        return {"error": "damaged", "words": words}
    except MemoryError:
        return {"error": "memory", "words": f"decoding it takes more than {job['memory'] >> 20:,} MiB"}
    except Exception as error:
        return {"error": "damaged", "words": f"it cannot be decoded ({type(error).__name__})"}


def main() -> None:
    import cv2

    import onethinker.serve.results  # noqa: F401  a job's seconds are not for imports

    cv2.setNumThreads(1)
    replies = sys.stdout.buffer
    sys.stdout = sys.stderr  # what a library prints is no reply
    replies.write(b'{"ready": true}\n')
    replies.flush()
    for line in sys.stdin.buffer:
        made = answer(line)
        replies.write(json.dumps(made).encode() + b"\n")
        replies.flush()
        if made.get("error") == "memory":
            return  # what is left of this process's memory is in pieces


if __name__ == "__main__":
    main()
