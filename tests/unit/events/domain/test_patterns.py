import pytest

from events.domain.patterns import PatternMalformed, checked, matches


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("invoice.settled", "invoice.settled", True),
        ("invoice.settled", "invoice.settled.late", False),
        ("invoice.*", "invoice.settled", True),
        ("invoice.*", "invoice.proforma.issued", True),
        ("invoice.proforma.*", "invoice.settled", False),
        ("invoice.*", "invoices.settled", False),
        ("*", "flow_started", True),
        ("flow_started", "flow_started", True),
    ],
)
def test_a_pattern_stands_for_a_name(pattern: str, name: str, expected: bool) -> None:  # noqa: FBT001
    assert matches(pattern, name) is expected


@pytest.mark.parametrize("pattern", ["*", "invoice.*", "invoice.proforma.*", "flow_started"])
def test_keeps_a_sound_pattern(pattern: str) -> None:
    assert checked(pattern) == pattern


@pytest.mark.parametrize("pattern", ["", "**", "*.settled", "inv*", "Invoice.*", ".*"])
def test_refuses_a_pattern_that_can_match_nothing(pattern: str) -> None:
    with pytest.raises(PatternMalformed):
        checked(pattern)
