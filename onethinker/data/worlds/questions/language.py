"""Text answers: reading words, open questions and captions."""

from __future__ import annotations

from random import Random

from onethinker.data.worlds.describe import deed, describe_thing, place
from onethinker.data.worlds.questions.ask import full_name, naming, pick
from onethinker.data.worlds.scene import Scene
from onethinker.tasks.asking import Ask, listed, norm, words

_ENDS = {"leftmost": (0, min), "rightmost": (2, max), "topmost": (1, min), "bottommost": (3, max)}


def transcribe(rng: Random, scene: Scene) -> Ask:
    """What does the text say? Lines are joined by a space."""

    def solve(seen: Scene) -> tuple[str, str]:
        return "", " ".join(w.text for w in seen.words)

    return Ask("transcribe", "What does the text say?", solve)


def extreme(rng: Random, scene: Scene) -> Ask | None:
    """Which shape is leftmost?"""
    word = rng.choice(list(_ENDS))
    edge, best = _ENDS[word]
    edges = sorted((t.box[edge] for t in scene.things), reverse=best is max)
    if len(edges) < 2 or abs(edges[0] - edges[1]) < scene.side // 8:
        return None

    def solve(seen: Scene) -> tuple[str, str]:
        found = best(seen.things, key=lambda t: t.box[edge])
        edges = ", ".join(f"{words(t)} {norm(t.box[edge], seen.side)}" for t in seen.things)
        return f"{word}: {edges}. {words(found)}", f"The {words(found)}."

    return Ask("extreme", f"Which shape is {word}?", solve)


def behaviour(rng: Random, scene: Scene) -> Ask:
    """What happens to the red circle?"""
    i = rng.randrange(len(scene.things))

    def solve(seen: Scene) -> tuple[str, str]:
        return describe_thing(seen, seen.things[i]), f"It {deed(seen.things[i], seen.seconds)}."

    return Ask("behaviour", f"What happens to the {full_name(rng, scene.things[i])}?", solve, named=naming(i))


def mover(rng: Random, scene: Scene) -> Ask | None:
    """Which shape moves?"""
    if sum(any(t.shift) for t in scene.things) != 1:
        return None
    i = pick(rng, scene, lambda t: any(t.shift))

    def solve(seen: Scene) -> tuple[str, str]:
        return "", f"The {words(seen.things[i])} moves {seen.things[i].heading}."  # type: ignore[index]

    return Ask("mover", "Which shape moves, and which way?", solve)


def caption(rng: Random, scene: Scene) -> Ask:
    """Describe the picture, or what happens in the clip."""

    def solve(seen: Scene) -> tuple[str, str]:
        parts = []
        for thing in seen.things:
            tail = deed(thing, seen.seconds) if seen.frames > 1 else f"at the {place(thing, seen)}"
            parts.append(f"a {words(thing)} {tail}")
        text = listed(parts) if seen.frames == 1 else ", ".join(parts)
        return "", f"{text[0].upper()}{text[1:]}."

    question = "Describe the picture." if scene.frames == 1 else "Describe what happens in the clip."
    return Ask("caption", question, solve)
