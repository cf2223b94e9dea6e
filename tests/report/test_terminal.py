"""What servers and models said reaches the terminal as text."""

import json

from onethinker.report.read import read_run
from onethinker.report.terminal import faults, print_evaluation


def test_an_error_of_a_server_commands_no_terminal(run_folder, capsys):
    folder = run_folder / "eval" / "rl"
    assert faults(folder) == []
    rows = [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]
    failed = [row | {"status": "error", "error": "no\x1b[2J\x1b]0;owned\x07"} for row in rows]
    (folder / "results.jsonl").write_text("".join(json.dumps(row) + "\n" for row in failed))
    assert faults(folder) == ["errors: 3, the first: no\\x1b[2J\\x1b]0;owned\\x07"]
    print_evaluation(folder)
    out = capsys.readouterr().out
    assert "errors: 3" in out and "\x1b[2J" not in out and "\x07" not in out


def test_rows_left_out_are_told(run_folder, capsys):
    file = run_folder / "eval" / "rl" / "summary.json"
    summary = json.loads(file.read_text())
    summary["data"] |= {"left_out": 2, "left_out_rows": ["a.jsonl, line 3: no task 'x\x1b[2J'", "a.jsonl, line 9: bad"]}
    file.write_text(json.dumps(summary))
    print_evaluation(file.parent)
    assert "rows left out: 2, the first: a.jsonl, line 3: no task 'x\\x1b[2J'" in capsys.readouterr().out.replace(
        "\n", ""
    )
    assert any("rows left out: 2, the first: a.jsonl, line 3" in line for line in read_run(run_folder).absent)
