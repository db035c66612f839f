"""What is made from the code says what the code says."""

import json
import subprocess
import sys

import pytest
from django.core.management import call_command

from tests.architecture.source import ROOT

MADE_FROM_REGISTRIES = ("events_docs", "capabilities_docs", "metrics_docs")
_CHECK = """
import json, sys

import django
from django.core.management import CommandError, call_command

django.setup()
said = {}
for name in sys.argv[1:]:
    try:
        call_command(name, "--check")
    except CommandError as error:
        said[name] = str(error)
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def complaints() -> dict[str, str]:
    """Return what the commands complain of.

    In a process of their own: the modules of other tests declare events and capabilities too.
    """
    asked = [sys.executable, "-c", _CHECK, *MADE_FROM_REGISTRIES]
    process = subprocess.run(asked, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, str] = json.loads(process.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("command", MADE_FROM_REGISTRIES)
def test_documents_are_their_registries(command: str, complaints: dict[str, str]) -> None:
    assert complaints.get(command, "") == ""


def test_docs_settings_md_is_what_the_source_reads() -> None:
    call_command("settings_docs", "--check")
