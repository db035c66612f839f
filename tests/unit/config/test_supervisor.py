"""How patient the supervisor is with a part that keeps dying."""

import pytest

from config import supervisor


class TestBackOff:
    @pytest.mark.parametrize(
        ("deaths", "seconds"), [(1, 0.1), (2, 0.2), (3, 0.4), (6, 3.2), (7, 5.0), (50, 5.0)]
    )
    def test_doubles_up_to_a_limit(self, deaths: int, seconds: float) -> None:
        assert supervisor.back_off(deaths) == pytest.approx(seconds)
