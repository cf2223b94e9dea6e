"""Text as it comes is the answer's text, whatever its tokens split, and never shows a part of a stop text."""

from __future__ import annotations

import pytest

from onethinker.serve.writing import Writer

TEXT = '<think>a ball, 3.14 ünïcödé 日本語 🙂 of  two</think><answer>{"boxes": [1, 2, 3, 4]}</answer>'


@pytest.mark.parametrize("stop", [(), ("日本",), ("two<",), ("nowhere", "ball"), ("</answer>",), ("</answer>!",)])
def test_pieces_make_the_text(mini_processor, stop):
    tokenizer = mini_processor.tokenizer
    ids = tokenizer.encode(TEXT)
    assert any("\ufffd" in tokenizer.decode([i]) for i in ids), "some tokens are parts of a character"
    writer, shown = Writer(tokenizer, stop), ""
    for place, token in enumerate(ids):
        shown += writer.add(token, TEXT if place + 1 == len(ids) else None)
        assert TEXT.startswith(shown)
        assert not any(text in shown for text in stop)
        if writer.stopped:
            break
    ends = [TEXT.index(text) for text in stop if text in TEXT]
    assert shown == writer.text == TEXT[: min(ends, default=len(TEXT))]
    assert writer.stopped == bool(ends)


def test_what_looks_like_a_stop_text_is_shown_once_it_is_none(mini_processor):
    tokenizer = mini_processor.tokenizer
    writer = Writer(tokenizer, ("two three",))
    shown = [writer.add(i) for i in tokenizer.encode("one two thirds")]
    assert "".join(shown) + writer.add(0, "one two thirds") == "one two thirds"
