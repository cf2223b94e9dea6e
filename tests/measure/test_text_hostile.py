"""Text functions on what no one would write: bounded time, no exception, nothing out of range."""

import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onethinker.measure import text
from tests.amount import many, slow

MEGABYTES, MILLION = many(10_000_000, 100_000), many(1_000_000, 10_000)
"""Characters, and parts; the quick suite is content with a hundredth: what is not linear shows there too."""
OPTIONS = ("A. a red ball", "B. a blue ball", "C. D", "D. none")
HOSTILE = {
    "ten megabytes of one letter": "a" * MEGABYTES,
    "ten megabytes of y": "y" * MEGABYTES,
    "ten megabytes of words": "ab " * (MEGABYTES // 3),
    "ten megabytes of digits": "9" * MEGABYTES,
    "ten megabytes of spaces": " " * MEGABYTES,
    "a million different words": " ".join(map(str, range(MILLION))),
    "thousands separators": "1," + "000," * MILLION,
    "slashes": "1/" * MILLION,
    "lone surrogates": "\ud800\udfff" * 1000,
    "right-to-left marks": "\u202e\u200fD" * 1000,
    "combining marks": "e" + "\u0301" * MILLION,
    "nested braces": "{" * MILLION + "}" * MILLION,
    "nested fractions": r"\frac{1}{" * 200 + "1" + "}" * 200,
    "deep brackets": "(" * 1900 + "1" + ")" * 1900,
    "a tower of powers": "9^{" * 50 + "9" + "}" * 50,
    "answers answers": "the answer is " * 700,
    "option option": "option " * 1400,
    "spaces before the end": "(A" + " " * 9_900 + "x",
    "letters and marks": "A. B) C: " * 1000,
    "stops": "." * 9_999,
    "emphasis": "*" * 9_999,
    "null characters": "\x00" * 1000,
    "Chinese": "红色的球" * (MILLION // 2),
    "number words": "twenty million " * 26,
    "numbers": "1 2/3 " * 60,
}
LIMIT_SECONDS = (
    20.0  # of processor time; measured: under 1, and 3.5 on a crowded machine; what is not linear takes minutes
)


@pytest.mark.parametrize("name", [slow(n) if n == "a tower of powers" else n for n in HOSTILE])
def test_time_is_bounded_and_nothing_raises(name):
    said = HOSTILE[name]
    truth = "the red ball is left of the blue ball"
    for function in (
        lambda: text.wer(truth, said) >= 0,
        lambda: text.wer(said, truth) >= 0,
        lambda: all(
            0 <= f <= 1 for f in text.rouge(truth, said) + text.rouge("红色的球", said) + text.rouge(said, said)
        ),
        lambda: text.number(said) is None,
        lambda: text.number_lenient(said) is None or math.isfinite(text.number_lenient(said)),
        lambda: text.choice(said, OPTIONS) in (None, *"ABCD"),
        lambda: text.choice_lenient(said, OPTIONS) in (None, *"ABCD"),
        lambda: text.math_equal(said, "1", timeout=0.5) in (True, False),
        lambda: text.math_equal("x", said, timeout=0.5) is False,
    ):
        start = time.process_time()
        assert function()
        assert time.process_time() - start < LIMIT_SECONDS


@given(st.text(max_size=80))
def test_any_text_gives_an_answer_in_range(said):
    assert text.number(said) is None or math.isfinite(text.number(said))
    assert text.number_lenient(said) is None or math.isfinite(text.number_lenient(said))
    assert text.choice(said, OPTIONS) in (None, *"ABCD")
    assert text.choice_lenient(said, OPTIONS) in (None, *"ABCD")
    assert all(0 <= f <= 1 for f in text.rouge(said, said))
    assert text.wer("a b", said) >= 0


@given(st.floats(), st.floats())
def test_any_numbers_give_an_accuracy(pred, true):
    for profile in ("released", "official"):
        assert 0 <= text.mra(pred, true, profile) <= 1
    assert text.same_number(pred, true) in (True, False)
