import pytest

from onethinker.report.read import ReportError, read_evaluation, read_lines, read_run


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


def test_a_torn_last_line_is_passed_over_and_a_torn_middle_one_named(tmp_path):
    file = tmp_path / "rows.jsonl"
    file.write_text('{"a": 1}\n{"a": ')
    assert list(read_lines(file)) == [{"a": 1}]
    file.write_text('{"a": \n{"a": 1}\n')
    with pytest.raises(ReportError, match="line 1"):
        list(read_lines(file))
    assert list(read_lines(tmp_path / "none.jsonl")) == []


def test_a_file_that_is_no_summary_is_named(run_folder):
    (run_folder / "eval" / "rl" / "summary.json").write_text("[]")
    with pytest.raises(ReportError, match=r"rl/summary\.json: not an evaluation's summary"):
        read_run(run_folder)
    (run_folder / "eval" / "rl" / "summary.json").write_text("{")
    with pytest.raises(ReportError, match=r"rl/summary\.json: cannot be read as JSON"):
        read_run(run_folder)


def test_lines_end_at_newlines_alone_and_half_a_character_is_a_torn_line(tmp_path):
    file = tmp_path / "rows.jsonl"
    file.write_bytes('{"a": "one\u2028line\x85still"}\n{"a": "é'.encode()[:-1])
    assert list(read_lines(file)) == [{"a": "one\u2028line\x85still"}]
