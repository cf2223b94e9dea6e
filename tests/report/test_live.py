import json
from pathlib import Path

import pytest

from onethinker.report import live
from onethinker.report.live import follow_report
from onethinker.report.read import ReportError, read_run


def rows_of(run: Path, last: int, steps: int = 4) -> None:
    rows = [{"step": s, "steps": steps, "stage": "rl", "reward": s / 4, "seconds": 2.0 * s} for s in range(1, last + 1)]
    (run / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows) + '{"step": 9, "tor')


@pytest.fixture
def run(tmp_path):
    (tmp_path / "config.json").write_text('{"kind": "rl", "recipe": {"name": "r", "model": {"base": "mini"}}}')
    return tmp_path


def test_how_far_a_run_is(run):
    assert not read_run(run).finished and read_run(run).progress == []
    rows_of(run, 2)
    (progress,) = read_run(run).progress
    assert (progress.stage, progress.step, progress.steps, progress.left) == ("rl", 2, 4, 4.0)
    assert not read_run(run).finished
    rows_of(run, 4)
    assert read_run(run).finished
    (run / "stages.jsonl").write_text('{"stage": "rl", "seconds": 1, "peak_mb": 1}\n')
    assert not read_run(run).finished, "a whole run ends with its report"
    (run / "stages.jsonl").write_text('{"stage": "report", "seconds": 1, "peak_mb": 1}\n')
    assert read_run(run).finished


def test_runs_that_do_not_say_how_long_they_are_count_as_done(run_folder):
    (run_folder / "stages.jsonl").unlink()
    assert read_run(run_folder).finished


def test_the_page_keeps_up_and_then_stands_still(run, monkeypatch):
    rows_of(run, 1)
    pages = []
    naps = iter([lambda: None, lambda: rows_of(run, 3), lambda: rows_of(run, 4)])

    def sleep(seconds):
        assert seconds == 7
        pages.append((run / "report.html").read_text())
        next(naps)()

    monkeypatch.setattr(live.time, "sleep", sleep)
    written = []
    write = live.write_report
    monkeypatch.setattr(live, "write_report", lambda *a, **k: written.append(k) or write(*a, **k))
    assert follow_report(run, every=7) == run / "report.html"
    assert written == [{"refresh": 7}, {"refresh": 7}, {}], "not again while nothing changed, and once at the end"
    assert "step 1 of 4, about 6 s to go" in pages[0] and 'http-equiv="refresh" content="7"' in pages[0]
    assert "step 3 of 4" in pages[2] and "has taken 3 of 4 steps" in pages[2]
    last = (run / "report.html").read_text()
    assert "refresh" not in last and "The run goes on" not in last and "took 4 steps" in last


def test_ctrl_c_leaves_a_page_that_stands_still(run, monkeypatch):
    rows_of(run, 1)

    def stop(seconds):
        raise KeyboardInterrupt

    monkeypatch.setattr(live.time, "sleep", stop)
    with pytest.raises(KeyboardInterrupt):
        follow_report(run, every=1)
    assert "refresh" not in (run / "report.html").read_text()


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(ReportError, match="nothing to report"):
        follow_report(tmp_path)
