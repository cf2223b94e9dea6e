"""For the site alone: every task's page is in its navigation, and links to the source, which is not part of it, become
the words that they stand on."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

_SOURCE = re.compile(r"\[([^\]]+)\]\((?:\.\./)+(?:onethinker|benchmarks|tests|examples)/[^)]*\)")


def on_config(config: Any) -> Any:
    """Called by MkDocs with what mkdocs.yml says."""
    folder = Path(config["docs_dir"])
    order = list(json.loads((folder / "images" / "tasks" / "tasks.json").read_text(encoding="utf-8")))
    found = sorted(file.stem for file in (folder / "tasks").glob("*.md"))
    pages = [f"tasks/{name}.md" for name in sorted(found, key=lambda n: order.index(n) if n in order else len(order))]
    for part in config["nav"]:
        if "Tasks" in part:
            part["Tasks"] = [*part["Tasks"], *pages]
    return config


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Called by MkDocs with each page's text."""
    return _SOURCE.sub(r"\1", markdown)
