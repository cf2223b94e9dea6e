"""An engine whose model may call tools: it answers turn by turn, and gives back one completion an answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
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
            calls = [(index, i) for i, made in enumerate(completions) if self.goes_on(requests[index], made)]
            if not calls:
                yield index, completions
                continue
            found[index] = list(completions)
            waiting += calls
        waiting.sort()
        asked = {place: replace(requests[place[0]], answer=place[1]) for place in waiting}
        while waiting:
            going_on = self._told(waiting, asked, found)
            left, waiting = Counter(index for index, _ in going_on), []
            yield from ((index, found.pop(index)) for index in sorted(found) if not left[index])
            again = [asked[place] for place in going_on]
            for position, (made,) in self.engine.answer(again, replace(sampling, n=1)) if again else ():
                index, i = going_on[position]
                found[index][i] = made = joined(found[index][i], made, asked[index, i])
                if self.goes_on(asked[index, i], made):
                    waiting.append((index, i))
                    continue
                left[index] -= 1
                if not left[index]:  # each as soon as it is whole, so that a run that is killed keeps it
                    yield index, found.pop(index)
            waiting.sort()

    def _told(
        self,
        waiting: list[tuple[int, int]],
        asked: dict[tuple[int, int], Request],
        found: dict[int, list[Completion]],
    ) -> list[tuple[int, int]]:
        """Put the tools' responses to the answers that wait into what is asked; those that go on. An answer whose tool
        failed is an error."""
        pairs = [(asked[place], found[place[0]][place[1]]) for place in waiting]
        going_on = []
        # Tools open and resize pictures, which threads do beside one another.
        responses = map_ahead(lambda pair: self.respond(*pair), pairs)
        for (index, i), said in zip(waiting, responses, strict=True):
            if isinstance(said, Request):
                asked[index, i] = said
                going_on.append((index, i))
            else:
                found[index][i] = replace(found[index][i], finish="error", error=said)
        return going_on

    # What a server asks, whose answers go on turn by turn beside one another.

    def may_call(self, request: Request) -> bool:
        """Whether the turn that is written next may call a tool; to the last one it was said that none may follow."""
        return len(request.turns) < self.turns - 1

    def goes_on(self, request: Request, made: Completion) -> bool:
        """Whether the answer so far ends in a call that a tool is to answer."""
        return made.finish == "stop" and self.may_call(request) and calls_tool(made.text)

    def respond(self, request: Request, made: Completion) -> Request | str:
        """The request that goes on after the tool's response to the answer so far, or why the tool itself failed."""
        last = len(request.turns) + 2 == self.turns
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


def joined(before: Completion, made: Completion, request: Request) -> Completion:
    """The answer so far with one more turn, made to this request."""
    return replace(
        made,
        token_ids=before.token_ids + made.token_ids,
        logps=before.logps + made.logps,
        tokens=before.tokens + made.tokens,
        seconds=before.seconds + made.seconds,
        turns=request.turns,
    )
