"""A key-value cache whose buffers grow by doubling: a decoding step writes one column instead of copying all."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import DynamicCache, DynamicLayer


class GrowingLayer(DynamicLayer):
    """Keys and values are views (B, heads, used, width) of buffers with room to spare."""

    _buffers: tuple[Tensor, Tensor]

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
            self._buffers = (key_states[:, :, :0], value_states[:, :, :0])
        used = self.get_seq_length()
        wanted = used + key_states.shape[2]
        if self._buffers[0].shape[2] < wanted:
            # Twice as much each time, so that n steps copy O(n) columns in all; 64 to spare a short answer any copy.
            self._buffers = tuple(_grown(b, used, max(2 * used, wanted + 64)) for b in self._buffers)  # type: ignore[assignment]
        for buffer, states in zip(self._buffers, (key_states, value_states), strict=True):
            buffer[:, :, used:wanted] = states
        self._show(wanted)
        return self.keys, self.values

    def batch_select_indices(self, indices: Tensor) -> None:
        used = self.get_seq_length()
        # The whole buffers, room to spare included: selecting the views would leave the next step none.
        self._buffers = (self._buffers[0][indices], self._buffers[1][indices])
        self._show(used)

    def add_rows(self, count: int) -> None:
        """Rows of zeros behind the others."""
        self._buffers = tuple(torch.cat([b, b.new_zeros(count, *b.shape[1:])]) for b in self._buffers)  # type: ignore[assignment]
        self._show(self.get_seq_length())

    def drop_columns(self, count: int) -> None:
        """Forget the first columns of every row."""
        used = self.get_seq_length() - count
        self._buffers = (self._buffers[0][:, :, count:].clone(), self._buffers[1][:, :, count:].clone())
        self._show(used)

    def batch_repeat_interleave(self, repeats: int) -> None:
        rows = self._buffers[0].shape[0]
        self.batch_select_indices(torch.arange(rows, device=self.device).repeat_interleave(repeats))

    def _show(self, used: int) -> None:
        self.keys, self.values = self._buffers[0][:, :, :used], self._buffers[1][:, :, :used]


def _grown(buffer: Tensor, used: int, capacity: int) -> Tensor:
    batch, heads, _, width = buffer.shape
    grown = buffer.new_empty(batch, heads, capacity, width)
    grown[:, :, :used] = buffer[:, :, :used]
    return grown


class GrowingCache(DynamicCache):
    """A DynamicCache of `GrowingLayer`s."""

    def __init__(self) -> None:
        super().__init__()
        self.layer_class_to_replicate = GrowingLayer

    def add_rows(self, count: int) -> None:
        for layer in self.layers:
            layer.add_rows(count)

    def drop_columns(self, count: int) -> None:
        for layer in self.layers:
            layer.drop_columns(count)
