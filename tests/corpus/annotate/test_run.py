"""From a corpus and an endpoint to an SFT set."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from onethinker.corpus.annotate.endpoint import EndpointError
from onethinker.corpus.annotate.run import Money
from onethinker.corpus.annotate.settings import SettingsError, load_settings
from onethinker.sample import load_samples
from tests.corpus.annotate.conftest import question


def refused(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "out" / "refused.jsonl").read_text().splitlines()]


def test_what_passes_is_kept_with_its_thinking_and_what_fails_stands_apart(run, provider, tmp_path):
    told = run([question(0), question(1, "B"), question(2)])
    kept = load_samples(tmp_path / "out")
    assert [sample.id for sample in kept] == ["q0", "q2"]
    assert kept[0].meta["response"].startswith("<think>one two")
    assert kept[0].meta["response"].endswith("</think><answer>A</answer>")
    assert kept[0].meta["annotation"]["model"] == "teacher"
    assert [(row["id"], list(row["reasons"])) for row in refused(tmp_path)] == [("q1", ["score"])] * 2
    row = told["table"][0]
    assert (row["task"], row["asked"], row["kept"], row["answers"]) == ("multiple_choice", 3, 2, 6)
    assert told["spent"]["dollars"] == pytest.approx(provider.cost / 1e12)
    assert (tmp_path / "out/report/annotation.html").exists()


def test_a_second_run_asks_nothing_and_more_candidates_ask_for_the_new_ones_alone(run, provider):
    run([question(0), question(1)])
    cost, asked = provider.cost, len(provider.asked)
    run([question(0), question(1)])
    assert (provider.cost, len(provider.asked)) == (cost, asked)
    run([question(0), question(1)], candidates=5)
    assert [body["n"] for body in provider.asked[asked:]] == [3, 3]


def test_other_thresholds_cost_nothing(run, provider, tmp_path):
    run([question(0), question(1, "B")])
    asked = len(provider.asked)
    told = run([question(0), question(1, "B")], thresholds={"multiple_choice": 0.0})
    assert told["table"][0]["kept"] == 2 and len(provider.asked) == asked


def test_the_command(run, provider, tmp_path):
    from typer.testing import CliRunner

    from onethinker.cli.app import app

    def call(*words: str):
        return CliRunner().invoke(app, ["data", "annotate", str(tmp_path / "corpus"), *words])

    run([question(0), question(1, "B")])
    (tmp_path / "own.yaml").write_text("max_tokens: 60\nthresholds: {multiple_choice: 0}\n")
    given = ("--model", provider.url, "--out", str(tmp_path / "again"), "--budget-tokens", "100000")
    done = call(*given, "--settings", str(tmp_path / "own.yaml"), "--candidates", "1")
    assert done.exit_code == 0, (done.output, done.exception)
    assert "multiple_choice" in done.output and len(load_samples(tmp_path / "again")) == 2
    assert provider.asked[-1]["max_tokens"] == 60
    assert call("--copy", str(tmp_path / "mine")).exit_code == 0
    assert {file.name for file in (tmp_path / "mine").iterdir()} == {"prompts.yaml", "settings.yaml"}
    assert call("--copy", str(tmp_path / "mine")).exit_code != 0 and call().exit_code != 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("candidate: 3", "no key 'candidate'; the nearest is 'candidates'"),
        ("thresholds: {tracing: 1}", "no task 'tracing'; the nearest is 'tracking'"),
        ("rules: {leaks: ['(']}", "is no regular expression"),
        ("candidates: 0", "candidates: Input should be greater than 0"),
        ("- 1", "expected `key: value` lines"),
        ("candidates: 2\ncandidates: 3", "the key 'candidates' stands twice"),
    ],
)
def test_settings_that_cannot_be_used_are_named(tmp_path, text, words):
    (tmp_path / "own.yaml").write_text(text)
    with pytest.raises(SettingsError, match=words):
        load_settings(tmp_path / "own.yaml")


def test_equal_questions_are_paid_for_once(run, provider):
    samples = [question(0), question(0, source="other"), question(0, source="third")]
    told = run(samples)
    assert len(provider.asked) == 1 and told["table"][0]["kept"] == 3
    assert told["table"][0]["dollars"] == pytest.approx(provider.cost / 1e12)


def test_asking_stops_at_the_first_answer_that_is_kept(run, provider):
    provider.script = lambda body, _: (
        "<think>one two three four five six seven eight</think>"
        f"<answer>{'A' if len(provider.asked) > 2 else 'B'}</answer>"
    )
    run([question(0)], candidates=5, stop_when_kept=True)
    assert [body["n"] for body in provider.asked] == [1, 1, 1]
    assert len({body["seed"] for body in provider.asked}) == 3


def test_the_budget_is_not_overrun_and_a_larger_one_goes_on(run, provider, capsys):
    samples = [question(number) for number in range(12)]
    told = run(
        samples, Money(budget_usd=0.003, price_in=1.0, price_out=4.0)
    )  # a question reserves more than half of it
    assert 0 < provider.cost <= 0.003 * 1e12
    assert told["table"][0]["refused"]["budget"] == 12 - len(provider.asked) > 0
    assert "the budget ends here" in capsys.readouterr().err
    told = run(samples)
    assert told["table"][0]["kept"] == 12 and max(provider.billed.values()) == 1


def test_a_budget_in_tokens_needs_no_price(run, provider):
    run([question(0), question(1)], Money(budget_tokens=100_000))
    assert 0 < provider.tokens <= 100_000


@pytest.mark.parametrize(
    ("money", "words"),
    [
        (Money(), "no budget"),
        (Money(budget_usd=5.0), "--budget-usd needs the model's price"),
        (Money(budget_usd=-1.0, price_in=1, price_out=1), "expected 0 or more"),
        (Money(budget_usd=1.0, price_in=1.0), "dollars per million"),
    ],
)
def test_a_budget_that_cannot_be_kept_is_refused_before_anything_is_asked(run, provider, money, words):
    with pytest.raises(SettingsError, match=words):
        run([question(0)], money)
    assert provider.asked == []


def test_prices_come_from_a_file(run, provider, tmp_path):
    (tmp_path / "prices.yaml").write_text("teacher: {in: 1, out: 4}\n")
    told = run([question(0)], Money(budget_usd=1.0, prices=str(tmp_path / "prices.yaml")))
    assert told["spent"]["dollars"] == pytest.approx(provider.cost / 1e12)
    with pytest.raises(SettingsError, match="no price of 'teached'; the nearest is 'teacher'"):
        run([question(1)], Money(1.0, prices=str(tmp_path / "prices.yaml")), f"{provider.url}#teached")
    (tmp_path / "prices.yaml").write_text("teacher: {in: 1, out: 4}\nteacher: {in: 2, out: 8}\n")
    with pytest.raises(SettingsError, match="the key 'teacher' stands twice"):
        run([question(1)], Money(1.0, prices=str(tmp_path / "prices.yaml")))


def test_the_key_is_sent_and_stands_in_no_file_and_no_message(run, provider, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-mine")
    run([question(0)])
    assert provider.key == "Bearer sk-very-secret"
    assert not any("org-mine" in value for value in provider.headers.values())
    provider.replies = [(401, {"error": {"message": "Incorrect API key provided: sk-very-secret"}}, {})]
    with pytest.raises(EndpointError, match=r"\[key\].*set OPENAI_API_KEY") as error:
        run([question(1)])
    assert "very-secret" not in str(error.value) + str(capsys.readouterr())
    written = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    assert b"very-secret" not in written


def test_a_sample_that_cannot_be_sent_or_is_refused_costs_itself_alone(run, provider, tmp_path):
    provider.replies = [(400, {"error": {"message": "I do not like this question"}}, {})]
    lost = question(1, media=("gone.png",))
    told = run([question(0), lost], concurrency=1)
    problems = {row["id"]: row["problem"] for row in refused(tmp_path)}
    assert "I do not like this question" in problems["q0"] and "gone.png" in problems["q1"]
    assert told["spent"] == {"tokens": 0, "dollars": 0.0}
    assert run([question(0)])["table"][0]["kept"] == 1


def test_a_later_name_of_the_limit_is_learnt_once(run, provider):
    message = (
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
    )
    provider.replies = [(400, {"error": {"message": message}}, {})]
    told = run([question(0), question(1)], concurrency=1)
    assert told["table"][0]["kept"] == 2
    assert ["max_tokens" in body for body in provider.asked] == [True, False, False]


def test_a_server_that_is_not_there_is_said_so(run):
    with pytest.raises(EndpointError, match="is the server up"):
        run([question(0)], model="http://127.0.0.1:9/v1")


def test_prompts_of_ones_own_may_show_the_truth_and_its_leak_is_refused(run, provider, tmp_path):
    from onethinker.corpus.annotate.run import annotate, copy_files
    from onethinker.corpus.annotate.settings import load_settings

    copied = {file.name: file for file in copy_files(tmp_path / "own")}
    prompts = copied["prompts.yaml"]
    prompts.write_text("multiple_choice: |-\n  {question}\n  {options}\n  Explain why it is {truth}.\n")
    provider.script = lambda body, _: (
        "<think>The answer is A. So six seven eight nine ten words</think><answer>A</answer>"
    )
    run([question(0)])
    told = annotate(
        tmp_path / "corpus", provider.url, tmp_path / "other", Money(budget_tokens=10**6), prompts=str(prompts),
        settings=load_settings(copied["settings.yaml"], candidates=1),
    )  # fmt: skip
    assert provider.asked[-1]["messages"][-1]["content"][0]["text"].endswith("Explain why it is A.")
    assert told["table"][0]["refused"] == {"leak": 1}
    assert "{truth}" not in provider.asked[0]["messages"][-1]["content"][0]["text"]
