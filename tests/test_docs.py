"""The generated pages say what the code says."""

import runpy
from pathlib import Path

BUILD = Path(__file__).parent.parent / "docs" / "build.py"


def test_generated_pages_have_not_drifted(capsys, monkeypatch):
    monkeypatch.syspath_prepend(str(BUILD.parent))  # as for a script, for the modules beside it
    assert runpy.run_path(str(BUILD))["main"](check=True) == 0, capsys.readouterr().err
