"""How patient the supervisor is: with a part that keeps dying, and when it is asked to stop."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.processes import supervisor
from config.processes.supervisor import AskedToStop, Supervisor


class TestBackOff:
    @pytest.mark.parametrize(
        ("deaths", "seconds"), [(1, 0.1), (2, 0.2), (3, 0.4), (6, 3.2), (7, 5.0), (50, 5.0)]
    )
    def test_doubles_up_to_a_limit(self, deaths: int, seconds: float) -> None:
        assert supervisor.back_off(deaths) == pytest.approx(seconds)


@pytest.fixture
def parts(tmp_path: Path, signal_handlers: None) -> Iterator[Supervisor]:
    """Return a supervisor that has nothing to look after."""
    parts = Supervisor([], logs=tmp_path, say=print)
    yield parts
    parts.stop()


class TestWaitUntil:
    def test_ends_when_somebody_asks_to_stop(self, parts: Supervisor) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

        with pytest.raises(AskedToStop) as asked:
            parts.wait_until(lambda: False, seconds=60)

        assert asked.value.number == signal.SIGTERM

    def test_tells_that_it_did_not_come_to_be(self, parts: Supervisor) -> None:
        assert parts.wait_until(lambda: True, seconds=0)
        assert not parts.wait_until(lambda: False, seconds=0)
