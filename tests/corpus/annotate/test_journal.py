"""The journal of what was paid: nothing is spent beyond the caps, nothing that was written is lost."""

from __future__ import annotations

import pytest

from onethinker.corpus.annotate.journal import Amount, Caps, Journal
from onethinker.util.runs import RunError

CHOICE = {"text": "<answer>é</answer>", "finish": "stop"}


@pytest.fixture
def file(tmp_path):
    return tmp_path / "annotation" / "journal.jsonl"


def test_a_reservation_is_settled_released_or_lost(file):
    journal = Journal(file, Caps(cost=100))
    first, second, third = (journal.reserve(key, Amount(10, 30)) for key in "abc")
    assert journal.committed == Amount(30, 90) and not journal.fits(Amount(1, 11)) and journal.fits(Amount(1, 10))
    journal.settle(first, "a", Amount(4, 12), [CHOICE], id="s1")
    journal.release(second, "HTTP 429")
    journal.lose(third, "dropped")
    assert (journal.spent, journal.settled, journal.lost) == (Amount(14, 42), Amount(4, 12), Amount(10, 30))
    again = Journal(file, Caps(cost=100))
    assert (again.spent, again.under_way, again.answers) == (journal.spent, {}, 1)
    assert again.choices("a") == [CHOICE] and again.rows("a")[0]["id"] == "s1" and again.choices("b") == []


def test_what_was_under_way_at_a_kill_counts_as_spent(file):
    Journal(file, Caps()).reserve("a", Amount(10, 30))
    again = Journal(file, Caps(cost=50))
    assert again.spent == Amount(10, 30) and not again.fits(Amount(1, 21))
    assert again.reserve("a", Amount(1, 20)) == 1  # numbers go on, so that no settlement is taken for another's


def test_a_torn_last_line_is_cut_off_and_its_reservation_still_counts(file):
    journal = Journal(file, Caps())
    number = journal.reserve("a", Amount(10, 30))
    journal.settle(number, "a", Amount(4, 12), [CHOICE])
    whole = file.read_bytes()
    for cut in range(len(whole.splitlines(keepends=True)[0]), len(whole), 13):
        file.write_bytes(whole[:cut])
        again = Journal(file, Caps())
        assert again.spent == Amount(10, 30) and again.choices("a") == []
        again.settle(again.reserve("a", Amount(1, 1)), "a", Amount(1, 1), [CHOICE])
        assert Journal(file, Caps()).choices("a") == [CHOICE]


def test_nothing_beyond_the_caps_is_reserved(file):
    journal = Journal(file, Caps(tokens=10))
    with pytest.raises(RunError, match="beyond the budget"):
        journal.reserve("a", Amount(11, 0))
    assert not file.read_bytes()


def test_a_line_that_is_none_stops_everything(file):
    file.parent.mkdir()
    file.write_text('{"reserve": 0, "key": "a", "tokens": 1, "cost": 1}\n{"settle": 7}\n')
    with pytest.raises(RunError, match=r"journal.jsonl, line 2: .*restore the file"):
        Journal(file, Caps())


def test_a_full_disk_leaves_the_file_as_it_was(file, monkeypatch):
    import os

    journal = Journal(file, Caps())
    journal.reserve("a", Amount(1, 1))
    before = file.read_bytes()
    whole = os.write

    def partly(handle, data):
        if len(data) > 10:
            return whole(handle, data[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", partly)
    with pytest.raises(RunError, match="No space left on device"):
        journal.reserve("b", Amount(1, 1))
    assert file.read_bytes() == before and list(journal.under_way) == [0]
