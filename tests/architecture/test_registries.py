"""What is declared is documented, unique, used, and enforced by the database."""

import ast
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.admin.options import InlineModelAdmin
from django.contrib.auth.models import User
from django.core.management import get_commands, load_command_class
from django.db import connection
from django.db.models import ForeignKey
from django.test import RequestFactory
from django.urls import get_resolver
from rest_framework import serializers

from config import environment
from config.checks import WITH_FAILPOINTS
from config.web import api_documents
from events import catalogue, doctor, failpoints
from events.domain.errors import DomainError
from events.tables import append_only
from ledger import capabilities
from ledger.admin_access import CapabilityAdmin
from ledger.domain.action import REASON_CHARS_MAX
from tests.architecture.source import (
    APPS,
    ROOT,
    calls_of,
    complaints,
    mentions,
    name_of,
    product_files,
)
from workflows.webhooks import selectors
from workflows.webhooks.domain.sample import sample

OWN = {*APPS, "workflows"}


def test_pages_of_the_admin_are_opened_by_capabilities() -> None:
    by_django = {
        model._meta.label
        for model, page in admin.site._registry.items()
        if not isinstance(page, CapabilityAdmin) or not capabilities.get(page.reads)
    }

    assert by_django == set()


class TestEvents:
    def test_are_declared_before_they_are_emitted(self) -> None:
        declared = {each.name for each in catalogue.all_types()}

        assert set(complaints(_emitted, product_files())) != set()
        assert complaints(lambda path: _emitted(path) - declared, product_files()) == []

    def test_are_declared_once(self) -> None:
        assert catalogue.clashes() == []

    def test_that_leave_the_house_have_a_contract(self) -> None:
        for each in catalogue.all_types():
            if each.external:
                assert each.schema.get("properties"), f"{each.name} names no properties"

    def test_that_leave_the_house_have_an_example_that_keeps_the_contract(self) -> None:
        broken = [
            each.name
            for each in selectors.external_types()
            if not jsonschema.Draft202012Validator(each.schema).is_valid(sample(each.schema))
        ]

        assert broken == []


class TestSettings:
    def test_that_are_read_have_a_meaning_and_the_other_way_round(self) -> None:
        explained = Counter(name for group in environment.MEANINGS.values() for name in group)

        assert set(explained) == set(environment.readings())
        assert set(explained.values()) == {1}


class TestReasons:
    def test_fit_into_the_entry_that_keeps_them(self) -> None:
        assert get_resolver().url_patterns, "the forms are known once their addresses are"
        forms = [each() for each in _descendants(serializers.Serializer) if _is_form(each)]
        asked = {
            type(each): each.fields["reason"].max_length for each in forms if _has_reason(each)
        }

        assert len(asked) > 5
        assert {
            each for each, most in asked.items() if not most or most > REASON_CHARS_MAX
        } == set()


class TestListsOfTheAdmin:
    def test_ask_once_for_what_every_row_refers_to(self) -> None:
        """Django joins what must be there by itself, and what may be missing only if told to."""
        asked_row_by_row = {
            f"{type(page).__name__}.{field.name}"
            for model, page in admin.site._registry.items()
            for field in model._meta.fields
            if isinstance(field, ForeignKey) and field.null and field.name in page.list_display
            if field.name not in _joined(page.list_select_related)
        }

        assert asked_row_by_row == set()


OURS = [
    model
    for model in apps.get_models()
    if model._meta.managed and model.__module__.partition(".")[0] in OWN
]


class TestPagesOfTheAdmin:
    def test_are_there_for_every_table(self) -> None:
        assert len(OURS) > 50
        assert [model.__name__ for model in OURS if model not in admin.site._registry] == []

    def test_let_nobody_change_what_only_grows(self, rf: RequestFactory) -> None:
        request = rf.get("/")
        request.user = User(is_superuser=True, is_staff=True)
        pages: list[Any] = [*admin.site._registry.values()]
        pages += [inline(page.model, admin.site) for page in pages for inline in page.inlines]
        only_grow = [page for page in pages if page.model._meta.db_table in append_only.tables()]

        assert len(only_grow) > 10
        for page in only_grow:
            assert not page.has_change_permission(request), page
            if isinstance(page, InlineModelAdmin):
                assert not page.has_add_permission(request, None), page
                assert not page.can_delete, page
            else:
                assert not page.has_add_permission(request), page
                assert not page.has_delete_permission(request), page


class TestErrors:
    def test_have_codes_of_one_form(self) -> None:
        codes = {getattr(each, "code", "none") for each in _descendants(DomainError)}

        assert [code for code in codes if not re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)*", code)] == []

    def test_say_what_to_do_about_them(self) -> None:
        refusals = api_documents.domain_errors()

        assert [each.__qualname__ for each in refusals if not each.hint.strip()] == []

    def test_can_all_be_told_apart_by_programs(self) -> None:
        for each in _descendants(DomainError):
            if not each.__subclasses__() and each.__module__ != DomainError.__module__:
                assert getattr(each, "code", None), f"{each.__qualname__} has no code"


class TestChecks:
    def test_of_the_doctor_are_all_in_the_runbook(self) -> None:
        written = set(re.findall(r"`([\w-]+)`", (ROOT / "docs/runbook.md").read_text()))

        assert {each.id for each in doctor.checks()} - written == set()


class TestCommands:
    def test_say_what_they_do(self) -> None:
        for name, app in get_commands().items():
            if str(app).split(".")[0] in OWN:
                command = load_command_class(str(app), name)
                assert command.help, f"manage.py {name} has no help"


class TestFailpoints:
    def test_are_each_used_by_a_test(self) -> None:
        tests = "".join(
            path.read_text()
            for path in (ROOT / "tests").rglob("*.py")
            if "architecture" not in path.parts
        )

        assert [name for name in sorted(failpoints.names()) if name not in tests] == []

    def test_are_known_to_whoever_asks_for_one_at_the_start(self) -> None:
        declaring = {
            name_of(path).removesuffix(".py").replace("/", ".")
            for path in product_files()
            if mentions(path, ["failpoints"]) and calls_of(path, "declare")
        }

        assert declaring == set(WITH_FAILPOINTS)


@pytest.mark.django_db
class TestAppendOnlyTables:
    def test_have_both_triggers(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT c.relname, t.tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid "
                "WHERE NOT t.tgisinternal AND t.tgenabled = 'O'"
            )
            found = set(cursor.fetchall())

        wanted = {
            (table, trigger)
            for table in append_only.tables()
            for trigger in (append_only.TRIGGER_ROWS, append_only.TRIGGER_TABLE)
        }
        assert wanted - found == set()

    def test_include_all_that_a_migration_made_so(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT c.relname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid "
                "WHERE t.tgname = %s",
                [append_only.TRIGGER_ROWS],
            )
            found = {table for (table,) in cursor.fetchall()}

        assert found == append_only.tables()


def _emitted(path: Path) -> set[str]:
    """Return the names that are written where something is emitted."""
    emitting = {"recorder.emit", "recorder.emit_now", "emit"}
    names = [
        call.args[0]
        for call in calls_of(path, "emit", "emit_now")
        if ast.unparse(call.func) in emitting
    ]
    return {str(name.value) for name in names if isinstance(name, ast.Constant)}


def _joined(paths: bool | Sequence[str]) -> set[str]:  # noqa: FBT001 (as Django has it)
    return set() if isinstance(paths, bool) else {path.split("__")[0] for path in paths}


def _is_form(serializer: type) -> bool:
    return serializer.__name__.endswith("In")


def _has_reason(form: Any) -> bool:
    return "reason" in form.fields


def _descendants(of: type) -> set[type]:
    children: set[type] = set(of.__subclasses__())
    return children.union(*(_descendants(child) for child in children))
