"""Every address says who may use it, and the documents about the API are true."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.admin.sites import AdminSite
from django.core.management import call_command
from django.urls import URLPattern, URLResolver, get_resolver
from django_filters import DateTimeFilter, FilterSet, IsoDateTimeFilter
from drf_spectacular.drainage import GENERATOR_STATS
from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012
from rest_framework import serializers

from config.web import api_documents, openapi
from config.web.problems import FRAMEWORK_PROBLEMS, status_of
from ledger import capabilities
from ledger.access.authority import AUTHENTICATED, PUBLIC
from ledger.api.permissions import HoldsCapability, HonoursIdempotencyKey, TakesNoBodyInVain
from ledger.bodies import Body, Moment, MomentFilter, QueryIn

View = Callable[..., Any]
METHODS = ("get", "post", "put", "patch", "delete")


def routes(patterns: list[Any], prefix: str = "") -> Iterator[tuple[str, View]]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            if pattern.app_name != "admin":  # The admin site asks has_permission everywhere.
                yield from routes(pattern.url_patterns, prefix + str(pattern.pattern))
        elif isinstance(pattern, URLPattern):
            yield prefix + str(pattern.pattern), pattern.callback


ROUTES = dict(routes(get_resolver().url_patterns))


def entries(view: View) -> set[str]:
    """The actions of a DRF view: of a view set, what the router made of its methods."""
    actions: dict[str, str] | None = getattr(view, "actions", None)
    if actions is not None:
        return set(actions.values()) - {"http_method_not_allowed"}
    return {name for name in METHODS if hasattr(cls(view), name)}


def cls(view: View) -> Any:
    return getattr(view, "cls", None)


def complaints(view: View) -> list[str]:
    declared = getattr(cls(view) or view, "capabilities", None)
    if declared == PUBLIC:
        return []
    if not isinstance(declared, dict) or not declared:
        return ["declares no capability"]
    known = {capability.id for capability in capabilities.every()} | {AUTHENTICATED}
    found = [f"{id_} is not declared" for id_ in set(declared.values()) - known]
    if cls(view) is not None:
        found += [f"{entry} has no capability" for entry in entries(view) - set(declared)]
        for gate in (HoldsCapability, TakesNoBodyInVain, HonoursIdempotencyKey):
            if gate not in cls(view).permission_classes:
                found.append(f"{gate.__name__} is not asked")
    return found


@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_every_address_declares_a_capability_or_is_public(route: str) -> None:
    assert complaints(ROUTES[route]) == []


@pytest.mark.parametrize("route", [r for r in ROUTES if r.startswith("api/v1/")], ids=str)
def test_no_address_of_the_api_ends_in_a_slash(route: str) -> None:
    assert not route.endswith("/")


def test_the_walk_finds_an_address_that_declares_nothing() -> None:
    def view(request: object) -> None: ...

    class Bare:
        permission_classes = [HoldsCapability]

        def post(self) -> None: ...

    def drf(request: object) -> None: ...

    drf.cls = Bare  # type: ignore[attr-defined]
    assert complaints(view) == ["declares no capability"]
    assert complaints(drf) == ["declares no capability"]
    Bare.capabilities = {"get": "booking.fly"}  # type: ignore[attr-defined]
    assert complaints(drf) == [
        "booking.fly is not declared",
        "post has no capability",
        "TakesNoBodyInVain is not asked",
        "HonoursIdempotencyKey is not asked",
    ]


def test_the_admin_is_the_one_that_asks_for_itself() -> None:
    admins = [r for r in get_resolver().url_patterns if getattr(r, "app_name", "") == "admin"]

    assert len(admins) == 1
    assert AdminSite.has_permission is not None


def test_the_description_of_the_api_is_made_without_a_guess() -> None:
    openapi.description()

    assert dict(GENERATOR_STATS._error_cache) == {}
    assert dict(GENERATOR_STATS._warn_cache) == {}


def test_every_tag_is_described_and_no_other() -> None:
    description = openapi.description()
    used = {
        tag
        for operations in description["paths"].values()
        for operation in operations.values()
        for tag in operation["tags"]
    }

    assert {tag["name"] for tag in description["tags"]} == used


def test_every_operation_describes_the_parameters_of_its_address_and_no_others() -> None:
    described = {
        (method, path): {
            one["name"] for one in operation.get("parameters", []) if one["in"] == "path"
        }
        for path, operations in openapi.description()["paths"].items()
        for method, operation in operations.items()
    }

    assert described == {(how, path): {*re.findall(r"{(\w+)}", path)} for how, path in described}


def test_every_default_that_is_described_could_be_sent() -> None:
    description = openapi.description()
    registry = Registry().with_resource("urn:api", DRAFT202012.create_resource(description))
    defaults = {
        f"urn:api#/components/schemas/{name}/properties/{member}": described["default"]
        for name, schema in description["components"]["schemas"].items()
        for member, described in schema.get("properties", {}).items()
        if "default" in described
    }

    faults = [
        f"{place}: {fault.message}"
        for place, default in defaults.items()
        for fault in Draft202012Validator(
            {"$ref": place}, registry=registry, format_checker=Draft202012Validator.FORMAT_CHECKER
        ).iter_errors(default)
    ]

    assert defaults
    assert faults == []


def test_the_documents_about_the_api_are_not_stale() -> None:
    call_command("api_docs", check=True)


def test_a_code_means_the_same_wherever_it_is_said() -> None:
    problems = {(error.code, status_of(error)) for error in api_documents.domain_errors()}
    problems |= {(code, status) for code, (status, _, _) in FRAMEWORK_PROBLEMS.items()}

    assert len({code for code, _ in problems}) == len(problems)


def test_every_moment_that_is_sent_has_an_offset() -> None:
    api_documents.domain_errors()  # Imports every module of the product.
    taken = [*_descendants(Body), *_descendants(QueryIn)]
    plain = [
        f"{one.__module__}.{one.__name__}.{name}"
        for one in taken
        for name, field in one._declared_fields.items()
        if isinstance(field, serializers.DateTimeField) and not isinstance(field, Moment)
    ]

    assert taken
    assert plain == []


def test_every_moment_that_lists_are_asked_for_has_an_offset() -> None:
    api_documents.domain_errors()
    asked = [
        (f"{one.__module__}.{one.__name__}.{name}", each)
        for one in _descendants(FilterSet)
        for name, each in one.base_filters.items()
        if isinstance(each, IsoDateTimeFilter | DateTimeFilter)
    ]

    assert asked
    assert [name for name, each in asked if not isinstance(each, MomentFilter)] == []


def _descendants(parent: type[Any]) -> Iterator[type[Any]]:
    for child in parent.__subclasses__():
        yield child
        yield from _descendants(child)
