"""Words against jiwer and rouge-score, numbers by hand, mean relative accuracy against VSI-Bench's formula."""

import math
import random
import re

import jiwer
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer

from onethinker.measure import text
from tests.amount import many

VOCABULARY = re.findall(
    r"\S+",
    "a the cat cats runs running ran quickly relational generalization dogs' don't U.S. 3.5 x1 caf\u00e9 na\u00efve "
    "traditional happiness skies dying agreed - / < > \u2014 IT'S red, green; blue. 1/2 @ \U0001f600 yyyy",
)
SCORER = RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=True)


def sentence(rng: random.Random) -> str:
    return " ".join(rng.choices(VOCABULARY, k=rng.randint(0, 30)))


def library_rouge(reference: str, hypothesis: str) -> list[float]:
    scores = SCORER.score(reference, hypothesis)
    return [scores[name].fmeasure for name in ("rouge1", "rouge2", "rougeL")]


# ---- words ------------------------------------------------------------------------------------------------------


def test_wer_is_jiwers():
    rng = random.Random(0)
    for _ in range(many(1000, 200)):
        reference, hypothesis = sentence(rng) or "a", sentence(rng)
        assert text.wer(reference, hypothesis) == pytest.approx(jiwer.wer(reference, hypothesis))


def test_wer_by_hand():
    assert text.wer("a b c d", "a x c") == 0.5
    assert text.wer("a", "a b c") == 2
    assert text.wer("a \n b", " a\tb ") == 0
    assert (text.wer("", " "), text.wer(" ", "a b")) == (0, 1)


def test_wer_beyond_its_limit_counts_the_rest_as_surplus():
    words = " ".join(["w"] * (text.MAX_WORDS + 500))
    assert text.wer(" ".join(["w"] * text.MAX_WORDS), words) == 500 / text.MAX_WORDS


def test_rouge_is_rouge_scores():
    rng = random.Random(1)
    for _ in range(many(1000, 150)):
        reference, hypothesis = sentence(rng), sentence(rng)
        assert text.rouge(reference, hypothesis) == pytest.approx(library_rouge(reference, hypothesis))


@given(st.text(max_size=60), st.text(max_size=60))
def test_latin_reading_of_any_text_is_rouge_scores(reference, hypothesis):
    assert text.rouge(reference, hypothesis, tokens="latin") == pytest.approx(library_rouge(reference, hypothesis))


@pytest.mark.parametrize(
    "reference",
    [
        "红色的球在左边",
        "красный мяч слева",
        "الكرة الحمراء على اليسار",
        "गेंद लाल है",
        "赤いボールは左",
        "빨간 공은 왼쪽에",
        "ลูกบอลสีแดง",
        "ο κόκκος α",
    ],
)
def test_rouge_reads_other_scripts(reference):
    assert text.rouge(reference, reference) == (1, 1, 1)
    assert text.rouge(reference, "a b c") == (0, 0, 0)
    assert 0 < text.rouge(reference, reference[: len(reference) // 2 + 1])[0] < 1
    assert text.rouge(reference, reference, tokens="latin") == (0, 0, 0)


def test_one_word_has_no_pair():
    assert text.rouge("cat", "cat") == (1, 0, 1)
    assert text.rouge("", "") == text.rouge("", "a") == text.rouge("a", "") == (0, 0, 0)


# ---- numbers ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("3.14", 3.14), (" -3 ", -3), ("+.5", 0.5), ("5.", 5), ("1,234,567.5", 1234567.5), ("1e3", 1000),
        ("-2.5E-1", -0.25), ("12%", 12), ("12 %", 12), (7, 7), (2.5, 2.5), ("007", 7),
    ],
)  # fmt: skip
def test_strict_numbers(given, expected):
    assert text.number(given) == expected
    assert text.number_lenient(str(given)) == expected


@pytest.mark.parametrize(
    "given",
    [
        "", " ", "-", ".", "e5", "1,23", "12,34,567", "1 000", "1e", "0x10", "1_000", "٣", "²", "--1", "1.2.3",
        "3 cm", "1/2", "five", "$3", "inf", "-inf", "nan", "Infinity", "1e999", "-1e9999", "9" * 500, "NaN%",
        "1\ud800", "True", True, False, None, float("inf"), float("nan"), 10**400, [1], "1;2", "1\x002",
    ],
)  # fmt: skip
def test_everything_else_is_no_strict_number(given):
    assert text.number(given) is None


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("3 cm", 3), ("about -2.5kg.", -2.5), ("$1,250.00", 1250), ("1/2", 0.5), ("-3/4", -0.75), ("3 1/2", 3.5),
        ("-1 1/4", -1.25), (r"$\frac{3}{4}$", 0.75), (r"\dfrac{1}{8}", 0.125), ("five", 5),
        ("Twenty-one apples", 21), ("one hundred and five", 105), ("two thousand three hundred", 2300),
        ("minus forty", -40), ("three hundred thousand", 300000), ("−4", -4), ("5 or 5.0", 5), ("a hundred", 100),
        ("The answer is 42.", 42), ("12.5s", 12.5), ("50\\%", 50), ("3.5 million", 3.5e6), ("1k", 1000),
        ("2.5M", 2.5e6), ("$3 million", 3e6), ("2 dozen", 24), ("–7", -7), ("—7", -7), ("½", 0.5), ("3½", 3.5),
        ("½ cup", 0.5), ("[[3]]", 3), (r"$\boxed{\frac{1}{2}}$", 0.5), ("“5”", 5), ("５", 5), ("٣", 3), ("3rd", 3),
        ("about 3", 3), ("3 × 10⁵", 3e5), ("**42**", 42), ("42 (forty-two)", 42), ("x = 5", 5), ("20°C", 20),
        ("a dozen", 12), ("10K", 10_000),
    ],
)  # fmt: skip
def test_lenient_numbers(given, expected):
    assert text.number_lenient(given) == expected


@pytest.mark.parametrize(
    "given",
    [
        "",
        "no idea",
        "5 or 6",
        "between 3 and 4",
        "1/0",
        "3-5",
        "two cats and three dogs",
        "five six",
        "twenty twelve",
        "inf",
        "12.5.3",
        "1.2.3",
        "1,5",
        "3–5",
        "3 to 5",
        "10:30",
        "10:10",
        "01:70",
        "1e999",
        "not 5",
        "2 x 2",
        "5+5",
        "5 = 5",
        "3/4/2024",
        "2024-02-02",
        "1m10s",
        "3x",
        "A1",
        "5 of 10",
        "100 000",
        "half",
        "two thirds",
        "third",
        "3-3",
    ],
)
def test_two_numbers_or_none_are_none(given):
    assert text.number_lenient(given) is None


def test_same_number_is_rounded_to_two_decimals():
    assert text.same_number(3.14159, 3.14) and not text.same_number(3.14, 3.15) and text.same_number(-0.001, 0)
    assert text.same_number(3.146, 3.15) and not text.same_number(3.143, 3.15)
    for odd in (float("inf"), float("nan")):
        assert not text.same_number(odd, odd)


# ---- mean relative accuracy -------------------------------------------------------------------------------------


def test_mra_is_the_formula_away_from_thresholds():
    rng = np.random.default_rng(0)
    thresholds = np.linspace(0.5, 0.95, 10)
    for true, factor in rng.uniform(0.3, 1.7, (500, 2)):
        expected = np.mean(abs(true * factor - true) / abs(true) <= 1 - thresholds)
        assert text.mra(true * factor, true) == text.mra(-true * factor, -true) == pytest.approx(expected)


def released_mra(pred, true):
    """The published reward's expression."""
    error = torch.abs(torch.tensor(pred) - torch.tensor(true)) / (torch.abs(torch.tensor(true)) + 1e-8)
    return (error < 1 - torch.arange(0.5, 0.95 + 0.05 / 2, 0.05, dtype=torch.float32)).sum().item() / 10


def reported_mra(pred, true):
    """The published evaluation's."""
    error = abs(pred - true) / abs(true) if abs(true) >= 1e-12 else math.inf
    return sum(error < 1.0 - (0.5 + 0.05 * k) for k in range(10)) / 10


def official_mra(pred, true):
    """VSI-Bench's, whose ten thresholds numpy lays out."""
    return float((abs(pred - true) / abs(true) <= 1 - np.linspace(0.5, 0.95, 10)).mean())


def test_mra_on_its_thresholds_is_each_tools_own():
    """Every exact step of many truths, where rounding decides, and in between."""
    torch.set_default_dtype(torch.float32)
    rng = np.random.default_rng(2)
    truths = [1.0, 3.0, 7.0, 10.0, 100.0, 0.1, 12.5, 1e6, -4.0, *rng.integers(1, 999, many(40, 10)).tolist()]
    steps = [sign * k / 20 for k in range(21) for sign in (1, -1)] + rng.uniform(-1, 1, 30).tolist()
    pairs = [(true * (1 + step), float(true)) for true in truths for step in steps]
    tools = {"released": released_mra, "reported": reported_mra, "official": official_mra}
    found = {}
    for profile, tool in tools.items():
        found[profile] = [text.mra(pred, true, profile) for pred, true in pairs]
        assert found[profile] == pytest.approx([tool(*pair) for pair in pairs], abs=1e-12)
    assert found["released"] != found["reported"] != found["official"]


def test_mra_at_the_edges():
    assert text.mra(0, 0) == text.mra(0, 0, "official") == 1 and text.mra(0, 0, "reported") == 0
    assert text.mra(1e-12, 0) == released_mra(1e-12, 0.0) == 1 and text.mra(1e-12, 0, "official") == 0
    assert text.mra(7, 7) == 1 and text.mra(1e308, -1e308) == 0
    assert text.mra(float("nan"), 1) == text.mra(float("inf"), float("inf")) == text.mra(1, float("-inf")) == 0
