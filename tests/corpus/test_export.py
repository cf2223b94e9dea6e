"""Every form is opened by the loader of the program that it is for, and holds what went in."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from onethinker.corpus.export import FORMS, base, export
from onethinker.corpus.push import push
from onethinker.sample import DataError, Sample, Samples, load_samples, save_samples

TEXT = Sample("t/1.x", "math", "text", "What does <image> mean? 1+1", "2", meta={"response": "so <answer>2</answer>"})


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, world: Samples) -> Samples:
    """Samples of pictures and of clips with worked answers, one without, and one of text with a mark as words."""
    from onethinker.data.sources.convert import place

    folder = tmp_path_factory.mktemp("own")
    pictures = [s for s in world if s.modality == "image"][:5]
    chosen = [*pictures, *[s for s in world if s.modality == "video"][:3], TEXT]
    chosen[0] = Sample(**{**{f: getattr(chosen[0], f) for f in Sample.__slots__}, "meta": {}})
    for sample in chosen:
        for path, name in zip(sample.paths(world.root), sample.media):
            if not (folder / name).exists():
                place(path, folder / name)
    save_samples(chosen, folder / "samples.jsonl")
    return load_samples(folder)


@pytest.mark.slow
def test_the_hubs_parquet_with_paths_and_embedded_is_streamed(data: Samples, tmp_path: Path) -> None:
    import datasets

    made = export(data.root, tmp_path / "paths", "parquet")
    assert (made.rows, made.left_out) == (len(data), {})
    rows = list(datasets.load_dataset(str(made.folder), split="train", streaming=True))
    assert [row["id"] for row in rows] == [s.id for s in data]
    assert all((made.folder / name).is_file() for row in rows for name in row["media"])
    assert list(load_samples(made.folder / "data/train-00000.parquet", made.folder)) == list(data)

    made = export(data.root, tmp_path / "embedded", "parquet", embed=True)
    stream = datasets.load_dataset(str(made.folder), split="train", streaming=True)
    assert isinstance(stream.features["images"].feature, datasets.Image)
    assert isinstance(stream.features["videos"].feature, datasets.Video)
    stream = stream.cast_column("videos", datasets.List(datasets.Video(decode=False)))
    rows = list(stream)
    for row, sample in zip(rows, data, strict=True):
        assert len(row["images"]) + len(row["videos"]) == len(sample.media)
        for image, path in zip(row["images"], sample.paths(data.root)):
            assert image.tobytes() == Image.open(path).tobytes()
        for clip, path in zip(row["videos"], sample.paths(data.root)):
            assert clip["bytes"] == path.read_bytes()


@pytest.mark.slow
def test_tar_files_are_webdatasets(data: Samples, tmp_path: Path) -> None:
    import datasets
    import webdataset

    made = export(data.root, tmp_path / "w", "webdataset", shard_bytes=4096)
    files = sorted(map(str, made.folder.glob("corpus-*.tar")))
    assert len(files) > 2
    rows = list(webdataset.WebDataset(files, shardshuffle=False, empty_check=False))
    assert [json.loads(row["json"])["id"] for row in rows] == [s.id for s in data]
    for row, sample in zip(rows, data, strict=True):
        held = [row[name] for name in json.loads(row["json"])["files"]]
        assert held == [path.read_bytes() for path in sample.paths(data.root)]
    hub = datasets.load_dataset("webdataset", data_files=files[:1], split="train", streaming=True)
    assert next(iter(hub))["json"]["id"] == data[0].id


def test_the_published_json_comes_back(data: Samples, tmp_path: Path) -> None:
    made = export(data.root, tmp_path / "p", "published")
    found = load_samples(made.folder / "onethinker.json")
    assert [(s.id, s.truth, s.media, s.options) for s in found] == [(s.id, s.truth, s.media, s.options) for s in data]
    assert all(path.is_file() for s in found for path in s.paths(found.root))


def test_sharegpt_rows_have_as_many_marks_as_media(data: Samples, tmp_path: Path) -> None:
    made = export(data.root, tmp_path / "s", "sharegpt")
    assert made.left_out == {"no worked answer to learn from (--truths teaches the bare truth)": 1}
    rows = json.loads((made.folder / "onethinker.json").read_text())
    assert len(rows) == made.rows == len(data) - 1
    for row in rows:
        said = "".join(turn["value"] for turn in row["conversations"])
        assert (said.count("<image>"), said.count("<video>")) == (len(row["images"]), len(row["videos"]))
    assert export(data.root, tmp_path / "all", "sharegpt", truths=True).rows == len(data)


@pytest.mark.slow
def test_llama_factory_reads_it(data: Samples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISABLE_VERSION_CHECK", "1")  # of transformers, which its reading of data does without
    pytest.importorskip("llamafactory", reason="LLaMA-Factory is not installed")
    from llamafactory.data.converter import align_dataset
    from llamafactory.data.parser import get_dataset_list

    made = export(data.root, tmp_path / "s", "sharegpt")
    (attributes,) = get_dataset_list(["onethinker"], str(made.folder))
    import datasets
    from llamafactory.hparams import DataArguments

    arguments = DataArguments(dataset_dir=str(made.folder), media_dir=str(made.folder), dataset="onethinker")
    raw = datasets.load_dataset("json", data_files=str(made.folder / attributes.dataset_name), split="train")
    training = type("Training", (), {"local_process_index": 0})()
    rows = align_dataset(raw, attributes, arguments, training)
    wanted = [s for s in data if s.meta.get("response")]
    assert len(rows) == len(wanted)
    for row, sample in zip(rows, wanted, strict=True):
        assert [turn["role"] for turn in row["_prompt"] + row["_response"]] == ["user", "assistant"]
        media = (row["_images"] or []) + (row["_videos"] or [])
        assert all(Path(name).samefile(path) for name, path in zip(media, sample.paths(data.root), strict=True))


@pytest.mark.parametrize("embed", [False, True])
def test_verl_rows(data: Samples, tmp_path: Path, embed: bool) -> None:
    import datasets

    made = export(data.root, tmp_path / "v", "verl", embed=embed)
    rows = datasets.load_dataset("parquet", data_files=f"{made.folder}/train-*.parquet")["train"]
    for row, sample in zip(rows, data, strict=True):
        (said,) = row["prompt"]
        assert (said["content"].count("<image>"), said["content"].count("<video>")) == (
            len(row["images"]), len(row["videos"]),
        )  # fmt: skip
        assert row["reward_model"]["ground_truth"] == sample.truth
        for image, path in zip(row["images"], sample.paths(data.root)):
            content = image["bytes"] if embed else Path(image["image"]).read_bytes()
            assert content == path.read_bytes()
        assert all(Path(clip["video"]).is_file() for clip in row["videos"])
    assert "[image]" in rows[len(data) - 1]["prompt"][0]["content"]


@pytest.mark.slow
def test_verl_reads_it(data: Samples, tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="verl needs ray")
    rl_dataset = pytest.importorskip("verl.utils.dataset.rl_dataset", reason="verl is not installed")
    from omegaconf import OmegaConf

    from onethinker.models import mini

    made = export(data.root, tmp_path / "v", "verl")
    processor = mini.processor()
    files = sorted(map(str, made.folder.glob("*.parquet")))
    config = OmegaConf.create({"filter_overlong_prompts": False, "cache_dir": str(tmp_path / "cache")})
    rows = rl_dataset.RLHFDataset(files, processor.tokenizer, config, processor)
    assert len(rows) == len(data)
    for at, sample in enumerate(data):
        content = rows[at]["raw_prompt"][0]["content"]
        media = [part for part in content if part["type"] != "text"] if isinstance(content, list) else []
        parts = zip(media, sample.paths(data.root), strict=True)
        assert all(Path(part[part["type"]]).samefile(path) for part, path in parts)


def test_easyr1_rows_by_kind(data: Samples, tmp_path: Path) -> None:
    import datasets

    made = export(data.root, tmp_path / "e", "easyr1")
    found: list[dict[str, Any]] = []
    for kind, mark in (("images", "<image>"), ("videos", "<video>")):
        # EasyR1's own call: a folder, by the ending of its first file
        rows = datasets.load_dataset("parquet", data_dir=str(made.folder / kind), split="train")
        assert {"problem", "answer", kind} <= set(rows.column_names)
        assert all(row["problem"].count(mark) == len(row[kind]) for row in rows)
        assert all((made.folder / name).is_file() for row in rows for name in row[kind])
        found += list(rows)
    assert sorted(row["id"] for row in found) == sorted(s.id for s in data)
    made = export(data.root, tmp_path / "embedded", "easyr1", embed=True)
    rows = datasets.load_dataset("parquet", data_dir=str(made.folder / "images"), split="train")
    Image.open(io.BytesIO(rows[0]["images"][0]["bytes"])).load()


@pytest.mark.slow
@pytest.mark.parametrize("embed", [False, True])
def test_easyr1_reads_it(data: Samples, tmp_path: Path, embed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its own class, from a checkout of EasyR1 on the PYTHONPATH; its package is named verl too."""
    dataset = pytest.importorskip("verl.utils.dataset", reason="EasyR1 is not on the path")
    if not hasattr(dataset, "process_image"):
        pytest.skip("this verl is not EasyR1's")
    from transformers.models.qwen3_vl import modeling_qwen3_vl

    from onethinker.models import mini

    for output in ("CausalLM", "Model"):  # types of EasyR1's model code that transformers 5 does not have
        monkeypatch.setattr(modeling_qwen3_vl, f"Qwen3VL{output}OutputWithPast", object, raising=False)

    made, processor, found = export(data.root, tmp_path / "e", "easyr1", embed=embed), mini.processor(), 0
    samples = {sample.id: sample for sample in data}
    for kind in ("images", "videos"):
        rows = dataset.RLHFDataset(
            str(made.folder / kind), processor.tokenizer, processor, prompt_key="problem",
            image_dir=str(made.folder), max_prompt_length=4096, filter_overlong_prompts=False,
            min_pixels=1024, max_pixels=16384,
        )  # fmt: skip
        for row in (rows[at] for at in range(len(rows))):
            sample, media = samples[row["id"]], row["multi_modal_data"][kind]
            assert row["ground_truth"] == sample.truth
            assert len(media) == len(sample.media)
            if not embed or kind == "videos":
                assert all(Path(name).samefile(path) for name, path in zip(media, sample.paths(data.root), strict=True))
            words = processor.tokenizer.decode(row["raw_prompt_ids"])
            assert words.count("<|vision_start|>") == len(media)
            found += 1
    assert found == made.rows == len(data)


@pytest.mark.parametrize("form", FORMS)
def test_a_medium_that_is_not_there_costs_its_sample(data: Samples, tmp_path: Path, form: str) -> None:
    gone = Sample("gone", "ocr", "image", "Read.", "x", media=("none.png",), meta={"response": "<answer>x</answer>"})
    save_samples([gone, *list(data)[1:3]], tmp_path / "samples.jsonl")
    made = export(tmp_path / "samples.jsonl", tmp_path / "out", form, media_root=data.root)
    assert made.rows == 2
    assert made.left_out == {"a medium is not there": 1}


def test_a_killed_export_goes_on_to_the_same_bytes(
    data: Samples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = export(data.root, tmp_path / "whole", "webdataset", shard_bytes=4096).folder
    real = base.write_whole

    def killed(path: Path, content: str) -> None:
        real(path, content)
        if path.name == ".shards.json" and len(json.loads(content)) == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(base, "write_whole", killed)
        with pytest.raises(KeyboardInterrupt):
            export(data.root, tmp_path / "out", "webdataset", shard_bytes=4096)
    first = (tmp_path / "out/corpus-000000.tar").stat().st_ino
    made = export(data.root, tmp_path / "out", "webdataset", shard_bytes=4096)
    assert made.rows == len(data)
    assert (made.folder / "corpus-000000.tar").stat().st_ino == first
    one, other = ([f.read_bytes() for f in sorted(folder.glob("*.tar"))] for folder in (whole, made.folder))
    assert one == other


def test_what_cannot_be_exported_is_said(data: Samples, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the nearest is 'webdataset'"):
        export(data.root, tmp_path / "a", "webdatasets")
    (tmp_path / "b").mkdir()
    (tmp_path / "b/x").touch()
    with pytest.raises(DataError, match="holds x, which no export left"):
        export(data.root, tmp_path / "b", "verl")
    export(data.root, tmp_path / "c", "verl")
    with pytest.raises(DataError, match="another export"):
        export(data.root, tmp_path / "c", "easyr1")
    save_samples([data[0]], tmp_path / "one.jsonl")
    with pytest.raises(DataError, match="no worked answer"):
        export(tmp_path / "one.jsonl", tmp_path / "d", "sharegpt", media_root=data.root)
    with pytest.raises(DataError, match="an address, from which only training reads"):
        export("s3://bucket/set", tmp_path / "d", "verl")
    made = export(tmp_path / "one.jsonl", tmp_path / "d", "verl", media_root=data.root)
    assert made.rows == 1, "what came to nothing leaves its place"


def test_push(data: Samples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    sent: list[tuple[str, dict[str, Any]]] = []

    class Api:
        def create_repo(self, repo: str, **fields: Any) -> str:
            if repo == "not/mine":
                raise ValueError("403 Forbidden: you cannot")
            sent.append((repo, fields))
            return f"https://hub/{repo}"

        def upload_folder(self, **fields: Any) -> None:
            sent.append(("upload", fields))

    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    made = export(data.root, tmp_path / "e", "parquet", embed=True)
    assert push(made.folder, "me/corpus") == "https://hub/me/corpus"
    assert sent[0] == ("me/corpus", {"repo_type": "dataset", "private": True, "exist_ok": True})
    assert sent[1][1]["folder_path"] == made.folder
    with pytest.raises(DataError, match="the hub refuses \\(403 Forbidden: you cannot\\)"):
        push(made.folder, "not/mine")
    save_samples([data[1]], tmp_path / "c/samples.jsonl")
    push(tmp_path / "c", "me/other", media_root=data.root)
    assert (tmp_path / "c/.hub/data/train-00000.parquet").is_file()
