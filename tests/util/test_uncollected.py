"""The collector is off within, and then as it was."""

from __future__ import annotations

import gc

import pytest

from onethinker.util.uncollected import uncollected


@pytest.mark.parametrize("was_on", [True, False])
def test_the_collector_is_as_it_was(was_on):
    before = gc.isenabled()
    (gc.enable if was_on else gc.disable)()
    try:
        with pytest.raises(ValueError, match="no"), uncollected():
            assert not gc.isenabled()
            raise ValueError("no")
        assert gc.isenabled() == was_on
    finally:
        (gc.enable if before else gc.disable)()
