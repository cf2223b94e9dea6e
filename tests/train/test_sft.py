"""SFT: transformers' own loss, answer tokens only, and a run that is the same run however often it is interrupted."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from onethinker.engines.encode import Encoder
from onethinker.models.load import load
from onethinker.recipes.base import DataConfig
from onethinker.sample import DataError, save_samples
from onethinker.train import checkpoint
from onethinker.train.distributed import DistributedModel
from onethinker.train.optimizer import make_optimizer
from onethinker.train.parallel import SINGLE_PROCESS
from onethinker.train.roster import fingerprint
from onethinker.train.sft import HOPELESS, ExampleSource, run_sft, train_step
from onethinker.util.runs import RunError
from tests.amount import thinned
from tests.train.runs import assert_same, digest, lasting, rows


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture
def source(world, tiny, mini_processor) -> ExampleSource:
    return ExampleSource(world, tiny(), Encoder(mini_processor))


def test_loss_equals_transformers_with_labels(source, world, tiny, mini_model):
    """`labels` with −100 on the prompt; transformers takes the mean of one example, ours is over all answer tokens."""
    examples = source.batch(range(0, len(world), 6))
    assert {len(e.prompt.media) for e in examples} == {2}
    assert {key for e in examples for key in e.prompt.media} >= {"pixel_values", "pixel_values_videos"}
    total = 0.0
    for example in examples:
        ids = torch.cat([example.prompt.ids_T, torch.tensor(example.answer)])[None]
        labels = ids.clone()
        labels[:, : len(example.prompt)] = -100
        types = torch.cat([example.prompt.types_T, torch.zeros(len(example.answer), dtype=torch.long)])[None]
        with torch.no_grad():
            out = mini_model(
                input_ids=ids, attention_mask=torch.ones_like(ids), mm_token_type_ids=types, labels=labels,
                **example.prompt.media,
            )  # fmt: skip
        total += float(out.loss) * len(example.answer)
    optimizer = make_optimizer(mini_model, tiny().sft.optimizer)
    row = train_step(DistributedModel(mini_model, SINGLE_PROCESS, "ddp"), optimizer, tiny(), examples, share=0.0)
    assert row["loss"] == pytest.approx(total / sum(len(e.answer) for e in examples), rel=1e-5)
    assert row["answer_tokens"] == sum(len(e.answer) for e in examples)


def test_the_answer_is_the_response_and_the_end_of_turn(source, world):
    example = source[4]
    text = source.encoder.tokenizer.decode(example.answer)
    assert text == world[4].meta["response"] + "<|im_end|>"
    hostile = replace(world, items=(replace(world[0], meta={"response": "<|im_end|><|image_pad|>"}),))
    answer = ExampleSource(hostile, source.recipe, source.encoder)[0].answer
    assert answer.count(source.stop) == 1


@pytest.mark.slow  # the quick suite has test_loss's microbatches
def test_accumulation_equals_one_batch(source, tiny, mini_processor):
    after = []
    for micro_tokens in (100_000, 120):
        recipe = tiny("sft.optimizer.kind=adamw", f"sft.micro_tokens={micro_tokens}")
        model, _ = load("mini", device="cpu")
        optimizer = make_optimizer(model, recipe.sft.optimizer)
        row = train_step(
            DistributedModel(model, SINGLE_PROCESS, "ddp"), optimizer, recipe, source.batch(range(8)), share=1.0
        )
        after.append((row, torch.cat([p.detach().flatten() for p in model.parameters()])))
    assert after[0][0]["loss"] == pytest.approx(after[1][0]["loss"], rel=1e-6)
    assert after[0][0]["grad_norm"] == pytest.approx(after[1][0]["grad_norm"], rel=1e-4)
    moved = (after[0][1] - after[1][1]).abs()
    assert moved.mean() < 1e-6, "Adam's first step is lr·sign(gradient): only gradients near 0 may differ"


@pytest.mark.parametrize("lora", thinned([0, 2], 2))
def test_resumed_equals_uninterrupted(lora, world, tiny, tmp_path):
    recipe = tiny(f"lora.rank={lora}", "sft.optimizer.kind=muon", "sft.steps=2", "sft.batch=3")
    whole = run_sft(recipe, world, tmp_path / "whole")
    run_sft(recipe, world, tmp_path / "cut", stop_after=1)
    cut = run_sft(recipe, world, tmp_path / "cut")
    assert digest(cut) == digest(whole)
    states = [checkpoint.load_state(folder) | {"seconds": 0} for folder in (cut, whole)]
    assert_same(*states)
    assert lasting(tmp_path / "cut") == lasting(tmp_path / "whole")
    assert [row["step"] for row in rows(tmp_path / "cut")] == [1, 2]
    assert rows(tmp_path / "whole")[-1]["seconds"] > rows(tmp_path / "whole")[0]["seconds"]
    assert run_sft(recipe, world, tmp_path / "cut") == cut, "a finished run is left as it is"
    if lora:
        model, _ = load(str(cut), device="cpu", adapters=True)
        start, _ = load("mini", device="cpu", seed=recipe.seed)
        with model.disable_adapter():
            frozen = {n.replace(".base_layer", ""): p for n, p in model.get_base_model().named_parameters()}
        assert all(torch.equal(frozen[name], p) for name, p in start.named_parameters())


@pytest.mark.slow
def test_rows_after_the_last_checkpoint_are_dropped(world, tiny, tmp_path):
    recipe = tiny("sft.save_every=2", "sft.steps=2")
    run_sft(recipe, world, tmp_path / "run", stop_after=1)
    with (tmp_path / "run" / "metrics.jsonl").open("a") as log:
        log.write('{"step": 2, "loss": 9.0}\n{"step": 3, "lo')
    run_sft(recipe, world, tmp_path / "run")
    assert [row["step"] for row in rows(tmp_path / "run")] == [1, 2]
    assert rows(tmp_path / "run")[-1]["loss"] != 9.0


def test_frozen_parts_keep_every_bit(world, tiny, tmp_path):
    recipe = tiny(
        "sft.steps=1", "sft.freeze_vision=true", "sft.freeze_projector=false", "sft.optimizer.weight_decay=0.1"
    )
    model, _ = load(str(run_sft(recipe, world, tmp_path / "run")), device="cpu")
    start, _ = load("mini", device="cpu", seed=recipe.seed)
    for (name, before), after in zip(start.named_parameters(), model.parameters(), strict=True):
        frozen = "visual" in name and "merger" not in name
        assert torch.equal(before, after) == frozen or before.numel() < 2048, name


def test_long_examples_are_left_out_and_counted(world, tiny, tmp_path, capsys):
    recipe = tiny("sft.max_tokens=100", "sft.steps=2", "sft.batch=13")
    run_sft(recipe, world, tmp_path / "run")
    assert rows(tmp_path / "run")[-1]["left_out"] > rows(tmp_path / "run")[0]["left_out"] > 0
    assert "examples longer than 100 tokens were left out" in capsys.readouterr().out


@pytest.mark.parametrize("batch", [4, 39])
def test_a_run_all_of_whose_samples_are_too_long_stops_before_it_has_gone_through_them(batch, world, tiny, tmp_path):
    with pytest.raises(RunError, match=r"each of the first \d+ samples exceeds sft\.max_tokens=10"):
        run_sft(tiny("sft.max_tokens=10", "sft.steps=50", f"sft.batch={batch}"), world, tmp_path / "run")
    assert not (tmp_path / "run").exists() or len(rows(tmp_path / "run")) * batch < HOPELESS


def test_a_batch_of_long_examples_alone_changes_no_weight_and_ends_no_run(world, tiny, tmp_path, source):
    """The last batch of an epoch may be a single sample, and the same one whenever the run is started again."""
    lengths = [len(source[i]) for i in range(len(world))]
    short, long = lengths.index(min(lengths)), lengths.index(max(lengths))
    recipe = tiny(f"sft.max_tokens={min(lengths)}", "sft.steps=4", "sft.batch=1")
    final = run_sft(recipe, replace(world, items=(world[short], world[long])), tmp_path / "run")
    told = rows(tmp_path / "run")
    assert sorted(row["examples"] for row in told) == [0, 0, 1, 1] and final.name == "step-000004"
    assert [row["loss"] is None for row in told] == [row["examples"] == 0 for row in told]
    assert told[-1]["left_out"] == 2


def test_a_sample_without_a_worked_answer_is_named(world, tiny, tmp_path):
    items = (world[0], replace(world[1], meta={}))
    with pytest.raises(DataError, match=rf"sample {world[1].id} \(world-train\) has no worked answer"):
        run_sft(tiny(), replace(world, items=items), tmp_path / "run")


def test_another_run_in_the_folder_is_refused_with_the_differences(world, tiny, tmp_path):
    run_sft(tiny("sft.steps=1"), world, tmp_path / "run")
    with pytest.raises(RunError, match=r"recipe\.sft\.optimizer\.lr: 0\.001 → 0\.002"):
        run_sft(tiny("sft.steps=1", "sft.optimizer.lr=0.002"), world, tmp_path / "run")
    with pytest.raises(RunError, match=rf"samples\.n: {len(world)} → {len(world) - 1}"):
        run_sft(tiny("sft.steps=1"), world[:38], tmp_path / "run")
    with pytest.raises(RunError, match="no samples to train on"):
        run_sft(tiny(), world[:0], tmp_path / "none")


def test_fingerprint_sees_every_sample_and_worked_answer(world):
    def changed(**fields):
        return replace(world, items=(*world.items[:7], replace(world[7], **fields), *world.items[8:]))

    told = changed(meta={**world[7].meta, "response": "<think>no</think><answer>B</answer>"})
    prints = [fingerprint(s)["digest"] for s in (world, changed(truth="other"), told)]
    assert len(set(prints)) == 3


def test_assert_same_can_fail():
    with pytest.raises(AssertionError):
        assert_same({"a": [torch.zeros(2)]}, {"a": [torch.ones(2)]})


KILLED = """
import os, signal, sys
from pathlib import Path
import torch
from onethinker.recipes.base import Recipe
from onethinker.sample import load_samples
from onethinker.train import checkpoint, sft

recipe, data, out, where = sys.argv[1:]
torch.set_num_threads(1)
calls = 0

def deadly(function):
    def wrapped(*args, **kwargs):
        global calls
        calls += 1
        result = function(*args, **kwargs)
        if calls == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return result
    return wrapped

place, name = {"state": (checkpoint.torch, "save"), "step": (sft, "train_step"), "weights": (checkpoint, "save")}[where]
setattr(place, name, deadly(getattr(place, name)))
sft.run_sft(Recipe.model_validate_json(recipe), load_samples(data), Path(out))
"""


@pytest.mark.slow
@pytest.mark.parametrize("where", ["state", "weights", "step"])
def test_killed_in_the_middle_and_started_again(where, world, tiny, tmp_path):
    """SIGKILL after the second step, its weights or its state were written, before the checkpoint was in place."""
    recipe = tiny("sft.save_every=1", "sft.steps=3")
    whole = run_sft(recipe, world, tmp_path / "whole")
    data = save_samples(world, world.root / "copy.jsonl")
    arguments = [recipe.model_dump_json(), str(data), str(tmp_path / "cut"), where]
    done = subprocess.run(
        [sys.executable, "-c", KILLED, *arguments], env=os.environ | {"OMP_NUM_THREADS": "1"}, check=False
    )
    assert done.returncode == -signal.SIGKILL
    assert [p.name for p in checkpoint.folders(tmp_path / "cut")] == ["step-000001"]
    assert digest(run_sft(recipe, world, tmp_path / "cut")) == digest(whole)
    assert lasting(tmp_path / "cut") == lasting(tmp_path / "whole")


def break_a_picture(world, root):
    """A copy of 12 stills in which sample 5's picture is no picture; returns samples and that file with its bytes."""
    items = tuple(sample for sample in world if sample.modality == "image" and len(sample.media) == 1)[:12]
    for sample in items:
        (root / sample.media[0]).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(world.root / sample.media[0], root / sample.media[0])
    file = root / "alone.png"
    whole = (world.root / items[5].media[0]).read_bytes()
    file.write_bytes(b"\x89PNG no picture")
    return replace(world, root=root, items=(*items[:5], replace(items[5], media=(file.name,)), *items[6:])), file, whole


@pytest.fixture
def broken(world, tmp_path):
    return break_a_picture(world, tmp_path / "data")


@pytest.fixture(scope="module")
def uninterrupted(world, tiny, tmp_path_factory):
    """What an epoch over those samples comes to: the recipe, the weights' digest and the log."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    torch.set_num_threads(1)
    recipe = tiny("sft.steps=3", "sft.batch=4", "sft.save_every=1")
    whole = run_sft(recipe, break_a_picture(world, folder / "data")[0], folder / "run")
    return recipe, digest(whole), lasting(folder / "run")


def test_a_broken_picture_is_counted_named_and_left_out(broken, tiny, tmp_path, capsys):
    samples, file, _ = broken
    recipe = tiny("sft.steps=6", "sft.batch=4")
    run_sft(recipe, samples, tmp_path / "run")
    log = rows(tmp_path / "run")
    assert [row["examples"] for row in log].count(3) == 2 and log[-1]["unreadable"] == 2, "once in each of two epochs"
    assert log[-1]["left_out"] == 0
    [told] = [json.loads(line) for line in (tmp_path / "run" / "unreadable.jsonl").read_text().splitlines()]
    assert told["id"] == samples[5].id and file.name in told["problem"]
    said = capsys.readouterr()
    assert f"SFT goes without sample {samples[5].id}: " in said.err
    assert "2 times a batch went without a sample that cannot be read" in said.out


@pytest.mark.slow
@pytest.mark.parametrize("how", ["as it is", "removed", "removed with its picture"])
def test_a_run_goes_on_without_a_sample_that_cannot_be_read(how, broken, uninterrupted, tmp_path):
    """To the bit, whether the sample was met before it was removed or not."""
    samples, file, _ = broken
    recipe, weights, log = uninterrupted
    for cut in (1, 2):
        out = tmp_path / f"cut-{cut}"
        run_sft(recipe, samples, out, stop_after=cut)
        left = samples if how == "as it is" else replace(samples, items=(*samples.items[:5], *samples.items[6:]))
        if how == "removed with its picture":
            file.unlink(missing_ok=True)
        assert digest(run_sft(recipe, left, out)) == weights
        assert lasting(out) == log
        file.write_bytes(b"\x89PNG no picture")


@pytest.mark.slow
def test_a_mended_picture_takes_part_from_its_next_turn(broken, tiny, tmp_path):
    samples, file, whole = broken
    recipe = tiny("sft.steps=6", "sft.batch=4")
    run_sft(recipe, samples, tmp_path / "run", stop_after=3)
    file.write_bytes(whole)
    run_sft(recipe, samples, tmp_path / "run")
    assert [row["examples"] for row in rows(tmp_path / "run")][3:] == [4, 4, 4]
    assert rows(tmp_path / "run")[-1]["unreadable"] == 1


def test_a_readable_sample_that_is_gone_is_another_run(broken, tiny, tmp_path):
    samples, _, _ = broken
    recipe = tiny("sft.steps=2", "sft.batch=4")
    run_sft(recipe, samples, tmp_path / "run", stop_after=1)
    for items in (samples.items[1:], (*samples.items[1:6], samples[0], *samples.items[6:]), samples.items[::-1]):
        with pytest.raises(RunError, match=r"samples\.(n|digest): "):
            run_sft(recipe, replace(samples, items=items), tmp_path / "run")


@pytest.mark.slow
def test_too_many_unreadable_samples_stop_the_run_which_then_goes_on(world, tiny, tmp_path):
    root = tmp_path / "data"
    shutil.copytree(world.root, root)
    samples = replace(world, root=root)
    kept = {name: (root / name).read_bytes() for s in samples for name in s.media}
    for name in kept:
        (root / name).write_bytes(b"nothing")
    recipe = tiny("sft.steps=1", "sft.batch=4")
    with pytest.raises(RunError, match=r"4 samples that cannot be read, more than the 1 of \d+ that data\.max_unr"):
        run_sft(recipe, samples, tmp_path / "run")
    with pytest.raises(RunError, match="more than the 0 of"):
        run_sft(recipe.model_copy(update={"data": DataConfig(max_unreadable=0)}), samples, tmp_path / "none")
    for name, content in kept.items():
        (root / name).write_bytes(content)
    assert digest(run_sft(recipe, samples, tmp_path / "run")) == digest(run_sft(recipe, world, tmp_path / "whole"))


def test_a_batch_of_nothing_but_a_broken_picture_changes_no_weight(broken, tiny, tmp_path):
    samples, _, _ = broken
    alone = replace(samples, items=samples.items[5:6])
    made = run_sft(tiny("sft.steps=1"), alone, tmp_path / "run")
    assert rows(tmp_path / "run")[0]["examples"] == 0 and rows(tmp_path / "run")[0]["loss"] is None
    start, _ = load("mini", device="cpu", seed=tiny().seed)
    after, _ = load(str(made), device="cpu")
    assert all(torch.equal(a, b) for a, b in zip(start.parameters(), after.parameters(), strict=True))


def test_a_chat_without_an_answer_is_refused_before_the_run_begins(world, tiny, tmp_path):
    lacking = replace(world, items=(world[0], replace(world[1], meta={}), replace(world[2], meta={})))
    with pytest.raises(DataError, match="and so 2 of 3; SFT needs one on every sample"):
        run_sft(tiny(), lacking, tmp_path / "run")
    assert not (tmp_path / "run").exists()
