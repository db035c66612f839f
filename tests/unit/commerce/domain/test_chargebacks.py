import pytest

from commerce.domain import chargebacks


@pytest.mark.parametrize(
    ("claimed", "gone", "charged_back", "disputed"),
    [
        (24_000, 0, 24_000, 0),
        (9_000, 0, 9_000, 0),
        (24_000, 12_000, 12_000, 12_000),
        (12_000, 12_000, 12_000, 0),
        (1, 24_000, 0, 1),
        (30_000, 0, 24_000, 6_000),
    ],
)
def test_no_more_is_taken_than_is_left_and_the_rest_is_disputed(
    claimed: int, gone: int, charged_back: int, disputed: int
) -> None:
    split = chargebacks.split(claimed_cents=claimed, captured_cents=24_000, gone_cents=gone)

    assert (split.charged_back_cents, split.disputed_cents) == (charged_back, disputed)
