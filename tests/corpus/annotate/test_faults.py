"""A provider that errs, stalls, limits, truncates, lies and drops connections; and runs that are killed and gone on
with.

`python -m benchmarks.annotate_trials` is the long form of the last test.
"""

from __future__ import annotations

import json

import pytest

from benchmarks.annotate_trials import run_trials
from onethinker.corpus.annotate.ask import MOST_FAILURES
from onethinker.corpus.annotate.endpoint import EndpointError
from onethinker.corpus.annotate.run import Money
from onethinker.util.interrupt import Interrupted
from tests.amount import many
from tests.corpus.annotate.conftest import question

SAMPLES = [question(0)]


def once(provider, fault: str) -> None:
    """The next request meets the fault, those after it none."""
    faults = iter([fault])
    provider.fault = lambda: next(faults, "")


@pytest.mark.parametrize("fault", ["error", "truncate", "drop", "not_json", "no_choices", "huge", "stall"])
def test_a_request_that_may_have_been_billed_counts_and_is_tried_again(run, provider, fault):
    once(provider, fault)
    provider.stall = 1.0
    told = run(SAMPLES, timeout=0.5 if fault == "stall" else 5.0)
    assert told["table"][0]["kept"] == 1 and len(provider.asked) == 2
    assert told["spent"]["dollars"] * 1e12 >= provider.cost > 0 and told["lost"]["tokens"] > 0


@pytest.mark.parametrize("fault", ["no_usage", "wrong_usage"])
def test_a_bill_that_cannot_be_true_counts_as_all_that_was_reserved(run, provider, fault):
    once(provider, fault)
    told = run(SAMPLES)
    assert told["table"][0]["kept"] == 1 and told["spent"]["dollars"] * 1e12 > provider.cost


def test_a_limit_is_waited_for_and_costs_nothing(run, provider):
    once(provider, "limit")
    told = run(SAMPLES)
    assert told["table"][0]["kept"] == 1 and told["lost"]["tokens"] == 0
    assert told["spent"]["dollars"] == pytest.approx(provider.cost / 1e12)


def test_a_limit_beyond_patience_ends_the_run(run, provider):
    provider.replies = [(429, {"error": {"message": "tomorrow"}}, {"Retry-After": "86400"})]
    with pytest.raises(EndpointError, match=r"to wait 86400 s is beyond `patience` \(600\)"):
        run(SAMPLES)
    assert run(SAMPLES)["table"][0]["kept"] == 1


def test_a_server_that_counts_more_than_was_reserved_is_noticed_after_one_answer(run, provider):
    samples = [question(number) for number in range(8)]
    provider.script = lambda body, _: "<think>one two three four five six seven</think><answer>A</answer>"
    bill = provider._bill

    def more(key, body):
        reply = bill(key, body)
        reply["usage"]["prompt_tokens"] = 50_000
        return reply

    provider._bill = more
    with pytest.raises(EndpointError, match=r"counts 50,000 tokens of prompt .* raise `tokens_per_picture`"):
        run(samples)
    assert len(provider.asked) == 1


def test_a_server_that_only_fails_ends_the_run_before_the_budget(run, provider):
    provider.fault = lambda: "error"
    with pytest.raises(EndpointError, match=f"{MOST_FAILURES} requests failed one after the other"):
        run([question(number) for number in range(20)])
    assert MOST_FAILURES <= len(provider.asked) <= MOST_FAILURES + 16


def test_answers_under_way_are_waited_for_where_another_request_ends_the_run(run, provider):
    samples = [question(number) for number in range(4)]
    run(samples[:1])  # so that the next go together
    asked = []

    def before(key, body):
        asked.append(key)
        if len(asked) == 2:
            provider.replies = [(401, {"error": {"message": "no"}}, {})]

    provider.before, provider.fault, provider.stall = before, lambda: "stall", 0.3
    with pytest.raises(EndpointError, match="set OPENAI_API_KEY"):
        run(samples, concurrency=3, seed=0)
    provider.before, provider.fault = lambda key, body: None, lambda: ""
    told = run(samples)
    assert told["lost"]["tokens"] == 0 and told["table"][0]["kept"] == 4


def test_an_interruption_waits_for_what_is_under_way(run, provider, tmp_path):
    import os
    import signal

    provider.fault, provider.stall = lambda: "stall", 0.3
    provider.before = lambda key, body: len(provider.asked) == 3 and os.kill(os.getpid(), signal.SIGINT)
    with pytest.raises(Interrupted, match=r"[34] requests answered.*the same command asks the rest"):
        run([question(number) for number in range(9)], concurrency=2)
    provider.before, provider.fault = lambda key, body: None, lambda: ""
    assert run([question(number) for number in range(9)])["lost"]["tokens"] == 0


def test_a_shorter_answer_list_is_asked_for_the_rest(run, provider):
    bill = provider._bill

    def one(key, body):
        reply = bill(key, body | {"n": 1})
        return reply

    provider._bill = one
    told = run(SAMPLES, candidates=3)
    assert told["table"][0]["answers"] == 3 and [body["n"] for body in provider.asked] == [3, 2, 1]


def test_no_more_requests_at_once_than_allowed(run, provider):
    provider.fault, provider.stall = lambda: "stall", 0.2
    run([question(number) for number in range(9)], concurrency=3)
    assert 1 < provider.most <= 3


def test_media_are_sent_and_each_is_encoded_once(run, provider, tmp_path, monkeypatch):
    import numpy as np

    from onethinker.corpus.annotate import questions
    from onethinker.media import write_clip, write_image

    folder = tmp_path / "corpus"
    folder.mkdir()
    write_image(folder / "a.png", np.zeros((32, 32, 3), np.uint8))
    write_clip(folder / "b.mp4", np.zeros((4, 32, 32, 3), np.uint8), 2.0)
    encoded = []
    encode = questions.encode_medium
    monkeypatch.setattr(questions, "encode_medium", lambda *given: encoded.append(given[0]) or encode(*given))
    from dataclasses import replace

    stills = [replace(question(n, media=("a.png",)), modality="image") for n in range(3)]
    clip = replace(question(9, media=("b.mp4",)), modality="video")
    told = run([*stills, clip], Money(budget_tokens=10**6), concurrency=1)
    assert told["table"][0]["kept"] == 4 and sorted(encoded) == [str(folder / "a.png"), str(folder / "b.mp4")]
    kinds = {json.dumps([part["type"] for part in body["messages"][-1]["content"]]) for body in provider.asked}
    assert kinds == {'["image_url", "text"]', json.dumps(["text", "image_url"] * 4 + ["text"])}
    assert (tmp_path / "out" / "a.png").samefile(folder / "a.png")


def test_killed_runs_keep_every_promise():
    tally = run_trials(many(8, 4), 0)
    assert tally.violations == [] and tally.trials == many(8, 4) and sum(tally.deaths.values()) == tally.runs


@pytest.mark.slow
def test_processes_that_are_killed_keep_every_promise():
    tally = run_trials(100, 5, first=5000)
    assert tally.violations == [] and tally.deaths["SIGKILL"] > 5
