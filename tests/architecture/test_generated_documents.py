"""What is made from the code says what the code says."""

from django.core.management import call_command


def test_docs_events_md_is_the_catalogue() -> None:
    call_command("events_docs", "--check")


def test_docs_settings_md_is_what_the_source_reads() -> None:
    call_command("settings_docs", "--check")
