"""What is made from the code says what the code says."""

import subprocess
import sys

from django.core.management import call_command

from tests.architecture.source import ROOT


def test_docs_events_md_is_the_catalogue() -> None:
    # In a process of its own: the modules of other tests declare events too.
    asked = [sys.executable, "-m", "django", "events_docs", "--check"]

    process = subprocess.run(asked, cwd=ROOT, check=False, capture_output=True, text=True)

    assert process.returncode == 0, process.stderr


def test_docs_capabilities_md_is_the_registry() -> None:
    # In a process of its own, for the same reason.
    asked = [sys.executable, "-m", "django", "capabilities_docs", "--check"]

    process = subprocess.run(asked, cwd=ROOT, check=False, capture_output=True, text=True)

    assert process.returncode == 0, process.stderr


def test_docs_settings_md_is_what_the_source_reads() -> None:
    call_command("settings_docs", "--check")
