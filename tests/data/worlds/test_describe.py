"""The chain of thought's syntax, pinned to the letter."""

from __future__ import annotations

from onethinker.data.worlds.describe import deed, describe, place
from onethinker.data.worlds.scene import Scene, Thing, Word
from onethinker.tasks.asking import compact, listed, norm

MOVER = Thing("circle", "red", "big", (4, 4, 28, 28), shift=(4, 0))
GUEST = Thing("square", "green", "small", (40, 4, 56, 20), shown=(1.0, 2.5))


def test_edges_become_thousandths_with_halves_rounded_up() -> None:
    assert [norm(v, 64) for v in (0, 4, 12, 32, 64)] == [0, 63, 188, 500, 1000]
    assert len({norm(v, 64) for v in range(65)}) == 65


def test_a_clip_is_described_thing_by_thing() -> None:
    turned = Thing("triangle", "blue", "small", (4, 44, 20, 60), "striped", turn=(1.5, "red"))
    jumper = Thing("circle", "green", "small", (40, 44, 56, 60), jump=(0.5, 2.0), lift=8)
    still = Thing("square", "red", "small", (24, 44, 40, 60))
    assert describe(Scene(64, (MOVER, GUEST, turned, jumper, still), frames=6)) == (
        "big red circle 63 63 438 438 moves right to 375 63 750 438; "
        "small green square 625 63 875 313 shows 1 to 2.5; "
        "small striped blue triangle 63 688 313 938 turns red at 1.5; "
        "small green circle 625 688 875 938 jumps 0.5 to 2; "
        "small red square 375 688 625 938 still"
    )


def test_a_picture_has_places_only_and_words_are_spelled() -> None:
    assert describe(Scene(64, (MOVER,))) == "big red circle 63 63 438 438"
    assert describe(Scene(64, words=(Word("A3", (3, 1), "blue"),))) == "blue A 3"


def test_words_for_people() -> None:
    assert deed(MOVER, 3.0) == "moves right"
    assert deed(GUEST, 3.0) == "appears and disappears"
    assert deed(Thing("square", "red", "big", (0, 0, 8, 8), shown=(0.0, 1.0)), 3.0) == "disappears"
    assert place(GUEST, Scene(64, (GUEST,), frames=6)) == "top right"
    assert [listed(p) for p in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == ["", "a", "a and b", "a, b and c"]


def test_json_is_compact_and_whole_numbers_have_no_fraction() -> None:
    assert compact({"time": (0.0, 1.5), "boxes": {"1": [1, 2]}}) == '{"time":[0,1.5],"boxes":{"1":[1,2]}}'
