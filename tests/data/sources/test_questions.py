"""Tables of questions: each set's own columns to questions, options and answers, as its official tool reads them."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from onethinker.data.sources import SOURCES, read
from onethinker.media import open_image
from onethinker.sample import DataError, Sample
from onethinker.tasks import get_task, score
from onethinker.tasks.prompts import load_prompts

Put = Callable[[str, Any], Path]
Png = Callable[[int], bytes]


def one(name: str, root: Path, split: str) -> Sample:
    (sample,) = read(name, root, split)
    assert score(sample, f"<think>x</think><answer>{sample.truth}</answer>").accuracy == 1
    get_task(sample.task).prompt(sample, load_prompts("full"))
    return sample


def test_mmmu_pictures_stand_where_the_question_has_them(put: Put, png: Png, tmp_path: Path) -> None:
    row = {"id": "validation_Art_1", "question": "Is <image 2> after <image 1>?", "options": "['yes', 'no <b>']",
           "answer": "B", "question_type": "multiple-choice", "image_1": {"bytes": png(1), "path": "1.png"},
           "image_2": {"bytes": png(2), "path": None}, "image_3": None, "subfield": "Painting"}  # fmt: skip
    put("Art/validation-00000-of-00001.parquet", [row])
    sample = one("mmmu", tmp_path, "validation")
    assert (sample.id, sample.task) == ("validation-validation_Art_1", "multiple_choice")
    assert (sample.question, sample.options) == ("Is <image> after <image>?", ("A. yes", "B. no <b>"))
    assert [open_image(path).getpixel((0, 0))[0] for path in sample.paths(tmp_path)] == [2, 1]
    assert sample.meta == {"subfield": "Painting"}


def test_mmmu_pictures_in_options_come_first_by_number(put: Put, png: Png, tmp_path: Path) -> None:
    row = {"id": "v", "question": "Which fits <image 1>?", "options": "['<image 2>', '<image 3>']", "answer": "A"}
    row |= {f"image_{k}": {"bytes": png(k), "path": None} for k in (1, 2, 3)}
    put("data/validation-00000-of-00001.parquet", [row])
    sample = one("mmmu", tmp_path, "validation")
    assert (sample.question, sample.options) == ("Which fits image 1?", ("A. image 2", "B. image 3"))
    assert [open_image(path).getpixel((0, 0))[0] for path in sample.paths(tmp_path)] == [1, 2, 3]


@pytest.mark.parametrize(
    ("answer", "task", "truth"),
    [
        ("['1,200', '1200.0']", "numerical", "1,200"),
        ("['6', 'six']", "math", "6"),
        ("24/7", "math", "24/7"),
        ("5", "numerical", "5"),
    ],
)
def test_mmmu_open_questions(put: Put, png: Png, tmp_path: Path, answer: str, task: str, truth: str) -> None:
    row = {"id": "v", "question": "<image 1> How many?", "options": "[]", "answer": answer}
    put("data/validation-0.parquet", [row | {"image_1": {"bytes": png(1), "path": None}}])
    sample = one("mmmu", tmp_path, "validation")
    assert (sample.task, sample.truth, sample.options) == (task, truth, ())
    assert sample.meta.get("accepted") == (ast.literal_eval(answer) if answer.startswith("[") else None)


def test_mathvista(put: Put, png: Png, tmp_path: Path) -> None:
    base = {"question": "How long?", "decoded_image": {"bytes": png(1), "path": None}, "unit": None, "precision": None}
    put("data/testmini-0.parquet", [
        base | {"pid": "1", "choices": ["2", "1"], "answer": "1", "answer_type": "text"},
        base | {"pid": "2", "choices": None, "answer": "1.5", "answer_type": "float", "precision": 1.0, "unit": "m"},
        base | {"pid": "3", "choices": None, "answer": "[1, 2]", "answer_type": "list"},
        base | {"pid": "4", "choices": ["(A) 2", "(B) 1"], "answer": "(B) 1", "answer_type": "text"},
    ])  # fmt: skip
    first, second, third, fourth = read("mathvista", tmp_path, "testmini")
    assert (first.options, first.truth) == (("A. 2", "B. 1"), "B")  # the option's text, not its place
    assert (fourth.options, fourth.truth) == (("(A) 2", "(B) 1"), "B")
    assert second.question == "How long? (Unit: m) Round to 1 decimal places."
    assert [s.task for s in (first, second, third)] == ["multiple_choice", "numerical", "math"]
    assert len({s.media for s in (first, second, third)}) == 1  # the same picture is written once


def test_mathverse(put: Put, png: Png, tmp_path: Path) -> None:
    base = {"image": {"bytes": png(1), "path": None}, "problem_version": "Text Dominant", "problem_index": "1"}
    question = "AB is a diameter.\nChoices:\nA:50°\nB:40°"
    put("testmini.parquet", [
        base | {"sample_index": "1", "question": question, "answer": "B", "question_type": "multi-choice"},
        base | {"sample_index": "2", "question": "Find x.", "answer": "5\\sqrt{3}", "question_type": "free-form"},
        base | {"sample_index": "3", "question": "", "answer": "A", "question_type": "multi-choice",
                "problem_version": "Vision Only"},
    ])  # fmt: skip
    first, second, third = read("mathverse", tmp_path, "testmini")
    assert (first.question, first.options) == ("AB is a diameter.", ("A. 50°", "B. 40°"))
    assert [s.task for s in (first, second, third)] == ["multiple_choice", "math", "multiple_choice"]
    assert third.question == "Answer the question in the picture."
    assert one("mathverse", tmp_path, "vision-only").id == "vision-only-3"


def test_mathverse_answers_that_are_no_letter(put: Put, png: Png, tmp_path: Path) -> None:
    """Those of its testmini: an option's text, a letter in brackets, two letters; the row's `question_for_eval` has the
    options where the question stands in the picture."""
    base = {"image": {"bytes": png(1), "path": None}, "question_type": "multi-choice"}
    two = "Which two are opposite?\nChoose 2 answers:\nChoices:\nA:x\nB:y\nC:z\nD:w"
    rows = [
        ("True or false?\nChoice:\nA. True\nB. False", "False"),
        ("Which?\nChoices:\nA.$x$\nB.$y$\nC.All real $x$", "(C)"),
        (two, "C\nD"),
        ("Find the bearing.\nChoice:\nA. 090^\\circ T\nB. 180^\\circ T", "090^\\circ T"),
    ]
    put("testmini.parquet", [
        base | {"sample_index": f"{at}{version[0]}", "problem_index": str(at), "problem_version": version,
                "question": "" if version == "Vision Only" else question, "question_for_eval": question,
                "answer": answer}
        for version in ("Text Lite", "Vision Only") for at, (question, answer) in enumerate(rows)
    ])  # fmt: skip
    text, picture = (list(read("mathverse", tmp_path, "testmini"))[at : at + 4] for at in (0, 4))
    assert [s.truth for s in text] == [s.truth for s in picture] == ["B", "C", "C, D", "A"]
    assert [s.task for s in text] == ["multiple_choice", "multiple_choice", "math", "multiple_choice"]
    assert (text[0].question, text[0].options) == ("True or false?", ("A. True", "B. False"))
    assert text[2].question == "Which two are opposite?\nChoose 2 answers:\nA. x\nB. y\nC. z\nD. w"
    assert {s.question for s in picture} == {"Answer the question in the picture."}
    assert {s.options for s in picture} == {()}
    for sample in (*text, *picture):
        assert score(sample, f"<think>x</think><answer>{sample.truth}</answer>").accuracy == 1
    assert score(text[2], "<think>x</think><answer>C</answer>").accuracy == 0
    put("testmini.parquet", [base | {"sample_index": str(at), "question": "", "answer": answer}
                             for at, (_, answer) in enumerate(rows)])  # fmt: skip
    alone = list(read("mathverse", tmp_path, "testmini"))  # an older file, without `question_for_eval`
    assert [(s.task, s.truth) for s in alone] == [
        ("math", "False"), ("multiple_choice", "C"), ("math", "C, D"), ("math", "090^\\circ T")]  # fmt: skip
    put("testmini.parquet", [base | {"sample_index": "1", "question": rows[1][0], "answer": "E"}])
    with pytest.raises(DataError, match=r"testmini\.parquet, row 0: the answer 'E' is none of 3 options"):
        list(read("mathverse", tmp_path, "testmini"))


@pytest.mark.parametrize("folder", ["data", "ScienceQA-FULL"])
def test_scienceqa_leaves_out_questions_without_a_picture(put: Put, png: Png, tmp_path: Path, folder: str) -> None:
    """The authors' rows: half of them have an empty `image`."""
    row = {"question": "Which?", "choices": ["a", "b"], "answer": 0, "hint": "", "subject": "x"}
    put(f"{folder}/test-00000-of-00001-f0e719df791966ff.parquet",
        [row | {"image": picture} for picture in (None, {"bytes": png(1), "path": None}, {"bytes": None, "path": None})]
    )  # fmt: skip
    assert one("scienceqa", tmp_path, "test").id == "test-1"
    put(f"{folder}/validation-0.parquet", [row | {"image": {"bytes": b"", "path": ""}}])
    with pytest.raises(
        DataError, match=r"validation-\*\.parquet: no question of scienceqa validation that has its picture"
    ):
        list(read("scienceqa", tmp_path, "validation"))


def test_mmbench_of_the_hub_has_rotations(put: Put, png: Png, tmp_path: Path) -> None:
    row = {"question": "Which?", "hint": "See.", "A": "x", "B": "y", "C": "nan", "D": "nan", "category": "ocr",
           "image": {"bytes": png(1), "path": None}}  # fmt: skip
    put("en/dev-0.parquet", [row | {"index": 3, "answer": "A"}, row | {"index": 1_000_003, "answer": "B"}])
    found = list(read("mmbench", tmp_path, "dev-en"))
    assert [s.id for s in found] == ["dev-en-3", "dev-en-1000003"]
    assert found[0].question == "Hint: See.\nQuestion: Which?"


def test_picture_sets_of_the_hub(put: Put, png: Png, tmp_path: Path) -> None:
    image = {"image": {"bytes": png(1), "path": None}}
    put(
        "ScienceQA-IMG/test-0.parquet",
        [image | {"question": "Which?", "choices": ["a", "b"], "answer": 1, "hint": "Look.", "subject": "physics"}],
    )
    put("data/test-0.parquet", [image | {"question": "Which?", "options": ["1", "0"], "answer": "1"}])
    put(
        "mmstar.parquet",
        [{"index": 7, "question": "Which?\nOptions: A: x, B: y", "answer": "B", "image": png(2), "category": "logic"}],
    )
    put("en/dev-0.parquet", [image | {"index": 3, "question": "Which?", "hint": "nan", "A": "x", "B": "y", "C": "nan",
                                      "D": None, "answer": "B", "category": "ocr"}])  # fmt: skip
    science, ai2d = one("scienceqa", tmp_path, "test"), one("ai2d", tmp_path, "test")
    assert (science.question, science.truth, science.id) == ("Hint: Look.\nQuestion: Which?", "B", "test-0")
    assert (ai2d.options, ai2d.truth) == (("A. 1", "B. 0"), "B")  # the place, not the option's text
    star = one("mmstar", tmp_path, "val")
    assert (star.id, star.options, star.truth, star.task) == ("val-7", (), "B", "multiple_choice")
    bench = one("mmbench", tmp_path, "dev-en")
    assert (bench.question, bench.options) == ("Which?", ("A. x", "B. y"))


def test_clip_sets(put: Put, tmp_path: Path) -> None:
    put(
        "videomme/test-0.parquet",
        [
            {
                "question_id": "001-1",
                "videoID": "abc",
                "question": "Why?",
                "options": ["A. x.", "B. y.", "C. z.", "D. w."],
                "answer": "C",
                "duration": "short",
            }
        ],
    )
    put("data/abc.mkv", b"x")
    put(
        "lvb_val.json",
        [
            {
                "id": "a_0",
                "video_path": "a.mp4",
                "question": " What follows? ",
                "candidates": ["r", "s"],
                "correct_choice": 1,
                "duration_group": 15,
            }
        ],
    )
    put("videos/a.mp4", b"x")
    put(
        "test_Video-Holmes.json",
        [{"video ID": "x1", "Question ID": 3, "Question": "Who?", "Answer": "B", "Options": {"A": "he", "B": "she"}}],
    )
    put("mcq/test-0.parquet", [{"question_id": "q1", "videoID": "m", "question": "n?", "answer": "B",
                                "options": ["A. 1", "B. 2"], "category": "Chart"}])  # fmt: skip
    mme = one("videomme", tmp_path, "test")
    assert (mme.options[2], mme.truth, mme.media) == ("C. z.", "C", ("data/abc.mkv",))
    long = one("longvideobench", tmp_path, "val")
    assert (long.question, long.options, long.truth) == ("What follows?", ("A. r", "B. s"), "B")
    assert (long.media, long.meta) == (("videos/a.mp4",), {"duration_group": "15"})
    holmes = one("video-holmes", tmp_path, "test")
    assert (holmes.options, holmes.truth, holmes.media) == (("A. he", "B. she"), "B", ("videos_cropped/x1.mp4",))
    assert one("videomathqa", tmp_path, "test").media == ("videos/m.mp4",)


def test_mmvu_keeps_its_multiple_choice(put: Put, tmp_path: Path) -> None:
    rows = [{"id": "v1", "video": "https://hub/resolve/main/videos/Art/1.mp4", "question_type": "multiple-choice",
             "question": "?", "choices": {"A": "x", "B": "y", "E": ""}, "answer": "B"},
            {"id": "v2", "question_type": "open-ended"}]  # fmt: skip
    put("validation.json", rows)
    put("videos/Art/1.mp4", b"x")
    sample = one("mmvu", tmp_path, "validation")
    assert (sample.options, sample.media) == (("A. x", "B. y"), ("videos/Art/1.mp4",))


def test_videommmu_finds_clips_by_discipline(put: Put, tmp_path: Path) -> None:
    row = {"id": "validation_Math_1", "question": "See <image 1>: x?", "options": ["p", "q"], "answer": "B"}
    for track in ("Perception", "Comprehension"):
        put(f"{track}/test-0.parquet", [row])
    put("Adaptation/test-0.parquet", [row | {"options": [], "answer": "['2.5']"}])
    put("Science/validation_Math_1.mp4", b"x")
    found = list(read("videommmu", tmp_path, "test"))
    assert [s.task for s in found] == ["numerical", "multiple_choice", "multiple_choice"]
    assert {s.media for s in found} == {("Science/validation_Math_1.mp4",)}
    before = "You should watch and learn the video content. Then apply what you learned to answer the following "
    end = "The image for this question is at the end of the video.\nSee <image 1>: x?"
    assert found[0].question == f"{before}open-ended question. {end}"
    assert found[1].question == "See <image 1>: x?\nPlease ignore the Quiz question in last frame of the video."
    put("Adaptation/test-0.parquet", [row])
    assert next(read("videommmu", tmp_path, "adaptation")).question == f"{before}multi-choice question. {end}"
    assert [s.meta["track"] for s in found] == ["Adaptation", "Comprehension", "Perception"]
    assert len(list(read("videommmu", tmp_path, "comprehension"))) == 1


def test_longvideo_reason(put: Put, tmp_path: Path) -> None:
    rows = [
        {"problem_id": 1, "problem": "<video>\nWhy?\nA. one\nB. two\n", "answer": "<answer>B</answer>",
         "videos": "longvila_videos/c.webm", "problem_type": "plot"},
        {"problem_id": 2, "problem": "No options.", "answer": "<answer>C</answer>", "videos": "longvila_videos/d.mp4",
         "problem_type": "goal"},
    ]  # fmt: skip
    put("test.jsonl", "\n".join(map(json.dumps, rows)))
    put("longvideo_eval_subset3/c.webm", b"x")
    first, second = read("longvideo-reason", tmp_path, "test")
    assert (first.question, first.options, first.truth) == ("Why?", ("A. one", "B. two"), "B")
    assert first.media == ("longvideo_eval_subset3/c.webm",)
    assert (second.task, second.options, second.media) == ("multiple_choice", (), ("longvila_videos/d.mp4",))


def test_captions(put: Put, tmp_path: Path) -> None:
    put(
        "benchmark/dev/image_caption_generation_data.json",
        [{"image": "n_1.png", "caption": "A graph.", "subject": "Physics"}],
    )
    put("benchmark/dev/images/n_1.png", b"x")
    put(
        "video_mmlu.jsonl",
        json.dumps(
            {
                "video_id": "k",
                "discipline": "Math",
                "caption": "A lecture.",
                "captions_qa": [{"question": "?", "answer": "!"}],
                "reasoning_qa": [],
            }
        ),
    )
    put("youtube_videos/k.mp4", b"x")  # fmt: skip
    (figure,), (lecture,) = read("mmsci-caption", tmp_path, "dev"), read("videommlu-caption", tmp_path, "test")
    assert figure.question == "Please write a detailed description of the whole figure and all sub-figures."
    assert lecture.meta == {"discipline": "Math"}
    assert (figure.task, figure.truth, figure.media) == ("caption", "A graph.", ("benchmark/dev/images/n_1.png",))
    assert (lecture.modality, lecture.truth, lecture.media) == ("video", "A lecture.", ("youtube_videos/k.mp4",))


@pytest.mark.parametrize("name", SOURCES)
def test_every_source_says_what_it_expects(name: str, tmp_path: Path) -> None:
    source = SOURCES[name]
    get_task(source.task)
    assert source.name == name and source.layout and source.splits
    for split in source.splits:
        assert source.missing(tmp_path, split) == source.expected(tmp_path, split) != []
        with pytest.raises(DataError, match="not found"):
            next(source.read(tmp_path, split))
