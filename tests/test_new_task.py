"""A task is one file: one that is written to a temporary folder here goes through every stage of the system."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from onethinker.data.inspect import check
from onethinker.data.worlds import build_world, tasks_named
from onethinker.engines.scripted import ScriptedEngine
from onethinker.evaluate.run import evaluate
from onethinker.recipes.base import EvalConfig
from onethinker.report.page import write_report
from onethinker.sample import Sample, Samples, load_samples, save_samples, to_published, to_sft
from onethinker.sample.answer import Status, read_answer
from onethinker.scoring.saved import score_file
from onethinker.tasks import TASKS, get_task, score, statistics_of, task_groups
from onethinker.tasks.base import Task
from onethinker.tasks.prompts import load_prompts
from onethinker.train.rl import run_rl
from tests.tasks.examples import respond, sample_of

FILE = '''
"""Yes or no: whether a statement holds."""

from onethinker.tasks.asking import Ask, name
from onethinker.tasks.base import SEEN, Malformed, Measured, Task, make_templates


def is_it_there(rng, scene):
    wanted = rng.choice(("red circle", name(rng.choice(scene.things))))
    return Ask("there", f"Is there a {wanted}?", lambda seen: ("", "yes" if wanted in map(name, seen.things) else "no"))


class YesNo(Task[bool]):
    name = "yes_no"
    title = "Yes or no"
    modalities = SEEN
    example = "yes"
    nothing = None
    example_truth = "yes"
    group = "Yes or no"
    statistics = "multiple_choice"
    released = False
    scenes = ("still",)
    asks = {"still": (is_it_there,)}
    templates = make_templates("choice: {question}", "The answer is yes or no.", "ANSWER")

    def parse(self, text, sample, *, lenient=False):
        said = text.strip().lower()[:1] if lenient else text.strip()
        if said not in (("y", "n") if lenient else ("yes", "no")):
            raise Malformed(f"expected yes or no, found {text[:60]!a}")
        return said[0] == "y"

    def measure(self, pred, true, samples):
        return Measured([float(p == t) for p, t in zip(pred, true)])

    def terms(self, score, profile):
        return {"accuracy": (score.accuracy, 1.0)}
'''


@pytest.fixture
def task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Task[Any]]:
    """The task of `FILE`, registered as a line in `TASKS` would."""
    file = tmp_path / "yes_no.py"
    file.write_text(FILE)
    spec = importlib.util.spec_from_file_location("yes_no", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "yes_no", module)
    spec.loader.exec_module(module)
    made = module.YesNo()
    monkeypatch.setitem(TASKS, made.name, made)
    yield made


@pytest.fixture
def questions(task: Task[Any], world: Samples) -> Samples:
    """Four of them, on pictures and clips of the world."""
    first = [next(s for s in world if s.modality == modality) for modality in ("image", "video")]
    items = tuple(
        Sample(f"{s.modality} {truth}", task.name, s.modality, "Is it red?", truth, (), s.media[:1], "made up",
               {"response": respond(truth)})
        for s in first for truth in ("yes", "no")
    )  # fmt: skip
    return replace(world, items=items)


@pytest.mark.parametrize("form", ["samples.jsonl", "samples.parquet", "samples.json", "sft.jsonl"])
def test_its_samples_are_kept_in_every_form(form: str, task: Task[Any], questions: Samples, tmp_path: Path) -> None:
    """Our own, the published and the SFT form."""
    file = tmp_path / form
    if form == "sft.jsonl":
        prompts = load_prompts("short")
        file.write_text("".join(json.dumps(to_sft(s, task.prompt(s, prompts))) + "\n" for s in questions))
    else:
        save_samples(questions, file)
    found = load_samples(file, questions.root)
    assert [(s.id, s.task, s.modality, s.truth, s.media) for s in found] == [
        (s.id, s.task, s.modality, s.truth, s.media) for s in questions
    ]
    assert to_published(questions[0])["problem_type"] == "yes no"


def test_it_is_asked_scored_and_drawn(task: Task[Any], questions: Samples, tmp_path: Path) -> None:
    sample = questions[0]
    assert "Is it red?" in task.prompt(sample, load_prompts("full"))
    assert score(sample, respond("yes")).reward("released") == pytest.approx(1.5)
    assert score(sample, respond("no")).accuracy == 0
    assert score(sample, respond("perhaps")).status is Status.MALFORMED
    assert task.score(sample, read_answer(respond("Yes.")), lenient=True).accuracy == 1
    assert sample_of(task.name).truth == "yes" and get_task("yes_no") is task
    assert "yes_no" in task_groups()["Yes or no"] and statistics_of("yes_no") == "multiple_choice"
    assert len(task.draw(sample, read_answer(respond("yes")), [])) == 1
    lines = (json.dumps(to_published(question) | {"response": respond("yes")}) for question in questions)
    (tmp_path / "in.jsonl").write_text("\n".join(lines))
    totals = score_file(tmp_path / "in.jsonl", tmp_path / "out.jsonl")
    assert totals.summary()["yes_no"]["metrics"] == {"accuracy": {"official": 0.5, "released": 0.5}}


def test_a_world_asks_it(task: Task[Any], tmp_path: Path) -> None:
    """Its questions stand in its file; they share pictures with those of other tasks."""
    folder = build_world(tmp_path / "w", 24, seed=0, tasks=tasks_named("ocr,yes_no,yes_no"), test=6)
    assert check(folder) == []
    asked = load_samples(folder / "train").of_task("yes_no")
    assert len(asked) == 16 and {s.truth for s in asked} == {"yes", "no"}
    assert task.name not in tasks_named("published") and task.name in tasks_named("extra")


def test_it_trains(questions: Samples, tiny: Any, tmp_path: Path) -> None:
    recipe = tiny("rl.steps=1", "rl.prompts=4", "rl.minibatch=4")
    assert run_rl(recipe, questions, tmp_path / "run").exists()
    (line,) = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert json.loads(line)["groups"] == 4


def test_it_is_evaluated_and_reported(questions: Samples, tmp_path: Path) -> None:
    engine = ScriptedEngine(lambda request, index: respond("yes"))
    out = tmp_path / "run" / "eval"
    summary = evaluate(questions, engine, out, config=EvalConfig(bootstrap=20), prompts=load_prompts("short"))
    assert summary["tasks"]["yes_no"]["metrics"]["accuracy"]["value"] == 0.5
    page = write_report(out).read_text()
    assert "Yes or no" in page and "Is it red?" in page
