"""Text in pictures to train on: handwriting, formulas, signs. The answer is what stands there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from onethinker.data.sources.base import as_list, get, show
from onethinker.data.sources.table import Row, Table, by_letter, column, file_named, picture_in, said
from onethinker.sample import DataError

READ = said("What text stands in the picture? Write it down as it is.")
_UNANSWERED = ("", "unanswerable", "no text in image")


def _named(row: Row, where: str) -> tuple[str, str]:
    """HME100K's line `NAME formula`, parted by a tab. Raises DataError."""
    name, tab, formula = get(row, "line", where, str).partition("\t")
    if not tab:
        raise DataError(f"{where}: {show(name)}; expected a picture's name, a tab and its formula")
    return name.strip(), formula.strip()


def formula(row: Row, options: Sequence[str], where: str) -> str:
    return _named(row, where)[1]


def formula_picture(root: Path, row: Row, where: str) -> list[str]:
    name, _ = _named(row, where)
    return file_named("{name}", ("train_images", "train"))(root, {"name": f"{name.removesuffix('.jpg')}.jpg"}, where)


def most_given(row: Row, options: Sequence[str], where: str) -> str:
    """TextVQA's answer that most of the ten people gave, in small letters; the first of those that as many gave."""
    answers = [str(answer).strip().lower() for answer in as_list(get(row, "answers", where), f"{where}, answers")]
    return Counter(answer for answer in answers if answer not in _UNANSWERED).most_common(1)[0][0]


def unanswered(row: Row) -> str:
    """Why a question of TextVQA is left out: at least half of its people saw no answer."""
    answers = row.get("answers")
    given = [str(answer).strip().lower() not in _UNANSWERED for answer in answers] if isinstance(answers, list) else []
    return "" if not isinstance(answers, list) or 2 * sum(given) > len(given) else "most people saw no answer"


TABLES = (
    Table(
        "hme100k", "train_labels.txt, lines of a picture's name, a tab and its formula, and train_images/NAME.jpg",
        {"train": ("train_labels.txt",)}, "", said("Write the formula in the picture as LaTeX."), formula,
        formula_picture, modality="image", task="ocr", folders=(("train_images", "train"),), train="train",
        licence="not looked up", evidence="opendatalab/UniMERNet issue 14 and PaddlePaddle/PaddleOCR "
        "ppocr/utils/formula_utils",
    ),
    Table(
        "iam", "data/train-*.parquet or train-*.parquet, the hub's Teklia/IAM-line: image, text; lines of handwriting",
        {"train": ("data/train-*.parquet", "train-*.parquet")}, "", READ, by_letter("text"), picture_in("image"),
        modality="image", task="ocr", train="train", licence="not looked up",
        evidence="hub: Teklia/IAM-line, its users read image, text",
    ),
    Table(
        "textvqa", "TextVQA_0.5.1_train.json and train_images/ID.jpg, the authors' layout",
        {"train": ("TextVQA_0.5.1_train.json", "annotations/TextVQA_0.5.1_train.json")}, "question_id",
        column("question"), most_given, file_named("{image_id}.jpg", ("train_images",)), modality="image", task="ocr",
        inside="data", skip=unanswered, folders=("train_images",), train="train", licence="not looked up",
        evidence="facebookresearch/TextVQA backend/scripts/feed_es.py; its files by name in salesforce/LAVIS",
    ),
    Table(
        "textcaps", "TextCaps_0.1_train.json and train_images/ID.jpg, the authors' layout: a sentence a row",
        {"train": ("TextCaps_0.1_train.json", "annotations/TextCaps_0.1_train.json")}, "",
        said("Write one sentence that describes the picture and the text in it."), by_letter("caption_str"),
        file_named("{image_id}.jpg", ("train_images",)), modality="image", task="ocr", inside="data",
        folders=("train_images",), train="train", licence="not looked up",
        evidence="google-research/pix2struct README; its users read data, image_id, caption_str",
    ),
)  # fmt: skip
SOURCES = tuple(table.source() for table in TABLES)
