import pytest

from onethinker.report.read import read_evaluation, read_run
from onethinker.util.runs import RunError


def test_the_run_in_its_order(run_folder):
    run = read_run(run_folder)
    assert [e.label for e in run.evaluations] == ["Before", "After RL", "Control: lr 0"]
    assert [e.name for e in run.main] == ["before", "rl"]
    assert len(run.stage("sft")) == len(run.stage("rl")) == 20
    assert len(run.rollouts) == 2 and not run.absent


def test_only_the_rows_that_a_summary_counts(run_folder):
    evaluation = read_evaluation(run_folder / "eval" / "rl")
    assert len(evaluation.rows()) == 3, "one of another model and one superseded are left out"
    assert all(row["accuracy"] == 1.0 for row in evaluation.greedy().values())


def test_a_file_that_is_no_summary_is_named(run_folder):
    (run_folder / "eval" / "rl" / "summary.json").write_text("[]")
    with pytest.raises(RunError, match=r"rl/summary\.json: not an evaluation's summary"):
        read_run(run_folder)
    (run_folder / "eval" / "rl" / "summary.json").write_text("{")
    with pytest.raises(RunError, match=r"rl/summary\.json: cannot be read as JSON"):
        read_run(run_folder)


def test_reading_a_run_that_goes_on_changes_nothing(run_folder):
    file = run_folder / "rl" / "metrics.jsonl"
    torn = file.read_bytes() + b'{"stage": "rl", "st'
    file.write_bytes(torn)
    before = sorted(run_folder.rglob("*"))
    assert len(read_run(run_folder).stage("rl")) == 20
    assert file.read_bytes() == torn and sorted(run_folder.rglob("*")) == before
    file.write_bytes(b'{"stage": \n' + torn)
    with pytest.raises(RunError, match=r"rl/metrics\.jsonl, line 1: not JSON"):
        read_run(run_folder)
