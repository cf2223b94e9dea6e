from pathlib import Path

import pytest

from onethinker.engines import make_engine
from onethinker.engines.base import EngineError, Request, Sampling
from onethinker.engines.scripted import ScriptedEngine
from onethinker.media import MediaBudget


def ask(engine, ids, **sampling):
    requests = [Request(i, f"what is {i}", (), MediaBudget()) for i in ids]
    return dict(engine.answer(requests, Sampling(**sampling)))


def test_a_table_answers_by_id_and_index():
    engine = ScriptedEngine({"a": "one", "b": ["x", "y"]})
    got = ask(engine, ["b", "a"], n=3)
    assert [c.text for c in got[0]] == ["x", "y", "x"]
    assert [c.text for c in got[1]] == ["one"] * 3
    assert engine.asked == ["b", "a"]
    assert not engine.capabilities


def test_failures_are_completions_not_exceptions():
    engine = ScriptedEngine(lambda request, index: "fine", fail=["bad"])
    bad, fine = ask(engine, ["bad", "good"]).values()
    assert (bad[0].finish, fine[0].finish) == ("error", "stop")
    assert "bad" in bad[0].error
    missing = ask(ScriptedEngine({}), ["z"])[0][0]
    assert missing.finish == "error" and "no answer" in missing.error


def test_long_answers_are_cut():
    cut = ask(ScriptedEngine({"a": "1 2 3 4 5"}), ["a"], max_tokens=3)[0][0]
    assert (cut.text, cut.finish, cut.tokens) == ("1 2 3", "length", 3)


def test_make_engine_dispatches(tmp_path: Path):
    (tmp_path / "answers.json").write_text('{"a": "one"}')
    engine = make_engine(str(tmp_path / "answers.json"), "scripted", device="cpu")
    assert ask(engine, ["a"])[0][0].text == "one"
    with pytest.raises(EngineError, match="expected one of local"):
        make_engine("x", "vlm")
    with pytest.raises(EngineError, match="JSON"):
        make_engine(str(tmp_path / "none.json"), "scripted")
