"""The demonstration, whole and short: every stage leaves its folder, and the same command goes on from there."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from onethinker.media import probe
from onethinker.sample import load_samples
from onethinker.scoring.results import read_summary
from onethinker.studies.demo import PICTURED, run_demo


@pytest.mark.slow
def test_quick_demo_runs_and_goes_on(tmp_path: Path) -> None:
    page = run_demo(tmp_path / "demo", quick=True)
    folder = page.parent
    assert read_summary(folder / "eval" / "before")["mean"]["headline"]["value"] > 0.5  # it starts from what it knows
    assert '"teacher_bias": "boxes=2,times=0.5"' in (folder / "world" / "config.json").read_text()
    tested = {s.task for s in load_samples(folder / "world" / "test")}
    for task in (t for t in PICTURED if t in tested):
        (drawn,) = (folder / "answers").glob(f"{task}.*")
        size = probe(drawn).width if drawn.suffix == ".mp4" else Image.open(drawn).width
        assert size > 64
    rows = (folder / "rl" / "metrics.jsonl").read_bytes()
    assert run_demo(folder, quick=True) == page
    assert (folder / "rl" / "metrics.jsonl").read_bytes() == rows
