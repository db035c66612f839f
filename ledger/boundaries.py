"""Ownership of rows: declares owners, and checks that no foreign key crosses between them.

One installation is one tenant: there is no tenant column that could differ. The boundaries
that there are run between owners: between the people whose keys and delegations these are,
between bookings, between subscriptions. Each model declares the path to its owner; every
foreign key between two models of the same kind of owner is then walked.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from django.apps import apps
from django.db.models import F, ForeignKey, Model, Q, QuerySet

SAMPLE_IDS: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossing:
    """A foreign key that could lead to a row of another owner.

    `ours` and `theirs` are two paths from the model to an owner: its own, and that over the key.
    """

    model: type[Model]
    key: str
    owner: str
    ours: str
    theirs: str

    def __str__(self) -> str:
        return f"{self.model._meta.label}.{self.key}"  # noqa: SLF001 (Django's own spelling)


_PATHS: dict[type[Model], dict[str, str]] = {}


def declare(model: type[Model], **paths: str) -> None:
    """Declare the owners of the rows of `model`: kinds of owners, and the path to each."""
    assert model not in _PATHS, f"{model.__name__} is declared twice"
    _PATHS[model] = paths


def crossings() -> Iterator[Crossing]:
    """Return every foreign key that could cross a boundary."""
    for model, paths in _PATHS.items():
        for key in keys_of(model):
            for owner, over in _PATHS.get(key.related_model, {}).items():
                theirs = key.name if over == "pk" else f"{key.name}__{over}"
                if owner in paths and theirs != paths[owner]:
                    yield Crossing(
                        model=model, key=key.name, owner=owner, ours=paths[owner], theirs=theirs
                    )


def crossed(crossing: Crossing) -> QuerySet[Any]:
    """Return the rows that refer to what belongs to somebody else."""
    everything: QuerySet[Any] = crossing.model._default_manager.all()  # noqa: SLF001
    both: QuerySet[Any] = everything.annotate(ours=F(crossing.ours), theirs=F(crossing.theirs))
    rows = both.filter(**{f"{crossing.key}__isnull": False})
    return rows.filter(~Q(ours=F("theirs")) | Q(ours=None) | Q(theirs=None))


def undeclared() -> list[str]:
    """Return the models that refer to one that has an owner, and do not say whose they are."""
    return sorted(
        f"{model._meta.label}.{key.name}"  # noqa: SLF001 (Django's own spelling)
        for model in apps.get_models()
        if model not in _PATHS
        for key in keys_of(model)
        if key.related_model in _PATHS
    )


def keys_of(model: type[Model]) -> list["ForeignKey[Any, Any]"]:
    """Return the foreign keys of a model."""
    return [field for field in model._meta.fields if isinstance(field, ForeignKey)]  # noqa: SLF001
