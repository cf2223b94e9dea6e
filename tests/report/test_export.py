import json
import re

from onethinker.report.export import results_of, write_results
from onethinker.report.page import write_report
from onethinker.report.read import read_run


def test_the_page_comes_with_its_tables(run_folder):
    page = write_report(run_folder)
    names = {file.name for file in run_folder.glob("report.*")}
    assert names == {"report.html", "report.md", "report.tex", "report.json"} and page.name in names
    found = json.loads((run_folder / "report.json").read_text())
    assert list(found) == ["eval/before", "eval/rl", "eval/control-lr-0"]
    assert found["eval/rl"]["tasks"]["ocr"]["metrics"]["1-WER"]["value"] == 0.7


def test_every_table_is_in_each_form(run_folder):
    run = read_run(run_folder)
    markdown, latex, _ = (file.read_text() for file in write_results(run, run_folder / "out.html"))
    titles = [table.title for table in results_of(run)]
    assert titles[:2] == ["Greedy answers", "Sampled answers"] and len(titles) == 5
    assert re.findall(r"^\*\*(.+)\*\*$", markdown, re.MULTILINE) == titles
    assert latex.count(r"\begin{table}") == latex.count(r"\end{table}") == len(titles)
    assert latex.count("{") == latex.count("}")


def test_nothing_measured_nothing_written(tmp_path):
    (tmp_path / "config.json").write_text('{"kind": "rl"}')
    write_report(tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == {"config.json", "report.html"}
