"""The demo peers as a process of their own, as a newcomer starts them."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def urls(tmp_path: Path) -> Iterator[dict[str, str]]:
    ready = tmp_path / "peers.json"
    command = [sys.executable, str(ROOT / "examples/peers.py"), "--port", "0"]
    with subprocess.Popen(
        [*command, "--ready-file", str(ready), "--settle-after", "0"], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        assert json.loads(ready.read_text()) == said
        yield said
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0


def test_say_where_they_are_and_answer_there(urls: dict[str, str]) -> None:
    assert set(urls) == {"COMMERCE_PAYMENT_URL", "COMMERCE_MAIL_URL", "COMMERCE_CMS_URL"}
    for url in urls.values():
        assert httpx2.get(f"{url}/control").status_code == 200
        assert httpx2.get(f"{url}/nowhere").status_code == 404


def test_ask_once_per_key_and_refuse_another_request_under_it(urls: dict[str, str]) -> None:
    asked = {"amount_cents": 500, "currency": "EUR", "reference": "INV-1"}
    url, headers = f"{urls['COMMERCE_PAYMENT_URL']}/payments", {"Idempotency-Key": "k"}

    first = httpx2.post(url, json=asked, headers=headers).json()
    again = httpx2.post(url, json=asked, headers=headers).json()
    other = httpx2.post(url, json={**asked, "amount_cents": 600}, headers=headers)

    assert again["id"] == first["id"]
    assert other.status_code == 422
    assert len(httpx2.get(url).json()) == 1


def test_pay_after_the_delay_that_was_asked_for(urls: dict[str, str]) -> None:
    asked = {"amount_cents": 500, "currency": "EUR", "reference": "INV-1"}
    url = f"{urls['COMMERCE_PAYMENT_URL']}/payments"
    id_ = httpx2.post(url, json=asked).json()["id"]

    assert httpx2.get(f"{url}/{id_}").json()["status"] == "settled"


def test_answer_nonsense_with_a_refusal(urls: dict[str, str]) -> None:
    url = f"{urls['COMMERCE_PAYMENT_URL']}/payments"

    assert httpx2.post(url, content=b"{").status_code == 400
    assert httpx2.post(url, json={}).status_code == 400
    assert httpx2.post(url, json=[1]).status_code == 400
