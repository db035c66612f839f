from io import StringIO
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from events import catalogue, checks
from events.domain.catalogue import (
    EventDataInvalid,
    EventNameMalformed,
    EventNotDeclared,
    EventType,
)
from events.domain.envelope import Category


def declare(name: str = "tea.made", **changes: Any) -> EventType:
    facts: dict[str, Any] = {
        "category": "internal",
        "meaning": "Tea is there.",
        "schema": {"type": "object", "properties": {"cups": {"type": "integer"}}},
    }
    return catalogue.declare(name, **{**facts, **changes})


class TestDeclare:
    def test_puts_a_type_into_the_catalogue(self) -> None:
        made = declare(version=2, external=True, redacted=("cups",))

        assert catalogue.get("tea.made") is made
        assert made in catalogue.all_types()
        assert (made.key, made.category) == ("tea.made@2", Category.INTERNAL)

    def test_may_be_repeated_word_for_word(self) -> None:
        assert declare() is declare()
        assert catalogue.clashes() == []

    def test_lets_typed_code_speak_unheard_only_where_wrong_data_would_be_recorded(
        self, settings: Settings, caplog: pytest.LogCaptureFixture
    ) -> None:
        made = declare()
        wrong = {"cups": "two"}
        looks = catalogue.looks_at(is_typed=True)
        with pytest.raises(EventDataInvalid):
            catalogue.checked("tea.made", wrong, default=Category.DOMAIN, looks=looks)

        settings.EVENTS_STRICT = False

        looks = catalogue.looks_at(is_typed=True)
        declared = catalogue.checked("tea.made", wrong, default=Category.DOMAIN, looks=looks)
        assert (declared, caplog.messages) == (made, [])
        looks = catalogue.looks_at(is_typed=False)
        assert catalogue.checked("tea.made", wrong, default=Category.DOMAIN, looks=looks) == made
        assert caplog.messages == ["The data of an event is wrong."]
        # What they are is not for the log of a process: it may be somebody's name.
        assert vars(caplog.records[0])["pointer"] == "/cups"
        assert "two" not in str(vars(caplog.records[0]).values())

    def test_refuses_a_name_that_is_none(self) -> None:
        with pytest.raises(EventNameMalformed):
            declare("Tea Made")

    def test_refuses_a_schema_that_is_none(self) -> None:
        with pytest.raises(jsonschema.SchemaError):
            declare(schema={"type": "tea"})

    def test_leaves_the_unknown_unknown(self) -> None:
        with pytest.raises(EventNotDeclared):
            catalogue.get("tea.burnt")
        assert catalogue.stream_kind("tea") is None


class TestSystemChecks:
    def found(self) -> list[str | None]:
        return [message.id for message in checks.check_catalogue()]

    def test_are_content_with_what_the_apps_declare(self) -> None:
        assert self.found() == []

    def test_find_one_name_for_two_facts(self) -> None:
        declare()
        declare(meaning="Tea was.")

        assert self.found() == ["events.E001"]

    def test_find_an_external_event_that_would_let_everything_out(self) -> None:
        declare(schema={"type": "object"}, external=True)

        assert self.found() == ["events.E002"]

    def test_find_a_stream_of_a_kind_that_nobody_declared(self) -> None:
        declare(stream="tea")

        assert self.found() == ["events.E003"]

    def test_find_a_domain_event_that_goes_nowhere(self) -> None:
        declare(category="domain")

        assert self.found() == ["events.E004"]


class TestTheDocument:
    def test_is_written_and_found_stale(self, tmp_path: Path, settings: Settings) -> None:
        settings.FILES = tmp_path
        declare(external=True, redacted=("cups",))

        call_command("events_docs")

        text = (tmp_path / "docs/events.md").read_text()
        assert "| `tally` | One tally. | `tally.read` |\n" in text
        assert (
            "\n### tea.made\n\nTea is there.\n\nversion 1, internal, external, "
            'redacted: `cups`\n\n```json\n{\n  "type": "object",\n'
        ) in text
        call_command("events_docs", "--check")

        declare("tea.poured")
        with pytest.raises(CommandError, match="stale"):
            call_command("events_docs", "--check", stdout=StringIO())
