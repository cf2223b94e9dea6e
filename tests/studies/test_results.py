"""Results that are kept: every page says what its data say, and the data can be read as what they claim to be."""

import json
import re
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

import pytest

from onethinker.studies.pages import index

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
KEPT = sorted((DOCS / "results").glob("*/study.json"))
study_page = cache(index.study_page)


@pytest.mark.parametrize("data", KEPT, ids=lambda path: path.parent.name)
def test_a_page_is_its_data(data: Path) -> None:
    study = json.loads(data.read_text(encoding="utf-8"))
    name = data.parent.name
    made = {"mini": "make mini", "mini_plus": "python -m onethinker.studies.mini_plus"}
    command = made.get(name, f"onethinker bench {name}")
    assert study["study"] == name and study["commits"] and study["machines"]
    assert study["command"].startswith(command) and "--quick" not in study["command"]
    assert {file: data.with_name(file).read_text(encoding="utf-8") for file in study_page(data)} == study_page(data)


@pytest.mark.parametrize("data", KEPT, ids=lambda path: path.parent.name)
def test_a_picture_stands_alone(data: Path) -> None:
    """Well-formed, with a size, on a ground of its own, nothing from elsewhere: it shows on white and on dark pages."""
    for name, text in study_page(data).items():
        if name.endswith(".svg"):
            root = ElementTree.fromstring(text)
            assert root.tag == "{http://www.w3.org/2000/svg}svg" and root.get("viewBox") and "href" not in text
            assert root.find("{http://www.w3.org/2000/svg}rect").get("fill") == "#ffffff"
            assert f"]({name})" in data.with_name("README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("file", "begins", "ends", "least"),
    [
        ("docs/results/README.md", "**Estimators.**", "To put a study here", 35),
        ("README.md", "## Studies", "## ", 4),
        ("README.md", "## The mini models", "## ", 8),
    ],
)
def test_what_the_prose_says_stands_on_the_pages(file: str, begins: str, ends: str, least: int) -> None:
    """Every interval and every p. The paragraph on the mini models has questions of another seed, with the commands."""
    pages = "".join(text for data in KEPT for text in study_page(data).values())
    prose = " ".join((ROOT / file).read_text(encoding="utf-8").split(begins)[1].split(ends)[0].split())
    given = re.findall(r"[+−]?[\d.]+ \[[+−]?[\d.]+, [+−]?[\d.]+\]", prose)
    assert len(given) >= least and [said for said in given if said not in pages] == []
    assert [p for p in re.findall(r"p = (\d\.\d+)", prose) if f"| {p} |" not in pages] == []


def test_nothing_else_lies_among_the_results() -> None:
    found = {path.relative_to(DOCS / "results").as_posix() for path in (DOCS / "results").rglob("*") if path.is_file()}
    made = {f"{data.parent.name}/{file}" for data in KEPT for file in (*study_page(data), "study.json", "notes.md")}
    assert found <= {"README.md", *made}


def test_the_page_on_own_estimators_shows_the_example_as_it_is() -> None:
    """The lines of the class in the page are those that run in CI; only the annotations are left out."""
    example = (DOCS.parent / "examples" / "own_estimator.py").read_text(encoding="utf-8")
    shown = (DOCS / "own_estimator.md").read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    lines = [line for line in shown.splitlines() if line.strip() and "def advantages" not in line]
    assert len(lines) > 2
    assert all(line in example for line in lines)
