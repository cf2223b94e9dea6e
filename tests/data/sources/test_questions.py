"""Tables of questions: each set's own columns to questions, options and answers, as its official tool reads them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from onethinker.data.sources import SOURCES, read
from onethinker.data.sources.table import split_options
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
    [("['1,200', '1200.0']", "numerical", "1,200"), ("24/7", "math", "24/7"), ("5", "numerical", "5")],
)
def test_mmmu_open_questions(put: Put, png: Png, tmp_path: Path, answer: str, task: str, truth: str) -> None:
    row = {"id": "v", "question": "<image 1> How many?", "options": "[]", "answer": answer}
    put("data/validation-0.parquet", [row | {"image_1": {"bytes": png(1), "path": None}}])
    sample = one("mmmu", tmp_path, "validation")
    assert (sample.task, sample.truth, sample.options) == (task, truth, ())


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
    assert (science.question, science.truth, science.id) == ("Look.\nWhich?", "B", "test-0")
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
    assert found[0].question == "See the picture at the end of the clip: x?"
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
    put("Video_MMLU.jsonl", json.dumps({"video_id": "k", "caption": "A lecture."}))
    put("youtube_videos/k.mp4", b"x")  # fmt: skip
    (figure,), (lecture,) = read("mmsci-caption", tmp_path, "dev"), read("videommlu-caption", tmp_path, "test")
    assert (figure.task, figure.truth, figure.media) == ("caption", "A graph.", ("benchmark/dev/images/n_1.png",))
    assert (lecture.modality, lecture.truth, lecture.media) == ("video", "A lecture.", ("youtube_videos/k.mp4",))


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("Q?\nA. x\nB. y", ["A. x", "B. y"]),
        ("Q?\n(A) x\n(B) y\n", ["A. x", "B. y"]),
        ("Q?\nB. x\nC. y", []),
        ("Q?\nA. But this\nA. x\nB. y", []),
        ("A. Smith wrote it. Who?", []),
    ],
)
def test_options_in_a_questions_text(text: str, options: list[str]) -> None:
    assert split_options(text)[1] == options


# ---- hostile rows -----------------------------------------------------------------------------------------------

LONG = {"id": "a", "video_path": "a.mp4", "question": "?", "candidates": ["r", "s"], "correct_choice": 1}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"correct_choice": 2}, "the answer '2' is none of 2 options"),
        ({"correct_choice": -1}, "the answer '-1' is none of 2 options"),
        ({"correct_choice": True}, "field 'correct_choice' is True"),
        ({"candidates": "rs"}, "field 'candidates' is 'rs'; expected at most 26 texts"),
        ({"candidates": ["x"] * 40}, "field 'candidates' is a list of 40"),
        ({"video_path": "../../etc/passwd"}, "leaves the media root"),
        ({"video_path": None}, "no text in field 'video_path'"),
        ({"question": "x" * (1 << 20)}, "at most 1,048,576 are read"),
        ({"question": "\ud800"}, "surrogates not allowed"),
        ({"id": [1]}, "field 'id' is a list of 1"),
        ({"id": int("9" * 4000)}, "field 'id' is a number of 13288 bits"),
    ],
)
def test_hostile_rows_name_file_and_row(put: Put, tmp_path: Path, change: dict[str, Any], message: str) -> None:
    put("lvb_val.json", [LONG | {"id": "first"}, LONG | change])
    put("videos/a.mp4", b"x")
    with pytest.raises(DataError, match=rf"lvb_val\.json, entry 1.*{message}"):
        list(read("longvideobench", tmp_path, "val"))


def test_ids_that_occur_twice_are_an_error(put: Put, tmp_path: Path) -> None:
    put("lvb_val.json", [LONG, LONG])
    put("videos/a.mp4", b"x")
    with pytest.raises(DataError, match="two questions of longvideobench val have the id 'val-a'"):
        list(read("longvideobench", tmp_path, "val"))


AI2D = {"question": "?", "options": ["a"], "answer": "0"}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (AI2D, "no field 'image'; it has 'question', 'options', 'answer'"),
        (
            AI2D | {"image": {"bytes": b"GIF89a?", "path": ""}},
            r"field 'image': cannot be decoded \(cannot identify image file\)",
        ),
        (AI2D | {"image": {"bytes": None, "path": "/etc/passwd"}}, "None of a picture; expected its bytes"),
        ({"query": "?"}, "no field 'answer'; it has 'query'"),
    ],
)
def test_hostile_parquet(put: Put, tmp_path: Path, row: dict[str, Any], message: str) -> None:
    put("data/test-0.parquet", [row])
    with pytest.raises(DataError, match=rf"test-0\.parquet, row 0.*{message}"):
        list(read("ai2d", tmp_path, "test"))


def test_a_truncated_table(put: Put, png: Png, tmp_path: Path) -> None:
    file = put("data/test-0.parquet", [{"question": "?", "options": ["a"], "answer": "0", "image": {"bytes": png(1)}}])
    assert pq.ParquetFile(file).metadata.num_rows == 1
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"test-0\.parquet: not a whole Parquet file"):
        list(read("ai2d", tmp_path, "test"))
    put("lvb_val.json", '[{"id": 1')
    put("videos/a.mp4", b"x")
    with pytest.raises(DataError, match=r"lvb_val\.json: not whole JSON"):
        list(read("longvideobench", tmp_path, "val"))


@pytest.mark.parametrize("name", SOURCES)
def test_every_source_says_what_it_expects(name: str, tmp_path: Path) -> None:
    source = SOURCES[name]
    get_task(source.task)
    assert source.name == name and source.layout and source.splits
    for split in source.splits:
        assert source.missing(tmp_path, split) == source.expected(tmp_path, split) != []
        with pytest.raises(DataError, match="not found"):
            next(source.read(tmp_path, split))


def test_spoilt_files(put: Put, tmp_path: Path, survives: Any) -> None:
    put("videos/a.mp4", b"x")
    survives("longvideobench", "val", "lvb_val.json", [LONG])
    survives(
        "mmvu",
        "validation",
        "validation.json",
        [
            {
                "id": "v1",
                "video": "https://hub/videos/Art/1.mp4",
                "question_type": "multiple-choice",
                "question": "?",
                "choices": {"A": "x", "B": "y"},
                "answer": "B",
            }
        ],
    )
    survives(
        "longvideo-reason",
        "test",
        "test.json",
        [{"problem_id": 1, "problem": "Why?\nA. one\nB. two", "answer": "<answer>B</answer>", "videos": "v/c.mp4"}],
    )
    survives("mmsci-caption", "dev", "benchmark/dev/image_caption_generation_data.json", [
        {"image": "n_1.png", "caption": "A graph.", "subject": "Physics"}])  # fmt: skip
