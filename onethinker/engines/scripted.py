"""An engine without a model: answers come from a function or a table. For tests, dry runs and replays."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Self

from onethinker.engines.base import Capability, Completion, EngineError, OnText, Request, Sampling

Script = Callable[[Request, int], str]
"""The request and the answer's index (0 … n−1) → its text."""


class ScriptedEngine:
    """Answers by `script`: a function, or a table of request id → its answer or its list of answers.

    fail: ids whose completions have finish `error`, as has a request that the table lacks or that the function
    refuses with a ValueError. A token is a word; text beyond `max_tokens` words is cut with finish `length`.
    asked: the ids in the order in which they were answered.
    """

    capabilities: frozenset[Capability] = frozenset()
    streams = True

    def __init__(
        self,
        script: Script | Mapping[str, str | Sequence[str]],
        *,
        identity: str = "scripted",
        fail: Collection[str] = (),
    ) -> None:
        self.script = script if callable(script) else _table(script)
        self.identity = identity
        self.fail = frozenset(fail)
        self.asked: list[str] = []

    @classmethod
    def load(cls, model: str, **_: object) -> Self:
        """A JSON file of request id → answer or list of answers; any other option of an engine is of no use here."""
        try:
            answers = json.loads(Path(model).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise EngineError(f"{model}: the scripted engine needs a JSON file of id → answer ({error})") from error
        if not isinstance(answers, dict):
            raise EngineError(f"{model}: expected a JSON object of id → answer, found {type(answers).__name__}")
        return cls(answers, identity=f"scripted:{Path(model).name}")

    def answer(
        self, requests: Sequence[Request], sampling: Sampling, on_text: OnText | None = None
    ) -> Iterator[tuple[int, list[Completion]]]:
        """See `Engine.answer`. on_text is told word by word."""
        for index, request in enumerate(requests):
            self.asked.append(request.id)
            made = [self._complete(request, i, sampling.max_tokens) for i in range(sampling.n)]
            if on_text:
                for word in re.findall(r"\S*\s*", made[0].text):
                    on_text(index, word)
            yield index, made

    def _complete(self, request: Request, index: int, max_tokens: int) -> Completion:
        if request.id in self.fail:
            return Completion("", "error", error=f"request {request.id}: told to fail")
        try:
            text = self.script(request, index)
        except ValueError as error:
            return Completion("", "error", error=str(error))
        words, prompt_tokens = text.split(" "), len(request.text.split())
        if len(words) > max_tokens:
            return Completion(" ".join(words[:max_tokens]), "length", prompt_tokens=prompt_tokens, tokens=max_tokens)
        return Completion(text, "stop", prompt_tokens=prompt_tokens, tokens=len(words))


def _table(answers: Mapping[str, str | Sequence[str]]) -> Script:
    def look_up(request: Request, index: int) -> str:
        if request.id not in answers:
            raise ValueError(f"request {request.id}: the script has no answer to it")
        answer = answers[request.id]
        return answer if isinstance(answer, str) else answer[index % len(answer)]

    return look_up
