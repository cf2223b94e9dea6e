"""The page: what is served without a token, under which policy, and in a real Chromium a question for every example."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from onethinker.serve.page_routes import FILES, Examples


def test_the_page_and_its_files(client: TestClient) -> None:
    page = client.get("/")
    assert page.status_code == 200 and page.headers["content-type"].startswith("text/html")
    policy = page.headers["content-security-policy"]
    assert "unsafe" not in policy and "default-src 'none'" in policy
    assert "<script>" not in page.text and not re.search(r"\son\w+=", page.text) and "style=" not in page.text
    for name, kind in FILES.items():
        assert client.get(f"/page/{name}").headers["content-type"].startswith(kind)
    for name in ("index.html", "gone.js", "%2e%2e%2fapp.py"):
        assert client.get(f"/page/{name}").status_code == 404
    assert "innerHTML" not in client.get("/page/page.js").text  # model text is never markup


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


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """A server of the shipped model, in a process of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = (tmp_path / "log").open("wb")
    process = subprocess.Popen(
        [sys.executable, "-m", "onethinker", "serve", "mini-rl", "--port", str(port)], stdout=log, stderr=log
    )
    try:
        for _ in range(600):
            time.sleep(0.2)
            if b"answers at" in (tmp_path / "log").read_bytes():
                break
        yield f"http://127.0.0.1:{port}/"
    finally:
        process.terminate()
        process.wait(60)


@pytest.mark.slow
def test_in_a_browser(served: str, tmp_path: Path) -> None:
    """Example → answer → drawing for each, a link to it, an error as a sentence; pictures stay in tmp_path."""
    playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright drives the browser")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium on this machine")
    with playwright.sync_playwright() as browsers:
        browser = browsers.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page, faults = browser.new_page(), list[str]()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda told: faults.append(told.text) if "Content Security" in told.text else None)
        page.goto(served)
        page.wait_for_selector("#examples button", timeout=120_000)
        for number, title in enumerate(page.locator("#examples button").all_inner_texts()):
            page.locator("#examples button").nth(number).click()
            page.wait_for_selector("#status:has-text(' tokens')", timeout=120_000)
            page.wait_for_timeout(500)
            page.screenshot(path=tmp_path / f"{title}.png", full_page=True)
            assert page.inner_text("#text") and page.is_visible("#overlay"), title
        link = page.url
        phone = browser.new_page(viewport={"width": 390, "height": 844}, color_scheme="dark")
        phone.goto(link)
        phone.wait_for_selector("#links:not([hidden])", timeout=60_000)
        phone.screenshot(path=tmp_path / "phone.png", full_page=True)
        assert phone.locator("html").evaluate("page => page.scrollWidth") <= 390
        phone.goto(f"{served}#result=gone")
        phone.reload()
        phone.wait_for_selector("#problem:not([hidden])")
        assert "no such result" in phone.inner_text("#problem")
        assert not faults
        browser.close()
