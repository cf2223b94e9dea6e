"""Our engines as a model of lmms-eval: `--model onethinker --model_args pretrained=MODEL`.

All requests of a task go to the engine at once, which batches them itself. Our own tasks (`lmms_tasks`) are given the
whole answer, any other task the text of its answer block, as its parsers expect.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from lmms_eval.api.instance import GenerationResult, Instance, TokenCounts
from lmms_eval.api.model import lmms
from PIL import Image

from onethinker.engines import make_engine
from onethinker.engines.base import Completion, Request, Sampling
from onethinker.harnesses.lmms_tasks import FAILED, PREFIX
from onethinker.media import MediaBudget, write_image
from onethinker.recipes.answering import asked_as
from onethinker.sample.answer import read_answer

_MARKS = {"image": "<image>", "video": "<video>"}


class OneThinker(lmms):
    """pretrained: what `onethinker eval` takes as MODEL. engine: `local` or `openai`, guessed unless given. like: what
    it takes as `--as`.

    image_pixels, frame_pixels, fps, max_frames: the media budget, the recipe's of the model unless given. Other
    keywords go to the engine (`dtype`, `attention`, …). batch_size: of no use, the engine batches itself.
    """

    is_simple = False

    def __init__(
        self,
        pretrained: str = "mini-rl",
        engine: str = "",
        device: str = "auto",
        batch_size: int | str = 1,
        max_batch_size: int | None = None,
        like: str = "",
        **options: Any,
    ) -> None:
        super().__init__()
        asked = asked_as(pretrained, like)
        recipe = asked.overridden()
        given = {key: options.pop(key) for key in MediaBudget.model_fields if key in options}
        self.budget = MediaBudget.model_validate(recipe.evaluate.budget.model_dump() | given)
        asked.tell(recipe)
        self.engine = make_engine(pretrained, engine or None, device=device, **options)

    def generate_until(self, requests: list[Instance]) -> list[GenerationResult]:
        """Answers in the order of the requests. Stop words (`until`) are not applied: they would cut the thinking."""
        with TemporaryDirectory() as folder:
            asked = defaultdict[Sampling, list[int]](list)
            ours = []
            for place, request in enumerate(requests):
                _, doc_to_messages, settings, doc_id, task, split = request.args
                messages = doc_to_messages(self.task_dict[task][split][doc_id])
                ours.append(self._request(f"{task}/{doc_id}", messages, Path(folder)))
                asked[_sampling(settings)].append(place)
            made: dict[int, Completion] = {}
            for sampling, places in asked.items():
                for index, (completion,) in self.engine.answer([ours[place] for place in places], sampling):
                    made[places[index]] = completion
        return [_result(made[place], request.task_name) for place, request in enumerate(requests)]

    def _request(self, name: str, messages: Sequence[Mapping[str, Any]], folder: Path) -> Request:
        """lmms-eval's messages as one request; pictures in memory become files in `folder`."""
        system, words, media = "", "", []
        for message in messages:
            for part in message["content"]:
                if part["type"] == "text":
                    text = _unmarked(part["text"])
                    system, words = (text, words) if message["role"] == "system" else (system, words + text)
                elif part["type"] in _MARKS:
                    words += _MARKS[part["type"]]
                    media.append(_file(part["url"], folder))
                else:
                    raise NotImplementedError(f"{name}: a part of type {part['type']!r}; expected text, image or video")
        return Request(name, words, tuple(media), self.budget, system)

    def loglikelihood(self, requests: list[Instance]) -> Any:
        raise NotImplementedError("onethinker answers in words; choose tasks with output_type generate_until")

    def generate_until_multi_round(self, requests: list[Instance]) -> Any:
        raise NotImplementedError("onethinker answers once; choose tasks with output_type generate_until")


def _unmarked(text: str) -> str:
    """Words that look like our marks would ask for media that are not there."""
    for mark in _MARKS.values():
        text = text.replace(mark, mark.strip("<>"))
    return text


def _file(media: Any, folder: Path) -> Path:
    """A path as it is, a picture written as PNG."""
    if isinstance(media, Image.Image):
        return write_image(folder / f"{len(list(folder.iterdir()))}.png", media.convert("RGB"))
    return Path(media).resolve()


def _sampling(settings: Mapping[str, Any]) -> Sampling:
    """lmms-eval's generation_kwargs; those that are not named here do not concern us."""
    temperature = float(settings.get("temperature") or 0.0) if settings.get("do_sample", True) else 0.0
    return Sampling(
        temperature=temperature,
        top_p=float(settings.get("top_p") or 1.0),
        max_tokens=int(settings.get("max_new_tokens", 8192)),
    )


def _result(completion: Completion, task: str) -> GenerationResult:
    """The whole answer for our tasks, its answer block's text for others; a failure is marked."""
    if completion.finish == "error":
        return GenerationResult(FAILED + completion.error)
    text = completion.text if task.startswith(PREFIX) else read_answer(completion.text, completion.finish).text
    return GenerationResult(text, TokenCounts(input_tokens=completion.prompt_tokens, output_tokens=completion.tokens))
