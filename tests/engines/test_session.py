"""Answers that join and leave between tokens are those that the engine gives to one question at a time."""

from __future__ import annotations

import pytest

from onethinker.engines.base import Asked, Sampling
from onethinker.engines.encode import Encoder
from onethinker.engines.local import LocalEngine

QUESTIONS = {
    "text": ("Where is the disc?", ()),
    "image": ("<image>What is it?", ("square",)),
    "same image": ("<image>And its colour?", ("square",)),
    "clip": ("<video>When?", ("odd",)),
    "mixed": ("<video> Is <image> in it?", ("even", "wide")),
}
SAMPLINGS = (
    Sampling(max_tokens=12),
    Sampling(n=2, temperature=1.0, max_tokens=9, seed=1),
    Sampling(n=3, temperature=0.7, top_p=0.9, max_tokens=5, seed=2),
)


@pytest.fixture
def engine(mini_model, mini_processor):
    return LocalEngine(mini_model, Encoder(mini_processor))


def alone(engine, request, sampling):
    ((_, completions),) = engine.answer([request], sampling)
    return completions


@pytest.mark.slow  # the quick suite has serve/test_batching's
def test_joined_answers_are_those_of_each_alone(engine, ask):
    asked = [
        (ask(text, *names, id=f"{name} {i}"), sampling)
        for i, sampling in enumerate(SAMPLINGS)
        for name, (text, names) in QUESTIONS.items()
    ]
    session, made, waiting = engine.session(), {}, list(enumerate(asked))
    steps = 0
    while waiting or session.rows:
        if steps % 2 == 0 and waiting:  # two or three at a time, while others are in the middle
            taken, waiting = waiting[: 2 + steps % 3], waiting[2 + steps % 3 :]
            session.join([Asked(key, r, session.encode(r), s, top=key % 3) for key, (r, s) in taken])
        for token in session.step():
            assert len(token.top) == token.key % 3
            made.setdefault((token.key, token.answer), []).append(token)
        steps += 1
    for key, (request, sampling) in enumerate(asked):
        for answer, completion in enumerate(alone(engine, request, sampling)):
            tokens = made[key, answer]
            whole = tokens[-1].completion
            assert [token.id for token in tokens] == list(whole.token_ids) == list(completion.token_ids)
            assert (whole.text, whole.finish, whole.prompt_tokens) == (
                completion.text, completion.finish, completion.prompt_tokens,
            )  # fmt: skip
            assert whole.logps == pytest.approx(completion.logps, abs=1e-4)
            if key % 3 and sampling.temperature == 0:
                assert all(token.top[0] == (token.id, pytest.approx(token.logp)) for token in tokens)


def test_who_leaves_changes_nothing_for_the_others(engine, ask):
    request, other = ask("Where is the disc?", id="a"), ask("<image>What is it?", "wide", id="b")
    sampling = Sampling(n=2, max_tokens=8, temperature=1.0)
    session, ids = engine.session(), []
    session.join([Asked(name, r, session.encode(r), sampling) for name, r in (("b", other), ("a", request))])
    for step in range(8):
        ids += [token.id for token in session.step() if token.key == "a" and token.answer == 1]
        if step == 3:
            session.leave({("b", 0), ("b", 1), ("a", 0)})
            assert session.rows == 1
    assert tuple(ids) == alone(engine, request, sampling)[1].token_ids
    assert session.rows == 0 and session.step() == []
