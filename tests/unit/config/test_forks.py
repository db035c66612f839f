"""A process that has collected tests forks workers that run them."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from config.bootstrap import ROOT

PATIENCE_S = 60
DRIVE = """
import sys
import pytest
from config.testing.forks import Forks, Share
shares = [Share(heaps=("a", "b"), niceness=(0, 3)), Share(heaps=("b",), niceness=(3,))]
heap_of = lambda path: path.removeprefix("test_")[0]
sys.exit(pytest.main(sys.argv[1:], plugins=[Forks(shares, heap_of, ["test_b2.py"])]))
"""
NOTE = """
import os, pathlib, pytest
def note(what):
    with open("notes", "a") as notes:
        notes.write(what + "\\n")
"""


class Project:
    """A folder of tests, and how they go."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "pytest.ini").write_text("[pytest]\n")
        (folder / "noting.py").write_text(NOTE)

    def add(self, name: str, code: str) -> None:
        text = f"from noting import *\n{textwrap.dedent(code)}"
        (self.folder / f"{name}.py").write_text(text)

    def start(self, *options: str) -> "subprocess.Popen[str]":
        environment = {name: text for name, text in os.environ.items() if name != "REDIS_URL"}
        environment |= {
            "PYTHONPATH": os.pathsep.join((str(ROOT), str(self.folder))),
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        }
        for name in ("PYTEST_ADDOPTS", "PYTEST_XDIST_WORKER"):
            environment.pop(name, None)
        command = [sys.executable, "-c", DRIVE, "-p", "no:cacheprovider", *options]
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *options: str) -> tuple[int, str]:
        with self.start(*options) as process:
            try:
                output, _ = process.communicate(timeout=PATIENCE_S)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                raise
        return process.returncode, output

    def notes(self) -> list[str]:
        found = self.folder / "notes"
        return found.read_text().split() if found.exists() else []


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def wait_until_noted(project: Project, what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while what not in project.notes():
        assert time.monotonic() < deadline, project.notes()
        time.sleep(0.01)


class TestEveryTest:
    def test_is_run_once_by_somebody(self, project: Project) -> None:
        for number in range(20):
            project.add(
                f"test_{'ab'[number % 2]}{number}",
                f"""
                @pytest.mark.parametrize("n", [1, 2])
                def test_it(n): note(f"{number}-{{n}}")
                """,
            )

        code, output = project.run("-q")

        assert (code, "40 passed" in output) == (0, True), output
        assert sorted(project.notes()) == sorted(f"{n}-{m}" for n in range(20) for m in (1, 2))

    def test_runs_in_one_process_with_the_others_of_its_file(self, project: Project) -> None:
        for name in ("test_a1", "test_b1", "test_b2"):
            project.add(
                name,
                """
                @pytest.fixture(scope="module")
                def place():
                    yield os.getpid()
                    note("down")
                def test_one(place): assert place == os.getpid()
                def test_two(place): assert place == os.getpid()
                """,
            )

        assert project.run("-q")[0] == 0
        assert project.notes() == ["down"] * 3

    def test_that_fails_fails_the_whole_and_is_named(self, project: Project) -> None:
        project.add("test_a1", "def test_good(): pass")
        project.add("test_b1", "def test_bad(): print('last words'); assert 'this' == 'that'")

        code, output = project.run("-q")

        assert code == 1
        assert "FAILED test_b1.py::test_bad" in output
        assert "last words" in output
        assert "1 failed, 1 passed" in output

    def test_that_has_not_begun_is_not_run_after_the_first_failure(self, project: Project) -> None:
        # Two, for with the last of a file its worker takes the next one.
        project.add(
            "test_a1",
            """
            def test_bad(): assert not open('begun').read()
            def test_never(): note("never")
            """,
        )
        os.mkfifo(project.folder / "begun")
        project.add(
            "test_b2",
            """
            import time
            def test_endless():
                pathlib.Path("begun").write_text("yes")
                time.sleep(600)
            def test_later(): note("later")
            """,
        )

        code, output = project.run("-q", "-x")

        assert (code, project.notes()) == (1, [])
        assert "stopping after 1 failures" in output


class TestAWorker:
    def test_goes_on_with_the_next_heap_and_is_nicer_there(self, project: Project) -> None:
        project.add("test_a1", "def test_it(): note(f'a{os.nice(0)}')")
        # Both ends of a pipe: each goes on when the other is under way in another process.
        os.mkfifo(project.folder / "pipe")
        for number, how in enumerate("rw"):
            project.add(
                f"test_b{number}",
                f"""
                def test_it():
                    note(f"b{{os.nice(0)}}")
                    open("pipe", {how!r}).close()
                def test_later(): pass
                """,
            )

        code, output = project.run("-q")

        assert code == 0, output
        before = os.nice(0)
        assert sorted(project.notes()) == [f"a{before}", f"b{before + 3}", f"b{before + 3}"]

    def test_that_dies_breaks_off_the_whole_and_the_others_go_on(self, project: Project) -> None:
        project.add(
            "test_a1", "def test_deadly(): os.kill(os.getpid(), 9)\ndef test_never(): note('never')"
        )
        project.add("test_b1", "def test_it(): note('done')")

        code, output = project.run("-q")

        assert (code, project.notes()) == (pytest.ExitCode.INTERNAL_ERROR, ["done"])
        assert "FAILED test_a1.py::test_deadly - gw0 ended with -9" in output

    def test_has_files_for_what_is_said_of_its_own(self, project: Project) -> None:
        for letter in "ab":
            code = f"def test_it(): print({letter!r} * 50); assert 0"
            project.add(f"test_{letter}1", code)

        _, output = project.run("-q")

        assert [output.count(f"{letter * 50}\n") for letter in "ab"] == [1, 1]

    def test_has_what_is_logged_in_them_too(self, project: Project) -> None:
        project.add(
            "test_a1",
            """
            import logging
            logger = logging.getLogger("lab")
            logger.addHandler(logging.StreamHandler())
            def test_it(): logger.warning("a" * 50); assert 0
            """,
        )

        _, output = project.run("-q")

        assert output.count("\n" + "a" * 50 + "\n") == 1
        assert "closed file" not in output


class TestTheEnd:
    ENDLESS = """
        import time
        @pytest.fixture(scope="session")
        def house():
            yield
            note("down")
        def test_endless(house):
            note("up")
            time.sleep(600)
    """

    @pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGKILL])
    def test_of_the_parent_takes_down_what_was_set_up(
        self, project: Project, by: signal.Signals
    ) -> None:
        project.add("test_a1", self.ENDLESS)
        with project.start("-q") as process:
            wait_until_noted(project, "up")

            process.send_signal(by)

            assert process.wait(PATIENCE_S) != 0
        wait_until_noted(project, "down")

    def test_is_heard_of_although_python_swallowed_it(self, project: Project) -> None:
        project.add(
            "test_a1",
            self.ENDLESS
            + """
        class Deaf:
            def __del__(self):
                note("deaf")
                time.sleep(600)
        def test_deaf(house):
            Deaf()
            note("on")
            time.sleep(600)
        del test_endless
    """,
        )
        with project.start("-q") as process:
            wait_until_noted(project, "deaf")

            process.send_signal(signal.SIGKILL)

            wait_until_noted(project, "on")
        wait_until_noted(project, "down")
