"""What pytest makes of a module of tests can be made ahead of it, by another process."""

import subprocess
import sys
from pathlib import Path

import pytest
from _pytest.assertion import rewrite

from config.bootstrap import ROOT
from config.testing import rewriting

TEST = "def test_it(): assert 1 + 1 == 2\n"
PATIENCE_S = 60
# It keeps nothing itself, and waits for the last module before it collects the first.
DRIVE = """
import sys, time
from pathlib import Path
import pytest
from config.testing import rewriting
rewriting.MODULES_MIN = 2
class Patient:
    @pytest.hookimpl(tryfirst=True)
    def pytest_collect_file(self, file_path):
        while file_path.name == "test_a.py" and not rewriting._kept(Path("test_b.py")).exists():
            time.sleep(0.01)
sys.dont_write_bytecode = True
sys.exit(pytest.main(["-q"], plugins=[rewriting.Ahead(Path.cwd()), Patient()]))
"""


def rewritten(path: Path) -> bool:
    code = rewrite._read_pyc(path, rewriting._kept(path))
    assert code is None or "@pytest_ar" in code.co_names
    return code is not None


def test_is_what_pytest_would_keep(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    path = tmp_path / "test_it.py"
    path.write_text(TEST)

    rewriting.rewrite_all([path], pytestconfig)

    assert rewritten(path)


def test_leaves_to_pytest_what_is_no_python(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    wrong, right = tmp_path / "test_a.py", tmp_path / "test_b.py"
    wrong.write_text("def test_it(: pass\n")
    right.write_text(TEST)

    rewriting.rewrite_all([wrong, right], pytestconfig)

    assert (rewritten(wrong), rewritten(right)) == (False, True)


def test_is_made_by_another_process_while_tests_are_collected(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    for letter in "ab":
        (tmp_path / f"test_{letter}.py").write_text(TEST)

    done = subprocess.run(
        [sys.executable, "-c", DRIVE],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )

    assert "2 passed" in done.stdout, done.stdout + done.stderr
    assert rewritten(tmp_path / "test_b.py")
