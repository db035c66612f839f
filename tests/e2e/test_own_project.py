"""The project of docs/your-own-project.md comes up, and does what the page says."""

import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx2
import pytest

from config.processes.stack import ROOT, Stack, without_servers
from config.testing.fixtures import migrated_state
from tests.chaos.load import eventually

PAGE = (ROOT / "docs/your-own-project.md").read_text()
FILE = re.compile(r"^```python\n# (\S+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
IMPORTED = re.compile(r"`([\w.]+)`: ((?:`\w+`(?:, )?)+)")
NOWHERE = {
    "DATABASE_URL": "postgresql:///not-started",
    "REDIS_URL": "unix:///not-started",
    "SECRET_KEY": "of-a-command-that-signs-nothing-0123456789-abcdefghijklmnop",
}
SECOND_PERSON = """
from datetime import timedelta
from django.contrib.auth.models import Permission, User
from django.utils import timezone
from ledger.services import api_keys
user = User.objects.create_user("second")
user.user_permissions.set(Permission.objects.filter(codename="approval.decide"))
until = timezone.now() + timedelta(days=1)
print(api_keys.issue_api_key(name="k", owner=user, scopes=["*"], expires_at=until)[1].text)
"""
GREET: dict[str, Any] = {
    "id": "greet",
    "name": "Greet",
    "type": "python",
    "attributes": {
        "name": {"role": "required", "type": "string"},
        "greeting": {"role": "output", "type": "string"},
    },
    "python": {"callable": "desk.greet"},
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The files of the page, and the migration that `makemigrations` adds to them."""
    files = FILE.findall(PAGE)
    for name, code in files:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(code)
        (file.parent / "__init__.py").touch()
    by_hand = tmp_path / "desk/migrations/0002_accountable.py"
    code = by_hand.read_text()
    by_hand.unlink()
    run(tmp_path, "-m", "django", "makemigrations", "desk", **NOWHERE)
    by_hand.write_text(code)
    return tmp_path


def of(project: Path) -> dict[str, str]:
    return {"DJANGO_SETTINGS_MODULE": "shop.settings", "PYTHONPATH": f"{project}:{ROOT}"}


def run(project: Path, *arguments: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=project,
        env={**without_servers({}), **environment, **of(project)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.e2e
def test_an_action_of_it_waits_is_recorded_and_has_its_work_done(project: Path) -> None:
    with migrated_state() as state:
        stack = Stack.start(state, "--no-demo-data", environment=of(project))
        try:
            key = run(
                project, "manage.py", "shell", "-v0", "-c", SECOND_PERSON, **stack.environment
            )
            with stack.client() as client:
                close_a_ticket(client, other_key=key.strip())
                greet(client)
            run(project, "manage.py", "doctor", **stack.environment)
            run(project, "manage.py", "test", "desk", **{**stack.environment, "HTTPS": "true"})
        finally:
            stack.stop()


def close_a_ticket(client: httpx2.Client, *, other_key: str) -> None:
    ticket = client.post("/api/v1/tickets", json={"title": "No light"}).json()
    assert ticket["is_open"], ticket
    path, why = f"/api/v1/tickets/{ticket['id']}/close", {"reason": "A new bulb"}
    named = {"Idempotency-Key": "close"}

    waiting = client.post(path, json=why, headers=named)
    assert waiting.status_code == 202, waiting.text
    approval = waiting.json()["approval"]["id"]
    agreed = client.post(
        f"/api/v1/ledger/approvals/{approval}/decide",
        json={"decision": "approve"},
        headers={"Authorization": f"Bearer {other_key}"},
    )
    assert agreed.is_success, agreed.text
    closed = client.post(path, json=why, headers={**named, "Action-Approval-Id": approval})

    assert closed.json() == {**ticket, "is_open": False}
    events = client.get(f"/api/v1/events?stream=ticket/{ticket['id']}").json()["results"]
    assert [event["name"] for event in events] == ["ticket.closed"]
    about = f"/api/v1/ledger/entries?target_type=ticket&target_id={ticket['id']}"
    done = [each for each in client.get(about).json()["results"] if each["status"] == "succeeded"]
    assert [each["action_name"] for each in done] == ["ticket.close", "ticket.open"]
    jobs = f"/api/v1/jobs?name=desk.thank&subject=ticket/{ticket['id']}"
    assert eventually(
        lambda: [job for job in client.get(jobs).json()["results"] if job["status"] == "done"]
    )


def greet(client: httpx2.Client) -> None:
    assert client.post("/api/v1/steps", json=GREET).is_success
    asked = {"id": "hello", "goals": ["greet"], "init": {"name": ["Ada"]}}
    assert client.post("/api/v1/flows", json=asked).is_success
    assert eventually(lambda: "Hello Ada" in client.get("/api/v1/flows/hello").text), client.get(
        "/api/v1/flows/hello"
    ).text


@pytest.mark.parametrize(
    ("module", "names"), [(module, names) for module, names in IMPORTED.findall(PAGE)]
)
def test_what_may_be_imported_is_there_and_says_what_it_is(module: str, names: str) -> None:
    for name in re.findall(r"\w+", names):
        assert getattr(import_module(module), name).__doc__, f"{module}.{name}"
