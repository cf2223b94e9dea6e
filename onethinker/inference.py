"""Ask a model one question: the library's short way from media and words to a parsed, drawable answer."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from PIL import Image
from rich.console import Console
from rich.text import Text

from onethinker.engines.base import Engine, EngineError, Request, Sampling
from onethinker.media import MediaBudget, MediaError, is_clip, open_clip, open_image, probe, write_clip, write_image
from onethinker.media.memory import PictureFolder
from onethinker.models.shipped import shipped
from onethinker.recipes import SHIPPED
from onethinker.recipes.answering import AskedAs, answering_engine, asked_as, flag_overrides
from onethinker.sample import Sample
from onethinker.sample.answer import Answer, Status, read_answer
from onethinker.segment import Segmenter, make_segmenter
from onethinker.segment.answers import masks_of
from onethinker.tasks import get_task
from onethinker.tasks.base import Reading
from onethinker.tasks.prompts import PromptSet, load_prompts
from onethinker.util.served import say
from onethinker.util.terminal import printable

DEFAULT_MODEL = "mini-rl"
OneMedium: TypeAlias = str | Path | Image.Image | np.ndarray
"""A file, a picture of Pillow's, or an array (H, W), (H, W, 3) in RGB or (H, W, 4), uint8."""
Media: TypeAlias = OneMedium | Sequence[OneMedium] | None
DRAWN_FRAMES = 360
"""Of a clip that are drawn at most, 12 s of 30 frames a second; of a longer one as many, evenly."""


def drawn_frames(file: Path) -> MediaBudget:
    """All frames of a clip, up to DRAWN_FRAMES, at most 640 × 480 pixels each."""
    info = probe(file)
    return MediaBudget(frame_pixels=640 * 480, fps=info.fps or 1.0, max_frames=DRAWN_FRAMES)


@dataclass(frozen=True)
class Result:
    """What came back. value: the parsed answer, None where it is not in the task's form (`problem` says why)."""

    sample: Sample
    media: tuple[Path, ...]
    response: str
    answer: Answer
    reading: Reading[Any]
    pictures: PictureFolder = field(default_factory=PictureFolder, repr=False, compare=False)
    """Holds the files of pictures that came from memory."""

    @property
    def status(self) -> Status:
        return self.reading.status

    @property
    def value(self) -> Any:
        return None if self.problem else self.reading.value

    @property
    def problem(self) -> str:
        return self.reading.problem

    def draw(
        self, budget: MediaBudget | None = None, segmenter: Segmenter | None = None
    ) -> tuple[list[Image.Image], list[float]]:
        """Frames with the answer drawn on them, and their seconds (one frame at 0.0 for an image).

        budget: which frames of a clip; unless given all of them, at its own rate, at most DRAWN_FRAMES. segmenter:
        whose masks of a segmentation answer are drawn too; GrabCut unless given, which needs no weights.
        """
        if not self.media:
            return [], []
        file, masks = self.media[0], []
        if is_clip(file):
            clip = open_clip(file, budget or drawn_frames(file))
            frames, times = [Image.fromarray(f) for f in clip.frames], [float(t) for t in clip.times]
        else:
            frames, times = [open_image(file)], [0.0]
        if get_task(self.sample.task).masks and self.value is not None:
            masks = masks_of(segmenter or make_segmenter(), self.sample, file, self.value, times)
        return get_task(self.sample.task).draw(self.sample, self.answer, frames, times, masks), times

    def save(self, path: Path) -> Path:
        """Write the drawing: a clip where the suffix is one of a clip's, else a picture of the first frame."""
        check_drawing(path, self.media)
        frames, times = self.draw()
        if path.suffix.lower() == ".mp4":
            return write_clip(path, frames, times)
        return write_image(path, frames[0])

    def record(self) -> dict[str, Any]:
        """Plain JSON values. value: the parsed answer; coordinates 0–1000, times in seconds."""
        return {
            "status": self.status.value,
            "thinking": self.answer.thinking,
            "answer": self.answer.text,
            "value": _plain(self.value),
            "problem": self.problem,
        }


PICTURES = (".png", ".jpg", ".jpeg", ".webp")


def check_question(media: Sequence[str | Path], task: str, draw: Path | None = None) -> None:
    """What can be known to be wrong before a model is loaded: raises TaskError, MediaError."""
    if task:
        get_task(task)
    for file in map(Path, media):
        if not file.exists():
            raise MediaError(f"{file}: no such file")
    if draw:
        check_drawing(draw, media)


def check_drawing(path: Path, media: Sequence[str | Path]) -> None:
    """Raises MediaError where the answer cannot be drawn into such a file."""
    if not media:
        raise MediaError(f"{path}: nothing to draw on, the question has no media")
    if path.suffix.lower() not in (*PICTURES, *([".mp4"] if is_clip(Path(media[0])) else [])):
        raise MediaError(f"{path}: drawings are written as .png, .jpg or .webp, those of a clip as .mp4 too")


def print_result(result: Result, as_json: bool = False, draw: Path | None = None) -> None:
    """The thinking (dim), the answer and where the drawing is; or one JSON object. Model text is printed as text only:
    no markup of it counts and no control character reaches the terminal."""
    if as_json:
        drawing = {"drawing": str(result.save(draw))} if draw else {}
        return print(json.dumps(result.record() | drawing, ensure_ascii=True))
    console = Console(highlight=False)
    answered = result.answer.status not in (Status.NO_ANSWER, Status.TRUNCATED)
    thinking = result.answer.thinking if answered else ""  # without an answer block `text` is the whole response
    for text, style in ((thinking, "dim"), (result.answer.text, "bold" if answered else "dim")):
        if text:
            console.print(Text(printable(text), style=style))
    if result.status is not Status.OK:
        reason = f": {printable(result.problem)}" if result.problem else ""
        console.print(Text(f"({result.status.value}{reason})", style="yellow"))
    if draw:
        console.print(Text(str(result.save(draw))), soft_wrap=True)


@dataclass(frozen=True)
class Model:
    """A model ready for questions. prompts: the words around a question; budget: how large media may become.
    knows_only_worlds: trained on nothing but drawn worlds, so that it says so of any other picture."""

    engine: Engine
    prompts: PromptSet
    budget: MediaBudget
    max_tokens: int
    knows_only_worlds: bool = False

    def ask(self, media: Media, question: str, *, task: str = "", options: Sequence[str] = ()) -> Result:
        """Ask about images or a clip, or about nothing but the words (media None). task: one of `list_tasks()`;
        multiple choice if there are options, else open-ended.

        Raises EngineError when the model could not be asked at all (a damaged picture, for one), MediaError for a file
        that is not there and for an array that is no picture.
        """
        pictures = PictureFolder()
        files = tuple(Path(m).resolve() if isinstance(m, str | Path) else pictures.file(m) for m in _as_sequence(media))
        clips = [is_clip(f) for f in files]
        if self.knows_only_worlds:
            _doubt(files, clips)
        modality: Any = (
            "video" if clips and all(clips) else "video-image" if any(clips) else "image" if clips else "text"
        )
        sample = Sample(
            id="ask",
            task=task or ("multiple_choice" if options else "open_ended"),
            modality=modality,
            question=question,
            truth="",
            options=tuple(options),
            media=tuple(str(f) for f in files),
        )
        request = Request(
            "ask", get_task(sample.task).prompt(sample, self.prompts), files, self.budget, self.prompts.system
        )
        ((_, (completion,)),) = self.engine.answer([request], Sampling(max_tokens=self.max_tokens))
        if completion.finish == "error":
            raise EngineError(completion.error)
        answer = read_answer(completion.text, completion.finish)
        reading = get_task(sample.task).read(sample, answer)
        return Result(sample, files, completion.text, answer, reading, pictures)


def load_model(
    name: str = DEFAULT_MODEL,
    *,
    engine: str = "",
    prompts: str = "",
    device: str = "",
    dtype: str = "",
    attention: str = "",
    overrides: Sequence[str] = (),
    like: str = "",
) -> Model:
    """A shipped name, a folder, a hub id or `http://…/v1`, ready to `ask`.

    A model trained here is asked with its own recipe's prompts and media sizes, one that a server serves from a folder
    that is here too, any other with the published ones. like: a recipe or a checkpoint whose settings are taken
    instead. overrides: `key=value` of that recipe, as `--set` takes them; prompts, device, dtype and attention are
    short for four of them.
    """
    flags = {"prompts": prompts, "device": device, "dtype": dtype, "attention": attention}
    asked = asked_as(name, like)
    recipe = asked.overridden([*flag_overrides(flags), *overrides])
    asked.tell(recipe)
    made = answering_engine(recipe, engine)
    evaluated = recipe.evaluate
    return Model(
        made, load_prompts(recipe.prompts), evaluated.budget, evaluated.max_tokens, _knows_only_worlds(name, asked)
    )


def _knows_only_worlds(name: str, asked: AskedAs) -> bool:
    """Of the weights that come with the package, and of a mini model whose recipe names no data but a world's."""
    if name in shipped():
        return True
    trained_on = asked.recipe.data.train
    of_a_world = not trained_on or (Path(trained_on).parent / "world.json").is_file()
    return asked.trained and asked.recipe.name == SHIPPED["mini"].name and of_a_world


def _doubt(files: Sequence[Path], clips: Sequence[bool]) -> None:
    """Say once where a picture or clip is none of a world's. What cannot be read is the engine's to report."""
    if _say_only_worlds.cache_info().currsize:
        return  # said already: nothing is opened for it again
    from onethinker.data.worlds.recognise import may_be_of_a_world

    for file, clip in zip(files, clips, strict=True):
        try:
            picture = (
                Image.fromarray(open_clip(file, MediaBudget(max_frames=1)).frames[0]) if clip else open_image(file)
            )
        except (MediaError, OSError):
            continue
        if not may_be_of_a_world(picture):
            return _say_only_worlds()


@cache
def _say_only_worlds() -> None:
    say("this mini model knows drawn shapes and words of its own world only, and guesses about any other picture")


Thought, Thinker = Result, Model
"""The names of version 0.1, kept for one version."""


def ask(media: Media, question: str, *, task: str = "", options: Sequence[str] = (),
        model: str | Model = DEFAULT_MODEL) -> Result:  # fmt: skip
    """One question to one model; for several questions keep what `load_model` returns."""
    loaded = load_model(model) if isinstance(model, str) else model
    return loaded.ask(media, question, task=task, options=options)


def _as_sequence(media: Media) -> Sequence[OneMedium]:
    if media is None:
        return ()
    return [media] if isinstance(media, str | Path | Image.Image | np.ndarray) else media


def _plain(value: Any) -> Any:
    """A parsed answer as JSON values: dataclasses and mappings as objects, arrays and sequences as lists."""
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
