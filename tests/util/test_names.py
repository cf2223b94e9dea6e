"""The nearest name, against what a person would have meant."""

import pytest

from onethinker.util.names import likeness, nearest

TASKS = ["multiple_choice", "numerical", "ocr", "tracking", "temporal_grounding", "spatial_grounding"]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("OCR", "ocr"),
        ("multiple-choice", "multiple_choice"),
        ("trackng", "tracking"),
        ("grounding", "spatial_grounding"),
    ],
)
def test_what_was_meant(name: str, meant: str) -> None:
    assert nearest(name, TASKS) == meant


def test_nothing_alike_nothing_known_and_names_without_end() -> None:
    assert nearest("zzz", TASKS) in TASKS and nearest("", TASKS) == TASKS[0]
    assert nearest("x", []) == ""
    assert nearest("ocr" + "x" * 1_000_000, TASKS) in TASKS
    assert likeness("ab", "AB") == 1 and likeness("a", "b") == 0
