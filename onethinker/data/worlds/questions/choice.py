"""Multiple choice, over a picture, a clip or two pictures."""

from __future__ import annotations

from random import Random

from onethinker.data.worlds.describe import deed, describe_first, describe_thing, place
from onethinker.data.worlds.questions.ask import ALL, choices, letter, naming, pick
from onethinker.data.worlds.scene import COLOURS, DIRECTIONS, SHAPES, UNSEEN, Scene
from onethinker.tasks.asking import Ask, name, norm, words

PLACES = ("top left", "top right", "bottom left", "bottom right")
DEEDS = ("appears", "disappears", "jumps", "changes colour", "stays still", *(f"moves {d}" for d in DIRECTIONS))


def colour(rng: Random, scene: Scene) -> Ask | None:
    """What colour is the circle?"""
    shapes = [t.shape for t in scene.things]
    i = pick(rng, scene, lambda t: shapes.count(t.shape) == 1 and not t.turn)
    if i is None:
        return None
    shape = scene.things[i].shape
    options = choices(rng, scene.things[i].colour, _colours_with(shape))

    def solve(seen: Scene) -> tuple[str, str]:
        return f"{shape}: {words(seen.things[i])}", letter(options, seen.things[i].colour)

    return Ask("colour", f"What colour is the {shape}?", solve, options, naming(i, "shape"))


def shape(rng: Random, scene: Scene) -> Ask | None:
    """Which shape is red?"""
    colours = [t.colour for t in scene.things] + [t.turn[1] for t in scene.things if t.turn]
    i = pick(rng, scene, lambda t: colours.count(t.colour) == 1)
    if i is None:
        return None
    colour = scene.things[i].colour
    options = choices(rng, scene.things[i].shape, [s for s in SHAPES[:3] if (colour, s) not in UNSEEN])

    def solve(seen: Scene) -> tuple[str, str]:
        return f"{colour}: {words(seen.things[i])}", letter(options, seen.things[i].shape)

    return Ask("shape", f"Which shape is {colour}?", solve, options, naming(i, "colour"))


def where(rng: Random, scene: Scene) -> Ask | None:
    """Where is the red circle? Asked of things that are clearly off the middle."""

    def clear(thing: object) -> bool:
        x1, y1, x2, y2 = scene.first(thing)  # type: ignore[arg-type]
        return min(abs(x1 + x2 - scene.side), abs(y1 + y2 - scene.side)) >= scene.side // 4

    i = pick(rng, scene, clear)
    if i is None:
        return None
    options = choices(rng, place(scene.things[i], scene), PLACES)

    def solve(seen: Scene) -> tuple[str, str]:
        found = place(seen.things[i], seen)
        return f"{describe_first(seen, seen.things[i])}: {found}", letter(options, found)

    return Ask("where", f"Where is the {name(scene.things[i])}?", solve, options, naming(i))


def further(rng: Random, scene: Scene) -> Ask | None:
    """Which is further left, the red circle or the green square?"""
    if len(scene.things) < 2:
        return None
    i, j = rng.sample(range(len(scene.things)), 2)
    axis, word = rng.choice(((0, "left"), (1, "up")))

    def middle(seen: Scene, index: int) -> int:
        box = seen.things[index].box
        return box[axis] + box[axis + 2]

    if abs(middle(scene, i) - middle(scene, j)) < scene.side // 4:
        return None
    names = {k: name(scene.things[k]) for k in (i, j)}
    options = choices(rng, names[i], [names[j]])

    def solve(seen: Scene) -> tuple[str, str]:
        found = names[min((i, j), key=lambda k: middle(seen, k))]
        middles = ", ".join(f"{names[k]} {norm(middle(seen, k) / 2, seen.side)}" for k in (i, j))
        return f"{middles}: {found}", letter(options, found)

    question = f"Which is further {word}, the {names[i]} or the {names[j]}?"
    return Ask("further", question, solve, options, {i: ALL, j: ALL})


def present(rng: Random, scene: Scene) -> Ask | None:
    """Which of these is in the picture?"""
    here = {name(t) for t in scene.things}
    kinds = [(c, s) for s in SHAPES[:3] for c in _colours_with(s)]
    options = choices(rng, rng.choice(sorted(here)), [f"{c} {s}" for c, s in kinds if f"{c} {s}" not in here])

    def solve(seen: Scene) -> tuple[str, str]:
        offered = {o[3:] for o in options}
        found = next((name(t) for t in seen.things if name(t) in offered), "")
        return "", letter(options, found)

    return Ask("present", "Which of these is in the picture?", solve, options)


def happens(rng: Random, scene: Scene) -> Ask | None:
    """What does the red circle do?"""
    i = pick(rng, scene, lambda t: " and " not in deed(t, scene.seconds) and " " not in t.heading)
    if i is None:
        return None
    options = choices(rng, _deed(scene, i), DEEDS)

    def solve(seen: Scene) -> tuple[str, str]:
        found = _deed(seen, i)
        return f"{describe_thing(seen, seen.things[i])}: {found}", letter(options, found)

    return Ask("happens", f"What does the {name(scene.things[i])} do?", solve, options, naming(i))


def becomes(rng: Random, scene: Scene) -> Ask | None:
    """Which colour does the red circle turn?"""
    i = pick(rng, scene, lambda t: t.turn is not None)
    if i is None:
        return None
    thing = scene.things[i]
    assert thing.turn
    options = choices(rng, thing.turn[1], [c for c in _colours_with(thing.shape) if c != thing.colour])

    def solve(seen: Scene) -> tuple[str, str]:
        turn = seen.things[i].turn
        assert turn
        return f"{name(thing)} turns {turn[1]}", letter(options, turn[1])

    return Ask("becomes", f"Which colour does the {name(thing)} turn?", solve, options, naming(i))


def which_picture(rng: Random, first: Scene, second: Scene) -> Ask | None:
    """In which picture is there a red circle?"""
    one, other = {name(t) for t in first.things}, {name(t) for t in second.things}
    wanted = sorted(one ^ other)
    if not wanted:
        return None
    target = rng.choice(wanted)
    options = ("A. the first", "B. the second")

    def solve(seen: Scene, seen_second: Scene) -> tuple[str, str]:
        counts = [target in {name(t) for t in s.things} for s in (seen, seen_second)]
        found = "the first" if counts[0] else "the second"
        return f"{target}: {found}", letter(options, found if sum(counts) == 1 else "")

    return Ask("which_picture", f"<image> <image> In which picture is there a {target}?", solve, options)


def _deed(scene: Scene, index: int) -> str:
    thing = scene.things[index]
    return "changes colour" if thing.turn else deed(thing, scene.seconds)


def _colours_with(shape: str) -> list[str]:
    """The first five colours, less those never seen with the shape."""
    return [c for c in COLOURS[:5] if (c, shape) not in UNSEEN]
