"""Questions as they are compared: normalised words, MinHash signatures of near-equal ones, overlaps of 13 words."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from onethinker.sample import DataError, Sample
from onethinker.sample.marks import MARK

PERMUTATIONS = 64
SHINGLE = 5
"""Characters of a shingle."""
OVERLAP = 13
"""Words that two texts share. Brown et al., "Language Models are Few-Shot Learners" (2020), appendix C, take N-grams of
13 words at most and 8 at least, of lower-case words without punctuation, and leave aside those that are common."""
LEAST_OVERLAP = 8
"""Words of a text that is compared as a whole where it has fewer than OVERLAP."""
_WORD = re.compile(r"\w+")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_LETTER = re.compile(r"\s*\(?([A-Z])\)?[.:)]?(?:\s|$)")

Signature = NDArray[np.uint32]


def words_of(text: str) -> list[str]:
    """Lower-case words without punctuation and without the marks of media."""
    return _WORD.findall(unicodedata.normalize("NFKC", MARK.sub(" ", text)).lower())


def asked(sample: Sample) -> str:
    """The question with its options, whose letters and order say nothing, normalised."""
    options = sorted(" ".join(words_of(_bare(option))) for option in sample.options)
    return " | ".join([" ".join(words_of(sample.question)), *options])


def answered(sample: Sample) -> str:
    """The truth, of a choice the option's text, normalised; of anything else but words as it is written."""
    truth = sample.truth.strip()
    for option in sample.options:
        if option.strip() == truth or ((letter := _LETTER.match(option)) and letter[1] == truth.strip("().:")):
            return " ".join(words_of(_bare(option)))
    return truth if truth.startswith("{") else " ".join(words_of(truth)) or truth


def _bare(option: str) -> str:
    return _LETTER.sub("", option, count=1) if _LETTER.match(option) else option


def hash64(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest())


def numbers_of(text: str) -> str:
    """Its numbers in order: problems that differ in a number are others, however alike their words are."""
    return " ".join(_NUMBER.findall(text))


def minhash(text: str) -> Signature:
    """(PERMUTATIONS,) of the text's shingles (Broder, 1997). Raises DataError where `datasketch` is not installed."""
    try:
        from datasketch import MinHash
    except ImportError as error:
        raise DataError("near-equal questions need datasketch: pip install 'onethinker[corpus]'") from error
    shingles = {text[at : at + SHINGLE].encode() for at in range(max(1, len(text) - SHINGLE + 1))}
    made = MinHash(num_perm=PERMUTATIONS, seed=1)
    made.update_batch(sorted(shingles))
    return np.asarray(made.hashvalues, np.uint32)  # all below 2³²


def similarity(first: Signature, second: Signature) -> float:
    """The estimate of the Jaccard index of two texts' shingles."""
    return float((first == second).mean())


def runs_of(text: str) -> list[str]:
    """All that another text may share with this one: each run of OVERLAP words, or a shorter text as a whole."""
    words = words_of(text)
    if len(words) < OVERLAP:
        return [" ".join(words)] if len(words) >= LEAST_OVERLAP else []
    return [" ".join(words[at : at + OVERLAP]) for at in range(len(words) - OVERLAP + 1)]


def overlaps(texts: Iterable[str]) -> NDArray[np.uint64]:
    """Sorted hashes of the runs of all these."""
    return np.unique(np.array([hash64(run) for text in texts for run in runs_of(text)], np.uint64))
