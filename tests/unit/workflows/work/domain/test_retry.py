import pytest

from workflows.work.domain.retry import RetryPolicy

POLICY = RetryPolicy(base_s=5, factor=2, cap_s=900, jitter=0.2)


class TestDelay:
    @pytest.mark.parametrize(
        ("failures", "middle_s"), [(1, 5), (2, 10), (3, 20), (8, 640), (9, 900), (10_000, 900)]
    )
    def test_doubles_up_to_the_cap(self, failures: int, middle_s: float) -> None:
        assert POLICY.delay_s(failures, uniform=0.5) == middle_s

    def test_spreads_by_the_jitter(self) -> None:
        assert POLICY.delay_s(1, uniform=0) == 4
        assert POLICY.delay_s(1, uniform=1) == 6


class TestPolicy:
    @pytest.mark.parametrize(
        ("numbers", "message"),
        [
            ({"max_attempts": 0}, "max_attempts is 0; 1 to 1000 make sense."),
            ({"base_s": 10, "cap_s": 5}, "base_s is 10, cap_s 5; 0 <= base_s <= cap_s."),
            ({"factor": 0.5}, "factor is 0.5; a backoff does not shrink."),
            ({"jitter": 1}, "jitter is 1; it is a share from 0 to below 1."),
        ],
    )
    def test_refuses_numbers_that_make_none(self, numbers: dict[str, float], message: str) -> None:
        with pytest.raises(ValueError, match=message.replace("(", r"\(")) as refusal:
            RetryPolicy(**numbers)  # type: ignore[arg-type]

        assert str(refusal.value) == message
