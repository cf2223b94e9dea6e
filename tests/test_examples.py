"""Every example runs: slowly as its first lines say, else cut to a few steps."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = {path.stem: path for path in sorted((Path(__file__).parent.parent / "examples").glob("*.py"))}
SHORTER = {"train_in_a_minute": [("sft.steps=10", "sft.steps=1"), ("rl.max_tokens=48", "rl.max_tokens=8")]}
"""What stands in an example, and what does as well to see that its lines work."""


@pytest.mark.slow
@pytest.mark.parametrize("name", EXAMPLES)
def test_example(name, tmp_path):
    example = EXAMPLES[name]
    done = subprocess.run(
        [sys.executable, str(example), *([str(tmp_path)] if "FOLDER" in example.read_text() else [])],
        capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


@pytest.mark.parametrize("name", ["score_answers", *SHORTER])
def test_example_cut_short(name, tmp_path, monkeypatch, capsys):
    text = EXAMPLES[name].read_text(encoding="utf-8")
    for long, short in SHORTER.get(name, ()):
        assert long in text
        text = text.replace(long, short)
    monkeypatch.setattr(sys, "argv", [name, str(tmp_path)])
    exec(compile(text, str(EXAMPLES[name]), "exec"), {"__name__": "__main__"})
    assert capsys.readouterr().out.strip()
