"""The page: what is served without a token, and under which policy. `test_browser.py` opens it in a real Chromium."""

from __future__ import annotations

import re
from collections.abc import Callable

from starlette.testclient import TestClient

from onethinker.serve.page_routes import FILES, Examples
from tests.serve.conftest import scripted_model


def test_the_page_and_its_files(client: TestClient) -> None:
    page = client.get("/")
    assert page.status_code == 200 and page.headers["content-type"].startswith("text/html")
    policy = page.headers["content-security-policy"]
    assert "unsafe" not in policy and "default-src 'none'" in policy
    assert "<script>" not in page.text and not re.search(r"\son\w+=", page.text) and "style=" not in page.text
    for name, kind in FILES.items():
        assert client.get(f"/page/{name}").headers["content-type"].startswith(kind)
        assert "innerHTML" not in client.get(f"/page/{name}").text  # model text is never markup
    for name in ("index.html", "gone.js", "%2e%2e%2fapp.py"):
        assert client.get(f"/page/{name}").status_code == 404


def test_only_the_empty_page_needs_no_token(make_client: Callable[..., TestClient]) -> None:
    guarded = make_client(token="secret")
    assert guarded.get("/").status_code == guarded.get("/page/page.js").status_code == 200
    assert guarded.get("/page/examples").status_code == guarded.get("/v1/tasks").status_code == 401


def test_examples_are_a_mini_models(client: TestClient) -> None:
    assert client.get("/page/examples").json() == []  # the scripted model is none
    problem = client.get("/page/examples/0").json()
    assert problem["status"] == 404 and "/page/examples" in problem["detail"]
    examples = Examples(wanted=True)
    rows = examples.rows()
    assert {"spatial_grounding", "tracking"} <= {row["task"] for row in rows}
    assert all(examples.file(i).suffix in (".png", ".mp4") for i in range(len(rows)))


def test_the_task_goes_by_the_words(client: TestClient) -> None:
    answered = client.post("/v1/ask", json={"question": "How many discs are there?", "task": "auto"}).json()
    assert answered["result"]["task"] == "numerical" and answered["result"]["inferred"]


def test_several_models(make_client: Callable[..., TestClient]) -> None:
    two = make_client(beside={"other": scripted_model(lambda request, index: "<answer>from the other</answer>")})
    assert two.get("/page/views").json() == {"models": ["mini", "other"], "runs": False, "live": False}
    assert [card["id"] for card in two.get("/v1/models").json()["data"]] == two.get("/readyz").json()["models"]
    asked = {"question": "What is it?"}
    assert two.post("/v1/ask", json=asked | {"model": "other"}).json()["result"]["answer"] == "from the other"
    assert two.post("/v1/ask", json=asked).json()["model"] == "mini"
    assert "ask 'mini', 'other'" in two.post("/v1/ask", json=asked | {"model": "gone"}).json()["detail"]
    assert two.get("/v1/runs").status_code == two.get("/v1/sources").status_code == 404
