"""Rows of the three forms become samples and come back as they were."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onethinker.sample import (
    DataError,
    Sample,
    Samples,
    from_published,
    from_sft,
    load_samples,
    parse_row,
    save_samples,
    strip_answer,
    to_native,
    to_published,
    to_sft,
)
from onethinker.tasks import get_task, list_tasks
from onethinker.tasks.prompts import load_prompts
from tests.amount import many

REAL = Path(__file__).parents[3] / "shared" / "real" / "samples.json"
ROW: dict[str, Any] = {
    "problem_id": 7,
    "problem": "<image> then <video>: which <image>?",
    "data_type": "video-image",
    "problem_type": "multiple choice",
    "options": ["A. red", "B. blue"],
    "solution": "<answer>B</answer>",
    "path": ["a.png", "b.mp4"],
    "additional_path": "c.png",
    "data_source": "made",
    "resolution": {"width": 64, "height": 48},
    "fps": 2.0,
    "segmentation_output": "{'size': [48, 64], 'counts': 'abc'}",
    "something_else": [1, {"deep": None}],
    "response": "<think>an <answer>A</answer>?</think><answer>B</answer>",
}


def test_the_real_pack_comes_back_as_it_is(tmp_path: Path) -> None:
    if not REAL.exists():
        pytest.skip("the real sample pack (shared/real beside the checkout) is not here")
    file = save_samples(load_samples(REAL), tmp_path / "again.json")
    assert json.loads(file.read_text()) == json.loads(REAL.read_text())
    assert load_samples(file).items == load_samples(REAL).items


def test_a_published_row_keeps_every_field() -> None:
    sample = from_published(ROW, "here")
    assert sample.media == ("a.png", "b.mp4", "c.png")
    assert sample.truth == "B"
    assert sample.meta["segmentation"] == ROW["segmentation_output"]
    assert to_published(sample) == ROW
    assert from_published(json.loads(json.dumps(to_published(sample))), "here") == sample


@pytest.mark.parametrize("name", [None, "x-1", "007", "1" * 5000, 12, "٣"])
def test_ids_come_back(name: Any) -> None:
    sample = from_published(ROW | {"problem_id": name}, "data.json, row 3")
    assert sample.id == ("row 3" if name is None else str(name))
    assert from_published(to_published(sample), "") == sample


def test_the_kind_of_a_segmentation_is_its_media() -> None:
    kinds = {
        m: from_published(ROW | {"problem_type": "Segmentation", "data_type": m}, "").task for m in ("Image", "video")
    }
    assert kinds == {"Image": "image_segmentation", "video": "video_segmentation"}


@pytest.mark.parametrize("task", list_tasks())
def test_every_task_has_a_published_name(task: str) -> None:
    modality = get_task(task).modalities[0]
    sample = Sample("a", task, modality, "q", "t", meta={"kind": "new", "duration": 2.5})  # type: ignore[arg-type]
    assert from_published(to_published(sample), "") == sample


@pytest.mark.parametrize(
    ("solution", "truth"),
    [
        ("<answer> 4 </answer>", "4"),
        ("4", "4"),
        ("<think><answer>3</answer></think> <answer>4</answer>", "4"),
        ("</answer><answer>", "</answer><answer>"),
        ("<answer></answer>", ""),
    ],
)
def test_strip_answer(solution: str, truth: str) -> None:
    assert strip_answer(solution) == truth


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"problem": None}, "'problem' is None"),
        ({"problem": 4}, "'problem' is 4"),
        ({"data_type": "hologram"}, "data_type 'hologram'; expected one of image"),
        ({"problem_type": "riddle"}, "problem_type 'riddle'; the nearest is '"),
        ({"solution": ["a"]}, "'solution' is"),
        ({"options": "A. red"}, "'options' is 'A. red'; expected a list"),
        ({"options": [{}]}, "'options'"),
        ({"path": [1]}, "'path' is"),
        ({"path": [""]}, "'path' is"),
        ({"path": {"a": 1}}, "'path' is"),
        ({"additional_path": 5}, "'additional_path' is 5"),
        ({"problem_id": [1]}, "'problem_id' is"),
        ({"problem_id": True}, "'problem_id' is"),
    ],
)
def test_what_is_wrong_with_a_published_row_is_said(change: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError, match=said) as caught:
        parse_row(ROW | change, "data.json, row 3")
    assert str(caught.value).startswith("data.json, row 3: ")


def test_errors_do_not_repeat_a_huge_value() -> None:
    with pytest.raises(DataError) as caught:
        parse_row(ROW | {"problem_type": "x" * 10**6, "path": ["y" * 10**6, 3]}, "here")
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("task", list_tasks())
def test_the_chat_form_gives_the_sample_back(task: str) -> None:
    for modality in get_task(task).modalities:
        media = {"image": ("a.png", "b.gif"), "video": ("a.gif", "b"), "video-image": ("a.png", "b.mp4"), "text": ()}[
            modality
        ]
        meta = {"response": "<think>x</think><answer>t</answer>", "fps": 2.0, "kind": "new"}
        sample = Sample("3", task, modality, "which?", "t", ("A. a",), media, "made", meta)  # type: ignore[arg-type]
        row = to_sft(sample, get_task(task).prompt(sample, load_prompts("full")))
        assert from_sft(json.loads(json.dumps(row)), "here") == sample


def test_the_chat_form_keeps_additional_media_and_their_order() -> None:
    sample = from_published(ROW, "here")
    row = to_sft(sample, sample.question)
    assert (row["images"], row["videos"]) == (["a.png", "c.png"], ["b.mp4"])
    assert from_sft(row, "here") == sample


def test_a_plain_chat_record() -> None:
    said = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "<image>What is it?"},
        {"role": "assistant", "content": "<think>is <answer>it</answer>?</think><answer>a cat</answer>"},
    ]
    sample = from_sft({"messages": said, "images": "a.png"}, "data.jsonl, row 2")
    assert (sample.id, sample.task, sample.modality, sample.truth) == ("row 2", "open_ended", "image", "a cat")
    assert sample.meta["response"] == said[2]["content"]
    assert from_sft({"messages": said, "images": ["a.png"], "videos": ["b.mp4"]}, "").media == ("b.mp4", "a.png")


@pytest.mark.parametrize(
    "messages",
    [
        None,
        "hello",
        [],
        ["hello"],
        [{"role": "user", "content": "q"}],
        [{"role": "user", "content": [{"type": "text"}]}],
    ],
)
def test_broken_chats_are_refused(messages: Any) -> None:
    with pytest.raises(DataError, match="here: "):
        parse_row({"messages": messages}, "here")


def test_the_chat_form_needs_a_worked_answer() -> None:
    with pytest.raises(DataError, match="sample 7 has no worked answer"):
        to_sft(from_published({k: v for k, v in ROW.items() if k != "response"}, ""), "q")


NATIVE = {"id": "a", "task": "ocr", "modality": "image", "question": "q", "truth": "t", "media": ["a.png"]}


def test_native_rows_keep_unknown_fields_in_meta() -> None:
    sample = parse_row(NATIVE | {"split": "train", "meta": {"kind": "new"}}, "")
    assert sample.meta == {"split": "train", "kind": "new"}
    assert parse_row(to_native(sample), "") == sample
    assert parse_row(NATIVE | {"media": "a.png", "id": 3, "source": None, "options": None}, "").media == ("a.png",)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"truth": 4}, "'truth' is 4; expected text"),
        ({"modality": "smell"}, "modality 'smell'"),
        ({"options": "abc"}, "'options' is 'abc'"),
        ({"media": 3}, "'media' is 3"),
        ({"meta": "{"}, "'meta' is not JSON"),
        ({"meta": "[1]"}, "'meta' is"),
        ({"meta": [1]}, "'meta' is"),
        ({"id": 1.5}, "'id' is 1.5"),
    ],
)
def test_what_is_wrong_with_a_native_row_is_said(change: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError, match=said):
        parse_row(NATIVE | change, "here")


def test_missing_fields_and_no_object() -> None:
    with pytest.raises(DataError, match="here: fields question, truth are missing"):
        parse_row({"id": "a", "task": "ocr", "modality": "image"}, "here")
    with pytest.raises(DataError, match="here: expected an object with a sample's fields, found list"):
        parse_row([1], "here")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from([*ROW, *NATIVE, "messages", "images", "videos", "x"])


@settings(max_examples=many(300, 30), deadline=None)
@given(st.sampled_from([ROW, NATIVE, {}]), st.dictionaries(KEYS, JSON, max_size=4))
def test_any_row_is_a_sample_or_a_data_error(row: dict[str, Any], change: dict[str, Any]) -> None:
    try:
        sample = parse_row(row | change, "here, row 1")
    except DataError as error:
        assert "here, row 1" in str(error)
        return
    assert all(isinstance(name, str) and name for name in sample.media)
    assert len(sample.digest()) == 16


TEXT = st.text(st.characters(codec="utf-8"), max_size=30)
NAMES = st.lists(st.text("abc./_ü", min_size=1, max_size=8), max_size=3).map(tuple)


@settings(max_examples=many(200, 20), deadline=None)
@given(
    TEXT, TEXT.map(str.strip), st.lists(TEXT, max_size=3).map(tuple), NAMES, TEXT, st.sampled_from(["image", "video"])
)
def test_native_and_published_rows_round_trip(
    question: str, truth: str, options: tuple[str, ...], media: tuple[str, ...], source: str, modality: Any
) -> None:
    sample = Sample("x", "ocr", modality, question, truth, options, media, source, {"fps": 2.5, "split": "test"})
    assert parse_row(json.loads(json.dumps(to_native(sample))), "") == sample
    if "answer>" not in truth:
        assert parse_row(json.loads(json.dumps(to_published(sample))), "") == sample


def test_digests_see_what_a_score_depends_on() -> None:
    sample = parse_row(NATIVE | {"meta": {"fps": 2.0}}, "")
    changed = {"task": "math", "question": "r", "truth": "u", "media": ["b.png"], "options": ["A"]}
    digests = {parse_row(NATIVE | {"meta": {"fps": 2.0}} | {k: v}, "").digest() for k, v in changed.items()}
    digests |= {sample.digest(), parse_row(NATIVE | {"meta": {"fps": 3.0}}, "").digest()}
    assert len(digests) == len(changed) + 2
    assert parse_row(NATIVE | {"meta": {"fps": 2.0, "response": "x"}, "id": "b"}, "").digest() == sample.digest()


def test_samples_are_a_sequence() -> None:
    items = tuple(parse_row(NATIVE | {"id": str(n), "task": t}, "") for n, t in enumerate(["ocr", "math", "ocr"]))
    samples = Samples(items, Path("root"))
    assert (len(samples), samples[1].task, [s.id for s in samples[1:]]) == (3, "math", ["1", "2"])
    assert [s.id for s in samples.of_task("ocr")] == ["0", "2"]
    assert samples[:1].root == Path("root")
