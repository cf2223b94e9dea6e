"""The generated pages say what the code says."""

import subprocess
import sys
from pathlib import Path

BUILD = Path(__file__).parent.parent / "docs" / "build.py"


def test_generated_pages_have_not_drifted():
    done = subprocess.run([sys.executable, str(BUILD), "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
