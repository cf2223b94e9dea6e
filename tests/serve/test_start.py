"""What is wrong with how a server is asked for is said before a model is loaded."""

from __future__ import annotations

import socket

import pytest

from onethinker.serve.start import ServeError, _root, called, read_limits, start

PLAIN = {
    "name": "", "media_root": None, "hosts": (), "limits": (), "engine": "", "like": "", "prompts": "", "device": "",
    "dtype": "", "attention": "", "overrides": (), "beside": (), "runs": None, "sources": (),
}  # fmt: skip


def refused(*words, host="127.0.0.1", port=0, token="", **changed):
    with pytest.raises(ServeError) as told:
        start("no such model", host, port, token, **PLAIN | changed)
    assert all(word in str(told.value) for word in words), told.value


def test_what_is_refused(tmp_path, monkeypatch):
    refused("--host 0.0.0.0", "--token", host="0.0.0.0")
    refused("--token", "spaces", token="a b")
    refused("no such folder", media_root=tmp_path / "x")
    refused("--runs", "no such folder", runs=tmp_path / "x")
    refused("called 'no such model'", beside=["no such model"])
    refused("'pixels'", limits=["pixel=3"])
    refused("expected a number", limits=["pixels=many"])
    refused("greater than 0", limits=["pixels=0"])
    with socket.create_server(("127.0.0.1", 0)) as taken:
        refused("--port 0 takes a free one", port=taken.getsockname()[1])
    monkeypatch.setattr("onethinker.serve.start._NEEDS", ("no_such_module",))
    refused("pip install 'onethinker[serve]'")


def test_limits_and_names(tmp_path):
    assert read_limits(["pixels=1e6", "seconds=2.5"]).pixels == 1_000_000
    assert read_limits([]).decoders == 2
    names = [called(name) for name in ("mini-rl", str(tmp_path), "http://a:1/v1#served", "http://a:1/v1")]
    assert names == ["mini-rl", tmp_path.name, "served", "model"]
    assert [_root(name) for name in ("mini-rl", str(tmp_path), "http://a:1/v1#it")] == ["mini-rl", str(tmp_path), ""]
