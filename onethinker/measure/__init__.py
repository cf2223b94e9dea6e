"""Pure measurements, without a word about tasks: what two boxes, spans, tracks, masks or texts have in common."""

from onethinker.measure import boxes, masks, points, spans, text, tracks

__all__ = ["boxes", "masks", "points", "spans", "text", "tracks"]
