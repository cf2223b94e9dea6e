"""The OpenAI-compatible engine against a local server that answers, fails, lies, babbles, sleeps and dies."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from onethinker.engines import make_engine
from onethinker.engines.base import EngineError, Sampling
from onethinker.evaluate.run import evaluate
from onethinker.inference import load_model
from onethinker.recipes.base import EvalConfig
from onethinker.sample import Sample, Samples
from onethinker.sample.answer import Status
from onethinker.tasks.prompts import load_prompts
from tests.engines.openai_stub import answers, content, requests, said, words
from tests.http_stub import Reply


def test_one_question_and_what_came_back(stub):
    began = time.monotonic()
    (completion,) = answers(stub.engine(), "a", temperature=0.7, top_p=0.9, max_tokens=50, seed=3)["a"]
    ended = time.monotonic()
    assert (completion.text, completion.finish, completion.error) == ("fine", "stop", "")
    assert (completion.prompt_tokens, completion.tokens) == (11, 7)
    assert 0 < completion.seconds <= ended - began and completion.token_ids == ()
    (body,) = stub.asked
    assert body["messages"] == [{"role": "user", "content": [{"type": "text", "text": "what is a"}]}]
    assert {k: body[k] for k in ("model", "temperature", "top_p", "max_tokens", "n")} == {
        "model": "m", "temperature": 0.7, "top_p": 0.9, "max_tokens": 50, "n": 1,
    }  # fmt: skip
    assert not body.keys() & {"mm_processor_kwargs", "media_io_kwargs"}
    assert stub.engine().identity == f"openai:m@{stub.host}" and not stub.engine().capabilities
    assert stub.engine("frames").identity != stub.engine().identity


def test_seeds_repeat_and_differ_by_question(stub):
    for _ in range(2):
        answers(stub.engine(concurrency=1), "a", "b", temperature=1.0, seed=5)
    answers(stub.engine(), "a", temperature=1.0, seed=6)
    a, b, again_a, again_b, other = (body["seed"] for body in stub.asked)
    assert (a, b) == (again_a, again_b) and len({a, b, other}) == 3
    assert all(0 <= seed < 2**31 for seed in (a, b, other))


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_server_is_asked_again(stub, status):
    stub.reply = lambda body: said("fine") if len(stub.asked) > 2 else (status, b"later")
    assert answers(stub.engine(), "a")["a"][0].text == "fine"
    assert len(stub.asked) == 3


def test_a_server_that_stays_busy_costs_the_request(stub):
    stub.reply = lambda body: (500, b"out of luck") if words(body) == "what is b" else said("fine")
    got = answers(stub.engine(), "a", "b", "c")
    assert [got[i][0].finish for i in "abc"] == ["stop", "error", "stop"]
    assert "HTTP 500" in got["b"][0].error and "out of luck" in got["b"][0].error and "3 attempts" in got["b"][0].error


def test_a_rejected_request_is_not_repeated(stub):
    stub.reply = lambda body: (400, b"prompt too long") if words(body) == "what is b" else said("fine")
    got = answers(stub.engine(), "a", "b", n=2)
    assert [c.finish for c in got["b"]] == ["error", "error"] and "prompt too long" in got["b"][0].error
    assert [words(b) for b in stub.asked].count("what is b") == 1


def test_a_slow_answer_times_out_and_is_asked_again(stub):
    def reply(body: dict[str, Any]) -> Reply:
        if words(body) == "what is slow" or len(stub.asked) == 1:
            time.sleep(0.6)
        return said("fine")

    stub.reply = reply
    assert answers(stub.engine(timeout=0.3), "a")["a"][0].text == "fine"
    assert len(stub.asked) == 2
    got = answers(stub.engine(timeout=0.3, attempts=2), "slow", "b")
    assert (got["slow"][0].finish, got["b"][0].finish) == ("error", "stop") and "timed out" in got["slow"][0].error


@pytest.mark.parametrize(
    "reply",
    [b"<html>", b"[]", b'{"choices": []}', {"choices": [{"message": {"content": 3}}]}, {"choices": [{}]},
     {"choices": "no"}, b"[" * 100_000],
)  # fmt: skip
def test_a_reply_that_cannot_be_used(stub, reply):
    stub.reply = lambda body: (200, reply)
    (completion,) = answers(stub.engine(), "a")["a"]
    assert completion.finish == "error" and "cannot be used" in completion.error
    assert len(stub.asked) == 3


@pytest.mark.parametrize(
    ("reason", "finish"), [("stop", "stop"), ("length", "length"), ("content_filter", "error"), (None, "error")]
)
def test_finish_reasons(stub, reason, finish):
    stub.reply = lambda body: said("cut", finish=reason)
    (completion,) = answers(stub.engine(), "a")["a"]
    assert (completion.text, completion.finish) == ("cut", finish)
    assert (str(reason) in completion.error) == (finish == "error")


@pytest.mark.parametrize("key", ["reasoning_content", "reasoning"])
def test_thinking_that_a_server_parts_from_the_answer(stub, key):
    stub.reply = lambda body: said("<answer>A</answer>", **{key: "I look."})
    assert answers(stub.engine(), "a")["a"][0].text == "<think>I look.</think><answer>A</answer>"
    stub.reply = lambda body: said("", finish="length", content=None, **{key: "I look"})
    assert answers(stub.engine(), "a")["a"][0].text == "<think>I look"


def test_n_answers_of_one_request(stub):
    stub.reply = lambda body: said(*(f"answer {i}" for i in range(body["n"] + 1)))  # one more than asked for
    got = answers(stub.engine(), "a", n=3)["a"]
    assert [c.text for c in got] == ["answer 0", "answer 1", "answer 2"]
    assert len(stub.asked) == 1 and [c.tokens for c in got] == [1, 2, 2]


def test_a_server_that_ignores_n_is_asked_again(stub):
    stub.reply = lambda body: said(str(len(stub.asked)))
    got = answers(stub.engine(), "a", n=3, temperature=1.0)["a"]
    assert [c.text for c in got] == ["1", "2", "3"] and [b["n"] for b in stub.asked] == [3, 2, 1]
    assert len({b["seed"] for b in stub.asked}) == 3


def test_concurrency_is_used_and_bounded_and_answers_come_as_they_finish(stub):
    here, two = threading.Event(), threading.Barrier(2)

    def reply(body: dict[str, Any]) -> Reply:
        """The first when the others have come, these two by two."""
        here.wait(60) if words(body) == "what is 0" else two.wait(60)
        return said(words(body))

    stub.reply = reply
    got = {}
    for index, done in stub.engine(concurrency=3).answer(requests(*map(str, range(9))), Sampling()):
        got[index] = done[0].text
        if len(got) == 8:
            here.set()
    assert stub.most == 3
    assert list(got)[-1] == 0 and got == {i: f"what is {i}" for i in range(9)}


def test_a_server_that_goes_away_stops_the_run(stub):
    def reply(body: dict[str, Any]) -> Reply:
        if words(body) == "what is b":
            stub.http.server_close()
            threading.Thread(target=stub.http.shutdown).start()
            time.sleep(0.1)
            raise ConnectionError
        return said("fine")

    stub.http.handle_error = lambda *_: None
    stub.reply = reply
    stream = stub.engine(concurrency=1).answer(requests("a", "b", "c"), Sampling())
    assert next(stream)[0] == 0
    with pytest.raises(EngineError, match="start it again"):
        next(stream)


def test_one_request_that_breaks_its_connection_is_not_the_servers_end(stub):
    def reply(body: dict[str, Any]) -> Reply:
        if words(body) == "what is b":
            raise ConnectionError
        return said("fine")

    stub.http.handle_error = lambda *_: None
    stub.reply = reply
    got = answers(stub.engine(), "a", "b")
    assert (got["a"][0].finish, got["b"][0].finish) == ("stop", "error")


@pytest.mark.parametrize(("status", "advice"), [(401, "OPENAI_API_KEY"), (404, "/v1#model")])
def test_what_is_wrong_for_all_stops_the_run(stub, status, advice):
    stub.reply = lambda body: (status, b"no")
    with pytest.raises(EngineError, match=advice):
        answers(stub.engine(), "a")
    assert len(stub.asked) == 1


def test_addresses(stub, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    engine = make_engine(stub.url, device="auto", dtype="float32")
    assert engine.identity == f"openai:first@{stub.host}"
    answers(engine, "a")
    assert stub.keys == ["Bearer secret"] * 2 and "secret" not in repr(engine.server)
    assert make_engine(f"http://{stub.host}").identity == engine.identity
    named = make_engine(f"{stub.url}/?clips=frames&concurrency=3&timeout=7#org/name", "openai")
    assert (named.model, named.clips, named.concurrency, named.server.timeout) == ("org/name", "frames", 3, 7.0)
    assert named.server.base == stub.url
    assert make_engine(stub.url, clips="frames").clips == "frames"


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("gpt", "server's address"), ("http://", "server's address"), ("{}?clip=frames", "no option 'clip'"),
        ("{}?clips=gif", "sequence or video or frames"), ("{}?concurrency=0", "1 or more"),
        ("{}?concurrency=x", "numbers"), ("{}?timeout=nan", "more than 0"), ("{}/v2", "cannot be listed"),
    ],
)  # fmt: skip
def test_addresses_that_are_wrong(stub, address, problem):
    with pytest.raises(EngineError, match=problem):
        make_engine(address.format(stub.url), "openai")


def test_no_key_no_header_and_a_key_that_is_missing(stub):
    answers(stub.engine(), "a")
    assert stub.keys == [None]
    stub.models = (401, b"who are you?")
    with pytest.raises(EngineError, match=r"who are you.*OPENAI_API_KEY"):
        make_engine(stub.url)


def test_an_engine_that_is_not_there_is_named():
    with pytest.raises(EngineError, match="tgi: no such engine; expected one of local, openai, scripted, vllm"):
        make_engine("x", "tgi")


def test_an_evaluation_by_a_server(stub, tmp_path):
    items = []
    for i in range(6):
        Image.new("RGB", (32, 24), (20 * i, 90, 200)).save(tmp_path / f"{i}.png")
        items.append(Sample(f"n{i}", "numerical", "image", f"What is {i}?", str(i), media=(f"{i}.png",)))
    samples = Samples(tuple(items), tmp_path)
    mended = False

    def reply(body: dict[str, Any]) -> Reply:
        asked = next(i for i in range(6) if f"What is {i}?" in json.dumps(body["messages"]))
        if asked == 4 and not mended:
            return 400, b"not this one"
        return said(f"<think>looked</think><answer>{asked if asked != 2 else 9}</answer>")

    stub.reply = reply
    settings = {"config": EvalConfig(bootstrap=100), "prompts": load_prompts("short"), "model": stub.url}
    evaluate(samples, make_engine(stub.url), tmp_path / "out", **settings)
    rows = [json.loads(line) for line in (tmp_path / "out" / "results.jsonl").read_text().splitlines()]
    by_id = {row["id"]: row for row in rows}
    assert {i: by_id[i]["status"] for i in ("n0", "n4")} == {"n0": "ok", "n4": "error"}
    assert "not this one" in by_id["n4"]["error"]
    assert [by_id[f"n{i}"]["accuracy"] for i in (0, 1, 2, 3, 5)] == [1, 1, 0, 1, 1]
    mended, before = True, len(stub.asked)
    evaluate(samples, make_engine(stub.url), tmp_path / "out", **settings)
    assert len(stub.asked) == before + 1


def test_asking_by_a_servers_address(stub, media: dict[str, Path]):
    stub.reply = lambda body: said('<think>I look.</think><answer>{"boxes": [100, 200, 500, 600]}</answer>')
    model = load_model(stub.url)
    thought = model.ask(media["square"], "the disc", task="spatial_grounding")
    assert thought.status is Status.OK and list(thought.value) == [100, 200, 500, 600]
    assert [part["type"] for part in content(stub)] == ["image_url", "text"]
    assert "the disc" in content(stub)[1]["text"]
    stub.reply = lambda body: (400, b"no pictures here")
    with pytest.raises(EngineError, match="no pictures here"):
        model.ask(media["square"], "the disc")
