"""`onethinker score`: one line out for each line in, whatever stands in it."""

from __future__ import annotations

import codecs
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from onethinker.sample import DataError, save_samples, to_native, to_published
from onethinker.scoring import saved
from onethinker.scoring.saved import ScoreError, score_file
from onethinker.tasks import TASKS, score
from onethinker.tasks.pool import TermSums
from tests.tasks.examples import respond, sample_of

PLAIN = [name for name in TASKS if name != "math"]
BAD = {
    "not JSON": b"{nothing",
    "not an object": b"[1, 2]",
    "no response": json.dumps(to_published(sample_of("ocr"))).encode(),
    "a response that is no text": json.dumps(to_published(sample_of("ocr")) | {"response": 3}).encode(),
    "another finish": json.dumps(to_published(sample_of("ocr")) | {"response": "", "finish": "tired"}).encode(),
    "another task": json.dumps(to_native(sample_of("ocr")) | {"response": "", "task": "orc"}).encode(),
    "options that are a number": json.dumps(to_native(sample_of("ocr")) | {"response": "", "options": 5}).encode(),
    "a bad truth": json.dumps(to_published(sample_of("tracking", "none")) | {"response": respond("7")}).encode(),
    "not UTF-8": b'{"problem": "\xff"}',
    "10,000 levels": b"[" * 10_000,
    "an engine's failure": json.dumps(to_native(sample_of("ocr")) | {"response": "", "finish": "error"}).encode(),
}


def line(task: str, number: int, response: str, **more: Any) -> bytes:
    return json.dumps(to_published(sample_of(task, id=str(number))) | {"response": response} | more).encode()


def scored(
    tmp_path: Path, lines: list[bytes], **options: Any
) -> tuple[list[dict[str, Any]], Any, list[tuple[int, str]]]:
    source, told = tmp_path / "in.jsonl", []
    source.write_bytes(b"\n".join(lines) + b"\n")
    totals = score_file(source, tmp_path / "out.jsonl", report=lambda *said: told.append(said), **options)
    return [json.loads(text) for text in (tmp_path / "out.jsonl").read_text().splitlines()], totals, told


def test_rows_keep_order_and_carry_the_score(tmp_path: Path) -> None:
    asked = [(task, right) for task in PLAIN for right in (True, False)]
    responses = [respond(sample_of(task).truth if right else "7") for task, right in asked]
    rows, totals, told = scored(tmp_path, [line(t, n, r) for n, ((t, _), r) in enumerate(zip(asked, responses))])
    assert [row["problem_id"] for row in rows] == list(range(len(asked)))
    assert told == [] and totals.errors == 0
    for row, (task, _), response in zip(rows, asked, responses, strict=True):
        expected = score(sample_of(task), response)
        assert (row["task"], row["status"], row["format"]) == (task, expected.status, expected.format)
        assert row["accuracy"] == pytest.approx(expected.accuracy)
        assert row["structure"] == pytest.approx(expected.structure)
        assert row["reward"] == pytest.approx(expected.reward("released"))
        assert row["components"] == pytest.approx(dict(expected.components))


@pytest.mark.parametrize("profile", ["released", "paper", "hardened"])
def test_reward_is_the_profiles(tmp_path: Path, profile: Any) -> None:
    response = respond(sample_of("image_segmentation").truth)
    [row], _, _ = scored(tmp_path, [line("image_segmentation", 1, response)], profile=profile)
    assert row["reward"] == {"released": 1.5, "paper": 4.0, "hardened": 4.0}[profile]


def test_a_byte_order_mark_is_no_part_of_the_first_line(tmp_path: Path) -> None:
    rows, _, told = scored(tmp_path, [codecs.BOM_UTF8 + line("numerical", 1, respond("1234.5"))])
    assert [row["status"] for row in rows] == ["ok"] and not told


@pytest.mark.parametrize("case", BAD)
def test_a_bad_line_is_named_and_stops_nothing(tmp_path: Path, case: str) -> None:
    good = line("numerical", 1, respond("1234.5"))
    rows, totals, told = scored(tmp_path, [good, b"", BAD[case], good])
    assert [(row["line"], row["status"]) for row in rows] == [(1, "ok"), (3, "error"), (4, "ok")]
    assert rows[1]["reward"] is None and rows[1]["accuracy"] is None
    assert told == [(3, rows[1]["message"])] and rows[1]["message"]
    assert not rows[1]["message"].startswith("line")
    if case in ("not JSON", "not UTF-8", "10,000 levels"):
        assert rows[1]["message"].startswith("not JSON (")
    assert "NoneType" not in rows[1]["message"]
    assert totals.errors == 1 and totals.total == 3


def test_published_and_native_rows_keep_their_own_id_key(tmp_path: Path) -> None:
    native = json.dumps(to_native(sample_of("ocr", id="x")) | {"response": respond("TOTAL")}).encode()
    rows, _, _ = scored(tmp_path, [native, line("ocr", 7, respond("TOTAL")), BAD["a bad truth"]])
    assert (rows[0]["id"], rows[1]["problem_id"], rows[2]["problem_id"]) == ("x", 7, "tracking-1")


def test_the_response_is_the_models_not_the_worked_answer(tmp_path: Path) -> None:
    chat = {
        "messages": [{"role": "user", "content": "How many?"}, {"role": "assistant", "content": respond("4")}],
        "problem_type": "numerical",
        "response": respond("5"),
    }
    [row], _, _ = scored(tmp_path, [json.dumps(chat).encode()])
    assert (row["status"], row["accuracy"]) == ("ok", 0.0)


def test_lenient_reading_is_a_second_column(tmp_path: Path) -> None:
    fenced = line("spatial_grounding", 1, respond("```json\n{'boxes': [100, 200, 500, 800]}\n```"))
    rows, totals, _ = scored(
        tmp_path, [fenced, line("spatial_grounding", 2, respond('{"boxes": [100, 200, 500, 800]}'))]
    )
    assert (rows[0]["status"], rows[0]["lenient"]) == ("malformed", {"status": "ok", "accuracy": 1.0})
    found = totals.summary()["spatial_grounding"]
    assert found["lenient"] == {"needed": 1, "value": 1.0} and found["metrics"]["mIoU"]["official"] == 0.5


def test_metrics_equal_the_tasks_own(tmp_path: Path) -> None:
    for task in PLAIN:
        responses = [respond(sample_of(task).truth), respond("7"), sample_of(task).truth, ""]
        _, totals, _ = scored(tmp_path, [line(task, n, r) for n, r in enumerate(responses)])
        scores = [score(sample_of(task), r) for r in responses]
        for profile in ("official", "released"):
            expected = TermSums.of(TASKS[task].counted(s, profile) for s in scores).ratios()
            assert {k: v[profile] for k, v in totals.summary()[task]["metrics"].items()} == pytest.approx(expected)


def test_many_processes_give_the_same_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saved, "CHUNK_ROWS", 7)
    lines = [line("numerical", n, respond(str(n))) for n in range(60)]
    lines[17] = b"broken"
    scored(tmp_path, lines, workers=1)
    alone = (tmp_path / "out.jsonl").read_bytes()
    _, totals, told = scored(tmp_path, lines, workers=2)
    assert (tmp_path / "out.jsonl").read_bytes() == alone
    assert totals.total == 60 and [number for number, _ in told] == [18]


def test_a_line_too_long_is_skipped_without_being_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saved, "MAX_LINE", 1000)
    good = line("numerical", 1, respond("1234.5"))
    rows, _, _ = scored(tmp_path, [good, b"x" * 5500, good, b"y" * 1000])
    assert [row["status"] for row in rows] == ["ok", "error", "ok", "error"]
    assert [row["line"] for row in rows] == [1, 2, 3, 4]


def test_the_last_line_needs_no_newline(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(line("numerical", 1, respond("1234.5")))
    assert score_file(tmp_path / "in.jsonl", tmp_path / "out.jsonl").total == 1
    (tmp_path / "in.jsonl").write_bytes(b"")
    assert score_file(tmp_path / "in.jsonl", tmp_path / "out.jsonl").total == 0
    assert (tmp_path / "out.jsonl").read_bytes() == b""


def test_a_failure_leaves_the_old_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scored(tmp_path, [line("numerical", 1, respond("1"))])
    before = (tmp_path / "out.jsonl").read_bytes()

    def broken(*_: object) -> None:
        raise ScoreError("no more")

    monkeypatch.setattr(saved, "_finish", broken)
    with pytest.raises(ScoreError, match="no more"):
        scored(tmp_path, [line("numerical", 2, respond("2"))])
    assert (tmp_path / "out.jsonl").read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.jsonl", "out.jsonl"]
    with pytest.raises(ScoreError, match="another --out"):
        score_file(tmp_path / "in.jsonl", tmp_path / "in.jsonl")


@pytest.mark.slow
def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    """A process may hold only so much while it scores a file many times that size."""
    source = tmp_path / "in.jsonl"
    long = line("numerical", 1, respond("1234.5", "word " * 40_000)) + b"\n"
    with source.open("wb") as out:
        for _ in range(1000):
            out.write(long)
    assert source.stat().st_size > 190e6
    script = (
        "import resource, sys; from pathlib import Path; from onethinker.scoring.saved import score_file\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "score_file(Path(sys.argv[1]), Path(sys.argv[2]), workers=1)\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script, str(source), str(tmp_path / "out.jsonl")],
        capture_output=True, text=True, check=True, env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert float(ran.stdout) < 100, f"grew by {ran.stdout} MB"


def test_command_line(tmp_path: Path) -> None:
    from onethinker.cli.app import app

    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_bytes(line("numerical", 1, respond("1234.5")) + b"\n" + b"\x1b[31mbroken\n")
    ran = CliRunner().invoke(app, ["score", str(source), "--out", str(out), "--metrics", "--profile", "paper"])
    assert ran.exit_code == 1
    assert "line 2" in ran.stderr and "2 lines, 1 error" in ran.stderr and "\x1b[31m" not in ran.output
    assert "reward (paper)" in ran.stdout and "2.0000" in ran.stdout and "numerical" in ran.stdout
    source.write_bytes(line("numerical", 1, respond("1234.5")))
    assert CliRunner().invoke(app, ["score", str(source), "--out", str(out)]).exit_code == 0
    wrong = CliRunner().invoke(app, ["score", str(source), "--out", str(out), "--profile", "kind"])
    assert wrong.exit_code == 2 and "hardened" in wrong.output


def test_the_module_is_light() -> None:
    heavy = ["torch", "transformers", "numpy", "pyarrow", "onethinker.tasks"]
    script = f"import sys, onethinker.cli.score; print([m for m in {heavy} if m in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_a_json_list_is_scored_row_by_row(tmp_path: Path) -> None:
    lines = [line("ocr", 1, respond("TOTAL")), b"[1]", line("numerical", 2, respond("1234.5"))]
    as_lines, _, _ = scored(tmp_path, lines)
    (tmp_path / "in.json").write_bytes(b"\xef\xbb\xbf[\n" + b",\n".join(lines) + b"\n]\n")
    tally = score_file(tmp_path / "in.json", tmp_path / "list.jsonl")
    assert [json.loads(text) for text in (tmp_path / "list.jsonl").read_text().splitlines()] == as_lines
    assert (tally.total, tally.errors) == (3, 1)
    rows, _, _ = scored(tmp_path, [b"[1]", lines[0]])  # lines of which the first is a list
    assert [row["status"] for row in rows] == ["error", "ok"]


def test_an_evaluation_is_scored_again_under_another_profile(tmp_path: Path) -> None:
    samples = [sample_of("spatial_grounding", id="a"), sample_of("ocr", id="b")]
    save_samples(samples, tmp_path / "samples.jsonl")
    right = respond(samples[0].truth)
    answers = [("a", right, "stop"), ("b", "", "error"), ("gone", right, "stop"), ("a", "<answer>7", "length")]
    (tmp_path / "results.jsonl").write_text(
        "".join(
            json.dumps({"id": name, "task": "x", "status": "ok", "response": text, "finish": finish}) + "\n"
            for name, text, finish in answers
        )
    )
    from onethinker.cli.app import app

    done = CliRunner().invoke(app, ["score", str(tmp_path), "--out", str(tmp_path / "o.jsonl"), "--profile", "paper"])
    assert done.exit_code == 1, done.output  # of an engine's failure and of a question that is not there
    rows = [json.loads(text) for text in (tmp_path / "o.jsonl").read_text().splitlines()]
    assert [(row["id"], row["status"], row["reward"]) for row in rows] == [
        ("a", "ok", score(samples[0], right).reward("paper")), ("b", "error", None), ("gone", "error", None),
        ("a", "truncated", 0.0),
    ]  # fmt: skip


@pytest.mark.parametrize("bad", ['{"id": "a", "que', '{"question": "no id"}', "[1]"])
def test_an_evaluation_whose_questions_are_spoilt_is_refused_by_name(tmp_path: Path, bad: str) -> None:
    save_samples([sample_of("ocr", id="a")], tmp_path / "samples.jsonl")
    with (tmp_path / "samples.jsonl").open("a") as file:
        file.write(bad + "\n")
    (tmp_path / "results.jsonl").write_text('{"id": "a", "response": "x"}\n')
    with pytest.raises(DataError, match=r"samples\.jsonl, line 2: not a question"):
        score_file(tmp_path / "results.jsonl", tmp_path / "out.jsonl")
    assert not (tmp_path / "out.jsonl").exists()
