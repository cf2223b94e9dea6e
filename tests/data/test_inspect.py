"""`check` finds planted faults; `stats` counts; `show` draws, and shows an error in place of what cannot be drawn."""

from __future__ import annotations

import base64
import io
import json
import shutil
import tarfile
from dataclasses import replace
from pathlib import Path

import fsspec
import numpy as np
import pytest
from PIL import Image

from onethinker.data.inspect import check, load_splits, show, stats, totals
from onethinker.data.worlds import build_world
from onethinker.sample import DataError, Sample, load_samples, save_samples


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_world(tmp_path_factory.mktemp("built") / "w", 26, seed=0, validation=13, test=13)


@pytest.fixture
def world(built: Path, tmp_path: Path) -> Path:
    """A copy of one's own."""
    return Path(shutil.copytree(built, tmp_path / "w"))


def rewrite(split: Path, change: dict[int, dict[str, object]], extra: list[Sample] | None = None) -> None:
    samples = list(load_samples(split))
    for at, fields in change.items():
        samples[at] = replace(samples[at], **fields)
    save_samples(samples + (extra or []), split / "samples.jsonl")


def test_a_sound_world_has_no_problems(world: Path) -> None:
    assert check(world) == []


def test_planted_faults_are_found(world: Path) -> None:
    rewrite(world / "train", {0: {"truth": "maybe"}, 1: {"task": "flying"}, 2: {"media": ("../../secret.png",)},
                              3: {"media": ("media/none.png",)}, 7: {"modality": "video"}})  # fmt: skip
    found = {line.split(":")[0]: line for line in check(world)}
    assert "truth" in found["train/train-000000"]
    assert "no task 'flying'" in found[f"{world / 'train' / 'samples.jsonl'}, row 2"]
    assert "leaves the media root" in found["train/train-000002"]
    assert "none.png" in found["train/train-000003"]
    assert "takes image" in found["train/train-000007"]
    assert len(found) == 5


def test_a_broken_picture_is_a_problem(world: Path) -> None:
    sample = load_samples(world / "test")[0]
    (world / "test" / sample.media[0]).write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    assert any("test-000000" in line and sample.media[0] in line for line in check(world))


def test_what_is_in_two_splits_is_found(world: Path) -> None:
    sample = load_samples(world / "test")[0]
    copy = world / "train" / "media" / "copy.png"
    copy.write_bytes((world / "test" / sample.media[0]).read_bytes())
    rewrite(world / "train", {}, [replace(sample, id="stolen", media=("media/copy.png",))])
    lines = check(world)
    assert any("the same question" in line for line in lines)
    assert any("the bytes of a file in train" in line for line in lines)


def test_counts(world: Path) -> None:
    rows = stats(world)
    assert totals(rows) == {"train": 26, "validation": 13, "test": 13}
    tracking = next(r for r in rows if r.split == "train" and r.task == "tracking")
    assert (tracking.modality, tracking.samples, tracking.media) == ("video", 2, 1)
    group = load_samples(world / "train").of_task("tracking")
    assert tracking.question == sum(len(s.question) for s in group) / 2
    assert list(load_splits(world)) == ["train", "validation", "test"]
    assert list(load_splits(world / "train")) == [""]


def test_a_page_has_a_picture_for_every_task_and_an_error_where_there_is_none(world: Path, tmp_path: Path) -> None:
    rewrite(world / "train", {0: {"media": ("media/none.png",), "question": "<script>alert(1)</script>"}})
    page = show(world, tmp_path / "page.html", count=13).read_text(encoding="utf-8")
    assert page.count("<section>") == 13 and "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert page.count("<img") >= 12
    assert "none.png" in page
    assert "<script>" not in page


@pytest.mark.slow
def test_a_page_of_large_noisy_pictures_stays_small(tmp_path: Path) -> None:
    """Forty photographs at their worst: five megabytes at most, nothing wider than the page has use for."""
    folder, rng = tmp_path / "data", np.random.default_rng(0)
    folder.mkdir()
    noise = rng.integers(0, 255, (30, 40, 3), dtype=np.uint8).repeat(20, 0).repeat(20, 1)
    Image.fromarray(noise ^ rng.integers(0, 64, noise.shape, dtype=np.uint8)).save(folder / "a.png")
    save_samples([Sample(f"s{i}", "spatial_grounding", "image", f"it, {i}", '{"boxes": [100, 100, 500, 500]}', media=(
        "a.png",)) for i in range(40)], folder / "samples.jsonl")  # fmt: skip
    file = show(folder, tmp_path / "page.html", count=40)
    page = file.read_text(encoding="utf-8")
    assert page.count("<img") == 40 and 2_000_000 < file.stat().st_size < 5_000_000
    picture = Image.open(io.BytesIO(base64.b64decode(page.split("base64,")[1].split('"')[0])))
    assert 512 <= picture.width <= 640


def test_the_page_shows_one_task_alone_if_asked(world: Path, tmp_path: Path) -> None:
    page = show(world, tmp_path / "page.html", count=26).read_text(encoding="utf-8")
    assert page.count('type="radio"') == 14 and page.count('class="said task-3"') == 2
    assert "body:has(#task-12:checked) section:not(:has(.task-12)) { display: none; }" in page


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no samples"):
        check(tmp_path)


@pytest.mark.slow
def test_the_real_samples_are_sound(tmp_path: Path) -> None:
    real = Path(__file__).resolve().parents[3] / "shared" / "real"
    if not real.is_dir():
        pytest.skip(f"the real samples are not at {real}")
    assert check(real) == []
    assert sum(row.samples for row in stats(real)) == 21
    assert show(real, tmp_path / "page.html", count=4).stat().st_size > 100_000


def test_rows_that_cannot_be_read_and_repeated_ids_are_problems(world: Path) -> None:
    file = world / "train" / "samples.jsonl"
    lines = file.read_text().splitlines()
    file.write_text("\n".join([*lines, "{", lines[0]]) + "\n")
    found = check(world)
    assert "line 27: not JSON" in found[0] and "is an earlier row's" in found[1] and "the same question" in found[2]
    with pytest.raises(DataError, match="line 27"):
        stats(world)


def test_a_still_picture_under_a_clip_s_name_and_a_text_under_a_picture_s(world: Path) -> None:
    root = world / "train"
    Image.new("RGB", (32, 32)).save(root / "media" / "still.png")
    (root / "media" / "text.png").write_text("no picture")
    clip = next(s for s in load_samples(root) if s.modality == "video")
    made = [
        Sample("still", clip.task, "video", "When?", clip.truth, clip.options, ("media/still.png",), meta=clip.meta),
        Sample("text", "ocr", "image", "What?", "t", media=("media/text.png",)),
    ]
    rewrite(root, {}, made)
    found = check(world)
    assert any("still: media/still.png is a still picture" in line for line in found)
    assert any("train/text: " in line and "text.png" in line for line in found)


def test_show_takes_a_task_and_a_source(world: Path, tmp_path: Path) -> None:
    source = load_samples(world / "train")[0].source
    page = show(world, tmp_path / "p.html", tasks=["tracking"], sources=[source]).read_text()
    assert "tracking" in page
    assert "temporal grounding" not in page
    with pytest.raises(DataError, match="no sample of task 'trackin'; the nearest is 'tracking'"):
        show(world, tmp_path / "p.html", tasks=["trackin"])
    with pytest.raises(DataError, match="no sample of source 'nowhere'"):
        show(world, tmp_path / "p.html", sources=["nowhere"])


def test_what_only_training_reads_is_checked_too(tmp_path: Path) -> None:
    """A row that is no sample, a truth that is none and a medium that is no picture, in a tar at an address."""
    rows = [
        {"id": "a", "task": "numerical", "modality": "image", "question": "?", "truth": "3"},
        {"id": "b", "task": "numerical", "modality": "smell", "question": "?", "truth": "3"},
        {"id": "c", "task": "numerical", "modality": "image", "question": "!", "truth": "many"},
    ]
    with tarfile.open(tmp_path / "a.tar", "w") as out:
        for number, row in enumerate(rows):
            for ending, content in (("json", json.dumps(row).encode()), ("png", b"no picture")):
                info = tarfile.TarInfo(f"{number}.{ending}")
                info.size = len(content)
                out.addfile(info, io.BytesIO(content))
    fs = fsspec.filesystem("memory")
    fs.put(str(tmp_path / "a.tar"), "/checked/a.tar")
    for place in (str(tmp_path / "a.tar"), "memory://checked"):
        lines = "\n".join(check(place))
        assert all(said in lines for said in ("a: ", "row 2: modality 'smell'", "c: ", "'many'")), lines
