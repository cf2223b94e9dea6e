"""Every data set, by its reader: rows become samples that can be trained on, a fault costs its row alone."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pytest

from onethinker.data.sources import SOURCES
from onethinker.data.sources.base import Item, LeftOut
from onethinker.data.sources.writing import CACHE, media_unwritten
from onethinker.sample import DataError, Sample
from onethinker.tasks import get_task, score
from onethinker.tasks.prompts import load_prompts
from tests.amount import thinned
from tests.data.sources.layouts import LAYOUTS, Layout

Put = Callable[[str, Any], Path]
ESCAPE = "../../../../../../etc/passwd"


FAMILIES = ("video-r1-", "cauldron-", "onevision-")
ONCE = [name for name in LAYOUTS if not name.startswith(FAMILIES)] + [
    "video-r1-chartqa",
    "cauldron-ai2d",
    "onevision-geos",
]
"""The sets whose rows are not read by one and the same code."""


def write(put: Put, layout: Layout, change: Callable[[Any], Any] = lambda rows: rows) -> None:
    """The data set on the disk, its rows changed. Text that is not JSON is changed as text."""
    for name, content in layout.files.items():
        put(name, layout.dumped(name, change(deepcopy(content)) if name == layout.rows else content))


def rows(name: str, root: Path, split: str) -> tuple[list[Sample], list[LeftOut]]:
    found: list[Item] = list(SOURCES[name].rows(root, split))
    return [i for i in found if isinstance(i, Sample)], [i for i in found if isinstance(i, LeftOut)]


def test_every_source_has_a_layout() -> None:
    assert set(LAYOUTS) == set(SOURCES)
    for source in SOURCES.values():
        assert source.licence and source.evidence and (not source.train or source.train in source.splits), source.name


@pytest.mark.parametrize("name", thinned(LAYOUTS, *ONCE, every=4))
def test_rows_become_samples(name: str, put: Put, tmp_path: Path) -> None:
    layout, source = LAYOUTS[name], SOURCES[name]
    write(put, layout)
    with media_unwritten():
        before, _ = rows(name, tmp_path, layout.split)
    assert not (tmp_path / CACHE).exists()
    samples, left_out = rows(name, tmp_path, layout.split)
    assert len(samples) == layout.count, [str(item) for item in left_out]
    assert [item for item in left_out if item.fault] == []
    assert [sample.id for sample in samples] == [sample.id for sample in before]
    for sample in samples:
        assert sample.source and all(path.is_file() for path in sample.paths(tmp_path))
        assert sample.media or sample.modality == "text"
        found = score(sample, f"<think>x</think><answer>{sample.truth}</answer>")
        assert found.status == "ok" and (found.accuracy == pytest.approx(1) or found.components["rouge1"] == 1)
        assert sample.modality in get_task(sample.task).modalities
        get_task(sample.task).prompt(sample, load_prompts("full"))
    assert len(list(source.read(tmp_path, layout.split))) == layout.count
    chosen = samples[-1]
    assert list(source.rows(tmp_path, layout.split, {chosen.id})) == [chosen]


def spoilt(layout: Layout, bad: Any) -> Callable[[Any], Any]:
    """The rows with a bad one at their end."""

    def change(content: Any) -> Any:
        if isinstance(content, str):
            return f"{content.rstrip()}\n{ESCAPE}\n"
        entries = layout.entries(content)
        entries.append(bad) if isinstance(entries, list) else entries.update({"bad": bad})
        return content

    return change


@pytest.mark.parametrize("name", thinned([name for name in ONCE if LAYOUTS[name].rows], every=3))
def test_a_bad_row_costs_itself_alone(name: str, put: Put, tmp_path: Path) -> None:
    layout = LAYOUTS[name]
    write(put, layout)
    for bad in ({},) if layout.rows.endswith(".parquet") else ({}, None, 7, [[]], "\x00"):
        put(layout.rows, layout.dump(spoilt(layout, bad)(deepcopy(layout.files[layout.rows]))))
        samples, left_out = rows(name, tmp_path, layout.split)
        assert len(samples) == layout.count, [str(item) for item in left_out]
        assert left_out or not layout.rows.endswith(".parquet") or "video-r1" in name
        assert all(layout.rows in item.where and item.reason for item in left_out if item.fault)
        if any(item.fault for item in left_out):
            with pytest.raises(DataError, match=r"bad|entry|line|row|question|passwd"):
                list(SOURCES[name].read(tmp_path, layout.split))


def named(entry: Any, key: str) -> list[Any]:
    """The objects within an entry that have the key."""
    inner = entry.values() if isinstance(entry, dict) else entry if isinstance(entry, list) else ()
    own = [entry] if isinstance(entry, dict) and key in entry else []
    return own + [found for value in inner for found in named(value, key)]


@pytest.mark.parametrize("name", [name for name in ONCE if LAYOUTS[name].named])
def test_a_path_that_leaves_the_root_costs_its_row(name: str, put: Put, tmp_path: Path) -> None:
    layout = LAYOUTS[name]

    def change(content: Any) -> Any:
        for entry in named(layout.entries(content), layout.named):
            entry[layout.named] = ESCAPE if name != "super-clevr" else "../../../../../../000001.png"
        return content

    write(put, layout, change)
    samples, left_out = rows(name, tmp_path, layout.split)
    assert not samples
    assert any("leaves the media root" in item.reason or "is not there" in item.reason for item in left_out)


@pytest.mark.parametrize("name", ONCE)
def test_a_medium_that_is_not_there_costs_its_row(name: str, put: Put, tmp_path: Path) -> None:
    layout = LAYOUTS[name]
    write(put, layout)
    gone = [
        name
        for name in layout.files
        if name.endswith((".mp4", ".jpg")) or (name.endswith(".png") and "Ann" not in name)
    ]
    for file in gone:
        (tmp_path / file).unlink()
    samples, left_out = rows(name, tmp_path, layout.split)
    if gone:
        assert not samples and any("not there" in item.reason or "no such file" in item.reason for item in left_out)
    else:
        assert len(samples) == layout.count


ODD = [None, True, -1, 1e308, float("inf"), 10**400, "", ESCAPE, "\x00", "\ud800", [], {}, [[1]], {"a": 1}, "9" * 99, 7]


def nodes(value: Any) -> list[tuple[Any, Any]]:
    """(the object or list, the key) of everything within a document."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else []
    return [pair for key in keys for pair in [(value, key), *nodes(value[key])]]


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [name for name in ONCE if not isinstance(LAYOUTS[name].files.get(LAYOUTS[name].rows), str)]
)
def test_spoilt_documents_are_read_or_refused(name: str, put: Put, tmp_path: Path) -> None:
    """One value of any of its documents changed, dropped or doubled: no other exception, and no path off the root."""
    layout, rng = LAYOUTS[name], Random(1)
    write(put, layout)
    for file, content in layout.files.items():
        for _ in range(20 if isinstance(content, dict | list) else 0):
            document = deepcopy(content)
            parent, key = rng.choice(nodes(document))
            if rng.randrange(3):
                parent[key] = deepcopy(rng.choice(ODD))
            else:
                del parent[key]
            with suppress(
                pa.ArrowException, OverflowError, UnicodeEncodeError, AttributeError
            ):  # what Parquet cannot hold
                put(file, layout.dumped(file, document))
            with suppress(DataError):
                for item in SOURCES[name].rows(tmp_path, layout.split):
                    assert isinstance(item, LeftOut) or item.paths(tmp_path)
        put(file, layout.dumped(file, content))
