import os
import signal
import subprocess
import sys

import pytest
from django.core.exceptions import ImproperlyConfigured

from events import failpoints
from events.failpoints import FailpointRaised, failpoint

HERE = failpoints.declare("tests.here")


def arm(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(failpoints, "_armed", failpoints._parse(text))


def test_does_nothing_unless_armed(monkeypatch: pytest.MonkeyPatch) -> None:
    before = failpoints.HITS[HERE]

    arm(monkeypatch, "")
    failpoint(HERE)
    assert failpoints.HITS[HERE] == before  # Unarmed it does not even count.

    arm(monkeypatch, "tests.elsewhere:raise")
    failpoint(HERE)
    assert failpoints.HITS[HERE] == before + 1


def test_does_what_the_environment_says_and_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    arm(monkeypatch, "tests.here:raise")
    before = failpoints.HITS[HERE]

    with pytest.raises(FailpointRaised):
        failpoint(HERE)

    assert failpoints.HITS[HERE] == before + 1


def test_throws_its_dice_alike_with_the_same_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    def thrown() -> list[bool]:
        arm(monkeypatch, "tests.here:raise:0.5:42")
        return [_raises() for _ in range(20)]

    first = thrown()

    assert first == thrown()
    assert {True, False} == set(first)


def test_refuses_a_name_that_nobody_declared(monkeypatch: pytest.MonkeyPatch) -> None:
    arm(monkeypatch, "tests.here:raise")

    with pytest.raises(AssertionError, match=r"declare the failpoint 'tests\.nowhere'"):
        failpoint("tests.nowhere")


@pytest.mark.parametrize("action", ["explode", "sleep=soon", ""])
def test_refuses_an_action_that_is_none(action: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="say name:action"):
        failpoints._parse(f"tests.here:{action}")


def test_kills_the_process() -> None:
    code = "from events.failpoints import *; failpoint(declare('tests.there')); print('alive')"

    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "FAILPOINTS": "tests.there:kill"},
        capture_output=True,
        check=False,
    )

    assert (done.returncode, done.stdout) == (-signal.SIGKILL, b"")


def _raises() -> bool:
    try:
        failpoint(HERE)
    except FailpointRaised:
        return True
    return False
