"""Prediction files of VLMEvalKit, read back as it reads them."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from PIL import Image

from onethinker.engines.scripted import ScriptedEngine
from onethinker.evaluate.run import evaluate
from onethinker.harnesses.vlmevalkit import CELL, FAILED, ExportError, export_predictions
from onethinker.recipes.base import EvalConfig
from onethinker.sample import Sample, Samples, save_samples
from onethinker.tasks.prompts import load_prompts
from onethinker.util.runs import RunError

ANSWERS = {
    "7": "<think>red, I see</think><answer>A</answer>",
    "12": "=1+1 <answer>two\tlines\nand a \x07 bell</answer>",
    "30": "never mind",
}


@pytest.fixture
def results(tmp_path):
    """An evaluation of three questions, of which the last one's answer failed."""
    Image.new("RGB", (32, 32)).save(tmp_path / "a.png")
    options = ("A. red", "B. blue")
    samples = Samples(
        (
            Sample("7", "multiple_choice", "image", "Which?", "A", options, ("a.png",), "Toy", {"category": "colour"}),
            Sample("12", "open_ended", "image", "What?", "two lines", (), ("a.png",), "Toy"),
            Sample("30", "numerical", "image", "How many?", "3", (), ("a.png",), "Toy"),
        ),
        tmp_path,
    )
    data = save_samples(samples, tmp_path / "samples.jsonl")
    evaluate(
        samples, ScriptedEngine(ANSWERS, fail=("30",)), tmp_path / "eval", config=EvalConfig(bootstrap=10),
        prompts=load_prompts("full"), model="runs/rl/step-5", data=str(data),
    )  # fmt: skip
    return tmp_path / "eval"


def read(file):
    if file.suffix == ".json":
        return pd.DataFrame(json.loads(file.read_text()))
    return pd.read_csv(file, sep="\t") if file.suffix == ".tsv" else pd.read_excel(file)


@pytest.mark.parametrize("suffix", [".xlsx", ".tsv", ".json"])
def test_columns_and_predictions(results, tmp_path, suffix):
    if suffix == ".xlsx":
        pytest.importorskip("openpyxl")
    file, rows, missing = export_predictions(results, tmp_path / f"out{suffix}")
    table = read(file)
    assert (rows, missing) == (3, 1)
    assert list(table)[:6] == ["index", "question", "A", "B", "answer", "category"]
    assert list(table["index"]) == [7, 12, 30]
    assert (table["A"][0], table["B"][0], table["answer"][0], table["prediction"][0]) == ("red", "blue", "A", "A")
    assert table["thinking"][0] == "red, I see"
    bell = "" if suffix == ".xlsx" else "\x07"
    assert table["prediction"][1] == f"two\tlines\nand a {bell} bell"
    assert table["prediction"][2].startswith(FAILED)


def test_a_folder_gets_vlmevalkits_name(results, tmp_path):
    pytest.importorskip("openpyxl")
    assert export_predictions(results, tmp_path / "out")[0].name == "rl-step-5_Toy.xlsx"


def test_rows_of_the_tsv_go_before_our_own(results, tmp_path):
    tsv = tmp_path / "Official.tsv"
    tsv.write_text("index\timage\tquestion\thint\tanswer\n7\tAAAA\tWhich one?\tlook\tA\n99\tBBBB\tElse?\t\tB\n")
    file, rows, missing = export_predictions(results, tmp_path / "out.tsv", tsv)
    table = read(file)
    assert (rows, missing) == (1, 1)
    assert list(table) == ["index", "question", "hint", "answer", "prediction", "thinking"]
    assert table["question"][0] == "Which one?" and table["prediction"][0] == "A"


def test_equal_questions_each_have_the_answer_that_they_share(tmp_path):
    twins = tuple(Sample(name, "numerical", "text", "How many?", "3") for name in ("1", "2"))
    engine, config = ScriptedEngine({"1": "<answer>3</answer>"}), EvalConfig(bootstrap=10)
    evaluate(Samples(twins, tmp_path), engine, tmp_path, config=config, prompts=load_prompts("full"), data="twins")
    file, rows, missing = export_predictions(tmp_path, tmp_path / "out.json")
    assert (rows, missing) == (2, 0) and list(read(file)["prediction"]) == ["3", "3"]


def test_what_cannot_be_written_is_refused(results, tmp_path):
    with pytest.raises(ExportError, match="ends in one of"):
        export_predictions(results, tmp_path / "out.csv")
    with pytest.raises(RunError, match="has no summary"):
        export_predictions(tmp_path / "nothing", tmp_path / "out.tsv")
    other = tmp_path / "other.tsv"
    other.write_text("index\tquestion\n5\tWho?\n")
    with pytest.raises(ExportError, match="ids differ"):
        export_predictions(results, tmp_path / "out.tsv", other)


def test_a_cell_beyond_the_format_is_refused_not_cut(results, tmp_path):
    pytest.importorskip("openpyxl")
    text = (results / "results.jsonl").read_text().replace("red, I see", "x" * (CELL + 1))
    (results / "results.jsonl").write_text(text)
    with pytest.raises(ExportError, match="index 7: its thinking has 32768 characters"):
        export_predictions(results, tmp_path / "out.xlsx")
