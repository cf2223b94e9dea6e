"""A small data root with a handful of benchmarks in their layouts, run through the suite with scripted answers."""

from __future__ import annotations

import base64
import csv
import json
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from onethinker.evaluate.benchmarks import BENCHMARKS, BenchmarkError, choose
from onethinker.evaluate.headline import measured
from onethinker.evaluate.named import EvalTarget
from onethinker.evaluate.suite import look, ready, run_suite
from onethinker.media import write_clip
from onethinker.recipes.base import RecipeError
from onethinker.sample import Sample
from onethinker.scoring.bootstrap import Bootstrap
from onethinker.scoring.judge import Ask, JudgeError
from onethinker.scoring.results import score_row
from onethinker.tasks import score
from onethinker.util.runs import JsonLines

BOX = '{"boxes": [100, 100, 600, 600]}'


def picture(shade: int) -> str:
    out = BytesIO()
    Image.new("RGB", (24, 16), (shade, 90, 200)).save(out, "PNG")
    return base64.b64encode(out.getvalue()).decode()


def tsv(root: Path, name: str, rows: list[dict[str, str]]) -> None:
    file = root / "LMUData" / f"{name}.tsv"
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, list(rows[0]), delimiter="\t")
        writer.writeheader()
        writer.writerows(rows)


def choice(index: int, answer: str = "A", **more: str) -> dict[str, str]:
    return {"index": str(index), "image": picture(index % 256), "question": "What?", "A": "red", "B": "blue",
            "answer": answer} | more  # fmt: skip


def published(root: Path, name: str, rows: list[dict[str, Any]]) -> None:
    file = root / "onethinker-eval" / f"{name}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(rows))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """MMStar (4 questions), MMBench (2 questions in 2 rotations), MMVU (2 on a clip), RefCOCO testA (2), captions (2)
    and a subtask of MMT-Bench."""
    root = tmp_path / "data"
    tsv(root, "MMStar", [choice(i) for i in range(4)])
    tsv(
        root,
        "MMBench_DEV_EN",
        [
            choice(i, image=picture(i) if i < 100 else str(i % 1_000_000), answer=answer)
            for i, answer in ((10, "A"), (11, "A"), (1_000_010, "B"), (1_000_011, "B"))
        ],
    )
    ability = {"l2-category": "visual_captioning"}
    tsv(root, "MMT-Bench_VAL", [
        choice(20, category="point_tracking", **{"l2-category": "tracking"}),
        *(choice(21 + i, category=kind, **ability) for i, kind in enumerate(("image", "image", "image", "video")))
    ])  # fmt: skip
    media = root / "onethinker-eval" / "Evaluation"
    media.mkdir(parents=True)
    write_clip(media / "a.mp4", [np.full((32, 32, 3), 40 * i, np.uint8) for i in range(4)], 2.0)
    Image.new("RGB", (32, 32)).save(media / "b.png")
    published(
        root,
        "eval_mmvu",
        [
            {
                "problem_id": 30 + i,
                "problem": "Which?",
                "data_type": "video",
                "problem_type": "multiple choice",
                "options": ["A. one", "B. two"],
                "solution": "<answer>B</answer>",
                "path": "./Evaluation/a.mp4",
            }
            for i in range(2)
        ],
    )
    published(
        root,
        "eval_refcoco_testA",
        [
            {
                "problem_id": 40 + i,
                "problem": f"thing {i}",
                "data_type": "image",
                "problem_type": "spatial grounding",
                "options": [],
                "solution": f"<answer>{BOX}</answer>",
                "path": "./Evaluation/b.png",
            }
            for i in range(2)
        ],
    )
    tsv(root, "MMSci_DEV_Captioning_image_only", [
        {"index": str(50 + i), "image": picture(i), "question": f"Describe {i}.", "caption": "a red car"}
        for i in range(2)
    ])  # fmt: skip
    return root  # fmt: skip


@pytest.fixture
def target(tmp_path: Path) -> Callable[..., EvalTarget]:
    """A scripted model that knows these answers, by id."""

    def make(answers: dict[int, str], **options: Any) -> EvalTarget:
        file = tmp_path / "model.json"
        file.write_text(
            json.dumps({str(i): f"<think>so</think><answer>{text}</answer>" for i, text in answers.items()})
        )
        settings: dict[str, Any] = {"assignments": ["evaluate.bootstrap=50"], "engine_name": "scripted"} | options
        return EvalTarget(str(file), **settings)

    return make


class Grader:
    """7 of 10 for every answer, or a refusal."""

    identity = "grader"

    def __init__(self, fail: bool = False) -> None:
        self.fail, self.asked = fail, list[Ask]()

    def grade(self, asks):
        self.asked += asks
        return [JudgeError("the judge is away") if self.fail else 7.0 for _ in asks]

    def absolute(self, grade):
        return grade / 10


def entry(suite: dict[str, Any], name: str) -> dict[str, Any]:
    return next(e for e in suite["benchmarks"] if e["name"] == name)


def test_a_suite_runs_each_benchmark_into_its_folder(root, target, tmp_path):
    answers = {0: "A", 1: "A", 2: "B", 3: "A", 30: "B", 31: "B", 40: BOX, 41: '{"boxes": [0, 0, 10, 10]}'}
    suite = run_suite(target(answers), "mmstar,mmvu,refcoco_testa", tmp_path / "out", root)
    assert [e["name"] for e in suite["benchmarks"]] == ["mmstar", "mmvu", "refcoco_testa"]
    star, box = entry(suite, "mmstar"), entry(suite, "refcoco_testa")
    assert (star["value"], star["n"], star["questions"], star["size"]) == (0.75, 4, 4, 1500)
    assert star["published"] == {"Qwen3-VL-8B": 0.685, "OneThinker-8B": 0.706}
    assert star["low"] < 0.75 < star["high"]
    assert (box["metric"], box["value"]) == ("Acc@0.5", 0.5)
    assert entry(suite, "mmvu")["value"] == 1.0
    assert json.loads((tmp_path / "out" / "suite.json").read_text()) == suite
    summary = json.loads((tmp_path / "out" / "mmvu" / "summary.json").read_text())
    assert summary["benchmark"]["published"] == {"Qwen3-VL-8B": 0.656, "OneThinker-8B": 0.705}
    assert summary["config"]["budget"] == BENCHMARKS["mmvu"].budget.model_dump()
    assert (summary["prompts"]["name"], summary["metric_profile"]) == ("full", "official")
    assert summary["data"]["path"] == str(root / "onethinker-eval" / "eval_mmvu.json")


def test_a_second_run_asks_only_what_is_missing(root, target, tmp_path):
    half = run_suite(target({0: "A", 1: "A"}), "mmstar", tmp_path / "out", root)
    assert (entry(half, "mmstar")["n"], entry(half, "mmstar")["errors"]) == (2, 2)
    whole = target({0: "B", 1: "B", 2: "A", 3: "A"})
    again = run_suite(whole, "mmstar", tmp_path / "out", root)
    assert entry(again, "mmstar")["value"] == 1.0 and whole.engine.asked == ["2", "3"]
    more = run_suite(whole, "mmvu", tmp_path / "out", root)
    assert [e["name"] for e in more["benchmarks"]] == ["mmstar", "mmvu"]  # the suite's own, not only this call's


def test_budget_prompts_and_profile_are_part_of_a_results_identity(root, target, tmp_path):
    def settings(**options):
        run_suite(target(dict.fromkeys(range(4), "A"), **options), "mmstar", tmp_path / "out", root)
        return json.loads((tmp_path / "out" / "mmstar" / "summary.json").read_text())["settings"]["greedy"]

    digests = [
        settings(),
        settings(assignments=["prompts=short"]),
        settings(assignments=["evaluate.budget.max_frames=8"]),
        settings(assignments=["evaluate.metric_profile=released"]),
    ]
    assert len(set(digests)) == 4
    assert len(JsonLines(tmp_path / "out" / "mmstar" / "results.jsonl").rows()) == 16


def test_a_question_counts_if_every_rotation_is_right(root, target, tmp_path):
    answers = {10: "A", 1_000_010: "B", 11: "A", 1_000_011: "A"}
    found = entry(run_suite(target(answers), "mmbench", tmp_path / "out", root), "mmbench")
    assert (found["value"], found["n"], found["questions"]) == (0.5, 2, 4)
    del answers[11]
    found = entry(run_suite(target(answers), "mmbench", tmp_path / "other", root), "mmbench")
    assert (found["value"], found["n"], found["errors"]) == (1.0, 1, 1)


def test_a_subtask_takes_its_own_rows(root, target, tmp_path):
    suite = run_suite(target({20: "A"}), "unseen_point_tracking", tmp_path / "out", root)
    assert entry(suite, "unseen_point_tracking")["questions"] == 1
    assert entry(suite, "unseen_point_tracking")["published"] == {}
    with pytest.raises(BenchmarkError, match="the rows have image, point_tracking, video"):
        run_suite(target({}), "unseen_gui_install", tmp_path / "out", root)


def test_free_text_refuses_to_run_without_a_judge(root, target, tmp_path):
    with pytest.raises(
        BenchmarkError,
        match="mmsci_caption: free text, 2 of its 2 questions, needs a model to grade it; name one with --judge",
    ):
        run_suite(target({}), "mmstar,mmsci_caption", tmp_path / "out", root)
    assert not (tmp_path / "out").exists()


def test_open_questions_among_others_need_a_judge_too(root, target, tmp_path):
    published(root, "eval_mmvu", [
        {"problem_id": 30, "problem": "Why?", "data_type": "video", "problem_type": "open-ended", "options": [],
         "solution": "<answer>because</answer>", "path": "./Evaluation/a.mp4"}
    ])  # fmt: skip
    with pytest.raises(BenchmarkError, match="mmvu: free text, 1 of its 1 questions, needs"):
        run_suite(target({}), "mmvu", tmp_path / "out", root)
    suite = run_suite(target({30: "so"}, judge=Grader()), "mmvu", tmp_path / "out", root)
    assert entry(suite, "mmvu")["value"] == pytest.approx(0.7)


def test_a_judges_grade_is_the_captions_number(root, target, tmp_path):
    judge = Grader()
    suite = run_suite(target({50: "a car", 51: "a boat"}, judge=judge), "mmsci_caption", tmp_path / "out", root)
    found = entry(suite, "mmsci_caption")
    assert (found["metric"], found["value"], found["n"]) == ("judge", pytest.approx(0.7), 2)
    assert [(ask.reference, ask.candidate) for ask in judge.asked] == [("a red car", "a car"), ("a red car", "a boat")]
    summary = json.loads((tmp_path / "out" / "mmsci_caption" / "summary.json").read_text())
    assert summary["judge"] == "grader"


def test_a_judge_that_fails_costs_the_row_and_is_asked_again(root, target, tmp_path):
    answers = {50: "a car", 51: "a boat"}
    suite = run_suite(target(answers, judge=Grader(fail=True)), "mmsci_caption", tmp_path / "out", root)
    assert (entry(suite, "mmsci_caption")["value"], entry(suite, "mmsci_caption")["errors"]) == (None, 2)
    rows = JsonLines(tmp_path / "out" / "mmsci_caption" / "results.jsonl").rows()
    assert {row["error"] for row in rows} == {"judge: the judge is away"}
    again = run_suite(target(answers, judge=Grader()), "mmsci_caption", tmp_path / "out", root)
    assert entry(again, "mmsci_caption")["n"] == 2


def test_what_is_missing_is_named_with_every_path(root, target, tmp_path):
    with pytest.raises(BenchmarkError) as refused:
        run_suite(target({}), "mmstar,charades_sta,mmmu", tmp_path / "out", root)
    said = str(refused.value)
    assert f"charades_sta: not on this disk; expected {root}/onethinker-eval/eval_charades.json or" in said
    assert f"{root}/Charades-STA/charades_sta_test.txt and {root}/Charades-STA/Charades_v1_480" in said
    assert f"mmmu: not on this disk; expected {root}/LMUData/MMMU_DEV_VAL.tsv or {root}/MMMU/" in said
    assert "From: VLMEvalKit's TSV; hub data set MMMU/MMMU" in said
    assert "mmstar" not in said.replace("MMStar", "")


def test_a_family_runs_what_is_there_and_says_what_is_not(root):
    found = ready("image_qa,caption", root, judged=False)
    runnable, skipped = found.runnable, found.skipped
    assert [found.benchmark.name for found, _ in runnable] == ["mmbench", "mmstar", "mmt_bench", "mmt_caption"]
    assert "needs a model to grade it" in skipped["mmsci_caption"] and "MMMU_DEV_VAL.tsv" in skipped["mmmu"]
    with pytest.raises(BenchmarkError, match=r"(?s)cannot run.*got10k: not on this disk"):
        ready("tracking", root, judged=False)


def test_looking_finds_the_first_layout_that_is_whole(root):
    assert look(BENCHMARKS["mmvu"], root).path(root) == root / "onethinker-eval" / "eval_mmvu.json"
    gone = look(BENCHMARKS["mevis"], root)
    assert gone.place is None
    with pytest.raises(BenchmarkError, match="MeViS is not on this disk"):
        gone.path(root)
    found = [name for name in choose("all") if look(BENCHMARKS[name], root).place]
    assert len([name for name in found if name.startswith("unseen_")]) == 6
    assert [name for name in found if not name.startswith("unseen_")] == [
        "mmbench", "mmstar", "mmt_bench", "mmvu", "mmsci_caption", "mmt_caption", "refcoco_testa"]  # fmt: skip


def test_a_set_that_cannot_be_read_keeps_no_other_from_running(root, target, tmp_path):
    published(root, "eval_refcoco_testA", [{"problem": 1}])
    model = target(dict.fromkeys(range(4), "A"))
    suite = run_suite(model, "mmstar,refcoco_testa", tmp_path / "out", root)
    assert model.engine.asked == ["0", "1", "2", "3"] and entry(suite, "mmstar")["n"] == 4
    assert list(suite["unreadable"]) == ["refcoco_testa"] and suite["skipped"] == {}
    assert "eval_refcoco_testA.json, row 1: field 'problem'" in suite["unreadable"]["refcoco_testa"]
    with pytest.raises(BenchmarkError, match=r"(?s)cannot run.*refcoco_testa: .*eval_refcoco_testA\.json, row 1"):
        run_suite(model, "refcoco_testa", tmp_path / "out", root)


def test_a_category_that_the_file_lacks_ends_its_own_run_alone(root, target, tmp_path):
    suite = run_suite(target({20: "A"}), "zero_shot", tmp_path / "out", root)
    assert [e["name"] for e in suite["benchmarks"]] == ["unseen_point_tracking"]
    assert len(suite["unreadable"]) == 5 and "no row with" in suite["unreadable"]["unseen_gui_install"]


def test_mevis_runs_beside_a_reasonvos_that_cannot_be_read(root, target, tmp_path):
    def video(folder: str, expressions: Any) -> None:
        frames = root / folder / "JPEGImages" / "v"
        frames.mkdir(parents=True)
        Image.new("RGB", (16, 16)).save(frames / "0.jpg")
        videos = {"v": {"source": "mose", "frames": ["0"], "expressions": expressions}}
        (root / folder / "meta_expressions.json").write_text(json.dumps({"videos": videos}))

    video("MeViS/valid_u", {"0": {"exp": "a", "anno_id": [1]}})
    (root / "MeViS/valid_u/mask_dict.json").write_text('{"1": [{"size": [16, 16], "counts": [20, 100, 136]}]}')
    video("ReasonVOS", "none")
    (root / "ReasonVOS/Annotations").mkdir()
    suite = run_suite(target({}), "video_segmentation", tmp_path / "out", root)
    assert [e["name"] for e in suite["benchmarks"]] == ["mevis"]
    assert "video 'v'" in suite["unreadable"]["reasonvos"]


def test_the_mean_over_categories_counts_each_the_same(root, target, tmp_path):
    """By hand: image has 1 of 3 right, video 1 of 1, so (1/3 + 1)/2 and not 2/4; as VLMEvalKit's report_acc_MMT."""
    answers = {21: "A", 22: "B", 23: "B", 24: "A"}
    found = entry(run_suite(target(answers), "mmt_caption", tmp_path / "out", root), "mmt_caption")
    assert (found["value"], found["n"], found["published"]) == (
        pytest.approx(2 / 3), 4, {"Qwen3-VL-8B": 0.473, "OneThinker-8B": 0.579})  # fmt: skip
    assert found["low"] <= found["value"] <= found["high"]
    del answers[22]  # an error leaves the category 1 of 2
    found = entry(run_suite(target(answers), "mmt_caption", tmp_path / "other", root), "mmt_caption")
    assert (found["value"], found["n"], found["errors"]) == (pytest.approx(3 / 4), 3, 1)


def test_mmstar_is_the_mean_of_its_categories(root, target, tmp_path):
    tsv(root, "MMStar", [choice(i, category=kind) for i, kind in enumerate("aaab")])
    found = entry(run_suite(target({0: "A", 1: "B", 2: "B", 3: "A"}), "mmstar", tmp_path / "out", root), "mmstar")
    assert found["value"] == pytest.approx((1 / 3 + 1) / 2)


def test_rotations_of_the_hubs_files_belong_together():
    """Ids there begin with the split: mmbench_evals.py of lmms-eval groups by index % 10⁶ too."""
    samples = [
        Sample(f"dev-en-{i}", "multiple_choice", "image", "?", "A", ("A. x", "B. y")) for i in (3, 1000003, 4, 2000004)
    ]
    row = {"task": "multiple_choice", "decoding": "greedy"}
    rows = [
        row | {"id": s.id} | score_row(score(s, f"<think>.</think><answer>{said}</answer>"))
        for s, said in zip(samples, "AABA")
    ]
    found = measured(BENCHMARKS["mmbench"], rows, samples, "official", Bootstrap(50))
    assert (found["value"], found["n"]) == (0.5, 2)


def test_a_model_trained_here_keeps_its_words_and_is_shown_no_more_than_it_learned_with(tmp_path):
    from onethinker.models.shipped import RECIPE_FILE
    from onethinker.recipes import SHIPPED

    (tmp_path / RECIPE_FILE).write_text(SHIPPED["mini"].model_dump_json())
    recipe = EvalTarget(str(tmp_path)).recipe(BENCHMARKS["mmvu"])
    assert recipe.prompts == "short" and recipe.evaluate.sampled == 0
    assert recipe.evaluate.budget == SHIPPED["mini"].evaluate.budget
    wider = EvalTarget(str(tmp_path), assignments=["evaluate.budget.max_frames=32"]).recipe(BENCHMARKS["mmvu"])
    assert wider.evaluate.budget.max_frames == 32
    with pytest.raises(RecipeError):
        EvalTarget(str(tmp_path), assignments=["evaluate.no=1"]).recipe()
