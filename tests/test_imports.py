"""Who may import whom, and how light the package is to import."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from onethinker import _HOME

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "onethinker"
FILES = sorted(PACKAGE.rglob("*.py"))
HEAVY = ("torch", "transformers", "datasets", "pyarrow", "scipy", "sympy", "av", "jinja2", "httpx2")
"""What takes a tenth of a second or more to load, and only what needs it may."""
ORDER = (
    *("util", "measure", "media", "sample", "tasks", "segment", "data", "models", "engines", "scoring", "tools"),
    *("recipes", "inference", "train", "evaluate", "corpus", "report", "studies", "plan", "serve", "scale"),
    *("harnesses", "cli"),
)
"""The rooms from the ground up."""


def module_of(file: Path) -> str:
    parts = list(file.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def imports_of(file: Path) -> set[str]:
    """Absolute names of all that a file imports, at its top or inside functions, for type checkers alone or not; a
    public name that is taken from the package itself (`onethinker.get_task`) counts as its room."""
    package = module_of(file) if file.name == "__init__.py" else module_of(file).rpartition(".")[0]
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            found |= {origin} | {f"{origin}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "onethinker":
            found |= {f"onethinker.{_HOME[node.attr]}"} if node.attr in _HOME else set()
    return found


def room_of(name: str) -> str:
    """`onethinker.tasks.base` → `tasks`; empty for a module that is not ours."""
    parts = name.split(".")
    return parts[1] if parts[0] == "onethinker" and len(parts) > 1 else ""


def neighbours(file: Path) -> set[str]:
    """The rooms of ours that a file imports, its own left out."""
    return {room_of(name) for name in imports_of(file)} - {"", room_of(module_of(file))}


def files_in(*rooms: str) -> list[Path]:
    return [file for file in FILES if room_of(module_of(file)) in rooms]


def test_the_walk_sees_imports() -> None:
    assert {"sample", "measure"} <= set().union(*(neighbours(file) for file in files_in("tasks")))
    assert "onethinker.measure" in imports_of(PACKAGE / "tasks" / "ocr.py")
    assert len(FILES) > 40


def test_measure_imports_nothing_of_ours() -> None:
    assert {str(f): neighbours(f) for f in files_in("measure") if neighbours(f)} == {}


def test_tasks_import_sample_measure_media_util() -> None:
    allowed = {"sample", "measure", "media", "util"}
    assert {str(f): neighbours(f) - allowed for f in files_in("tasks") if neighbours(f) - allowed} == {}


@pytest.mark.parametrize("room", ["train", "evaluate", "serve"])
def test_train_evaluate_and_serve_never_import_one_another(room: str) -> None:
    others = {"train", "evaluate", "serve"} - {room}
    assert {str(f): neighbours(f) & others for f in files_in(room) if neighbours(f) & others} == {}


def test_report_imports_none_of_them() -> None:
    forbidden = {"train", "evaluate", "serve"}
    assert {str(f): neighbours(f) & forbidden for f in files_in("report") if neighbours(f) & forbidden} == {}


def test_a_room_imports_only_rooms_above_it() -> None:
    back = {
        f"{file.relative_to(ROOT)} imports {other}"
        for file in FILES
        for other in neighbours(file)
        if room_of(module_of(file)) in ORDER and ORDER.index(other) > ORDER.index(room_of(module_of(file)))
    }
    # A row's `problem_type` is the name that its task publishes, so that rows are read by asking the tasks.
    assert back == {"onethinker/sample/task_names.py imports tasks"}
    assert {room_of(module_of(file)) for file in FILES} - {"", "__main__"} <= set(ORDER)


def test_only_engines_models_train_and_segment_import_torch() -> None:
    allowed = ("engines", "models", "train", "segment")
    rest = [file for file in FILES if room_of(module_of(file)) not in allowed]
    assert [str(f) for f in rest if any(name.split(".")[0] == "torch" for name in imports_of(f))] == []


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=120
    )
    return done.stdout


LOADED = f"print([m for m in {HEAVY} if m in sys.modules])"


def test_import_and_help_are_light() -> None:
    names = "onethinker.Sample, onethinker.load_samples, onethinker.list_tasks(), onethinker.score"
    told = run(f"import sys, onethinker; {names}; {LOADED}; from onethinker.cli import main" + "".join(
        f"\nsys.argv = ['onethinker', *{words}]\ntry: main()\nexcept SystemExit: {LOADED}"
        for words in (("--help",), ("tasks", "--help"), ("plan", "--help"), ("data", "world", "--help"))
    )).splitlines()  # fmt: skip
    assert [line for line in told if line.startswith("[")] == ["[]"] * 5
    assert sum("Usage" in line for line in told) == 4


def test_public_names() -> None:
    import onethinker

    for name in ("Sample", "load_samples", "save_samples", "get_task", "list_tasks", "score"):
        assert getattr(onethinker, name) is not None
        assert name in dir(onethinker)
    from onethinker import inference

    assert (onethinker.ask, onethinker.load_model) == (inference.ask, inference.load_model)
    assert set(onethinker.__all__) <= set(dir(onethinker))
    with pytest.raises(AttributeError, match="has no attribute 'load_sample'"):
        _ = onethinker.load_sample
