"""An engine whose model may call tools: it answers turn by turn, and gives back one completion an answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from onethinker.engines.base import Capability, Completion, Engine, Request, Sampling, written
from onethinker.tools.base import Tool
from onethinker.tools.call import answer_call, calls_tool
from onethinker.util.map_ahead import map_ahead

CHUNK = 512
"""Answers under way at a time: their pictures are in memory."""


class ToolEngine:
    """`engine` with `tools`: a turn that ends in a tool call is answered by the tool, and the model goes on, for at
    most `turns` turns of the model in all; after the last response that may come it is told to answer.

    Token ids, log-probabilities and counts of a completion are those of the model's own words over all turns; every
    turn may have `max_tokens` tokens. An answer that calls no tool is the inner engine's, to the token.
    """

    def __init__(self, engine: Engine, tools: Sequence[Tool], turns: int = 4) -> None:
        if turns < 2:
            raise ValueError(f"turns is {turns}; expected 2 or more, one to call and one to answer")
        self.engine, self.tools, self.turns = engine, tuple(tools), turns
        names = ",".join(tool.identity for tool in self.tools)
        self.identity = f"{engine.identity} tools={names} turns={turns}"
        self.capabilities: frozenset[Capability] = engine.capabilities
        if hasattr(engine, "concurrency"):  # asked in as many threads as the engine itself
            self.concurrency: int = engine.concurrency

    @property
    def settings(self) -> dict[str, Any]:
        return dict(getattr(self.engine, "settings", {}))

    def answer(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[tuple[int, list[Completion]]]:
        """See `Engine.answer`."""
        step = max(1, CHUNK // sampling.n)
        for first in range(0, len(requests), step):
            for index, completions in self._answer(requests[first : first + step], sampling):
                yield first + index, completions

    def _answer(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[tuple[int, list[Completion]]]:
        found: dict[int, list[Completion]] = {}
        waiting: list[tuple[int, int]] = []
        for index, completions in self.engine.answer(requests, sampling):
            calls = [(index, i) for i, completion in enumerate(completions) if _calls(completion)]
            if not calls:
                yield index, completions
                continue
            found[index] = list(completions)
            waiting += calls
        waiting.sort()
        asked = {place: replace(requests[place[0]], answer=place[1]) for place in waiting}
        for turn in range(1, self.turns):
            if not waiting:
                break
            pairs = [(asked[place], found[place[0]][place[1]]) for place in waiting]
            # Tools open and resize pictures, which threads do beside one another.
            respond = partial(self._responded, last=turn + 1 == self.turns)
            for (index, i), said in zip(waiting, map_ahead(lambda pair: respond(*pair), pairs), strict=True):  # noqa: B023
                if isinstance(said, Request):
                    asked[index, i] = said
                else:
                    found[index][i] = replace(found[index][i], finish="error", error=said)
            waiting = [place for place in waiting if found[place[0]][place[1]].finish != "error"]
            going_on = [asked[place] for place in waiting]
            for position, (made,) in self.engine.answer(going_on, replace(sampling, n=1)):
                index, i = waiting[position]
                found[index][i] = _joined(found[index][i], made, asked[index, i])
            waiting = [place for place in waiting if _calls(found[place[0]][place[1]])]
        yield from found.items()

    def _responded(self, request: Request, made: Completion, last: bool) -> Request | str:
        """The request that goes on after the tool's response to the last turn, or why the tool itself failed."""
        try:
            turn = answer_call(made.text, request, self.tools, last=last)
        except Exception as error:  # a tool's own fault, of whatever kind, costs one answer
            return f"a tool failed ({type(error).__name__}: {error}) at {made.text[-200:]!a}"
        before = written(request.turns)
        turn = replace(turn, token_ids=made.token_ids[before:], logps=made.logps[before:])
        return replace(request, turns=(*request.turns, turn))


def without_tools(engine: Engine) -> Engine:
    """The engine to which calls are words like any other."""
    return engine.engine if isinstance(engine, ToolEngine) else engine


def _calls(completion: Completion) -> bool:
    return completion.finish == "stop" and calls_tool(completion.text)


def _joined(before: Completion, made: Completion, request: Request) -> Completion:
    """The answer so far with one more turn."""
    return replace(
        made,
        token_ids=before.token_ids + made.token_ids,
        logps=before.logps + made.logps,
        tokens=before.tokens + made.tokens,
        seconds=before.seconds + made.seconds,
        turns=request.turns,
    )
