"""Shared-prefix attention against a dense mask written out by hand, and FlexAttention's mask against the same."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from onethinker.train.attention import Layout, Segment, shared_prefix_attention

LAYOUTS = {
    "one": Layout((Segment(0, 5, ((5, 8), (8, 9), (9, 13))),)),
    "prompt only": Layout((Segment(0, 4, ()),)),
    "several": Layout((Segment(0, 3, ((3, 5), (5, 9))), Segment(9, 10, ()), Segment(10, 17, ((17, 18),)))),
}


def dense_mask(layout: Layout) -> torch.Tensor:
    """(T, T): token by token, who sees whom."""
    mask = torch.zeros(len(layout), len(layout), dtype=torch.bool)
    for segment in layout.segments:
        for place in range(segment.start, segment.end):
            mask[place, segment.start : place + 1] = True
        for start, end in segment.answers:
            for place in range(start, end):
                mask[place, segment.start : segment.end] = True
                mask[place, start : place + 1] = True
    return mask


@pytest.mark.parametrize("name", LAYOUTS)
def test_equals_dense_mask(name):
    layout = LAYOUTS[name]
    torch.manual_seed(0)
    length = len(layout)
    query, key, value = (torch.randn(1, h, length, 8, dtype=torch.double, requires_grad=True) for h in (6, 2, 2))
    found, _ = shared_prefix_attention(torch.nn.Identity(), query, key, value, None, scaling=0.3, layout=layout)
    expected = scaled_dot_product_attention(
        query, key, value, attn_mask=dense_mask(layout), scale=0.3, enable_gqa=True
    ).transpose(1, 2)
    torch.testing.assert_close(found, expected)
    weights = torch.randn_like(found)
    for a, b in zip(
        torch.autograd.grad((found * weights).sum(), (query, key, value)),
        torch.autograd.grad((expected * weights).sum(), (query, key, value)),
        strict=True,
    ):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("name", LAYOUTS)
def test_flex_mask_is_the_same(name):
    layout = LAYOUTS[name]
    places = torch.arange(len(layout))
    assert torch.equal(layout.sees(places[:, None], places[None, :]), dense_mask(layout))
    seen = layout.block_mask.mask_mod(None, None, places[:, None], places[None, :])
    assert torch.equal(seen, dense_mask(layout))


def test_block_mask_skips_other_groups():
    """With groups of a block each, only the blocks on the diagonal are computed: linear, not quadratic."""
    groups = tuple(Segment(i, i + 100, ((i + 100, i + 128),)) for i in range(0, 1024, 128))
    assert Layout(groups).block_mask.to_dense().sum() == 8
