"""Muon in float32 is torch's Muon but for the type in which it iterates."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from onethinker.models import forward
from onethinker.models.forward import has_fast_bfloat16, usable_dtype
from onethinker.train.muon import Float32Muon, orthogonalised

COEFFICIENTS = (3.4445, -4.775, 2.0315)
OPTIONS = {"lr": 0.02, "weight_decay": 0.1, "adjust_lr_fn": "match_rms_adamw"}
SHAPES = ((24, 40), (40, 24), (16, 16), (1, 8))


def steps_of(kind: type[torch.optim.Optimizer], count: int) -> list[torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    matrices = [torch.nn.Parameter(torch.randn(shape, generator=draw)) for shape in SHAPES]
    optimizer = kind(matrices, **OPTIONS)  # type: ignore[call-arg]
    for _ in range(count):
        for matrix in matrices:
            matrix.grad = torch.randn(matrix.shape, generator=draw)
        optimizer.step()
    return [matrix.detach() for matrix in matrices]


def test_equals_torchs_when_that_iterates_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = steps_of(Float32Muon, 3)
    monkeypatch.setattr(torch.Tensor, "bfloat16", torch.Tensor.clone)
    for mine, theirs in zip(ours, steps_of(torch.optim.Muon, 3), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-6, atol=1e-6)


def test_is_near_torchs_as_it_is() -> None:
    for mine, theirs in zip(steps_of(Float32Muon, 3), steps_of(torch.optim.Muon, 3), strict=True):
        assert (mine - theirs).norm() < 0.02 * theirs.norm()


@pytest.mark.parametrize("shape", SHAPES)
def test_singular_values_follow_the_quintic(shape: tuple[int, int]) -> None:
    """Against a decomposition in float64: the iteration maps singular values and leaves the vectors."""
    matrix = np.random.default_rng(0).normal(size=shape)
    u, values, v = np.linalg.svd(matrix, full_matrices=False)
    values /= np.sqrt((values**2).sum())
    a, b, c = COEFFICIENTS
    for _ in range(5):
        values = a * values + b * values**3 + c * values**5
    made = orthogonalised(torch.from_numpy(matrix).float(), COEFFICIENTS, 5, 1e-7)
    np.testing.assert_allclose(made.numpy(), u @ np.diag(values) @ v, atol=2e-4)


def test_a_state_goes_from_one_to_the_other() -> None:
    matrix = torch.nn.Parameter(torch.eye(4))
    matrix.grad = torch.ones(4, 4)
    theirs, ours = torch.optim.Muon([matrix], **OPTIONS), Float32Muon([matrix], **OPTIONS)
    theirs.step()
    ours.load_state_dict(theirs.state_dict())
    torch.testing.assert_close(ours.state[matrix]["momentum_buffer"], theirs.state[matrix]["momentum_buffer"])


def test_a_gradient_of_nothing_moves_nothing() -> None:
    matrix = torch.nn.Parameter(torch.eye(4))
    matrix.grad = torch.zeros(4, 4)
    Float32Muon([matrix], **{**OPTIONS, "weight_decay": 0.0}).step()
    assert torch.equal(matrix.detach(), torch.eye(4))


def test_a_processor_counts_as_slow_and_computes_nothing_in_bfloat16(capsys: pytest.CaptureFixture[str]) -> None:
    cpu = torch.device("cpu")
    assert not has_fast_bfloat16(cpu)
    forward._say_float32.cache_clear()
    assert [usable_dtype(cpu, "bfloat16") for _ in range(2)] == ["float32"] * 2
    assert usable_dtype(cpu, "float32") == "float32" and usable_dtype(torch.device("mps"), "bfloat16") == "bfloat16"
    assert capsys.readouterr().err.count("float32 is used in its place") == 1
