"""Generates docs/errors.md and docs/openapi.yaml from the code."""

import importlib
import pkgutil
from collections.abc import Iterator
from http import HTTPStatus
from typing import Final

from drf_spectacular.renderers import OpenApiYamlRenderer

from config.web import openapi
from config.web.problems import FRAMEWORK_PROBLEMS, status_of
from events.domain.errors import DomainError

_APPS: Final = ("events", "ledger", "workflows", "commerce", "console")

_HEAD = """# Errors

Made by `manage.py api_docs` from the code; do not edit. Every refusal under `/api/` is a
problem document (RFC 9457, `application/problem+json`) with `type`, `title`, `status`,
`detail`, `instance`, `code`, `request_id`, mostly a `hint`, and where they apply `errors`
(each with a JSON `pointer` into the body or the name of a query `parameter`) and `facts`.
`code` is stable: programs decide by it, never by the text.
"""


def errors_markdown() -> str:
    """Return the text of docs/errors.md."""
    entries = {code: _framework_entry(code) for code in FRAMEWORK_PROBLEMS}
    entries |= {error.code: _entry(error) for error in domain_errors()}
    return _HEAD + "".join(entries[code] for code in sorted(entries))


def openapi_yaml() -> str:
    """Return the text of docs/openapi.yaml."""
    rendered: bytes = OpenApiYamlRenderer().render(openapi.description(), renderer_context={})  # type: ignore[no-untyped-call]
    return rendered.decode()


def domain_errors() -> list[type[DomainError]]:
    """Return every refusal of the product."""
    for app in _APPS:
        _import_all(app)
    found = dict.fromkeys(_descendants(DomainError))  # A child of two families comes twice.
    return sorted(filter(_is_ours, found), key=lambda error: (error.code, error.__module__))


def _import_all(app: str) -> None:
    package = importlib.import_module(app)
    for module in pkgutil.walk_packages(package.__path__, f"{app}."):
        if ".migrations" not in module.name:
            importlib.import_module(module.name)


def _descendants(family: type[DomainError]) -> Iterator[type[DomainError]]:
    for error in family.__subclasses__():
        yield error
        yield from _descendants(error)


def _is_ours(error: type[DomainError]) -> bool:
    # Families have no code of their own; tests make errors up.
    return "code" in vars(error) and error.__module__.split(".")[0] in _APPS


def _framework_entry(code: str) -> str:
    status, meaning, hint = FRAMEWORK_PROBLEMS[code]
    return _written(code, status, meaning, hint)


def _entry(error: type[DomainError]) -> str:
    family = next(base for base in error.__mro__ if "code" not in vars(base))
    meaning = vars(error).get("__doc__") or family.__doc__ or ""
    return _written(error.code, status_of(error), " ".join(meaning.split()), error.hint)


def _written(code: str, status: HTTPStatus, meaning: str, hint: str) -> str:
    advice = f"\n_{hint}_\n" if hint else ""
    # Not the phrase: Python renames some of them from version to version.
    return f"\n## {code}\n\nStatus {status.value}. {meaning}\n{advice}"
