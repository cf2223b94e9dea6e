"""The growing cache against transformers' own `DynamicCache`."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers.cache_utils import DynamicCache

from onethinker.models.cache import GrowingCache
from onethinker.models.compat import cache_argument

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(1, 90)),
        st.tuples(st.just("repeat"), st.integers(1, 3)),
        st.tuples(st.just("keep"), st.integers(1, 3)),
    ),
    min_size=1,
    max_size=12,
)


@given(STEPS)
@settings(max_examples=50, deadline=None)
def test_holds_what_a_dynamic_cache_holds(steps):
    draw = torch.Generator().manual_seed(0)
    caches, rows = (GrowingCache(), DynamicCache()), 2
    for kind, count in [("write", 3), *steps]:
        if kind == "write":
            for layer in range(2):
                states = [torch.randn(rows, 2, count, 4, generator=draw) for _ in range(2)]
                grown, plain = (cache.update(*states, layer) for cache in caches)
                assert all(torch.equal(a, b) for a, b in zip(grown, plain, strict=True))
        elif kind == "repeat" and rows < 20:
            for cache in caches:
                cache.batch_repeat_interleave(count)
            rows *= count
        else:
            kept = torch.randperm(rows, generator=draw)[: max(1, rows - count)]
            for cache in caches:
                cache.batch_select_indices(kept)
            rows = len(kept)
        assert caches[0].get_seq_length() == caches[1].get_seq_length()
        for a, b in zip(caches[0].layers, caches[1].layers, strict=True):
            assert torch.equal(a.keys, b.keys) and torch.equal(a.values, b.values)


def test_a_step_writes_in_place():
    cache = GrowingCache()
    cache.update(torch.zeros(1, 1, 10, 4), torch.zeros(1, 1, 10, 4), 0)
    at = cache.layers[0].keys.data_ptr()
    for _ in range(60):
        cache.update(torch.zeros(1, 1, 1, 4), torch.zeros(1, 1, 1, 4), 0)
    assert cache.layers[0].keys.data_ptr() == at, "there is room for 64 more columns"


def test_decoding_gives_the_same_states(mini_model):
    text = mini_model.model.language_model
    ids = torch.arange(20, 40).reshape(2, 10)
    states, name = [], cache_argument(text)
    with torch.inference_mode():
        for cache in (GrowingCache(), DynamicCache()):
            parts = [text(ids[:, :6], **{name: cache}, use_cache=True).last_hidden_state]
            parts += [text(ids[:, i : i + 1], **{name: cache}, use_cache=True).last_hidden_state for i in range(6, 10)]
            states.append(torch.cat(parts, dim=1))
    assert torch.equal(*states)
