import json
import os
import resource
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from PIL import Image

from onethinker.engines.base import EngineError
from onethinker.engines.scripted import ScriptedEngine
from onethinker.media import open_clip, open_image
from onethinker.recipes.base import EvalConfig
from onethinker.sample import DataError, Samples, load_samples
from onethinker.util.runs import JsonLines, RunError, locked


def rows_of(folder: Path) -> list[dict]:
    return JsonLines(folder / "results.jsonl").rows()


class Dying(ScriptedEngine):
    """Goes away after `after` answers."""

    def __init__(self, script, after, **options):
        super().__init__(script, **options)
        self.after = after

    def answer(self, requests, sampling):
        for count, found in enumerate(super().answer(requests, sampling)):
            if count == self.after:
                raise EngineError("the server went away")
            yield found


def test_right_answers_score_one_and_are_written(samples, truths, run, tmp_path):
    out = tmp_path / "eval"
    summary = run(samples, ScriptedEngine(truths), out, model="a model", data="some/data.jsonl")
    mean = summary["mean"]["headline"]
    assert (mean["value"], mean["high"]) == (1.0, 1.0) and 0.5 < mean["low"] < 0.9  # ten of ten are no certainty
    assert (summary["n"], summary["errors"], summary["missing"]) == (10, 0, 0)
    assert list(summary["tasks"]) == ["numerical", "spatial_grounding"]
    assert summary["model"] == "a model" and summary["metric_profile"] == "official"
    assert json.loads((out / "summary.json").read_text()) == summary
    assert {row["id"] for row in rows_of(out)} == {s.id for s in samples}
    assert json.loads((out / "questions.json").read_text()).keys() == {s.id for s in samples}


def test_columns_of_any_kind_are_stored_at_the_end(samples, truths, run, tmp_path):
    odd = {
        "thumb": b"\x89PNG",
        "day": date(2026, 2, 28),
        "price": Decimal("1.10"),
        "score": float("nan"),
        "ids": {2, 1},
    }
    made = replace(samples, items=tuple(replace(s, meta=odd) for s in samples))
    run(made, ScriptedEngine(truths), tmp_path / "eval")
    assert load_samples(tmp_path / "eval" / "samples.jsonl", samples.root).items == made.items
    again = ScriptedEngine(truths)
    run(made, again, tmp_path / "eval")
    assert again.asked == []


def test_what_could_not_be_stored_is_refused_before_anything_is_asked(samples, truths, run, tmp_path):
    engine = ScriptedEngine(truths)
    bad = replace(samples, items=(*samples.items, replace(samples[0], id="x", question="half a \ud83d")))
    with pytest.raises(DataError, match="sample 'x': holds text"):
        run(bad, engine, tmp_path / "eval")
    assert engine.asked == [] and not (tmp_path / "eval").exists()


def test_rows_left_out_stand_in_the_summary(samples, truths, run, tmp_path):
    summary = run(replace(samples, left_out=("row 3: bad",)), ScriptedEngine(truths), tmp_path / "eval")
    assert summary["data"]["left_out"] == 1 and summary["data"]["left_out_rows"] == ["row 3: bad"]


def test_a_sample_of_no_task_is_refused_before_anything_is_asked(samples, truths, run, tmp_path):
    """A row of one in a file is left out when it is read; of samples in memory the caller is told."""
    engine = ScriptedEngine(truths)
    bad = replace(samples, items=(*samples.items, replace(samples[0], id="x", task="trackin")))
    with pytest.raises(DataError, match="sample x: no task 'trackin'; the nearest is 'tracking'"):
        run(bad, engine, tmp_path / "eval")
    assert engine.asked == [] and not (tmp_path / "eval").exists()


def test_a_second_run_asks_nothing(samples, truths, run, tmp_path):
    first = run(samples, ScriptedEngine(truths), tmp_path / "eval")
    again = ScriptedEngine(truths)
    second = run(samples, again, tmp_path / "eval")
    assert again.asked == []
    assert second["tasks"] == first["tasks"]


def test_what_was_answered_before_the_engine_died_is_not_asked_again(samples, truths, run, tmp_path):
    with pytest.raises(EngineError):
        run(samples, Dying(truths, 4), tmp_path / "eval")
    assert len(rows_of(tmp_path / "eval")) == 4
    engine = ScriptedEngine(truths)
    summary = run(samples, engine, tmp_path / "eval")
    assert engine.asked == [s.id for s in samples[4:]]
    assert summary["n"] == 10


def test_a_torn_last_line_is_asked_again(samples, truths, run, tmp_path):
    run(samples, ScriptedEngine(truths), tmp_path / "eval")
    file = tmp_path / "eval" / "results.jsonl"
    file.write_bytes(file.read_bytes()[:-25])
    engine = ScriptedEngine(truths)
    summary = run(samples, engine, tmp_path / "eval")
    assert engine.asked == [samples[9].id]
    assert summary["n"] == 10 and len(rows_of(tmp_path / "eval")) == 10


def test_a_second_model_inherits_nothing_and_disturbs_nobody(samples, truths, run, said, tmp_path):
    good = run(samples, ScriptedEngine(truths, identity="good"), tmp_path / "eval")
    engine = ScriptedEngine(lambda request, index: said("nonsense"), identity="bad")
    bad = run(samples, engine, tmp_path / "eval")
    assert len(engine.asked) == 10
    assert bad["mean"]["headline"]["value"] == 0.0
    back = ScriptedEngine(truths, identity="good")
    assert run(samples, back, tmp_path / "eval")["tasks"] == good["tasks"]
    assert back.asked == []


@pytest.mark.parametrize(
    "change",
    [
        {"config": EvalConfig(bootstrap=200, max_tokens=99)},
        {"config": EvalConfig(bootstrap=200, metric_profile="released")},
        {"config": EvalConfig(bootstrap=200, budget={"image_pixels": 5000})},
        {"prompts": "full"},
    ],
)
def test_other_settings_are_other_results(samples, truths, run, tmp_path, change):
    from onethinker.tasks.prompts import load_prompts

    if "prompts" in change:
        change = {"prompts": load_prompts(change["prompts"])}
    run(samples, ScriptedEngine(truths), tmp_path / "eval")
    engine = ScriptedEngine(truths)
    run(samples, engine, tmp_path / "eval", **change)
    assert len(engine.asked) == 10


def test_a_changed_question_or_picture_is_asked_again(samples, truths, run, tmp_path):
    run(samples, ScriptedEngine(truths), tmp_path / "eval")
    Image.new("RGB", (32, 24), "white").save(samples.root / "3.png")
    items = list(samples.items)
    items[1] = replace(items[1], question="How much is 1?")
    changed = Samples(tuple(items), samples.root)
    engine = ScriptedEngine(truths)
    summary = run(changed, engine, tmp_path / "eval")
    assert sorted(engine.asked) == ["n1", "n3"]
    assert summary["n"] == 10


def test_errors_are_counted_left_out_and_tried_again(samples, truths, run, tmp_path):
    summary = run(samples, ScriptedEngine(truths, fail=["n2", "b7"]), tmp_path / "eval")
    assert (summary["n"], summary["errors"], summary["missing"]) == (8, 2, 0)
    assert summary["tasks"]["numerical"]["status"]["error"] == 1
    assert summary["tasks"]["numerical"]["metrics"]["accuracy"]["value"] == 1.0
    engine = ScriptedEngine(truths)
    summary = run(samples, engine, tmp_path / "eval")
    assert engine.asked == ["n2", "b7"]
    assert (summary["n"], summary["errors"]) == (10, 0)


def test_broken_media_cost_their_own_rows(samples, truths, run, tmp_path):
    (samples.root / "1.png").write_bytes(b"not a picture")
    (samples.root / "4.png").unlink()
    clip = samples.root / "6.mp4"
    clip.write_bytes(b"\x00\x00\x00\x18ftypmp42" + bytes(100))
    items = list(samples.items)
    items[6] = replace(items[6], modality="video", media=("6.mp4",))
    items[7] = replace(items[7], media=("../../elsewhere.png",))
    items[8] = replace(items[8], truth="no box at all")

    def looks(request, index):
        for path in request.media:
            open_clip(path) if path.suffix == ".mp4" else open_image(path)
        return truths[request.id]

    summary = run(Samples(tuple(items), samples.root), ScriptedEngine(looks), tmp_path / "eval")
    assert (summary["n"], summary["errors"], summary["missing"]) == (5, 5, 0)
    problems = {row["id"]: row["error"] for row in rows_of(tmp_path / "eval") if row["status"] == "error"}
    assert problems.keys() == {"n1", "n4", "b6", "b7", "b8"}
    assert "1.png" in problems["n1"] and "4.png" in problems["n4"] and "6.mp4" in problems["b6"]
    assert "leaves the media root" in problems["b7"] and "no box at all" in problems["b8"]


def test_sampled_answers_are_a_second_pass_with_its_own_resume(samples, truths, run, said, tmp_path):
    config = EvalConfig(bootstrap=200, sampled=4, temperature=0.7)

    def half(request, index):
        return truths[request.id] if index % 2 == 0 else said("nonsense")

    summary = run(samples, ScriptedEngine(half), tmp_path / "eval", config=config)
    entry = summary["tasks"]["numerical"]["sampled"]
    assert (entry["questions"], entry["answers"], entry["errors"]) == (6, 24, 0)
    assert entry["accuracy"]["value"] == 0.5
    # right: 0.9·1 + 0.1 + 0.5 = 1.5; nonsense: 0.1·1 + 0.5 = 0.6
    assert entry["reward"]["value"] == pytest.approx((1.5 + 0.6) / 2)
    assert summary["tasks"]["numerical"]["accuracy"]["value"] == 1.0
    more = ScriptedEngine(half)
    run(samples, more, tmp_path / "eval", config=EvalConfig(bootstrap=200, sampled=6, temperature=0.7))
    assert len(more.asked) == 10, "greedy answers are kept, sampled ones are another set"


def test_a_set_of_sampled_answers_with_an_error_is_asked_again_whole(samples, truths, run, tmp_path):
    config = EvalConfig(bootstrap=200, sampled=3)
    run(samples, ScriptedEngine(truths, fail=["n0"]), tmp_path / "eval", config=config)
    engine = ScriptedEngine(truths)
    summary = run(samples, engine, tmp_path / "eval", config=config)
    assert engine.asked == ["n0", "n0"]
    assert summary["tasks"]["numerical"]["sampled"]["answers"] == 18


def test_sampling_without_temperature_is_refused(samples, truths, run, tmp_path):
    with pytest.raises(RunError, match=r"temperature is 0\.0"):
        run(samples, ScriptedEngine(truths), tmp_path / "eval", config=EvalConfig(sampled=2, temperature=0.0))


def test_lenient_reading_is_counted_beside(samples, truths, run, tmp_path):
    # a fence in an answer is refused strictly and read leniently
    fenced = truths | {
        "b6": truths["b6"].replace("<answer>", "<answer>```json\n").replace("</answer>", "\n```</answer>")
    }
    summary = run(samples, ScriptedEngine(fenced), tmp_path / "eval")
    entry = summary["tasks"]["spatial_grounding"]
    assert entry["status"]["malformed"] == 1
    assert entry["metrics"][entry["headline"]]["value"] == 0.75
    assert entry["lenient"] == {"needed": 1, "value": 1.0}


def test_two_processes_on_one_folder_are_refused(samples, truths, run, tmp_path):
    with locked(tmp_path / "eval"), pytest.raises(RunError, match="in use"):
        run(samples, ScriptedEngine(truths), tmp_path / "eval")


@pytest.mark.slow
def test_a_killed_process_leaves_what_it_answered(samples, truths, run, tmp_path):
    out, ready = tmp_path / "eval", tmp_path / "answered"
    script = f"""
        import json, time
        from pathlib import Path
        from onethinker.engines.scripted import ScriptedEngine
        from onethinker.evaluate.run import evaluate
        from onethinker.recipes.base import EvalConfig
        from onethinker.sample import load_samples
        from onethinker.tasks.prompts import load_prompts

        answers = json.loads({json.dumps(json.dumps(truths))})
        def slowly(request, index):
            if request.id == "n3":
                Path({str(ready)!r}).touch()
                time.sleep(60)
            return answers[request.id]
        samples = load_samples({str(tmp_path / "samples.jsonl")!r}, {str(samples.root)!r})
        evaluate(samples, ScriptedEngine(slowly), Path({str(out)!r}),
                 config=EvalConfig(bootstrap=200), prompts=load_prompts("short"))
    """
    from onethinker.sample import save_samples

    save_samples(samples, tmp_path / "samples.jsonl")
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], stderr=subprocess.PIPE)
    try:
        deadline = time.monotonic() + 60
        results = out / "results.jsonl"
        while not (ready.exists() and results.exists() and results.read_bytes().count(b"\n") >= 3):
            assert process.poll() is None, process.stderr.read().decode()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        with pytest.raises(RunError, match="in use"):
            run(samples, ScriptedEngine(truths), out)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stderr.close()
    engine = ScriptedEngine(truths)
    summary = run(samples, engine, out)
    assert engine.asked == [s.id for s in samples[3:]]
    assert summary["n"] == 10


def test_a_full_disk_costs_no_more_than_the_torn_row(samples, truths, run, tmp_path):
    out = tmp_path / "eval"
    run(samples[:4], ScriptedEngine(truths), out)
    room = (out / "results.jsonl").stat().st_size + 300
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        with pytest.raises(OSError, match="too large"):
            run(samples, ScriptedEngine(truths), out)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (out / "results.jsonl").stat().st_size <= room
    engine = ScriptedEngine(truths)
    assert run(samples, engine, out)["n"] == 10
    assert engine.asked == [s.id for s in samples[4:]]


def test_equal_questions_are_asked_once_and_count_each(samples, truths, run, tmp_path):
    twice = Samples((*samples.items[:2], replace(samples[0], id="again")), samples.root)
    engine = ScriptedEngine(truths)
    summary = run(twice, engine, tmp_path / "eval")
    assert engine.asked == ["n0", "n1"]
    assert (summary["n"], summary["missing"], summary["questions"]) == (3, 0, 3)


def test_results_belong_to_the_question_whatever_its_number(samples, truths, run, tmp_path):
    run(samples, ScriptedEngine(truths), tmp_path / "eval")
    renumbered = Samples(tuple(replace(s, id=f"new-{s.id}") for s in samples), samples.root)
    engine = ScriptedEngine({})
    summary = run(renumbered, engine, tmp_path / "eval")
    assert engine.asked == [] and (summary["n"], summary["missing"]) == (10, 0)
