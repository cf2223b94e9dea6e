"""What servers and models said reaches the terminal as text."""

import json

from onethinker.report.terminal import first_error, print_evaluation


def test_an_error_of_a_server_commands_no_terminal(run_folder, capsys):
    folder = run_folder / "eval" / "rl"
    assert first_error(folder) == ""
    rows = [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]
    failed = [row | {"status": "error", "error": "no\x1b[2J\x1b]0;owned\x07"} for row in rows]
    (folder / "results.jsonl").write_text("".join(json.dumps(row) + "\n" for row in failed))
    assert first_error(folder) == "errors: 3, the first: no\\x1b[2J\\x1b]0;owned\\x07"
    print_evaluation(folder)
    out = capsys.readouterr().out
    assert "errors: 3" in out and "\x1b[2J" not in out and "\x07" not in out
