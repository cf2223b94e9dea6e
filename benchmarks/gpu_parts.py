"""The parts of `benchmarks.gpu`: each measures on one device and tells rows as it goes."""

from __future__ import annotations

import copy
import importlib.util
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.gpu_steps import rl, sft
from benchmarks.gpu_work import Sizes, Tell, build, make_groups, peak, seconds
from benchmarks.shapes import SHAPES
from onethinker.plan import counts
from onethinker.plan.estimate import GB
from onethinker.train.attention import Layout, Segment, shared_prefix_attention
from onethinker.train.prefix import answer_logps

# ---- the machine and its arithmetic -----------------------------------------------------------------------------


def machine(sizes: Sizes, tell: Tell) -> None:
    device = sizes.device
    name = torch.cuda.get_device_name() if device == "cuda" else "CPU"
    tell(device=name, torch=torch.__version__, cuda=str(torch.version.cuda))
    for kind, dtype, tf32 in (("bfloat16", torch.bfloat16, False), ("float32", torch.float32, False),
                              ("TF32", torch.float32, True)):  # fmt: skip
        torch.backends.cuda.matmul.allow_tf32 = tf32
        a, b = torch.randn(2, sizes.square, sizes.square, device=device, dtype=dtype)
        tell(product=kind, tflops=2 * sizes.square**3 / seconds(partial(torch.matmul, a, b), device) / 1e12)
    torch.backends.cuda.matmul.allow_tf32 = False
    a, b = torch.randn(2, sizes.square**2, device=device)
    tell(memory="copy", gb_a_second=2 * a.nbytes / seconds(partial(b.copy_, a), device) / GB)


def precision(sizes: Sizes, tell: Tell) -> None:
    """The same groups in float32 and under bfloat16 autocast."""
    model = build(sizes.small, sizes.device)
    groups = make_groups(model.config, sizes, 2)
    found = {}
    for dtype in ("float32", "bfloat16"):
        model.zero_grad(set_to_none=True)
        with torch.autocast(sizes.device, torch.bfloat16, enabled=dtype == "bfloat16", cache_enabled=False):
            logps, entropies = answer_logps(model, groups, banned=[])
        (-logps.mean()).backward()
        grads = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
        found[dtype] = (logps.detach(), entropies.detach(), grads)
    (exact, entropy, true), (near, other, rough) = found["float32"], found["bfloat16"]
    away = (near - exact).abs()
    tell(of="log-probabilities", mean_difference=float(away.mean()), largest=float(away.max()),
         ratio_largest=float((near - exact).exp().sub(1).abs().max()),
         entropy_difference=float((other - entropy).abs().mean()))  # fmt: skip
    for part in ("vision tower", "projector", "language model", "head"):
        names = [name for name in true if counts.part_of(name) == part]
        if names:
            a, b = (torch.cat([grads[name].flatten() for name in names]) for grads in (true, rough))
            tell(gradients_of=part, cosine=float(torch.cosine_similarity(a, b, dim=0)),
                 norm_ratio=float(b.norm() / a.norm()))  # fmt: skip


# ---- attention --------------------------------------------------------------------------------------------------


def attention(sizes: Sizes, tell: Tell) -> None:
    """One layer's attention of the large shape over a group: plain rows, slices, FlexAttention's block mask."""
    text = SHAPES[sizes.large]().text_config
    dtype = torch.bfloat16 if sizes.device == "cuda" else torch.float32
    for length in sizes.lengths:
        exact: list[Tensor] | None = None
        for name, way in (("plain rows", _plain), ("slices", _slices), ("FlexAttention", _flex)):
            try:
                exact = _attend(name, way, text, length, sizes, dtype, exact, tell)
            except Exception as error:  # one way that fails must not cost the others
                tell(attention=name, prompt=length, failed=f"{type(error).__name__}: {error}"[:200])


def _attend(
    name: str, way: Callable[..., Callable[[], Tensor]], text: Any, length: int, sizes: Sizes, dtype: torch.dtype,
    exact: list[Tensor] | None, tell: Tell,
) -> list[Tensor]:  # fmt: skip
    """Measure one way at one length; the output and gradients of the first are what the others are held to."""
    device, total = sizes.device, length + sizes.group * sizes.answer
    draw = torch.Generator(device).manual_seed(0)
    heads = (text.num_attention_heads, text.num_key_value_heads, text.num_key_value_heads)
    states = [torch.randn(1, h, total, text.head_dim, generator=draw, device=device, dtype=dtype) for h in heads]
    weight = torch.randn(1, total, heads[0], text.head_dim, generator=draw, device=device, dtype=dtype)
    spans = tuple((length + i * sizes.answer, length + (i + 1) * sizes.answer) for i in range(sizes.group))
    run = way(Layout((Segment(0, length, spans),), device))
    inputs = [s.requires_grad_() for s in states]

    def both() -> list[Tensor]:
        out = run(*inputs)
        return [out.detach(), *torch.autograd.grad(out, inputs, weight)]

    with torch.no_grad():
        forward = seconds(lambda: run(*inputs), device)
    whole, memory, found = seconds(both, device), peak(device, both), both()
    away = [float((a - b).abs().max()) for a, b in zip(found, exact or found, strict=True)]
    tell(attention=name, prompt=length, answers=sizes.group, forward_s=forward, forward_and_backward_s=whole,
         memory_gb=memory, output_differs=away[0], gradients_differ=max(away[1:]))  # fmt: skip
    return exact or found


def _slices(layout: Layout) -> Callable[..., Tensor]:
    return lambda q, k, v: shared_prefix_attention(torch.nn.Identity(), q, k, v, None, layout=layout)[0]


def _flex(layout: Layout) -> Callable[..., Tensor]:
    from torch.nn.attention.flex_attention import flex_attention

    mask = layout.block_mask
    kernel = torch.compile(flex_attention) if layout.device == "cuda" else flex_attention
    return lambda q, k, v: kernel(q, k, v, block_mask=mask, enable_gqa=True).transpose(1, 2)


def _plain(layout: Layout) -> Callable[..., Tensor]:
    """One row an answer, its prompt repeated, as without sharing; the prompt's output is that of the first row."""
    (segment,) = layout.segments
    places = torch.stack([
        torch.cat([torch.arange(segment.end), torch.arange(*span)]) for span in segment.answers
    ]).to(layout.device)  # fmt: skip

    def run(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        rows = [s[0][:, places].transpose(0, 1) for s in (q, k, v)]
        out = torch.nn.functional.scaled_dot_product_attention(*rows, is_causal=True, enable_gqa=True).transpose(1, 2)
        # The prompt's gradient comes from every row; its output counts once, as in a shared row.
        return torch.cat([out[0, : segment.end], *(row[segment.end :] for row in out)])[None]

    return run


# ---- others -----------------------------------------------------------------------------------------------------


def nccl(sizes: Sizes, tell: Tell) -> None:
    """One process: collectives, and FSDP2's step beside the plain one."""
    import torch.distributed as dist
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    with tempfile.TemporaryDirectory() as folder:
        backend = "nccl" if sizes.device == "cuda" else "gloo"
        dist.init_process_group(backend, init_method=f"file://{folder}/store", rank=0, world_size=1)
        big = torch.ones(sizes.square**2, device=sizes.device)
        tell(collective="all_reduce", gb=big.nbytes / GB, seconds=seconds(lambda: dist.all_reduce(big), sizes.device))
        plain = build("mini", sizes.device)
        sharded = copy.deepcopy(plain)
        mesh = init_device_mesh(sizes.device, (1,))
        for layer in sharded.model.language_model.layers:
            fully_shard(layer, mesh=mesh)
        fully_shard(sharded, mesh=mesh)
        ids = torch.arange(300, 340, device=sizes.device)[None]
        norms = []
        for model in (plain, sharded):
            model(input_ids=ids).logits.float().logsumexp(-1).sum().backward()
            gradient = model.model.language_model.layers[0].mlp.up_proj.weight.grad
            norms.append(float(getattr(gradient, "full_tensor", lambda g=gradient: g)().norm()))
        tell(fsdp2="gradient norm of a layer", plain=norms[0], sharded=norms[1])
        dist.destroy_process_group()


def trl(sizes: Sizes, tell: Tell) -> None:
    from benchmarks.rl_step import measure

    case, steps = ("image-512", 2) if sizes.device == "cuda" else ("text", 1)
    for name in ("ours", "trl"):
        if name == "trl" and importlib.util.find_spec("trl") is None:
            tell(contender=name, case=case, not_run="TRL is not installed")
            continue
        found = measure(case, name, steps, sizes.device)
        tell(contender=name, case=case, step_s=found["step"], rollout_s=found["rollout"])


def mini_rl(sizes: Sizes, tell: Tell) -> None:
    """Through the command line, as a user would."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "onethinker"]
        dry = [word for setting in ("rl.prompts=2", "rl.group=2", "rl.minibatch=2", "rl.max_tokens=8",
                                    "rl.filter_groups=false") for word in ("--set", setting)]  # fmt: skip
        number = "130" if sizes.device == "cuda" else "26"
        subprocess.run([*command, "data", "world", "--n", number, "--out", f"{folder}/world"], check=True)
        subprocess.run(
            [*command, "rl", "mini", "--model", "mini-sft", "--data", f"{folder}/world/train", "--out", f"{folder}/rl",
             "--device", sizes.device, "--set", f"rl.steps={sizes.steps}", "--set", "watch=[]",
             *(dry if sizes.device == "cpu" else [])],
            check=True,
        )  # fmt: skip
        for line in Path(f"{folder}/rl/metrics.jsonl").read_text().splitlines():
            row = json.loads(line)
            keys = ("step", "seconds", "seconds/rollout", "seconds/update", "reward", "ratio")
            tell(**{key: row[key] for key in keys if key in row})


PARTS: dict[str, Callable[[Sizes, Tell], None]] = {
    "machine": machine, "precision": precision, "attention": attention, "sft": sft, "rl": rl, "nccl": nccl, "trl": trl,
    "mini": mini_rl,
}  # fmt: skip
