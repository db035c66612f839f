"""The retry policy: capped exponential backoff with jitter. Randomness is an argument."""

from dataclasses import dataclass

ATTEMPTS_MAX = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """`base_s · factor^n`, never above `cap_s`, give or take `jitter` of itself.

    :raises ValueError: if the numbers make no policy.
    """

    max_attempts: int = 8
    base_s: float = 5
    factor: float = 2
    cap_s: float = 900
    jitter: float = 0.2

    def __post_init__(self) -> None:
        if not 1 <= self.max_attempts <= ATTEMPTS_MAX:
            raise ValueError(
                f"max_attempts is {self.max_attempts}; 1 to {ATTEMPTS_MAX} make sense."
            )
        if self.base_s < 0 or self.cap_s < self.base_s:
            raise ValueError(f"base_s is {self.base_s}, cap_s {self.cap_s}; 0 <= base_s <= cap_s.")
        if self.factor < 1:
            raise ValueError(f"factor is {self.factor}; a backoff does not shrink.")
        if not 0 <= self.jitter < 1:
            raise ValueError(f"jitter is {self.jitter}; it is a share from 0 to below 1.")

    def delay_s(self, failures: int, *, uniform: float) -> float:
        """Return the seconds to wait after the `failures`-th error in a row.

        `uniform` is random in [0, 1]: 0.5 is the middle, the ends are ± `jitter`.
        """
        assert failures >= 1, "nothing failed yet"
        assert 0 <= uniform <= 1, "uniform is a share"
        return self._middle_s(failures) * (1 + self.jitter * (2 * uniform - 1))

    def _middle_s(self, failures: int) -> float:
        try:
            return min(self.cap_s, self.base_s * self.factor ** (failures - 1))
        except OverflowError:
            return self.cap_s
