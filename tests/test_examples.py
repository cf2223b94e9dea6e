"""Every example runs as its first lines say; what scores answers is quick."""

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = {path.stem: path for path in sorted((Path(__file__).parent.parent / "examples").glob("*.py"))}


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


def test_answers_are_scored_in_this_process(capsys):
    runpy.run_path(str(EXAMPLES["score_answers"]), run_name="__main__")
    assert capsys.readouterr().out.strip()
