"""Models that know no tools are made to call them: their own tokens stay, a call is put behind their words."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from onethinker.engines.base import Completion, Engine, Request, Sampling


def call(name: str, **arguments: Any) -> str:
    return f"<tool_call>{json.dumps({'name': name, 'arguments': arguments})}</tool_call>"


class Caller:
    """`engine`, whose every second answer ends its first `times` turns in the call that `says` makes of the request."""

    def __init__(self, engine: Engine, says: Callable[[Request], str], times: int = 1) -> None:
        self.engine, self.says, self.times = engine, says, times
        self.identity, self.capabilities = engine.identity, engine.capabilities

    def answer(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[tuple[int, list[Completion]]]:
        for index, completions in self.engine.answer(requests, sampling):
            request = requests[index]
            yield index, [self._called(request, request.answer + i, c) for i, c in enumerate(completions)]

    def _called(self, request: Request, answer: int, made: Completion) -> Completion:
        if answer % 2 or len(request.turns) >= self.times:
            return made
        return replace(made, text=made.text + self.says(request), finish="stop")


@pytest.fixture
def caller() -> type[Caller]:
    return Caller
