"""Procedural worlds: small pictures and clips with exact truth, and a teacher that describes them and errs."""

from onethinker.data.worlds.build import build_world, corpus_text

__all__ = ["build_world", "corpus_text"]
