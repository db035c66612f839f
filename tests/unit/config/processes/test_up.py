"""The command line of `up`, and the port it takes first."""

import pytest

from config.processes import up
from config.processes.launch import CannotStart, Options


class TestParse:
    def test_has_defaults_for_everything(self) -> None:
        assert up.parse([]) == Options(
            port=8000, state=None, check=False, demo_data=True, open_engine=False, workers=1
        )

    def test_reads_every_option(self) -> None:
        arguments = ["--port", "0", "--state", "/s", "--check", "--workers", "2"]
        arguments += ["--no-demo-data", "--open-engine"]

        assert up.parse(arguments) == Options(
            port=0, state="/s", check=True, demo_data=False, open_engine=True, workers=2
        )

    def test_refuses_what_it_does_not_know(self, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit):
            up.parse(["--prot", "1"])

        assert "--prot" in capsys.readouterr().err

    @pytest.mark.parametrize(
        ("option", "value", "limits"),
        [
            ("--port", "-1", "0 to 65535"),
            ("--port", "65536", "0 to 65535"),
            ("--port", "abc", "0 to 65535"),
            ("--workers", "0", "1 to 64"),
            ("--workers", "65", "1 to 64"),
        ],
    )
    def test_refuses_what_could_not_be_waited_for(
        self, option: str, value: str, limits: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(SystemExit):
            up.parse([option, value])

        assert f"argument {option}: {value!r} is no number from {limits}" in capsys.readouterr().err


class TestListen:
    def test_picks_a_free_port(self) -> None:
        with up.listen(0) as listener:
            assert listener.getsockname()[1] > 0

    def test_refuses_a_port_that_is_taken(self) -> None:
        with up.listen(0) as taken:
            port = taken.getsockname()[1]
            with pytest.raises(CannotStart, match="Say --port 0 for any free one"):
                up.listen(port)
