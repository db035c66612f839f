"""The demo peers as a process of their own, as a newcomer starts them."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pytest

PATIENCE_S = 60
ROOT = Path(__file__).resolve().parents[3]

get: Any = partial(httpx2.get, timeout=PATIENCE_S)
post: Any = partial(httpx2.post, timeout=PATIENCE_S)


@pytest.fixture
def urls(tmp_path: Path) -> Iterator[dict[str, str]]:
    ready = tmp_path / "peers.json"
    command = [sys.executable, str(ROOT / "examples/peers.py"), "--port", "0"]
    with subprocess.Popen(
        [*command, "--ready-file", str(ready), "--settle-after", "0"], stdout=subprocess.PIPE
    ) as process:
        try:
            assert process.stdout is not None
            addresses = json.loads(process.stdout.readline())
            assert json.loads(ready.read_text()) == addresses
            yield addresses
            process.send_signal(signal.SIGINT)
            assert process.wait(PATIENCE_S) == 0
        finally:
            process.kill()  # Nobody would end it who waits for its end.


def test_say_where_they_are_and_answer_there(urls: dict[str, str]) -> None:
    trade = {"COMMERCE_PAYMENT_URL", "COMMERCE_MAIL_URL", "COMMERCE_CMS_URL"}
    assert set(urls) == trade | {"DEMO_STEPS_URL"}
    steps = [f"{urls['DEMO_STEPS_URL']}/{name}" for name in ("seats", "cards")]
    for url in [*(urls[name] for name in trade), *steps]:
        assert get(f"{url}/control").status_code == 200
        assert get(f"{url}/nowhere").status_code == 404


def test_ask_once_per_key_and_refuse_another_request_under_it(urls: dict[str, str]) -> None:
    asked = {"amount_cents": 500, "currency": "EUR", "reference": "INV-1"}
    url, headers = f"{urls['COMMERCE_PAYMENT_URL']}/payments", {"Idempotency-Key": "k"}

    first = post(url, json=asked, headers=headers).json()
    again = post(url, json=asked, headers=headers).json()
    other = post(url, json={**asked, "amount_cents": 600}, headers=headers)

    assert again["id"] == first["id"]
    assert other.status_code == 422
    assert len(get(url).json()) == 1


def test_pay_after_the_delay_that_was_asked_for(urls: dict[str, str]) -> None:
    asked = {"amount_cents": 500, "currency": "EUR", "reference": "INV-1"}
    url = f"{urls['COMMERCE_PAYMENT_URL']}/payments"
    id_ = post(url, json=asked).json()["id"]

    assert get(f"{url}/{id_}").json()["status"] == "settled"


def test_answer_nonsense_with_a_refusal(urls: dict[str, str]) -> None:
    url = f"{urls['COMMERCE_PAYMENT_URL']}/payments"

    assert post(url, content=b"{").status_code == 400
    assert post(url, json={}).status_code == 400
    assert post(url, json=[1]).status_code == 400


def test_do_and_undo_once_per_key_and_count_both(urls: dict[str, str]) -> None:
    seats, key = f"{urls['DEMO_STEPS_URL']}/seats", {"Idempotency-Key": "k"}
    wanted = {"seat_show": "s", "seat_count": 2}

    answers = [post(f"{seats}/holds", json=wanted, headers=key) for _ in range(2)]
    hold = answers[0].json()["seat_hold"]
    for _ in range(2):
        # Undone under the key of doing: another address, so another thing.
        assert post(f"{seats}/holds/{hold}/release", json={}, headers=key).status_code == 200

    assert answers[1].json() == {"seat_hold": hold}
    seen = get(f"{seats}/control").json()
    assert (seen["made"], seen["undone"], seen["left"]) == (1, 1, {"s": 20})


def test_refuse_a_bad_card_with_a_problem_document(urls: dict[str, str]) -> None:
    wanted = {"card_number": "4000 0002", "card_amount_cents": 1}

    answer = post(f"{urls['DEMO_STEPS_URL']}/cards/charges", json=wanted)

    assert answer.status_code == 402
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"] == "the bank declined the card"


def test_are_as_healthy_as_they_are_told_to_be(urls: dict[str, str]) -> None:
    cards = f"{urls['DEMO_STEPS_URL']}/cards"

    assert get(f"{cards}/health").status_code == 200
    post(f"{cards}/control", json={"sick": True})

    assert get(f"{cards}/health").status_code == 503
