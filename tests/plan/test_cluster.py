"""A recipe on clusters: who waits for what, what crosses the network, what it costs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from onethinker.cli.app import app
from onethinker.models.published import meta_model
from onethinker.plan.cluster import CLUSTERS, IDLE, bottlenecks, make_clusters, memory_variants
from onethinker.plan.estimate import GB, make_plan
from onethinker.plan.machine import GPUS, Rate, Typical, make_rate
from onethinker.plan.pace import Decoding, Held, busiest, idle_share, update_passes
from onethinker.recipes import load_recipe
from onethinker.recipes.base import override
from onethinker.sample import Sample, save_samples

RECIPE = load_recipe("qwen3_vl_8b")


def test_the_busiest_gpu_decides() -> None:
    assert [busiest(32, n) for n in (8, 32, 33, 256)] == [4, 1, 1, 1]
    assert idle_share(32, 32) == 0 and idle_share(33, 32) == pytest.approx(31 / 64)
    assert update_passes(128, 32, 8, 3000, 8192) == (4, 4 * 2)  # four groups each, two of them in a pass
    assert update_passes(128, 32, 8, 9000, 8192) == (4, 4 * 4)  # a group that fits no pass goes alone


def test_more_gpus_than_groups_are_no_help_and_that_is_said() -> None:
    at_32, at_256 = (make_plan(RECIPE, n).stages["RL updates"] for n in (32, 256))
    assert at_256.parts["arithmetic"] == at_32.parts["arithmetic"]
    assert bottlenecks(make_plan(RECIPE, 256))["RL updates"].startswith(IDLE)
    assert not any(told.startswith(IDLE) for told in bottlenecks(make_plan(RECIPE, 8)).values())
    wider = override(RECIPE, ["rl.minibatch=256", "rl.prompts=256"])
    assert not bottlenecks(make_plan(wider, 256))["RL updates"].startswith(IDLE)


def test_parts_of_weights_cross_the_network_in_every_pass_and_copies_once_an_update() -> None:
    weights = 100.0
    parts, copies = (Held(4, sharded, weights, weights, 0.0, modules=10) for sharded in (True, False))
    assert (
        parts.of_passes(passes=6, updates=2).volume == 6 * 3 * weights * 3 / 4
    )  # gathered twice, gradients given once
    assert copies.of_passes(passes=6, updates=2).volume == 2 * 2 * weights * 3 / 4
    alone = make_plan(RECIPE, 1).stages
    assert all(stage.exchanged.volume == 0 for stage in alone.values())
    assert "waiting for exchange" in alone["SFT"].parts and alone["SFT"].parts["waiting for exchange"] == 0


def test_a_slow_network_is_what_a_node_waits_for() -> None:
    slow = Rate(replace(GPUS["h800"], link=5.0))
    plan = make_plan(RECIPE, 8, slow)
    assert bottlenecks(plan)["SFT"] == "waiting for exchange"
    assert plan.stages["SFT"].seconds > 2 * make_plan(RECIPE, 8).stages["SFT"].seconds


def test_decoding_is_bound_by_memory_with_few_rows_and_by_arithmetic_with_many() -> None:
    rate = Rate(GPUS["h100"])
    decoding = Decoding(weights=4e9, prompt=1e8, own=1e7, flops=4e9, layers=28, steps=100, vocabulary=0)
    few = decoding.seconds(rate, 1, 1, 64, "local")["decoding"]
    assert few == pytest.approx(100 * (4e9 + 1e8 + 1e7) / rate.bandwidth)
    many = decoding.seconds(replace(rate, memory=1e6), 64, 8, 512, "local")["decoding"]
    assert many == pytest.approx(100 * 64 * 8 * 4e9 / rate.flops)
    turns = [decoding.seconds(rate, 8, 8, n, "local")["starting kernels"] for n in (64, 16)]
    assert turns[1] == 4 * turns[0]  # a quarter of the seats, four times as many rounds
    assert decoding.seconds(rate, 8, 8, 16, "vllm")["starting kernels"] < turns[0]


def test_longer_answers_and_clips_take_longer() -> None:
    usual = make_plan(RECIPE, 8).stages
    longer = make_plan(RECIPE, 8, typical=Typical(answer_tokens=2048)).stages
    assert longer["RL rollouts"].seconds > 3 * usual["RL rollouts"].seconds
    assert longer["SFT"].tokens["answers"] == 4 * usual["SFT"].tokens["answers"]
    clips = make_plan(RECIPE, 8, typical=Typical(images=0.0, clip_seconds=60.0)).stages
    assert clips["RL updates"].tokens["prompts"] > usual["RL updates"].tokens["prompts"]


def test_clusters_tell_hours_and_money() -> None:
    rate = make_rate("h800", price=3.0)
    found = {c.gpus: c for c in make_clusters(RECIPE, 16, rate, Typical())}
    assert sorted(found) == sorted({16, *CLUSTERS})
    eight, many = found[8], found[256]
    assert eight.price == pytest.approx(3.0 * 8 * sum(eight.hours.values()))
    assert many.price > eight.price and many.hours["RL"] < eight.hours["RL"]
    assert eight.hours["SFT"] == pytest.approx(340_000 / 32 * sum(eight.sft.values()) / 3600)


def test_adapters_in_parts_with_checkpointing_need_least() -> None:
    variants = memory_variants(RECIPE, 8)
    cells = {(name, column): size for name, row in variants.items() for column, size in row.items()}
    least = min(cells, key=cells.__getitem__)
    assert "adapters" in least[0] and "part" in least[0] and "checkpointing" in least[1]
    stages = make_plan(RECIPE, 8).stages  # the recipe itself is one of them
    assert cells["all weights, a part on each GPU", "SFT, checkpointing"] == stages["SFT"].peak / GB


def test_a_gradient_of_the_vocabulary_is_there_twice_before_it_is_added() -> None:
    for name, times in (("qwen3_vl_2b", 2), ("mini", 1)):  # the 2B's head is its embedding
        recipe = override(load_recipe(name), ["parallel=ddp"])
        model = meta_model(recipe.model.base)
        expected = times * 4 * model.get_input_embeddings().weight.numel()
        assert make_plan(recipe, 1).stages["SFT"].memory["gradients in work"] == expected
        adapted = override(recipe, ["lora.rank=8"])
        assert make_plan(adapted, 1).stages["SFT"].memory["gradients in work"] == 0


def test_the_command_prints_one_object() -> None:
    done = CliRunner().invoke(app, ["plan", "mini", "--gpus", "2", "--gpu", "h800", "--json", "--samples", "3200"])
    told = json.loads(done.stdout)
    assert (done.exit_code, told["fits"], told["gpus"]) == (0, True, 2)
    assert told["assumed"]["gpu"]["link"] == 200 and told["corpora"] == {"SFT": 3200, "RL": 600_000}
    assert told["stages"]["SFT"]["peak"] == sum(told["stages"]["SFT"]["memory"].values())


def test_the_samples_of_a_large_set_are_counted_as_training_counts_them(tmp_path: Path) -> None:
    """At a URL, of which nothing is loaded."""
    import fsspec

    samples = [Sample(f"q{n}", "ocr", "image", "?", str(n), media=("m.png",)) for n in range(70)]
    save_samples(samples, tmp_path / "a.parquet")
    fsspec.filesystem("memory").put(str(tmp_path / "a.parquet"), "/planned/a.parquet")
    given = ["--set", "data.train=memory://planned", "--set", "sft.steps=null", "--set", "sft.batch=7"]
    done = CliRunner().invoke(app, ["plan", "mini", "--json", *given])
    assert json.loads(done.stdout)["stages"]["SFT"]["steps"] == 10


def test_an_unknown_gpu_is_refused_by_its_name() -> None:
    with pytest.raises(ValueError, match="h100, h800"):
        make_rate("h1000")
    assert make_rate(price=0.0).gpu.price == 0, "of a machine that is paid for"
