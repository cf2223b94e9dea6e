import io
import json
import re
import shutil

import pytest
from rich.console import Console

from onethinker.report import tables
from onethinker.report.gains import stage_gains
from onethinker.report.read import read_run
from onethinker.report.tables import Cell, Table
from onethinker.report.terminal import print_table


@pytest.fixture
def evaluations(run_folder):
    return read_run(run_folder).evaluations


def cells(table, row):
    return [cell.text for cell in table.rows[row]]


def test_the_headline_table(evaluations):
    table = tables.headline_table(evaluations)
    columns = ("Task", "Metric", "n", "Before", "After RL", "After RL − Before", "Control: lr 0")
    assert table.columns == columns
    assert cells(table, 0) == ["Multiple choice", "accuracy", "3", "10.0", "50.0", "+100.0", "20.0"]
    assert cells(table, -1)[:5] == ["Mean over tasks", "", "9", "20.0", "60.0"] and cells(table, -1)[6] == "20.0"
    assert table.rows[0][4].strong and not table.rows[0][3].strong
    assert table.rows[0][4].detail == "[40.0, 60.0]"
    assert "official" in table.note


def test_the_sampled_table_and_its_absence(evaluations):
    table = tables.sampled_table(evaluations)
    assert table is not None and cells(table, 0)[3:] == ["0.600", "1.200", "+0.600", "0.700"]
    for evaluation in evaluations:
        for entry in evaluation.tasks.values():
            entry["sampled"] = None
    assert tables.sampled_table(evaluations) is None


@pytest.mark.parametrize(
    ("low", "high", "text", "tone"),
    [
        (0.01, 0.04, "▲ +2.5", "up"),
        (-0.01, 0.06, "+2.5", "even"),
        (0.0, 0.05, "+2.5", "even"),
        (None, None, "+2.5", "even"),
    ],
)
def test_a_gain_has_an_arrow_only_where_its_interval_leaves_out_zero(low, high, text, tone):
    cell = tables.gain_cell({"value": 0.025, "low": low, "high": high}, tables.percent)
    assert (cell.text, cell.tone) == (text, tone)
    lost = tables.gain_cell({"value": -0.15, "low": -0.2, "high": -0.1}, tables.percent)
    assert (lost.text, lost.detail, lost.tone) == ("▼ −15.0", "[−20.0, −10.0]", "down")


def test_a_loss_after_the_last_stage_is_not_hidden_by_a_gain_before_it(run_folder):
    """0 right before, all right after SFT, none after RL: the last column says what RL lost."""
    shutil.copytree(run_folder / "eval" / "rl", run_folder / "eval" / "sft")
    for name in ("results.jsonl", "summary.json"):
        shutil.copy(run_folder / "eval" / "before" / name, run_folder / "eval" / "rl" / name)
    run = read_run(run_folder)
    first, second = stage_gains(run.evaluations)
    assert (first.label, second.label) == ("After SFT − Before", "After RL − After SFT")
    assert first.headline("ocr")["value"] == -second.headline("ocr")["value"] > 0
    table = tables.headline_table(run.evaluations)
    (row,) = (r for r in table.rows if r[0].text == "Text recognition")
    assert (row[5].text[0], row[7].tone) == ("+", "even"), "one question has no interval"
    assert first.headline(None)["value"] == -second.headline(None)["value"]


def test_counts_agree_with_their_words():
    assert [tables.counted(n, "answer") for n in (0, 1, 2, 1200, "1", "2, 4")] == [
        "0 answers", "1 answer", "2 answers", "1,200 answers", "1 answer", "2, 4 answers"]  # fmt: skip


def test_how_answers_read(evaluations):
    table = tables.reading_by_task_table(evaluations[1])
    assert cells(table, -1)[:8] == ["All tasks", "12", "6", "0", "0", "3", "3", "0"]
    assert cells(table, -1)[8:] == ["3", "3", "30", "0.50"]
    assert table.rows[-1][9].detail == "→ 65.0"


def test_stages_add_up():
    rows = [{"stage": "sft", "seconds": s, "peak_mb": m} for s, m in ((60, 900), (61, 800))]
    table = tables.stage_table([*rows, {"stage": "rl", "seconds": 6000, "peak_mb": 1000}])
    assert cells(table, 0) == ["sft", "2.0 min", "900"] and cells(table, -1) == ["All", "1.7 h", "1,000"]


SMALL = Table("T & C", ("Name", "v_1"), ((Cell("a|b", strong=True), Cell("5%", "[1, 2]")), (Cell("all"), Cell("–"))),
              "50% of <i>", totals=1)  # fmt: skip


def test_markdown():
    assert tables.to_markdown(SMALL) == (
        "**T & C**\n\n| Name | v_1 |\n|:--|--:|\n| **a\\|b** | 5% [1, 2] |\n| all | – |\n\n50% of <i>\n"
    )


def test_latex():
    text = tables.to_latex(SMALL)
    assert r"\textbf{a|b} & 5\% {\scriptsize [1, 2]} \\" in text
    assert r"Name & v\_1 \\" in text and "all & -- " in text
    assert r"\caption{T \& C. 50\% of <i>}" in text
    assert text.count(r"\midrule") == 2 and r"\begin{tabular}{lr}" in text
    assert tables.latex_escape("\\{x}~^$#") == r"\textbackslash{}\{x\}\textasciitilde{}\textasciicircum{}\$\#"


def test_terminal(evaluations):
    console = Console(width=150, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    console.print(tables.to_rich(tables.headline_table(evaluations)))
    text = console.export_text()
    assert "Multiple choice" in text and "50.0 [40.0, 60.0]" in text and "Mean over tasks" in text


def test_eighty_columns_hold_the_demo_s_table_with_its_metrics():
    console = Console(width=80, record=True, file=io.StringIO())
    stages = ("Before", "After SFT", "After SFT − Before", "After RL", "After RL − After SFT")
    row = (Cell("Spatial-temporal grounding"), Cell("accuracy"), Cell("30"), *[Cell("100.0", "[88.4, 100.0]")] * 5)
    print_table(console, Table("T", ("Task", "Metric", "n", *stages), (row,), tables.INTERVALS, labels=2))
    text = console.export_text()
    assert "accuracy" in text and "…" not in text
    assert re.search(r"A terminal of \d+ columns shows the intervals", " ".join(text.split()))


def test_no_name_commands_the_terminal():
    """Neither rich's markup nor the terminal's own codes, wherever in a table they stand."""
    hostile = "[/nope][red]\x1b[2J\x1b]0;owned\x07\u202e"
    table = Table(hostile, (hostile, hostile), ((Cell(hostile, hostile), Cell("1", hostile)),), hostile)
    console = Console(width=300, record=True, file=io.StringIO(), force_terminal=True, color_system=None)
    print_table(console, table)
    text = console.export_text(clear=False)
    assert text.count("[/nope][red]\\x1b[2J") == 6 + 1 and "\u202e" not in text and "\x07" not in text
    assert "\x1b[2J" not in text and "\x1b]" not in text


def test_a_note_is_as_wide_as_the_terminal_whatever_its_table():
    console = Console(width=60, record=True, file=io.StringIO())
    print_table(console, Table("T", ("a", "b"), ((Cell("1"), Cell("2")),), "word " * 22))
    lines = [line.strip() for line in console.export_text().splitlines() if "word" in line]
    assert len(lines) == 2 and len(lines[0]) > 50


def test_columns_of_zeros_may_be_left_out(evaluations):
    table = tables.without_zeros(tables.reading_by_task_table(evaluations[1]))
    assert "No answer" not in table.columns and "Cut off" in table.columns
    assert table.note.endswith("All 0 and not shown: No answer, Malformed, Missing.")
    assert all(len(row) == len(table.columns) for row in table.rows)


def test_metrics_by_the_releases_formulas_are_a_column_where_they_differ(run_folder):
    file = run_folder / "eval" / "rl" / "summary.json"
    summary = json.loads(file.read_text())
    for entry in summary["tasks"].values():
        entry["released"] = {name: number["value"] for name, number in entry["metrics"].items()}
    file.write_text(json.dumps(summary))
    assert not any("released" in name for name in tables.metrics_table(read_run(run_folder).evaluations).columns)
    summary["tasks"]["tracking"]["released"]["AO"] = 0.25
    file.write_text(json.dumps(summary))
    table = tables.metrics_table(read_run(run_folder).evaluations)
    (column,) = (at for at, name in enumerate(table.columns) if name.endswith("(released)"))
    assert {row[1].text: row[column].text for row in table.rows}["AO"] == "25.0"
