"""`manage.py demo [story]`: run a demo story on the running Daybook, or on one of its own."""

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import httpx2
from websockets.exceptions import WebSocketException

from config.embedded.state import Instance, State
from config.processes import control
from config.processes.stack import ROOT, Stack, StackFailed, without_servers
from examples.demo_peers import server
from examples.stories import DEFAULT, STORIES
from examples.stories.world import NotAsExpected, World, opened

_IN_EARNEST = {"DAYBOOK_CARELESS": ""}
"""What a demonstration leaves behind may be kept."""
_PEERS = server.environment("").keys()
BUSY = "Another demo is being told on"
OTHERS_SECONDS_MAX = 180.0
PAUSE_SECONDS = 0.1


def main(arguments: Sequence[str]) -> int:
    """Tell one story and return the exit code: 0 if all was as it says."""
    story = STORIES[_parse(arguments)]
    print(story.summary, flush=True)
    try:
        with _running(State.chosen()) as instance, _world(instance) as world:
            story.tell(world)
    except (NotAsExpected, StackFailed) as failure:
        print(f"\nNot as expected. {failure}", file=sys.stderr)
        return 1
    except (httpx2.HTTPError, WebSocketException, control.ControlRefused, OSError) as failure:
        print(f"\nThe story broke off: {_describe(failure)}", file=sys.stderr)
        print(f"What its parts said is in {State.chosen().logs}.", file=sys.stderr)
        return 1
    print("\nEverything was as it should be.")
    return 0


def _describe(failure: Exception) -> str:
    """Return what happened, and to which request: it may be Daybook's or a peer's that hangs."""
    says = f"{type(failure).__name__}: {failure}"
    if not isinstance(failure, httpx2.RequestError):
        return says
    return f"{failure.request.method} {failure.request.url} came to nothing ({says})."


def _parse(arguments: Sequence[str]) -> str:
    listed = "; ".join(f"{name}: {story.summary}" for name, story in STORIES.items())
    parser = argparse.ArgumentParser(
        prog="manage.py demo", description=__doc__, epilog=f"Stories: {listed}"
    )
    parser.add_argument("story", nargs="?", default=DEFAULT, choices=sorted(STORIES))
    return str(parser.parse_args(arguments).story)


@contextmanager
def _running(state: State) -> Iterator[Instance]:
    state.prepare()
    # The peers of stories are shared: one fails them, and another would wonder.
    with state.one_at_a_time("demo.lock", lambda: _say(f"{BUSY} {state.folder}: waiting for it.")):
        instance, stack = _found_or_started(state)
        try:
            yield instance
        finally:
            if stack is not None:
                stack.stop()


def _found_or_started(state: State) -> tuple[Instance, Stack | None]:
    """Return what runs, and if it was started here the handle to stop it by.

    :raises StackFailed: if it does not come up, or another command does not get ready.
    """
    deadline = time.monotonic() + OTHERS_SECONDS_MAX
    is_told = False
    while time.monotonic() < deadline:
        if lock := state.own():
            lock.close()
            _say(f"Nothing runs on {state.folder}: starting it for the story.")
            stack = Stack.start(state, workers=2, environment=_IN_EARNEST)
            return stack.instance, stack
        if (instance := state.announced()) and _is_ready(instance):
            _say(f"On {instance.url}, which runs already.")
            return instance, None
        if not is_told:
            _say(f"Another command is starting or using {state.folder}: waiting for it.")
            is_told = True
        time.sleep(PAUSE_SECONDS)
    raise StackFailed(f"Another command has been busy with {state.folder} for three minutes.")


def _is_ready(instance: Instance) -> bool:
    """Return whether it is a whole Daybook that answers: a command has but a database."""
    try:
        return bool(control.ask(instance.control or "", do="status")["web"]["ready"])
    except (OSError, control.ControlRefused):
        return False


@contextmanager
def _world(instance: Instance) -> Iterator[World]:
    assert instance.url is not None
    assert instance.control is not None
    with opened(
        url=instance.url,
        api_key=instance.api_key or "",
        peers=_peers(instance),
        kill=lambda part: _kill(instance.control or "", part),
        second_key=lambda: _second_key(instance),
        say=_say,
    ) as world:
        yield world


def _peers(instance: Instance) -> dict[str, str]:
    known = {name: url for name, url in instance.environment.items() if name in _PEERS}
    if missing := sorted(_PEERS - known.keys()):
        raise StackFailed(f"A story needs the demo peers, but {', '.join(missing)} was given.")
    return known


def _kill(control_path: str, part: str) -> None:
    pid = int(control.ask(control_path, do="status")[part]["pid"])
    os.killpg(pid, signal.SIGKILL)


def _second_key(instance: Instance) -> str:
    command = [sys.executable, str(ROOT / "manage.py"), "demo_key"]
    environment = {**without_servers({}), **_IN_EARNEST, **instance.environment}
    made = subprocess.run(  # noqa: S603 (ourselves)
        command, env=environment, capture_output=True, text=True, check=False
    )
    if made.returncode != 0:
        raise StackFailed(f"There is no second person.\n{made.stderr}")
    return made.stdout.strip().splitlines()[-1]


def _say(text: str) -> None:
    print(text, flush=True)
