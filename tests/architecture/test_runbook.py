"""Who is woken by a line of the log finds it in the runbook."""

import ast
import re
from collections.abc import Iterator

from config.processes.parts import WEB_KEEP_ALIVE_SECONDS
from config.websockets import OPTIONS
from tests.architecture.source import ROOT, product_files, tree_of

WAKES = {"error", "exception", "critical"}


def errors_of(tree: ast.Module) -> Iterator[str]:
    """Yield the messages that are logged at ERROR or above."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id="logger"), attr=level),
                args=[ast.Constant(value=str(message)), *_],
            ) if level in WAKES:
                yield message


def test_every_error_that_is_logged_is_in_the_runbook() -> None:
    runbook = (ROOT / "docs/runbook.md").read_text()
    logged = {message for path in product_files() for message in errors_of(tree_of(path))}

    assert len(logged) > 20
    assert {message for message in logged if message not in runbook} == set()


def test_what_is_quoted_stands_on_a_page() -> None:
    runbook = (ROOT / "docs/runbook.md").read_text()
    pages = [*(ROOT / "templates").rglob("*.html"), *product_files()]
    shown = "\n".join(each.read_text() for each in pages)

    quoted = set(re.findall(r'"([A-Z][^"\n]*)"', runbook))
    assert len(quoted) > 2
    # The heading of another chapter is quoted as well.
    assert {text for text in quoted if text not in shown and f"## {text}" not in runbook} == set()


def test_production_serves_as_up_does() -> None:
    runbook = (ROOT / "docs/runbook.md").read_text()

    assert f"--timeout-keep-alive {WEB_KEEP_ALIVE_SECONDS} " in runbook
    assert f"--ws {OPTIONS['ws']} --ws-max-size {OPTIONS['ws_max_size']} " in runbook
