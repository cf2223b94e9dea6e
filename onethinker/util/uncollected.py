"""Heavy imports without the collector of cyclic garbage, which looks at every object again and again as they grow."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Within it no cyclic garbage is collected; afterwards as before. For torch and transformers, whose import makes
    hundreds of thousands of objects that stay."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
