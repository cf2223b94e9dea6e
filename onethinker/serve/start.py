"""From a command line's words to a server that answers; what is wrong is said before a model is loaded."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from onethinker.serve.limits import Limits
from onethinker.util.names import nearest
from onethinker.util.served import say

_NEEDS = ("fastapi", "uvicorn", "python_multipart", "prometheus_client")


class ServeError(ValueError):
    """A server that cannot be started as it was asked for."""


def start(
    model: str,
    host: str,
    port: int,
    token: str,
    *,
    name: str,
    beside: Sequence[str],
    runs: Path | None,
    sources: Sequence[str],
    media_root: Path | None,
    hosts: tuple[str, ...],
    limits: Sequence[str],
    engine: str,
    like: str,
    prompts: str,
    device: str,
    dtype: str,
    attention: str,
    overrides: Sequence[str],
    tools: str | Sequence[str] = (),
    knowledge: str = "",
    embedding: str = "",
) -> None:
    """Load the model and serve it until a signal ends it. Raises ServeError and what loading raises."""
    if missing := [module for module in _NEEDS if find_spec(module) is None]:
        raise ServeError(
            f"{', '.join(missing)} not installed; pip install 'onethinker[serve]' brings what serving needs"
        )
    names = [name or called(model), *map(called, beside)]
    _check(host, token, names, {"--media-root": media_root, "--runs": runs})
    from onethinker.inference.watch.sources import source_of

    watched = [source_of(source) for source in sources]
    bounds = read_limits(limits)
    listening = _listen(host, port)
    with listening:
        from onethinker.inference import Model, load_model
        from onethinker.models.shipped import find_model
        from onethinker.serve.app import make_app
        from onethinker.serve.run import serve

        def loaded(model: str) -> Model:
            return load_model(
                model, engine=engine, prompts=prompts, device=device, dtype=dtype, attention=attention,
                overrides=overrides, like=like, tools=tools, knowledge=knowledge, embedding=embedding,
            )  # fmt: skip

        words = [find_model(word, engine) for word in (model, *beside)]
        models = dict(zip(names, map(loaded, words), strict=True))
        roots = dict(zip(names, map(_root, words), strict=True))
        app = make_app(
            models.pop(names[0]), names[0], limits=bounds, token=token, host=host, media_root=media_root, hosts=hosts,
            roots=roots, beside=models, runs=runs, sources=watched,
        )  # fmt: skip
        shown = f"[{host}]" if ":" in host else host
        at = f"http://{shown}:{listening.getsockname()[1]}"
        say(f"{' and '.join(names)} answer{'s' * (len(names) == 1)} at {at} (its page: /, docs: /openapi.json)")
        serve(app, listening)


def _check(host: str, token: str, names: Sequence[str], folders: Mapping[str, Path | None]) -> None:
    """folders: by their flags. Raises ServeError."""
    from onethinker.serve.guard import is_loopback

    if not is_loopback(host) and not token:
        raise ServeError(f"--host {host} is reached from other machines; give a --token (or ONETHINKER_TOKEN) as well")
    if token and not (token.isascii() and token.isprintable() and " " not in token):
        raise ServeError("--token: expected printable ASCII characters without spaces")
    for flag, folder in folders.items():
        if folder is not None and not folder.is_dir():
            raise ServeError(f"{flag} {folder}: no such folder")
    if twice := {one for one in names if names.count(one) > 1}:
        raise ServeError(f"--beside: two models are called {min(twice)!r}; give the first another --name")


def read_limits(words: Sequence[str]) -> Limits:
    """`key=value` each. Raises ServeError."""
    given = dict[str, float]()
    for word in words:
        key, _, value = word.partition("=")
        if key not in Limits.model_fields:
            raise ServeError(f"--limit {word}: no such bound; the nearest is {nearest(key, Limits.model_fields)!r}")
        try:
            given[key] = float(value)
        except ValueError:
            raise ServeError(f"--limit {word}: expected a number") from None
    try:
        return Limits.model_validate(given)
    except ValueError as error:
        raise ServeError(f"--limit: {error}") from None


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        made = socket.socket(family, kind)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
    except OSError as error:
        raise ServeError(f"--host {host} --port {port}: {error.strerror or error}; --port 0 takes a free one") from None
    return made


def called(model: str) -> str:
    """A folder's last name, a server's model after `#`, else the name as given."""
    if model.startswith(("http://", "https://")):
        return model.partition("#")[2] or "model"
    return Path(model).name if Path(model).exists() else model


def _root(model: str) -> str:
    """A folder in whole, a shipped name or hub id as it is; empty for another server's address."""
    if model.startswith(("http://", "https://")):
        return ""
    return str(Path(model).resolve()) if Path(model).exists() else model
