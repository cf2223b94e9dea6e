"""Questions about pictures to train on: sets whose owners' files are tables, as those or their hubs lay them out."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from onethinker.data.sources.base import as_list, as_mapping, get, text_of
from onethinker.data.sources.dialogues import Dialogue
from onethinker.data.sources.table import (
    Answer,
    Read,
    Row,
    Table,
    before_options,
    by_letter,
    by_place,
    by_text,
    column,
    columns,
    file_named,
    listed,
    no_number,
    path_in,
    picture_in,
    pictures_in,
    said,
    within,
)

# ---- readers of columns that need a rule of their own -------------------------------------------------------------


def in_any_order(right: str, wrong: str) -> Read:
    """The right answer among the wrong ones, in an order that depends on their words alone."""

    def read(row: Row, where: str) -> list[str]:
        texts = [get(row, right, where, str), *listed(wrong)(row, where)]
        return sorted(dict.fromkeys(texts), key=lambda text: hashlib.sha256(repr((text, texts)).encode()).digest())

    return read


def yes_no(name: str) -> Answer:
    """A column that says yes or no, as the option of that name."""
    return lambda row, options, where: by_text(name)(
        {name: text_of(row, name, where).strip().capitalize()}, options, where
    )


def says_yes_or_no(name: str) -> Any:
    """Why a row has another answer than yes or no, empty where it has one of them."""

    def reason(row: Row) -> str:
        return "" if str(row.get(name)).strip().lower() in ("yes", "no") else "an answer other than yes or no"

    return reason


def first_of(*names: str) -> Answer:
    """The answer of the first column that a row has, as `by_letter` reads it."""

    def read(row: Row, options: Sequence[str], where: str) -> str:
        name = next((name for name in names if row.get(name)), names[0])
        return by_letter(name)(row, options, where)

    return read


def with_unit(row: Row, where: str) -> str:
    """TabMWP's question with the unit that its answer is to have, as run_gpt3/base_prompt.py writes it."""
    unit = row.get("unit")
    return column("question")(row, where) + (f" (Unit: {text_of(row, 'unit', where)})" if unit else "")


def coco_picture(root: Path, row: Row, where: str) -> list[str]:
    """`train2017/000000123456.jpg`, below `coco/` or not."""
    name = f"{get(row, 'image_id', where, int):012}.jpg"
    return file_named("{name}", ("coco/train2017", "train2017"))(root, {"name": name}, where)


def first_scenes(row: Row, split: str) -> bool:
    """Super-CLEVR trains on the first 20,000 of its scenes, which its pictures' names count."""
    found = re.search(r"(\d+)\.png\Z", str(row.get("image_filename")))
    return found is not None and int(found[1]) < 20_000


def questions_of_picture(row: Row, where: str) -> list[Row]:
    """Visual7W's questions, each with its picture's name and split."""
    pairs = as_list(get(row, "qa_pairs", where), f"{where}, qa_pairs")
    shared = {key: get(row, key, where, str) for key in ("filename", "split")}
    return [{**as_mapping(pair, where), **shared} for pair in pairs]


_HUB = "the hub's Parquet"

TABLES = (
    Table(
        "a-okvqa", "aokvqa_v1p0_train.json and coco/train2017/ID.jpg, the authors' layout; train2017/ serves too",
        {"train": ("aokvqa_v1p0_train.json", "annotations/aokvqa_v1p0_train.json")},
        "question_id", column("question"), by_place("correct_choice_idx"), coco_picture, listed("choices"), "image",
        folders=(("coco/train2017", "train2017"),), train="train",
        licence="Apache-2.0 (allenai/aokvqa); pictures: COCO, Flickr's terms",
        evidence="allenai/aokvqa README, load_aokvqa.py",
    ),
    Table(
        "a-okvqa-hub", f"data/train-*.parquet, {_HUB} of HuggingFaceM4/A-OKVQA", {"train": ("data/train-*.parquet",)},
        "question_id", column("question"), by_place("correct_choice_idx"), picture_in("image"), listed("choices"),
        "image", train="train", licence="Apache-2.0 (allenai/aokvqa)", evidence="allenai/aokvqa README, its fields",
    ),
    Table(
        "arxivqa", "arxivqa.jsonl and images/, the hub's MMInstruction/ArxivQA",
        {"train": ("arxivqa.jsonl",)}, "id", column("question"), by_letter("label"), path_in("image"),
        listed("options"), "image", folders=("images",), train="train",
        licence="not looked up", evidence="conversion scripts of users of its hub's file: id, image, "
        "question, options, label, rationale",
    ),
    Table(
        "tabmwp", "problems_train.json and tables/ID.png, the authors' layout; data/tabmwp/ of their repository too",
        {"train": ("problems_train.json",)}, "pid", with_unit, by_text("answer"), file_named("{pid}.png", ("tables",)),
        listed("choices"), "image", free="math", numbers=True, key_as="pid", folders=("tables",), train="train",
        licence="MIT by name, CC-BY-NC-SA-4.0 by link (README of lupantech/PromptPG)",
        evidence="lupantech/PromptPG run_gpt3/run_gpt3.py, base_prompt.py",
    ),
    Table(
        "pmc-vqa", "train.csv or train_2.csv and images/ (figures/), the authors' layout",
        {"train": ("train.csv", "train_2.csv")}, "", column("Question"), first_of("Answer_label", "Answer", "Anwser"),
        file_named("{Figure_path}", ("images", "figures")), columns("Choice A", "Choice B", "Choice C", "Choice D"),
        "image", folders=(("images", "figures"),), train="train",
        licence="code MIT (xiaoman-zhang/PMC-VQA); the data's not looked up",
        evidence="xiaoman-zhang/PMC-VQA src/MedVInT_TD/Dataset/PMC_QA_Dataset.py",
    ),
    Table(
        "visulogic", "visulogic_train.jsonl (or with _solution) and images/, the hub's VisuLogic-Train",
        {"train": ("visulogic_train*.jsonl", "*/visulogic_train*.jsonl")}, "id", before_options("question"),
        by_letter("label"), path_in("image_path"), within("question"), "image", train="train",
        licence="Apache-2.0 (VisuLogic-Benchmark/VisuLogic-Train)",
        evidence="VisuLogic-Benchmark/VisuLogic-Train README; conversion scripts of its users: id, question, label, "
        "image_path",
    ),
    Table(
        "exams-v", f"data/train-*.parquet, {_HUB}: question and options stand in the picture",
        {"train": ("data/train-*.parquet",)}, "sample_id", said("Answer the question in the picture."),
        by_letter("answer_key"), picture_in("image"), modality="image", chosen=lambda row: True, meta=("subject",),
        train="train", licence="not stated (mbzuai-nlp/EXAMS-V)",
        evidence="mbzuai-nlp/EXAMS-V; its hub's users read image, sample_id, answer_key",
    ),
    Table(
        "visual7w", "dataset_v7w_telling.json (the toolkit's dataset.json) and images/v7w_N.jpg, the authors' layout",
        {"train": ("dataset_v7w_telling.json", "dataset.json", "*/dataset.json")}, "qa_id", column("question"),
        by_text("answer"), file_named("{filename}", ("images", ".")), in_any_order("answer", "multiple_choices"),
        "image", inside="images", spread=questions_of_picture, keep=lambda row, split: row.get("split") == split,
        train="train", licence="MIT (yukezhu/visual7w-toolkit); pictures: COCO, Flickr's terms",
        evidence="yukezhu/visual7w-toolkit common/data_provider.py",
    ),
    Table(
        "vqa-rad", f"data/train-*.parquet, {_HUB}; questions whose answer is yes or no",
        {"train": ("data/train-*.parquet",)}, "", column("question"), yes_no("answer"), picture_in("image"),
        lambda row, where: ["Yes", "No"], "image", skip=says_yes_or_no("answer"), train="train",
        licence="not looked up", evidence="hub: flaviagiammarino/vqa-rad, its users read image, question, answer",
    ),
    Table(
        "mmk12", f"data/train-*.parquet, {_HUB} of FanqingM/MMK12", {"train": ("data/train-*.parquet",)},
        "id", column("question"), by_letter("answer"), picture_in("image"), modality="image", task="math",
        meta=("subject",), train="train", licence="code Apache-2.0 (ModalMinds/MM-EUREKA); the data's not looked up",
        evidence="ModalMinds/MM-EUREKA README; EvolvingLMMs-Lab/lmms-eval tasks/mmk12",
    ),
    Table(
        "ares", "data/train-*.parquet, or train.json, train.jsonl: problem, answer, images; its pictures in the rows "
        "or "
        "where these name them. Rows in words alone are left out",
        {"train": ("data/train-*.parquet", "*.parquet", "train.json", "train.jsonl", "*.jsonl", "*.json")},
        "", column("problem"), by_letter("answer"), pictures_in("images"), modality="image", task="math", train="train",
        licence="Apache-2.0 (shawn0728/ARES)",
        evidence="shawn0728/ARES verl/utils/dataset.py, experiments/AEPO/config.yaml",
    ),
    Table(
        "super-clevr", "superCLEVR_questions_30k.json and images/, the authors' layout; the first 20,000 scenes are "
        "for "
        "training. Questions whose answer is a number",
        {"train": ("superCLEVR_questions_30k.json",)}, "", column("question"), by_letter("answer"),
        file_named("{image_filename}", ("images", "images/images")), modality="image", task="numerical",
        inside="questions", keep=first_scenes, skip=no_number("answer"), folders=("images",), train="train",
        licence="BSD (Lizw14/Super-CLEVR)",
        evidence="Lizw14/Super-CLEVR README; R1-V's src/eval/super_clevr reads `questions`",
    ),
    Table(
        "clevr-math", "clevr-math-train.json and CLEVR_v1.0/images/train/, as the authors' loader unpacks them",
        {"train": ("clevr-math-train.json", "*/clevr-math-train.json")}, "", column("question"), by_letter("answer"),
        file_named("{image_filename}", ("CLEVR_v1.0/images/train", "images/train")), modality="image",
        task="numerical", inside="questions", skip=no_number("answer"), train="train",
        folders=(("CLEVR_v1.0/images/train", "images/train"),), licence="BSD (dali-does/clevr-math)",
        evidence="dali-does/clevr-math clevr-math-loader.py",
    ),
    Table(
        "dvqa", "train_qa.json and images/, the authors' layout. Questions whose answer is a number",
        {"train": ("train_qa.json",)}, "question_id", column("question"), by_letter("answer"),
        file_named("{image}", ("images",)), modality="image", task="numerical", skip=no_number("answer"),
        folders=("images",), train="train", licence="CC-BY-NC-4.0 (kushalkafle/DVQA_dataset)",
        evidence="kushalkafle/DVQA_dataset README",
    ),
    Table(
        "chartqa", "ChartQA Dataset/train/train_human.json, train_augmented.json and png/, the authors' layout. "
        "Questions whose answer is a number",
        {"train": ("ChartQA Dataset/train/train_*.json", "train/train_*.json")}, "", column("query"),
        by_letter("label"), file_named("{imgname}", ("ChartQA Dataset/train/png", "train/png")), modality="image",
        task="numerical", skip=no_number("label"), folders=(("ChartQA Dataset/train/png", "train/png"),), train="train",
        licence="not looked up", evidence="vis-nlp/ChartQA README, as its users' loaders quote it",
    ),
)  # fmt: skip


_DIALOGUES = (
    Dialogue(
        "gvlqa", "TASK/QA/Vision_Text_train.json, or one level deeper: image, conversations; the pictures where these "
        "name them, the authors' layout",
        ("*/QA/Vision_Text_train.json", "*/*/QA/Vision_Text_train.json", "*/data/*/QA/Vision_Text_train.json"),
        "open_ended", numbers=True, yes_no=True, folders=(".", "GVLQA-BASE", "dataset/GVLQA-BASE"),
        licence="not stated (WEIYanbin1999/GITA)",
        evidence="WEIYanbin1999/GITA scripts/eval/eval.sh, llava/custom_eval/eval.py",
    ),
    Dialogue(
        "openspaces", f"data/train-*.parquet, {_HUB} of remyxai/OpenSpaces: images, messages",
        ("data/train-*.parquet",), "open_ended", numbers=True, yes_no=True,
        licence="Apache-2.0 (remyxai/VQASynth)",
        evidence="remyxai/VQASynth README; its hub's users read images, messages",
    ),
    Dialogue(
        "spacellava", f"data/train-*.parquet, {_HUB} of remyxai/vqasynth_spacellava: images, messages",
        ("data/train-*.parquet",), "open_ended", numbers=True, yes_no=True,
        licence="Apache-2.0 (remyxai/VQASynth)",
        evidence="remyxai/VQASynth README; its hub's users read images, messages",
    ),
    Dialogue(
        "sharegpt4v", "sharegpt4v_instruct_gpt4-vision_cap100k.json, and the pictures below coco/, sam/, llava/, … as "
        "the authors lay them out",
        ("sharegpt4v_instruct_gpt4-vision_cap100k.json", "sharegpt4v/sharegpt4v_instruct_gpt4-vision_cap100k.json"),
        "caption", folders=(".", "data"), licence="code Apache-2.0 (InternLM/InternLM-XComposer); the data's not "
        "looked up",
        evidence="InternLM/InternLM-XComposer projects/ShareGPT4V/docs/Data.md",
    ),
    Dialogue(
        "visualwebinstruct", "*.jsonl of TIGER-Lab/VisualWebInstruct, and imgs/ as images.zip unpacks",
        ("*.jsonl", "*/*.jsonl"), "open_ended", folders=("imgs", ".", "imgs/images"),
        licence="MIT (TIGER-AI-Lab/VisualWebInstruct)", evidence="TIGER-AI-Lab/VisualWebInstruct README",
    ),
)  # fmt: skip
SOURCES = (*(table.source() for table in TABLES), *(dialogue.source() for dialogue in _DIALOGUES))
