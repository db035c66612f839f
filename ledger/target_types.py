"""Names of target types, the same in entries, filters and readings.

A model whose type is not named like its class declares it in `TARGET_TYPE`.
"""

import re
from collections.abc import Iterable
from typing import Final

from django.core.exceptions import ValidationError
from django.db.models import Model

_WORD: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def type_of(model: type[Model]) -> str:
    """Return the type of target that rows of `model` are, such as `credit_note`."""
    named: str | None = getattr(model, "TARGET_TYPE", None)
    return named or _WORD.sub("_", model.__name__).lower()


def possible_ids(model: type[Model], ids: Iterable[str]) -> list[str]:
    """Return those of `ids` that a row could have at all; the others name nothing."""
    return [id_ for id_ in ids if _is_possible(model, id_)]


def _is_possible(model: type[Model], id_: str) -> bool:
    try:
        model._meta.pk.to_python(id_)  # noqa: SLF001 - Django's own public spelling.
    except ValidationError:
        return False
    return True
