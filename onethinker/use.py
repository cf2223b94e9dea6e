"""Ask a model one question: the library's short way from media and words to a parsed, drawable answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from onethinker.answer import Answer, Status, read_answer
from onethinker.engines import make_engine
from onethinker.engines.base import Engine, EngineError, Request, Sampling
from onethinker.media import MediaBudget, is_clip, open_clip, open_image, write_clip, write_image
from onethinker.recipes import SHIPPED, trained_with
from onethinker.sample import Sample
from onethinker.tasks import get_task
from onethinker.tasks.base import Malformed
from onethinker.tasks.prompts import PromptSet, load_prompts

DEFAULT_MODEL = "mini-rl"


@dataclass(frozen=True)
class Thought:
    """What came back. value: the parsed answer, None where it is not in the task's form (`problem` says why)."""

    sample: Sample
    media: tuple[Path, ...]
    response: str
    answer: Answer
    value: Any
    problem: str = ""

    @property
    def status(self) -> Status:
        return Status.MALFORMED if self.answer.status is Status.OK and self.problem else self.answer.status

    def draw(self, budget: MediaBudget | None = None) -> tuple[list[Image.Image], list[float]]:
        """Frames with the answer drawn on them, and their seconds (one frame at 0.0 for an image)."""
        if not self.media:
            return [], []
        if is_clip(self.media[0]):
            clip = open_clip(self.media[0], budget or MediaBudget())
            frames, times = [Image.fromarray(f) for f in clip.frames], [float(t) for t in clip.times]
        else:
            frames, times = [open_image(self.media[0])], [0.0]
        return get_task(self.sample.task).draw(self.sample, self.answer, frames, times), times

    def save(self, path: Path) -> Path:
        """Write the drawing: a clip where the suffix is one of a clip's, else a picture of the first frame."""
        frames, times = self.draw()
        if not frames:
            raise ValueError("there is nothing to draw on: the question has no media")
        if is_clip(self.media[0]) and path.suffix.lower() in (".mp4", ".gif"):
            write_clip(path, frames, times)
        else:
            write_image(path, frames[0])
        return path


@dataclass(frozen=True)
class Thinker:
    """A model ready for questions. prompts: the words around a question; budget: how large media may become."""

    engine: Engine
    prompts: PromptSet
    budget: MediaBudget
    max_tokens: int

    def ask(
        self, media: str | Path | Sequence[str | Path], question: str, *, task: str = "", options: Sequence[str] = ()
    ) -> Thought:
        """Ask about images or a clip. task: one of `list_tasks()`; multiple choice if there are options, else
        open-ended. Raises EngineError when the model could not be asked at all (unreadable media, for one)."""
        files = tuple(Path(m).resolve() for m in ([media] if isinstance(media, str | Path) else media))
        clips = [is_clip(f) for f in files]
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
        try:
            value, problem = get_task(sample.task).parse(answer.text, sample), ""
        except Malformed as error:
            value, problem = None, str(error)
        return Thought(sample, files, completion.text, answer, value, problem)


def load_model(name: str = DEFAULT_MODEL, *, engine: str = "", prompts: str = "", **options: str) -> Thinker:
    """A shipped name, a folder, a hub id or `http://…/v1`, ready to `ask`.

    A model trained here is asked with its own recipe's prompts and media sizes, any other with the published ones.
    options: `device`, `dtype`, `attention` of a local model.
    """
    recipe = trained_with(name) or SHIPPED["qwen3_vl_8b"]
    made = make_engine(name, engine or None, **options)
    return Thinker(made, load_prompts(prompts or recipe.prompts), recipe.evaluate.budget, recipe.evaluate.max_tokens)


def ask(media: str | Path | Sequence[str | Path], question: str, *, task: str = "", options: Sequence[str] = (),
        model: str | Thinker = DEFAULT_MODEL) -> Thought:  # fmt: skip
    """One question to one model; for several questions keep what `load_model` returns."""
    thinker = load_model(model) if isinstance(model, str) else model
    return thinker.ask(media, question, task=task, options=options)
