"""`benchmarks.gpu` on the CPU at toy sizes, and the shapes that it and its like measure."""

from __future__ import annotations

import base64
import json
import math
import sys
from argparse import Namespace
from pathlib import Path

import pytest
import torch

from benchmarks import gpu, gpu_cells, gpu_parts, plan, plan_rates, shapes
from benchmarks.child import Measured
from benchmarks.gpu_work import DRY
from onethinker.models.published import qwen3_vl_2b
from tests.amount import thinned


@pytest.mark.parametrize(
    "part", thinned(["machine", "precision", "attention", "sft", "rl", "nccl"], "machine", "attention", "nccl")
)
def test_a_part_measures_on_the_cpu(part: str) -> None:
    torch.set_num_threads(1)
    rows: list[dict] = []
    gpu_parts.PARTS[part](DRY, lambda **row: rows.append(row))
    numbers = [value for row in rows for value in row.values() if isinstance(value, float)]
    assert numbers and all(map(math.isfinite, numbers))
    if part == "attention":
        slices = [row for row in rows if row["attention"] == "slices"]
        assert len(slices) == len(DRY.lengths)
        assert all(row["output_differs"] < 1e-5 and row["gradients_differ"] < 1e-5 for row in slices)
    if part == "precision":
        cosines = [row["cosine"] for row in rows if "cosine" in row]
        assert len(cosines) == 4 and min(cosines) > 0.9
    if part == "rl":
        first = next(row for row in rows if "grad_norm" in row)  # before the weights have moved
        assert first["rollout_and_pass_differ"] < 1e-4
    if part == "nccl":
        (row,) = (row for row in rows if "sharded" in row)
        assert row["sharded"] == pytest.approx(row["plain"], rel=1e-5)


@pytest.mark.parametrize("adapters", [0, 2])
def test_a_machines_rates_are_measured_on_pieces_of_a_model(adapters: int, tmp_path, monkeypatch) -> None:
    torch.set_num_threads(1)
    monkeypatch.setattr(plan_rates, "OPTIMISED", 1 << 12)
    shapes.dot().save_pretrained(tmp_path)
    found = plan_rates.rates(tmp_path, plan_rates.Lengths(tokens=9, answers=3, patches=64, rows=2, adapters=adapters))
    assert set(found["reached"]) == {"vision", "projector", "language", "head"}  # what `plan` tells apart
    numbers = [*found["reached"].values(), found["training"], found["memory"]]
    assert all(math.isfinite(number) and number > 0 for number in numbers) and math.isfinite(found["local"])


def test_a_runs_mean_step_leaves_out_the_first_where_there_are_others() -> None:
    rows = [{"seconds": total, "seconds/update": of} for total, of in ((5.0, 2.0), (8.0, 1.0), (12.0, 3.0))]
    assert plan.mean_step(rows) == {"seconds": 3.5, "seconds/update": 2.0}
    assert plan.mean_step(rows[:1]) == {"seconds": 5.0, "seconds/update": 2.0}


def test_a_part_that_fails_or_hangs_costs_that_part_alone(tmp_path, monkeypatch) -> None:
    def pretend(command, *, limit):
        part, rows = command[command.index("--part") + 1], Path(command[command.index("--out") + 1])
        rows.write_text('{"product": "float32", "tflops": 1.5}\n{"product": "bfl' if part == "machine" else "")
        problem = {"machine": "stopped after 40 s", "sft": "exit status 1: out of memory"}.get(part, "")
        return Measured(1.0, 1.0, 0.1, 0.1, "", problem)

    monkeypatch.setattr(gpu, "run", pretend)
    told = gpu.run_parts(["machine", "sft", "nccl"], tmp_path, dry=False)
    assert told["machine"]["rows"] == [{"product": "float32", "tflops": 1.5}]
    assert [found["problem"] != "" for found in told.values()] == [True, True, False]
    assert json.loads((tmp_path / "gpu.json").read_text())["parts"] == told
    assert "| float32 | 1.5 |" in (tmp_path / "gpu.md").read_text()
    late = gpu.run_parts(["mini"], tmp_path, dry=False, total=gpu.LIMITS["mini"] / 2 - 1)
    assert late["mini"]["problem"].startswith("not begun")
    assert sum(gpu.LIMITS.values()) <= 510 and gpu.TOTAL <= 480


def test_processes_that_share_a_study_are_asked_to_stop_and_what_is_whole_is_counted(tmp_path, monkeypatch) -> None:
    program = (
        "import os, signal, sys, time\n"
        "def saved(*_): open(os.path.join(sys.argv[1], str(os.getpid())), 'w').close(); sys.exit()\n"
        "signal.signal(signal.SIGTERM, saved)\n"
        "print('began', flush=True)\n"
        "time.sleep(600)\n"
    )
    monkeypatch.setattr(gpu_cells, "command", lambda given, seeds: [sys.executable, "-c", program, str(given.out)])
    gpu_cells.run_processes(Namespace(out=tmp_path, processes=2, minutes=0.05, seeds=3))
    logs = sorted(tmp_path.glob("process-*.log"))
    assert len(logs) == 2
    # One that was too slow to begin in three seconds was ended all the same; one that began has saved.
    assert len([p for p in tmp_path.iterdir() if p.name.isdigit()]) == sum("began" in log.read_text() for log in logs)

    cells = tmp_path / "cells"
    for name in ("grpo/seed-0", "grpo/seed-1", "ema_grpo/seed-0", "ema_grpo/seed-1"):
        (cells / name / "rl").mkdir(parents=True)
        (cells / name / "rl" / "metrics.jsonl").write_text('{"step": 1}\n{"step": 2}\n')
        if name != "grpo/seed-1":
            (cells / name / "cell.json").write_text("{}")
    assert gpu_cells.whole_seeds(cells) == 1 and gpu_cells.steps(cells) == 8


def test_qwens_vocabulary_is_read_with_its_control_tokens(tmp_path) -> None:
    order = [bytes([i]) for i in range(256)] + [b"th", b" a", b"in", b"thin", b"think"]
    ranks = tmp_path / "tiny.tiktoken"
    ranks.write_bytes(b"".join(base64.b64encode(token) + b" %d\n" % rank for rank, token in enumerate(order)))
    tokenizer = shapes.qwen_tokenizer(ranks)
    assert tokenizer.encode("think in", add_special_tokens=False) == [260, 32, 258]
    first = len(order)
    assert tokenizer.convert_tokens_to_ids(shapes.CONTROL) == list(range(first, first + len(shapes.CONTROL)))
    assert (tokenizer.eos_token, tokenizer.pad_token) == ("<|im_end|>", "<|endoftext|>")
    ids = tokenizer.encode("<think>é 漢</think>B<|im_end|>", add_special_tokens=False)
    assert ids[0] == tokenizer.convert_tokens_to_ids("<think>")
    assert tokenizer.decode(ids, skip_special_tokens=True) == "<think>é 漢</think>B"


def test_the_published_2b_is_as_its_config_says() -> None:
    config = qwen3_vl_2b()
    text, vision = config.text_config, config.vision_config
    assert (text.hidden_size, text.num_hidden_layers, text.intermediate_size, text.vocab_size) == (
        2048,
        28,
        6144,
        151_936,
    )
    assert (text.num_attention_heads, text.num_key_value_heads, text.head_dim) == (16, 8, 128)
    assert text.rope_parameters["mrope_section"] == [24, 20, 20] and text.rope_parameters["rope_theta"] == 5_000_000
    assert (vision.depth, vision.hidden_size, vision.out_hidden_size) == (24, 1024, 2048)
    assert list(vision.deepstack_visual_indexes) == [5, 11, 17] and config.tie_word_embeddings


@pytest.mark.slow
def test_the_whole_dry_run(tmp_path) -> None:
    told = gpu.run_parts(list(gpu.LIMITS), tmp_path, dry=True)
    assert not [part for part, found in told.items() if found["problem"] or not found["rows"]]


def test_without_a_card_nothing_is_begun(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(gpu, "has_card", lambda: False)
    monkeypatch.setattr(sys, "argv", ["gpu", "--out", str(tmp_path / "out")])
    with pytest.raises(SystemExit) as ended:
        gpu.main()
    assert ended.value.code == 2 and "--dry-run" in capsys.readouterr().err and not (tmp_path / "out").exists()
