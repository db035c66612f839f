"""What is made from the code says what the code says."""

from django.core.management import call_command


def test_docs_events_md_is_the_catalogue() -> None:
    call_command("events_docs", "--check")
