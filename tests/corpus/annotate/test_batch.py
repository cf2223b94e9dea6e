"""The batch form: the same journal, the same budget, and no batch is made twice."""

from __future__ import annotations

import json

import pytest

from onethinker.corpus.annotate import batch
from onethinker.corpus.annotate.endpoint import EndpointError
from onethinker.corpus.annotate.run import Money
from tests.corpus.annotate.conftest import question

SAMPLES = [question(number) for number in range(6)]


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    monkeypatch.setattr(batch.ask_in_batches, "__defaults__", (0.01,))
    monkeypatch.setattr(batch, "SETTLES", 0.0)


def lines(tmp_path) -> list[dict]:
    return [json.loads(row) for row in (tmp_path / "out/annotation/journal.jsonl").read_text().splitlines()]


def test_a_corpus_is_asked_in_a_batch_at_its_price(run, provider, tmp_path):
    (tmp_path / "prices.yaml").write_text("teacher: {in: 1, out: 4, batch: 0.5}\n")
    told = run(SAMPLES, Money(1.0, prices=str(tmp_path / "prices.yaml")), batch=True)
    assert told["table"][0]["kept"] == 6 and len(provider.batches.made) == 1
    assert len(provider.asked) == 1  # the first goes alone, as a plain request
    first = provider.cost / 6  # the questions are alike
    assert told["spent"]["dollars"] == pytest.approx((first + 5 * first / 2) / 1e12)
    assert not list((tmp_path / "out/annotation").glob("batch-*"))
    run(SAMPLES, batch=True)
    assert len(provider.batches.made) == 1 and max(provider.billed.values()) == 1


def test_a_batch_that_a_kill_left_is_found_again_by_its_id_or_its_name(run, provider):
    class Killed(BaseException):
        pass

    def kill(*_):
        raise Killed

    for place in ("batch_made", "batch_ended"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(f"onethinker.corpus.annotate.journal.Journal.{place}", kill)
            with pytest.raises(Killed):
                run(SAMPLES, batch=True, seed=len(place))
        made = len(provider.batches.made)
        told = run(SAMPLES, batch=True, seed=len(place))
        assert told["table"][0]["kept"] == 6 and len(provider.batches.made) == made
        assert max(provider.billed.values()) == 1
        provider.billed.clear()


def test_one_that_was_never_made_gives_its_reservations_back(run, provider, tmp_path):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(provider.batches, "post", lambda *_: 1 / 0)
        patch.setattr(batch.Batches, "_release", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run(SAMPLES, batch=True)
    assert provider.batches.made == {}
    told = run(SAMPLES, batch=True)
    assert told["table"][0]["kept"] == 6 and told["lost"]["tokens"] == 0
    assert sum(row.get("why") == "it was never made" for row in lines(tmp_path)) == 5


def test_lines_that_fail_are_asked_again_and_refused_ones_are_named(run, provider, tmp_path):
    seen: set[str] = set()

    def spoil(custom_id, response):
        first = custom_id not in seen
        seen.add(custom_id)
        return {"1": {"status_code": 500, "body": None}, "2": None, "3": {"status_code": 400, "body": "no"}}.get(
            custom_id if first else "", response
        )

    provider.batches.spoil = spoil
    told = run(SAMPLES, batch=True)
    assert told["table"][0]["kept"] == 5 and told["lost"]["tokens"] > 0
    problems = [json.loads(row).get("problem") for row in (tmp_path / "out/refused.jsonl").read_text().splitlines()]
    assert problems == ['refused by the server: HTTP 400: "no"']


def test_the_budget_holds(run, provider):
    told = run(SAMPLES, Money(budget_usd=0.006, price_in=1.0, price_out=4.0), batch=True)
    assert provider.cost <= 0.006e12 and 0 < told["table"][0]["kept"] <= 6
    assert told["spent"]["dollars"] <= 0.006


def test_a_batch_that_is_billed_more_than_was_reserved_ends_the_run(run, provider):
    def more(custom_id, response):
        response["body"]["usage"]["prompt_tokens"] = 50_000
        return response

    provider.batches.spoil = more
    with pytest.raises(EndpointError, match=r"line \d: the server counts 50,000 tokens"):
        run(SAMPLES, batch=True)
    assert run(SAMPLES)["spent"]["tokens"] > 5 * 50_000


def test_a_batch_that_fails_was_not_billed(run, provider):
    provider.batches.status = "failed"
    told = run(SAMPLES, batch=True)
    assert told["table"][0]["kept"] == 1 and told["spent"]["dollars"] == pytest.approx(provider.cost / 1e12)


def test_a_provider_without_batches_is_said_so(run, provider):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(provider.batches, "post", lambda *_: b"<html>")
        with pytest.raises(EndpointError):
            run(SAMPLES, batch=True)
