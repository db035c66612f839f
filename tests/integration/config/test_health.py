"""/livez and /readyz: who may know how much, and what makes a process not ready."""

import re
import socket
import threading
from dataclasses import replace
from datetime import timedelta
from typing import Any
from unittest import mock
from urllib.parse import urljoin

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError
from django.test import Client
from django.utils import timezone

from config.web import health
from tests.integration.ledger.conftest import client_with, grant, issue
from workflows.work import conf, registry, selectors
from workflows.work.models import Worker


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Say how each part is: `parts(broker=Unhealthy("away"))`; the others are well."""

    def arrange(**troubles: Exception) -> None:
        def probe(name: str) -> health.Probe:
            def answer() -> str:
                if name in troubles:
                    raise troubles[name]
                return "well"

            return answer

        arranged = [replace(part, probe=probe(part.name)) for part in health.PARTS]
        monkeypatch.setattr(health, "PARTS", arranged)

    return arrange


class TestLivez:
    def test_answers_without_asking_anybody(self) -> None:
        answer = Client().get("/livez")  # No database is allowed in this test.

        assert (answer.status_code, answer.content) == (200, b"alive\n")


class TestReadyz:
    @pytest.mark.parametrize(
        ("trouble", "status", "says"),
        [
            ({}, 200, "ready"),
            ({"broker": health.Unhealthy("away")}, 200, "degraded"),
            ({"sequencer": health.Unhealthy("lags")}, 200, "degraded"),
            ({"workers": health.Unhealthy("none")}, 200, "degraded"),
            ({"database": OperationalError("password=hunter2")}, 503, "not_ready"),
        ],
    )
    def test_tells_a_stranger_whether_and_no_more(
        self, db: None, parts: Any, trouble: dict[str, Exception], status: int, says: str
    ) -> None:
        parts(**trouble)

        answer = Client().get("/readyz")

        assert (answer.status_code, answer.json()) == (status, {"status": says})
        assert answer["Cache-Control"] == "no-store"

    def test_asks_nothing_more_of_a_database_that_is_away(
        self, db: None, parts: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        parts(database=OperationalError("away"))
        monkeypatch.setattr(health, "_examined", asked := mock.Mock(wraps=health._examined))

        assert Client().get("/readyz").json() == {"status": "not_ready"}

        assert [call.args[0].name for call in asked.call_args_list] == ["database"]

    def test_tells_who_may_know_what_is_wrong(self, db: None, parts: Any) -> None:
        alice = grant(User.objects.create_user("alice"), "system.health")
        parts(broker=health.Unhealthy("does not answer"))

        body = client_with(issue(alice, ["system.health"])[0]).get("/readyz").json()

        found = {part["name"]: (part["ok"], part["says"]) for part in body["parts"]}
        assert found["broker"] == (False, "does not answer")
        assert found["database"] == (True, "well")

    def test_asks_the_real_parts(self, db: None, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(health, "_BROKER_TIMEOUT_SECONDS", 60)
        alice = grant(User.objects.create_user("alice"), "system.health")
        client = client_with(issue(alice, ["*"])[0])

        without = {part["name"]: part for part in client.get("/readyz").json()["parts"]}
        now = timezone.now()
        Worker.objects.create(name="w", role="celery", started_at=now, seen_at=now)
        with_half = {part["name"]: part for part in client.get("/readyz").json()["parts"]}
        Worker.objects.update(queues=registry.all_queues())
        with_one = {part["name"]: part for part in client.get("/readyz").json()["parts"]}

        assert without["database"]["says"] == "answers"
        assert without["migrations"]["says"] == "applied"
        assert without["broker"]["ok"] is True
        assert without["workers"]["says"] == "no worker is alive"
        assert with_half["workers"]["ok"] is False
        assert with_half["workers"]["says"] == "1 take work, none of them from webhooks"
        assert with_one["workers"]["says"] == "1 take work"

    @pytest.mark.parametrize("silent_s", [45, 75])
    def test_counts_who_takes_work_as_the_metrics_do(self, db: None, silent_s: int) -> None:
        seen_at = timezone.now() - timedelta(seconds=silent_s)
        Worker.objects.create(
            name="w",
            role="celery",
            started_at=seen_at,
            seen_at=seen_at,
            queues=registry.all_queues(),
        )

        alive = selectors.overview().workers_alive

        assert alive == (silent_s < conf.current().stale_after_s)
        if alive:
            assert health._workers() == "1 take work"
        else:
            with pytest.raises(health.Unhealthy, match="no worker is alive"):
                health._workers()

    def test_knows_a_broker_that_takes_the_connection_and_says_nothing(self, settings: Any) -> None:
        found: list[str] = []

        def ask() -> None:
            with pytest.raises(health.Unhealthy) as unhealthy:
                health._broker()
            found.append(str(unhealthy.value))

        with socket.create_server(("127.0.0.1", 0)) as stuck:
            settings.CELERY_BROKER_URL = f"redis://127.0.0.1:{stuck.getsockname()[1]}/0"
            asking = threading.Thread(target=ask)
            asking.start()
            asking.join(timeout=10)
            is_answered = not asking.is_alive()
        asking.join()

        assert is_answered
        assert found[0].startswith("does not answer")

    def test_knows_a_broker_that_is_away(self, settings: Any) -> None:
        settings.CELERY_BROKER_URL = "redis://127.0.0.1:1/0"

        with pytest.raises(health.Unhealthy):
            health._broker()


class TestDocuments:
    @pytest.mark.parametrize("name", ["errors", "events"])
    def test_to_which_answers_point_can_be_opened(self, name: str) -> None:
        answer = Client().get(f"/docs/{name}.md")

        assert answer.status_code == 200
        assert answer["Content-Type"] == "text/markdown; charset=utf-8"

    @pytest.mark.parametrize("path", ["/api/v1", "/api/v1/"])
    @pytest.mark.parametrize("accept", ["application/json", "text/html", "*/*"])
    def test_are_linked_from_the_root_of_the_api(self, path: str, accept: str, db: None) -> None:
        answer = Client().get(path, headers={"Accept": accept})

        assert answer["Content-Type"] == "application/json"
        links = answer.json()
        assert {"schema", "first_hour", "errors"} <= set(links)
        assert all(link.startswith("http://testserver/") for link in links.values())

    def test_that_are_linked_can_be_opened_and_what_they_link_to_too(self, db: None) -> None:
        for link in Client().get("/api/v1").json().values():
            document = Client().get(link)
            assert document.status_code == 200, link
            for other in re.findall(r"\]\(([^)#:]+)[)#]", document.content.decode()):
                assert Client().get(urljoin(link, other)).status_code == 200, (link, other)

    @pytest.mark.parametrize("name", ["secrets", "openapi", "architecture-x"])
    def test_are_no_others(self, name: str, db: None) -> None:
        assert Client().get(f"/docs/{name}.md").status_code == 404

    @pytest.mark.parametrize("accept", ["application/json", "application/yaml", "*/*"])
    def test_the_description_of_the_api_is_public(self, accept: str, db: None) -> None:
        answer = Client().get("/api/schema/", headers={"Accept": accept})

        assert answer.status_code == 200
        assert "3.1.0" in answer.content.decode()[:60]
