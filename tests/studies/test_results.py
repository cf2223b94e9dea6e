"""Results that are kept: every page says what its data say, and the data can be read as what they claim to be."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from onethinker.studies.pages.index import PAGES, study_page

DOCS = Path(__file__).parents[2] / "docs"
KEPT = sorted((DOCS / "results").glob("*/study.json"))


@pytest.mark.parametrize("data", KEPT, ids=lambda path: path.parent.name)
def test_a_page_is_its_data(data: Path) -> None:
    study = json.loads(data.read_text(encoding="utf-8"))
    name = data.parent.name
    command = "make mini" if name == "mini" else f"onethinker bench {name}"
    assert study["study"] == name and study["commits"] and study["machines"]
    assert study["command"].startswith(command) and "--quick" not in study["command"]
    assert data.with_name("report.html").read_text(encoding="utf-8") == study_page(data)


def intervals(data: Any) -> Iterator[str]:
    """Every number of a study with its interval, either way round, as the prose writes them: in points and plainly."""
    if isinstance(data, dict) and None not in (numbers := [data.get(key) for key in ("value", "low", "high")]):
        for sign, (value, low, high) in ((1, numbers), (-1, [numbers[0], numbers[2], numbers[1]])):
            for number in (f"{{:{plus}.{digits}f}}" for plus in ("", "+") for digits in (1, 3)):
                factor = sign * (100 if ".1f" in number else 1)
                said = [number.format(factor * n).replace("-", "−") for n in (value, low, high)]
                yield f"{said[0]} [{said[1]}, {said[2]}]"
    for part in data.values() if isinstance(data, dict) else data if isinstance(data, list) else ():
        yield from intervals(part)


def test_the_intervals_that_the_prose_gives_are_in_the_data() -> None:
    """The paragraph on the mini models has questions of another seed, with the commands for them."""
    known = {said for data in KEPT for said in intervals(json.loads(data.read_text(encoding="utf-8")))}
    prose = " ".join((DOCS / "results" / "README.md").read_text(encoding="utf-8").split("**Estimators.**")[1].split())
    given = re.findall(r"[+−]?[\d.]+ \[[+−]?[\d.]+, [+−]?[\d.]+\]", prose)
    assert len(given) > 40 and [said for said in given if said not in known] == []


def test_nothing_else_lies_among_the_results() -> None:
    found = {path.relative_to(DOCS / "results").as_posix() for path in (DOCS / "results").rglob("*") if path.is_file()}
    allowed = {f"{name}/{file}" for name in PAGES for file in ("study.json", "report.html", "notes.md")}
    assert found <= {"README.md", *allowed}


def test_the_page_on_own_estimators_shows_the_example_as_it_is() -> None:
    """The lines of the class in the page are those that run in CI; only the annotations are left out."""
    example = (DOCS.parent / "examples" / "own_estimator.py").read_text(encoding="utf-8")
    shown = (DOCS / "own_estimator.md").read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    lines = [line for line in shown.splitlines() if line.strip() and "def advantages" not in line]
    assert len(lines) > 2
    assert all(line in example for line in lines)
