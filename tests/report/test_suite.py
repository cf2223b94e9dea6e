"""A report on benchmarks: two models on three of them, one of which the second was not asked."""

import json
from html.parser import HTMLParser

import pytest

from onethinker.report import suite
from onethinker.report.gallery import make_cards, samples_of
from onethinker.report.page import write_report
from onethinker.report.read import read_run
from onethinker.report.suite import Suite
from onethinker.report.tables import to_latex, to_markdown
from onethinker.sample import load_samples, save_samples
from tests.report.conftest import row_of, write_evaluation

PAPER = {"got10k": (0.334, 0.73), "mmmu": (0.602, 0.706), "ours_only": None}
TITLES = {"got10k": "GOT-10k", "mmmu": "MMMU", "ours_only": "Ours & only"}
FAMILIES = {"got10k": "tracking", "mmmu": "image_qa", "ours_only": "image_qa"}


def entry(name, value):
    paper = PAPER[name]
    published = dict(zip(("Qwen3-VL-8B", "OneThinker-8B"), paper)) if paper else {}
    metrics = {"AO": published, "R@0.5": {"OneThinker-8B": 0.844}} if name == "got10k" else {"accuracy": published}
    return {
        "name": name, "title": TITLES[name], "family": FAMILIES[name], "split": "val", "size": 9, "questions": 4,
        "n": 3, "errors": 1, "metric": next(iter(metrics)), "value": value, "low": value - 0.05, "high": value + 0.05,
        "table": "Table 1", "published": published, "published_metrics": metrics, "note": "",
    }  # fmt: skip


def write_suite(folder, model, values, samples):
    for name, value in values.items():
        rows = [row_of(s, f"<think>so</think><answer>{s.truth}</answer>") for s in samples]
        write_evaluation(folder / name, samples, rows, [value] * 3)
        save_samples(samples, folder / name / "samples.jsonl")
        file = folder / name / "summary.json"
        summary = json.loads(file.read_text()) | {"model": model, "benchmark": entry(name, value)}
        file.write_text(json.dumps(summary))
    told = {"benchmarks": [{"name": name} for name in values], "skipped": {"mevis": "not on this disk"}}
    (folder / "suite.json").write_text(json.dumps(told))


@pytest.fixture
def folder(tmp_path, data):
    samples = load_samples(data)
    write_suite(tmp_path / "evals" / "a", "base", {"mmmu": 0.5, "got10k": 0.3, "ours_only": 0.4}, samples)
    write_suite(tmp_path / "evals" / "b", "ours<i>", {"mmmu": 0.65, "got10k": 0.75}, samples)
    return tmp_path / "evals"


@pytest.fixture
def found(folder):
    return Suite.of(read_run(folder).suite)


def test_models_and_benchmarks_in_order(folder, found):
    assert list(found.models) == ["base", "ours<i>"]
    assert list(found.entries) == ["mmmu", "ours_only", "got10k"], "families together, else as the suite has them"
    assert found.shared() == ["mmmu", "got10k"] and found.published == ["Qwen3-VL-8B", "OneThinker-8B"]
    one = Suite.of(read_run(folder / "b").suite)
    assert list(one.models) == ["ours<i>"] and list(one.entries) == ["mmmu", "got10k"]
    assert Suite.of(read_run(folder / "b" / "mmmu").suite).shared() == ["mmmu"]
    assert read_run(folder).absent == ["mevis: not on this disk"] * 2


def test_results_beside_the_papers(found):
    table = suite.results_table(found)
    papers = ("Qwen3-VL-8B (paper)", "OneThinker-8B (paper)")
    assert table.columns == ("Task", "Benchmark", "Metric", "n", *papers, "base", "ours<i>")
    cells = [[cell.text for cell in row] for row in table.rows]
    assert cells[0] == ["Image QA", "MMMU", "accuracy", "3", "60.2", "70.6", "50.0", "65.0"]
    assert cells[1] == ["", "Ours & only", "accuracy", "3", "–", "–", "40.0", "–"]
    assert cells[2] == ["Tracking", "GOT-10k", "AO", "3", "33.4", "73.0", "30.0", "75.0"]
    assert cells[3] == ["Mean over 2", "", "", "", "46.8", "71.8", "40.0", "70.0"], "over those that all have"
    assert table.rows[0][3].detail == "of 9" and table.rows[0][1].detail == "val"
    assert table.rows[0][6].detail == "[45.0, 55.0]" and table.rows[0][4].detail == ""
    assert [cell.strong for cell in table.rows[2]].index(True) == 7
    assert r"Ours \& only" in to_latex(table) and "**75.0** [70.0, 80.0]" in to_markdown(table)


def test_numbers_by_the_releases_formulas_stand_beside(folder):
    """Where they differ, in a column of the model's own."""
    file = folder / "a" / "got10k" / "summary.json"
    summary = json.loads(file.read_text())
    summary["benchmark"]["released"] = {"value": 0.42, "low": 0.4, "high": 0.5}
    file.write_text(json.dumps(summary))
    table = suite.results_table(Suite.of(read_run(folder).suite))
    assert table.columns[-3:] == ("base", "ours<i>", "base (released)")
    assert [row[-1].text for row in table.rows] == ["–", "–", "42.0", "–"]
    assert "(released): by the published run's formulas" in table.note


def test_how_answers_read_and_every_metric(found):
    first, second = suite.reading_tables(found)
    assert first.title == "How answers read: base" and len(first.rows) == 4 and len(second.rows) == 3
    assert [cell.text for cell in first.rows[-1]][:2] == ["All benchmarks", "36"]
    rows = {(row[0].text, row[1].text): [c.text for c in row[2:]] for row in suite.metrics_table(found).rows}
    assert rows["GOT-10k", "AO"] == ["33.4", "73.0", "30.0", "75.0"]
    assert rows["", "R@0.5"] == ["–", "84.4", "–", "–"]


class Tags(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.found, self.texts = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.texts.append(data)


def test_the_page(folder):
    page = Tags(write_report(folder, each=1).read_text())
    text, classes = " ".join(page.texts), [attrs.get("class", "") for _, attrs in page.found]
    assert "Percentage points more than Qwen3-VL-8B (paper)." in text and "zero" in classes
    for words in ("base and ours<i> on 3 benchmarks of 2 kinds of task", "3 of them in part only", "+41.6", "−3.4",
                  "70.0", "Qwen3-VL-8B, as published", "mevis: not on this disk"):  # fmt: skip
        assert words in text, words
    cards = [attrs for tag, attrs in page.found if tag == "article"]
    assert {card["data-topic"] for card in cards} == {"MMMU", "GOT-10k", "Ours & only"}
    assert not [tag for tag, _ in page.found if tag == "i" and _ == {}], "a model's name stays text"


def test_cards_have_every_models_answer(folder):
    models = Suite.of(read_run(folder).suite).models
    evaluations = [of_model["mmmu"] for of_model in models.values()]
    cards = make_cards(evaluations, samples_of(evaluations[-1]), 1)
    assert {card.topic for card in cards} == {"MMMU"}
    assert [answer.label for answer in cards[0].answers] == ["base", "ours<i>"]
