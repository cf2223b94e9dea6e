"""Answers that are told while they are written."""

from __future__ import annotations

import json

import pytest

from onethinker.engines.base import EngineError, Sampling, answer_aloud
from onethinker.engines.encode import Encoder
from onethinker.engines.local import LocalEngine
from onethinker.engines.spoken import Aloud
from tests.engines.openai_stub import requests, said


def events(*deltas: dict, reason: str | None = "stop", end: str = "data: [DONE]\n\n") -> bytes:
    made = [{"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    made += [{"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}]
    made += [{"choices": [], "usage": {"prompt_tokens": 11, "completion_tokens": 7}}]
    return ("".join(f"data: {json.dumps(event)}\r\n\r\n" for event in made) + end).encode()


def aloud(engine, asked, sampling=Sampling(max_tokens=12)):  # noqa: B008
    heard: dict[int, list[str]] = {}
    made = dict(answer_aloud(engine, asked, sampling, lambda index, piece: heard.setdefault(index, []).append(piece)))
    return made, heard


def test_the_local_engine_tells_what_it_then_gives(mini_model, mini_processor, ask):
    engine = LocalEngine(mini_model, Encoder(mini_processor), decode_batch_size=4, identity="mini")
    asked = [ask("What is it?", "square"), ask("Where?", "even")]
    made, heard = aloud(engine, asked)
    assert {i: "".join(pieces) for i, pieces in heard.items()} == {i: made[i][0].text for i in made}
    plain = dict(engine.answer(asked, Sampling(max_tokens=12)))
    assert {i: c[0].token_ids for i, c in made.items()} == {i: c[0].token_ids for i, c in plain.items()}


def test_only_whole_characters_are_told(mini_processor):
    tokenizer, told = mini_processor.tokenizer, []
    ids = tokenizer.encode("é 円 ok", add_special_tokens=False)
    out = Aloud(tokenizer, told.append)
    for n in range(1, len(ids) + 1):
        out.hear(ids[:n], last=n == len(ids))
    assert "".join(told) == tokenizer.decode(ids) and not any("\ufffd" in piece for piece in told)


def test_a_server_is_listened_to(stub):
    stub.reply = lambda body: (200, events({"role": "assistant"}, {"content": "It is "}, {"content": "fine."}))
    made, heard = aloud(stub.engine(), requests("a"))
    assert heard == {0: ["It is ", "fine."]} and stub.asked[0]["stream"] is True
    ((done,),) = made.values()
    assert (done.text, done.finish, done.prompt_tokens, done.tokens) == ("It is fine.", "stop", 11, 7)
    parted = events({"reasoning_content": "I "}, {"reasoning_content": "look."}, {"content": "Fine."})
    stub.reply = lambda body: (200, parted)
    made, heard = aloud(stub.engine(), requests("a"))
    assert "".join(heard[0]) == made[0][0].text == "<think>I look.</think>Fine."


def test_what_breaks_in_the_middle_is_not_asked_again(stub):
    stub.reply = lambda body: (200, events({"content": "It is "}, end="data: {broken\n\n"))
    made, heard = aloud(stub.engine(), requests("a"))
    assert len(stub.asked) == 1 and heard == {0: ["It is "]}
    assert made[0][0].finish == "error" and "in the middle of its answer" in made[0][0].error
    stub.reply = lambda body: (503, b"busy") if len(stub.asked) == 2 else (200, events({"content": "fine"}))
    assert aloud(stub.engine(), requests("b"))[1] == {0: ["fine"]}
    stub.reply = lambda body: (404, b"no")
    with pytest.raises(EngineError, match="HTTP 404"):
        aloud(stub.engine(), requests("c"))


def test_an_engine_that_cannot_tells_the_whole(stub):
    class Silent:
        identity, capabilities = "silent", frozenset()

        def answer(self, asked, sampling):
            yield from stub.engine().answer(asked, sampling)

    stub.reply = lambda body: said("whole")
    assert aloud(Silent(), requests("a"))[1] == {0: ["whole"]}
