"""Whoever is not root brings it up as well."""

import json
import os
import pwd
import shutil
import subprocess
import sys

import pytest

from config import bootstrap
from config.processes.stack import without_servers
from config.testing.throwaway import temporary_state

pytestmark = pytest.mark.e2e


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")
def test_works_for_an_ordinary_user_without_a_home() -> None:
    """Who may write nowhere but in a folder of theirs, which nobody else may read."""
    nobody = pwd.getpwnam("nobody")
    with temporary_state() as theirs:
        os.chown(theirs.folder, nobody.pw_uid, nobody.pw_gid)
        theirs.folder.chmod(0o700)
        state = theirs.folder / "state"

        up = [str(bootstrap.ROOT / "manage.py"), "up", "--check", "--no-demo-data"]
        done = subprocess.run(
            [*_as(nobody), sys.executable, *up, "--port", "0", "--state", str(state)],
            capture_output=True,
            text=True,
            check=False,
            env=without_servers({"HOME": "/nonexistent"}),
            umask=0o077,
        )

        assert done.returncode == 0, done.stderr
        owners = {path.stat().st_uid for path in (state, *state.iterdir())}
    assert json.loads(done.stdout.strip().splitlines()[-1])["round_trip_ms"] > 0
    assert owners == {nobody.pw_uid}


def _as(user: pwd.struct_passwd) -> list[str]:
    """Return what makes a command one of `user`. It may read what is root's: Python is."""
    program = shutil.which("setpriv")
    if program is None:
        pytest.skip("there is no setpriv")
    reads = "+dac_read_search"
    return [
        *(program, f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"),
        *(f"--inh-caps={reads}", f"--ambient-caps={reads}"),
    ]
