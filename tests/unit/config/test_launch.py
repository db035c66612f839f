"""What `up` does about signals that come while it starts."""

import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from config import up
from config.embedded.state import State
from config.launch import Launch


@pytest.mark.usefixtures("signal_handlers")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_whose_exception_is_lost_in_a_finalizer_is_heeded_all_the_same(
    number: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(_launch: Launch) -> int:
        # As a finalizer does: it says that it was ignored.
        with suppress(KeyboardInterrupt):
            os.kill(os.getpid(), number)
        return 0

    monkeypatch.setattr(Launch, "_load_and_begin_first_run", load)
    state = State(tmp_path)
    state.prepare()
    options = up.parse(["--port", "0", "--state", str(tmp_path)])

    with up.listen(0) as listener, (tmp_path / "lock").open("w") as lock:
        code = Launch(options=options, state=state, listener=listener, lock=lock).run(0.0)

    assert code == 128 + number
