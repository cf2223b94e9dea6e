"""Photos, a chart, a receipt and clips with published questions: SFT, RL, evaluation and asking run on all of them."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from onethinker.engines import make_engine
from onethinker.evaluate.run import evaluate
from onethinker.inference import load_model
from onethinker.sample.answer import Status
from onethinker.tasks.prompts import load_prompts
from onethinker.train.rl import run_rl
from onethinker.train.sft import run_sft
from tests.train.runs import rows

pytestmark = pytest.mark.slow


def test_sft_rl_evaluation_and_ask(real_samples, tiny, tmp_path):
    torch.set_num_threads(1)
    everything = len(real_samples)
    taught = replace(
        real_samples,
        items=tuple(
            replace(s, meta={**s.meta, "response": f"<think>I look.</think><answer>{s.truth}</answer>"})
            for s in real_samples
        ),
    )
    model = run_sft(tiny("sft.steps=2", f"sft.batch={everything}"), taught, tmp_path / "sft")
    assert [row["left_out"] for row in rows(tmp_path / "sft")] == [0, 0]
    recipe = tiny(
        f"model.base={model}", "rl.steps=1", f"rl.prompts={everything}", f"rl.minibatch={everything}", "rl.group=2",
        "rl.max_tokens=16", "rl.kl=0.01", "rl.sampler=uniform", "rl.refill_tries=0",
    )  # fmt: skip
    model = run_rl(recipe, real_samples, tmp_path / "rl")
    (row,) = rows(tmp_path / "rl")
    assert (row["groups"], row["errors"], row["unreadable"], row["too_long"]) == (everything, 0, 0, 0)
    assert row["ratio"] == pytest.approx(1, abs=1e-4) and row["kl"] < 1e-9
    engine = make_engine(str(model), device="cpu")
    config = tiny("evaluate.max_tokens=16", "evaluate.bootstrap=50", "evaluate.sampled=2").evaluate
    evaluate(real_samples, engine, tmp_path / "eval", config=config, prompts=load_prompts("short"))
    summary = json.loads((tmp_path / "eval" / "summary.json").read_text())
    assert summary["tasks"].keys() == {s.task for s in real_samples}
    results = [json.loads(line) for line in (tmp_path / "eval" / "results.jsonl").read_text().splitlines()]
    assert not [r for r in results if r.get("status") == "error"]
    thinker = replace(load_model(str(model), device="cpu"), max_tokens=16)
    for sample in real_samples:
        thought = thinker.ask(
            sample.paths(real_samples.root), sample.question, task=sample.task, options=sample.options
        )
        assert thought.status is not Status.ERROR
        assert thought.save(tmp_path / "drawn.png").stat().st_size > 1000
