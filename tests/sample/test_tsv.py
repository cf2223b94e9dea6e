"""VLMEvalKit's TSV: written here as pandas writes it, read as questions with unpacked pictures."""

from __future__ import annotations

import base64
import csv
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from onethinker.sample import DataError, load_samples
from onethinker.sample.tsv import load_tsv
from onethinker.tasks import get_task
from onethinker.tasks.prompts import load_prompts


def picture(shade: int, size: tuple[int, int] = (24, 16), form: str = "PNG") -> str:
    """A picture of one colour in base64."""
    out = BytesIO()
    Image.new("RGB", size, (shade, 90, 200)).save(out, form)
    return base64.b64encode(out.getvalue()).decode()


def tsv(folder: Path, *rows: dict[str, str], name: str = "Set.tsv") -> Path:
    """A file with the union of the rows' columns; each row gets an index, a picture, a question and an answer."""
    whole = [
        {"index": str(i), "image": picture(i), "question": f"Question {i}?", "answer": "A"} | r
        for i, r in enumerate(rows)
    ]
    columns = list(dict.fromkeys(key for row in whole for key in row))
    file = folder / name
    with file.open("w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, columns, delimiter="\t", restval="")
        writer.writeheader()
        writer.writerows(whole)
    return file


CHOICE = {"A": "red", "B": "blue", "C": "", "D": "", "hint": "Look.", "category": "colour", "answer": "B"}


def test_options_hint_answer_and_picture(tmp_path: Path) -> None:
    samples = load_tsv(tsv(tmp_path, CHOICE))
    (sample,) = samples
    assert (sample.task, sample.modality, sample.options) == ("multiple_choice", "image", ("A. red", "B. blue"))
    assert (sample.id, sample.question, sample.truth) == ("0", "Hint: Look.\nQuestion: Question 0?", "B")
    assert (sample.source, sample.meta) == ("Set", {"category": "colour"})
    (file,) = sample.paths(samples.root)
    assert file.parent == tmp_path / "images" / "Set" and file.suffix == ".png"
    assert file.read_bytes() == base64.b64decode(picture(0))


def test_the_files_reader_takes_it_too(tmp_path: Path) -> None:
    file = tsv(tmp_path, CHOICE, CHOICE)
    assert load_samples(file).items == load_tsv(file).items
    assert len(load_samples(file, limit=1)) == 1


def test_reading_again_writes_nothing(tmp_path: Path) -> None:
    file = tsv(tmp_path, CHOICE)
    (path,) = load_tsv(file)[0].paths(tmp_path)
    before = path.stat().st_mtime_ns
    assert load_tsv(file)[0].paths(tmp_path) == [path] and path.stat().st_mtime_ns == before


def test_a_row_may_share_anothers_picture_even_of_a_later_row_that_is_not_chosen(tmp_path: Path) -> None:
    rows = ({"image": "1", "split": "val"}, {"split": "dev"}, {"image": "0", "split": "val"})
    with pytest.raises(DataError, match="index 2: shares the picture of index '0', which has none"):
        load_tsv(tsv(tmp_path, *rows), where={"split": ("val",)})
    samples = load_tsv(tsv(tmp_path, *rows[:2]), where={"split": ("val",)})
    assert [s.id for s in samples] == ["0"]
    assert samples[0].paths(tmp_path)[0].read_bytes() == base64.b64decode(picture(1))


def test_several_pictures_stand_where_the_question_names_them(tmp_path: Path) -> None:
    both = str([picture(1), picture(2, form="JPEG")])
    asked = ("<image 1> or <image 2>?", "<image 2> or <image 1>?", "Which?")
    samples = load_tsv(tsv(tmp_path, *({"image": both, "question": q, "answer": "7"} for q in asked)))
    assert [len(s.media) for s in samples] == [2, 2, 2]
    assert [Path(m).suffix for m in samples[0].media] == [".png", ".jpg"]
    assert [s.question for s in samples] == ["<image> or <image>?", "image 2 or image 1?", "Which?"]
    for sample in samples:
        assert get_task(sample.task).prompt(sample, load_prompts("short")).count("<image>") == 2


@pytest.mark.parametrize(
    ("row", "task", "truth"),
    [
        ({"answer": "1,234.5"}, "numerical", "1,234.5"),
        ({"answer": r"\frac{1}{2}"}, "math", r"\frac{1}{2}"),
        ({"answer": "['24/7', '3.429']"}, "math", "24/7"),
        ({"answer": "[1, 2]"}, "math", "[1, 2]"),
        ({"question_type": "multi_choice", "choices": "['5', '6']", "answer": "6"}, "multiple_choice", "B"),
        ({"question_type": "multi_choice", "choices": "['5', '6']", "answer": "6", "answer_option": "A"},
         "multiple_choice", "A"),
        ({"question_type": "multi-choice", "answer": "C"}, "multiple_choice", "C"),
        ({"question_type": "free_form", "answer": "6"}, "numerical", "6"),
    ],
)  # fmt: skip
def test_what_is_asked_follows_from_the_columns(tmp_path: Path, row: dict[str, str], task: str, truth: str) -> None:
    (sample,) = load_tsv(tsv(tmp_path, row))
    assert (sample.task, sample.truth) == (task, truth)
    get_task(task).truth(sample)


MATHVISTA = {"question": "Hint: Please answer the question and provide the correct option letter, e.g., A, B, C, D, at "
             "the end.\nQuestion: How long is it?\nChoices:\n(A) 5\n(B) 6", "question_type": "multi_choice",
             "choices": "['5', '6']", "answer": "6", "answer_option": "B"}  # fmt: skip


def test_mathvista_repeats_its_choices_in_the_question(tmp_path: Path) -> None:
    (sample,) = load_tsv(tsv(tmp_path, MATHVISTA))
    assert sample.question.endswith("Question: How long is it?") and sample.options == ("A. 5", "B. 6")
    assert sample.truth == "B"


@pytest.mark.parametrize(
    ("question", "answer", "task", "asked", "options", "truth"),
    [  # of MathVerse's testmini, whose TSV has neither columns for options nor `choices`
        (
            "Opposite?\nChoice:\nA. True\nB. False",
            "False",
            "multiple_choice",
            "Opposite?",
            ("A. True", "B. False"),
            "B",
        ),
        ("Which?\nChoices:\nA.$x$\nB.$y$", "(B)", "multiple_choice", "Which?", ("A. $x$", "B. $y$"), "B"),
        ("Which two?\nChoices:\nA:x\nB:y\nC:z", "B\nC", "math", "Which two?\nChoices:\nA:x\nB:y\nC:z", (), "B, C"),
        ("In the picture.", "D", "multiple_choice", "In the picture.", (), "D"),
        ("In the picture.", "(D)", "multiple_choice", "In the picture.", (), "D"),
        ("In the picture.", "False", "math", "In the picture.", (), "False"),
    ],
)
def test_mathverse_has_options_in_its_questions(
    tmp_path: Path, question: str, answer: str, task: str, asked: str, options: tuple[str, ...], truth: str
) -> None:
    (sample,) = load_tsv(tsv(tmp_path, {"question": question, "answer": answer, "question_type": "multi-choice"}))
    assert (sample.task, sample.question, sample.options, sample.truth) == (task, asked, options, truth)
    get_task(task).truth(sample)


def test_mathverse_names_an_option_of_the_picture(tmp_path: Path) -> None:
    row = {"question": "", "question_type": "multi-choice", "question_for_eval": "Is it?\nChoice:\nA. True\nB. False"}
    (sample,) = load_tsv(tsv(tmp_path, row | {"answer": "False"}))
    assert (sample.truth, sample.options) == ("B", ())
    with pytest.raises(DataError, match="row 1: the answer 'Maybe' is none of 2 options"):
        load_tsv(tsv(tmp_path, row | {"answer": "Maybe"}))


def test_mmsci_has_captions_for_answers(tmp_path: Path) -> None:
    row = {"question": "Describe the figure.", "caption": "A graph of x.", "image_id": "n_1.png", "answer": ""}
    (sample,) = load_tsv(tsv(tmp_path, row))
    assert (sample.task, sample.question, sample.truth) == ("caption", "Describe the figure.", "A graph of x.")


def test_mmmu_asks_for_a_short_answer_where_it_is_no_number(tmp_path: Path) -> None:
    number, word, choice = load_tsv(tsv(tmp_path, {"answer": "24"}, {"answer": "['Asp', 'D']"}, CHOICE))
    assert word.meta["accepted"] == ["Asp", "D"] and "accepted" not in number.meta
    assert number.question == "Question 0?"
    assert word.question == "Question 1?\nAnswer the question using a single word or phrase."
    assert "phrase" not in choice.question


def test_localized_files_have_their_pictures_below_their_name(tmp_path: Path) -> None:
    (tmp_path / "images/Set").mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(tmp_path / "images/Set/4.jpg")
    samples = load_tsv(tsv(tmp_path, {"image": "", "image_path": "4.jpg"}, name="Set_local.tsv"))
    assert samples[0].media == ("images/Set/4.jpg",)


def test_rows_are_chosen_by_a_column_whatever_its_case(tmp_path: Path) -> None:
    file = tsv(tmp_path, {"category": "Point_Tracking"}, {"category": "ocr"})
    assert [s.id for s in load_tsv(file, where={"category": ("point tracking",)})] == ["0"]
    with pytest.raises(DataError, match=r"no row with \{'category': \('gui',\)\}; the rows have Point_Tracking, ocr"):
        load_tsv(file, where={"category": ("gui",)})
    with pytest.raises(DataError, match="row 1: no column 'split'"):
        load_tsv(file, where={"split": ("val",)})


def test_rows_without_a_picture_are_left_out_and_paths_serve_too(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    samples = load_tsv(tsv(tmp_path, {"image": ""}, {"image": "", "image_path": "a.png"}))
    assert [(s.id, s.media) for s in samples] == [("1", ("a.png",))]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"image": "x" * 100}, "row 1: its image is no base64 of a picture"),
        ({"image": base64.b64encode(b"not a picture" * 9).decode()}, "row 1: its image is no base64 of a picture"),
        ({"image": "[" + "(" * 90 + "]"}, "row 1: .* is no list of texts"),
        ({"image": str([["a"] * 40])}, "row 1: .* is no list of texts"),
        ({"image": "7"}, "index 0: shares the picture of index '7', which has none"),
        ({"answer": ""}, "row 1: no answer"),
        ({"index": ""}, "row 1: index ''"),
        ({"index": "9" * 70}, "row 1: index"),
        ({"question_type": "multi_choice", "choices": "[__import__('os').getcwd()]"}, "row 1: .* is no list of texts"),
    ],
)
def test_hostile_rows_name_file_and_row(tmp_path: Path, row: dict[str, str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        load_tsv(tsv(tmp_path, row))


def test_a_picture_too_large_to_decode_is_refused_by_its_header(tmp_path: Path) -> None:
    out = BytesIO()
    Image.new("1", (20_000, 6_000)).save(out, "PNG")
    with pytest.raises(DataError, match=r"row 1: .*20000×6000 pixels; at most"):
        load_tsv(tsv(tmp_path, {"image": base64.b64encode(out.getvalue()).decode()}))


def test_a_picture_path_cannot_leave_the_root(tmp_path: Path) -> None:
    samples = load_tsv(tsv(tmp_path, {"image": "", "image_path": "../../etc/passwd"}))
    with pytest.raises(DataError, match="leaves the media root"):
        samples[0].paths(samples.root)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no column 'index' in its first line"),
        ("index\tanswer\n1\tA\n", "no column 'question'"),
        ("index\tquestion\n1\n", "row 1: 1 cells for 2 columns"),
        ("index\tquestion\n1\ta\tb\n", "row 1: 3 cells for 2 columns"),
        (b"index\tquestion\n\xff\xfe\ta\n", "row 1: not a row of a TSV"),
    ],
)
def test_what_is_no_table_is_named(tmp_path: Path, text: str | bytes, message: str) -> None:
    file = tmp_path / "x.tsv"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DataError, match=message):
        load_tsv(file)


def test_long_lines_and_fields_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onethinker.sample.tsv.MAX_LINE", 1000)
    before = csv.field_size_limit()
    file = tmp_path / "x.tsv"
    file.write_text("index\tquestion\n1\t" + "q" * 2000 + "\n")
    with pytest.raises(DataError, match="a line of more than"):
        load_tsv(file)
    file.write_text('index\tquestion\n1\t"' + "q\n" * 2000)  # a quote that never closes
    with pytest.raises(DataError, match=r"row 1: not a row of a TSV \(field larger"):
        load_tsv(file)
    assert csv.field_size_limit() == before


def test_an_index_belongs_to_one_row(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="row 2: index '0' is another row's too"):
        load_tsv(tsv(tmp_path, {}, {"index": "0"}))
