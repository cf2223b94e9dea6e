"""`onethinker eval` as a person types it: the list, a suite, refusals."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from onethinker.cli.app import app
from onethinker.evaluate.benchmarks import BENCHMARKS, BenchmarkError
from onethinker.scoring.judge import JudgeError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A data root with two of RefCOCOg's questions as published, on a picture."""
    folder = tmp_path / "data" / "onethinker-eval"
    folder.mkdir(parents=True)
    Image.new("RGB", (16, 16)).save(folder / "a.png")
    rows = [
        {"problem_id": i, "problem": f"thing {i}", "data_type": "image", "problem_type": "spatial grounding",
         "options": [], "solution": '<answer>{"boxes": [0, 0, 500, 500]}</answer>', "path": "./a.png"}
        for i in range(2)
    ]  # fmt: skip
    (folder / "eval_refcocog_val.json").write_text(json.dumps(rows))
    return tmp_path / "data"


def run(*words: object, **options: object):
    return CliRunner().invoke(app, [str(word) for word in ("eval", *words)], **options)


def test_the_list_says_what_is_here_and_where_the_rest_is_expected(root):
    done = run("--list", "--data-root", root)
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    named = {name: next(line for line in lines if f" {name} " in line) for name in BENCHMARKS}
    here = [name for name, line in named.items() if line.strip().startswith("✓")]
    assert here == ["refcocog_val"]
    for path in ("LMUData/MMStar.tsv", "onethinker-eval/eval_refcocog_val.json", "onethinker-eval/eval_seg_mevis.json"):
        assert f"{root}/{path}" in done.output
    assert "needed" in named["mmsci_caption"] and "needed" not in named["mmstar"]
    assert "10,834" in named["refcoco_val"]


def test_the_list_on_a_narrow_terminal_keeps_names_and_paths(root, monkeypatch):
    monkeypatch.setattr("onethinker.cli.evaluate._WIDE", 100)
    done = run("--list", "--suite", "caption", "--data-root", "data")
    assert done.exit_code == 0, done.output
    assert (
        "needed" in done.output
        and "data/LMUData/MMSci_DEV_Captioning_image_only.tsv" in done.output
        and "split" not in done.output
    )


def test_the_list_of_a_family_below_the_root_that_the_environment_names(root):
    done = run("--list", "--suite", "spatial", env={"ONETHINKER_DATA": str(root)})
    assert done.exit_code == 0
    assert "✓" in done.output and "mmmu" not in done.output and "refcocop_testb" in done.output


def test_the_list_opens_the_first_questions_before_it_says_that_a_set_is_here(root):
    published = root / "onethinker-eval"
    (published / "eval_refcocog_test.json").write_text('[{"problem": 1}]')
    (published / "eval_anet_rtl.json").write_text("[")
    (root / "Charades-STA").mkdir()
    (root / "Charades-STA/charades_sta_test.txt").write_text("A 1 2##x.\n")
    (root / "LongVideoBench/videos").mkdir(parents=True)
    question = {"id": "a", "video_path": "a.mp4", "question": "?", "candidates": ["r", "s"], "correct_choice": 1}
    (root / "LongVideoBench/lvb_val.json").write_text(json.dumps([question]))
    done = run("--list", "--data-root", root)
    assert done.exit_code == 0, done.output
    named = {name: next(line for line in done.output.splitlines() if f" {name} " in line) for name in BENCHMARKS}
    assert {name: line.split()[0] for name, line in named.items() if line.split()[0] != "–"} == {
        "refcocog_val": "✓", "refcocog_test": "!", "anet_rtl": "!", "longvideobench": "!"}  # fmt: skip
    assert "eval_refcocog_test.json, row 1: field 'problem'" in named["refcocog_test"]
    assert "half there: sample val-a needs" in named["longvideobench"] and "videos/a.mp4" in named["longvideobench"]
    assert f"half there, lacks {root}/Charades-STA/Charades_v1_480" in done.output


def test_the_list_says_which_category_a_file_lacks(root):
    data = base64.b64encode((root / "onethinker-eval/a.png").read_bytes()).decode()
    header, row = "index\timage\tquestion\tA\tB\tanswer\tcategory\n", f"1\t{data}\t?\tx\ty\tA\tpoint_tracking\n"
    (root / "LMUData").mkdir()
    (root / "LMUData/MMT-Bench_VAL.tsv").write_text(header + row)
    done = run("--list", "--suite", "zero_shot,mmt_bench,mmt_caption", "--data-root", root)
    lines = [line.split() for line in done.output.splitlines()[1:]]
    assert [line[1] for line in lines if line[0] == "✓"] == ["mmt_bench", "unseen_point_tracking"]
    assert sum(line[0] == "!" for line in lines) == 6 and "no row with {'category': ('gui_install'" in done.output


def test_the_list_makes_no_clips_and_names_a_frame_that_is_missing(root):
    folder = root / "GOT-10k/val"
    for number in range(9):
        sequence = folder / f"GOT-10k_Val_{number:06d}"
        sequence.mkdir(parents=True)
        Image.new("RGB", (16, 16)).save(sequence / "00000001.jpg")
        (sequence / "groundtruth.txt").write_text("1,1,4,4\n")
        (sequence / "cover.label").write_text("8\n")
        (sequence / "meta_info.ini").write_text("[METAINFO]\nresolution: (16, 16)\n")
    (folder / "list.txt").write_text("".join(f"GOT-10k_Val_{number:06d}\n" for number in range(9)))
    done = run("--list", "--suite", "tracking", "--data-root", root)
    assert "✓" in done.output, done.output
    assert not (root / "GOT-10k/onethinker-media").exists()
    (folder / "GOT-10k_Val_000001/00000001.jpg").unlink()
    done = run("--list", "--suite", "tracking", "--data-root", root)
    assert "half there: sample GOT-10k_Val_000001 needs" in done.output and "000001/00000001.jpg, which" in done.output


def test_a_set_that_cannot_be_read_is_named_and_the_others_run(root, tmp_path):
    (root / "onethinker-eval" / "eval_refcocog_test.json").write_text('[{"problem": 1}]')
    model = tmp_path / "model.json"
    model.write_text(
        json.dumps({str(i): '<think>.</think><answer>{"boxes": [0, 0, 500, 500]}</answer>' for i in (0, 1)})
    )
    words = (model, "--engine", "scripted", "--suite", "spatial", "--data-root", root, "--out", tmp_path / "out")
    done = run(*words, "--set", "evaluate.bootstrap=20")
    assert done.exit_code == 1
    assert next(line for line in done.stdout.splitlines() if line.startswith(" refcocog_val ")).split()[5] == "100.0"
    assert "cannot be read: refcocog_test: " in done.stderr and "eval_refcocog_test.json, row 1" in done.stderr


def test_a_suite_prints_its_numbers_beside_the_papers(root, tmp_path):
    model = tmp_path / "model.json"
    model.write_text(
        json.dumps({str(i): '<think>.</think><answer>{"boxes": [0, 0, 500, 500]}</answer>' for i in (0, 1)})
    )
    words = (model, "--engine", "scripted", "--suite", "spatial", "--data-root", root, "--out", tmp_path / "out")
    done = run(*words, "--set", "evaluate.bootstrap=20")
    assert done.exit_code == 0, done.output
    line = next(line for line in done.stdout.splitlines() if line.startswith(" refcocog_val "))
    # Wilson's interval of two right of two: 1 / (1 + 1.96² / 2) = 34.2 %
    assert line.split() == ["refcocog_val", "Acc@0.5", "2", "4896", "0", "100.0", "34.2", "…", "100.0", "86.8", "89.2"]
    assert "not run: refcoco_testa: not on this disk; expected" in done.output
    assert (tmp_path / "out" / "refcocog_val" / "summary.json").is_file()


def test_a_suite_says_why_a_question_could_not_be_asked(root, tmp_path):
    (root / "onethinker-eval" / "a.png").unlink()
    model = tmp_path / "model.json"
    model.write_text(json.dumps({str(i): "" for i in (0, 1)}))
    words = (model, "--engine", "scripted", "--suite", "refcocog_val", "--data-root", root, "--out", tmp_path / "out")
    done = run(*words, "--set", "evaluate.bootstrap=20")
    assert done.exit_code == 1 and "not one question was answered: refcocog_val" in done.stderr
    assert "refcocog_val: errors: 2, the first: " in done.stdout and "a.png" in done.stdout


def test_a_row_of_no_task_is_left_out_as_check_and_score_find_it(root, tmp_path):
    """In the published form as in ours: counted, named with file, row and the nearest task; the others are asked."""
    row = {"modality": "image", "question": "Where?", "truth": '{"boxes": [0, 0, 500, 500]}', "media": ["a.png"]}
    rows = [row | {"id": task, "task": task} for task in ("spatial_grounding", "spatial_groundin")]
    published = {"problem_id": "p", "problem": "Where?", "data_type": "image", "problem_type": "trackin",
                 "solution": "<answer>1</answer>", "path": "a.png"}  # fmt: skip
    data = root / "onethinker-eval" / "mine.jsonl"
    data.write_text("".join(json.dumps(line) + "\n" for line in (*rows, published)))
    model = tmp_path / "model.json"
    model.write_text(json.dumps({"spatial_grounding": '<think>.</think><answer>{"boxes": [0, 0, 500, 500]}</answer>'}))
    done = run(
        model, "--engine", "scripted", "--data", data, "--out", tmp_path / "out", "--set", "evaluate.bootstrap=20"
    )
    assert done.exit_code == 0, done.output
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    told = [
        f"{data}, row 2: no task 'spatial_groundin'; the nearest is 'spatial_grounding', all are multiple_choice",
        f"{data}, row 3: problem_type 'trackin'; the nearest is 'tracking', all are multiple choice",
    ]
    assert (summary["n"], summary["errors"], summary["data"]["left_out"]) == (1, 0, 2)
    assert [row.startswith(line) for row, line in zip(summary["data"]["left_out_rows"], told, strict=True)] == [
        True
    ] * 2
    assert f"rows left out: 2, the first: {told[0]}" in done.stdout.replace("\n", "")
    checked = CliRunner().invoke(app, ["data", "check", str(data)]).stdout.splitlines()
    assert len(checked) == 3 and all(line.startswith(said) for line, said in zip(checked, told, strict=False))
    answers = tmp_path / "answers.jsonl"
    answers.write_text("".join(json.dumps(line | {"response": "x"}) + "\n" for line in (*rows, published)))
    scored = CliRunner().invoke(app, ["score", str(answers), "--out", str(tmp_path / "scored.jsonl")])
    errors = [json.loads(line).get("message", "") for line in (tmp_path / "scored.jsonl").read_text().splitlines()]
    assert scored.exit_code == 1 and errors[0] == ""
    assert [told[i].endswith(e[: len(told[i].partition(": ")[2])]) for i, e in enumerate(errors[1:])] == [True] * 2


def test_refusals_say_what_to_do(root, tmp_path):
    assert "--suite" in run("model").output
    assert run("model", "--data", "x", "--suite", "all").exit_code == 2
    asked = run(tmp_path / "none.json", "--engine", "scripted", "--suite", "mmt_caption", "--data-root", root)
    assert isinstance(asked.exception, BenchmarkError) and "expected" in str(asked.exception)
    judged = run("m", "--suite", "mmstar", "--judge-model", "x")
    assert isinstance(judged.exception, JudgeError)
    assert "two folders" in run("compare", "only-one").output
    assert "goes with --data" in run("model", "--suite", "mmstar", "--media-root", root).output
