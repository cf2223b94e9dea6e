"""Task files for lmms-eval: from the same answers the same scores as `onethinker eval`. lmms-eval itself is slow."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
import yaml

from onethinker.engines.scripted import ScriptedEngine
from onethinker.evaluate.run import evaluate
from onethinker.harnesses import lmms_tasks
from onethinker.harnesses.lmms_tasks import (
    FAILED,
    GROUP,
    PREFIX,
    doc_to_messages,
    doc_to_text,
    pooled,
    process_results,
    write_tasks,
)
from onethinker.recipes.base import EvalConfig
from onethinker.sample import Samples
from onethinker.segment import make_segmenter
from onethinker.tasks import list_tasks
from onethinker.tasks.prompts import load_prompts

PROMPTS = load_prompts("short")


@pytest.fixture(scope="module")
def tasks(world, tmp_path_factory) -> Path:
    return write_tasks(world, tmp_path_factory.mktemp("lmms"), PROMPTS, 64)


def asked_in(samples: Samples) -> list[str]:
    """The tasks that there are samples of."""
    return [task for task in list_tasks() if samples.of_task(task)]


@pytest.fixture(scope="module")
def answers(world) -> dict[str, str]:
    """Right, wrong and missing answers, the right one of another question of the task among them."""
    found = {}
    for task in asked_in(world):
        first, second, third = world.of_task(task)
        found[first.id] = f"<think>so</think><answer>{first.truth}</answer>"
        found[second.id] = f"<think>so</think><answer>{third.truth}</answer>"
        found[third.id] = "I cannot tell."
    return found


def load(file: Path) -> dict:
    """A task file as lmms-eval reads it, the functions by their names."""

    class Loader(yaml.SafeLoader):
        pass

    Loader.add_constructor("!function", lambda loader, node: loader.construct_scalar(node))
    return yaml.load(file.read_text(encoding="utf-8"), Loader)


def docs(tasks: Path, task: str) -> list[dict]:
    return [json.loads(line) for line in (tasks / f"onethinker_{task}.jsonl").read_text().splitlines()]


def test_scores_are_those_of_eval(tasks, world, answers, tmp_path):
    summary = evaluate(
        world, ScriptedEngine(answers), tmp_path, config=EvalConfig(bootstrap=20), prompts=PROMPTS,
        segmenter=make_segmenter("grabcut"),
    )  # fmt: skip
    for task, entry in summary["tasks"].items():
        items: dict[str, list] = {}
        for doc in docs(tasks, task):
            for metric, item in process_results(doc, [answers[doc["id"]]]).items():
                items.setdefault(metric, []).append(item)
        assert {m: pooled(found) for m, found in items.items()} == {
            m: pytest.approx(100 * v["value"]) for m, v in entry["metrics"].items()
        }
        declared = [m["metric"] for m in load(tasks / f"onethinker_{task}.yaml")["metric_list"]]
        assert declared == list(entry["metrics"])


def test_files_name_functions_that_exist(tasks, world):
    group = load(tasks / f"{GROUP}.yaml")
    assert group["task"] == [f"onethinker_{task}" for task in asked_in(world)]
    for name in group["task"]:
        made = load(tasks / f"{name}.yaml")
        assert made["task"] == name and (tasks / made["dataset_kwargs"]["data_files"]["test"]).is_file()
        named = [v for k, v in made.items() if k.startswith("doc_to_") and k != "doc_to_target"]
        for function in [*named, made["process_results"], *(m["aggregation"] for m in made["metric_list"])]:
            module, _, attribute = function.rpartition(".")
            assert module == lmms_tasks.__name__ and callable(getattr(lmms_tasks, attribute))
        assert made["generation_kwargs"]["max_new_tokens"] == 64 and made["generation_kwargs"]["until"] == []


def test_messages_hold_words_and_media_in_order(tasks, world):
    (doc, *_) = docs(tasks, "tracking")
    (message,) = doc_to_messages(doc)
    assert [part["type"] for part in message["content"]] == ["video", "text"]
    sample = next(s for s in world if s.id == doc["id"])
    assert message["content"][0]["url"] == str(sample.paths(world.root)[0])
    assert message["content"][1]["text"] == doc_to_text(doc) and "<video>" not in doc_to_text(doc)


def test_a_failed_answer_is_left_out_not_wrong(tasks):
    (doc, *_) = docs(tasks, "numerical")
    assert process_results(doc, [FAILED + "unreadable"]) == {}
    assert process_results(doc, ["no idea"]) == {"accuracy": {"part": 0.0, "whole": 1.0, "score": 0.0}}


@pytest.mark.slow
def test_in_lmms_eval_itself(tasks, world, tmp_path):
    """The mini model by its entry point, the tasks by --include_path; the answers logged there, scored by `eval`."""
    python = os.environ.get("LMMS_EVAL_PYTHON")
    if not python:
        pytest.skip("LMMS_EVAL_PYTHON names no interpreter that has lmms-eval and onethinker (docs/harnesses.md)")
    from onethinker.models import mini

    model, processor = mini.build(0)
    model.save_pretrained(tmp_path / "mini")
    processor.save_pretrained(tmp_path / "mini")
    arguments = "image_pixels=9216,frame_pixels=4096,max_frames=16,device=cpu"
    offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_CACHE": str(tmp_path / "cache")}
    subprocess.run(
        [python, "-m", "lmms_eval", "--model", "onethinker", "--model_args", f"pretrained={tmp_path}/mini,{arguments}",
         "--include_path", str(tasks), "--tasks", GROUP, "--output_path", str(tmp_path / "out"),
         "--log_samples"],
        check=True, timeout=900, cwd=tmp_path, env=os.environ | offline,
    )  # fmt: skip
    (results,) = (tmp_path / "out").rglob("*_results.json")
    found = json.loads(results.read_text())["results"]
    logged = {}
    for task in asked_in(world):
        (file,) = (tmp_path / "out").rglob(f"*_samples_{PREFIX}{task}.jsonl")
        asked = docs(tasks, task)
        for row in map(json.loads, file.read_text().splitlines()):
            logged[asked[int(row["doc_id"])]["id"]] = row["filtered_resps"]
    assert sorted(logged) == sorted(sample.id for sample in world)
    summary = evaluate(
        world, ScriptedEngine(logged), tmp_path / "eval", config=EvalConfig(bootstrap=20), prompts=PROMPTS,
        segmenter=make_segmenter("grabcut"),
    )  # fmt: skip
    for task, entry in summary["tasks"].items():
        for metric, value in entry["metrics"].items():
            assert found[f"onethinker_{task}"][f"{metric},none"] == pytest.approx(100 * value["value"]), (task, metric)
