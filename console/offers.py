"""The actions that a page offers to its visitor, as forms, most of them with a reason."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.http import QueryDict

Refused = Mapping[str, forms.Form]
"""The forms that were refused, by the names of their acts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """Something that may be done, with what will come of it."""

    name: str
    label: str
    capability: str
    consequence: str
    done: str
    form: type[forms.Form]
    run: Callable[..., Any]
    is_danger: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """An act on one thing, as a form."""

    act: Act
    url: str
    form: forms.Form


def offered(
    act: Act,
    url: str,
    refused: Refused,
    initial: dict[str, Any] | None = None,
) -> Offer:
    """Return an act as a form: the one that was refused, if it was."""
    form = refused.get(act.name) or act.form(
        auto_id=f"{act.name}-%s", label_suffix="", initial=initial
    )
    return Offer(act=act, url=url, form=form)


def asked_of(act: Act, posted: QueryDict) -> forms.Form:
    """Return the form of an act as it was sent."""
    return act.form(posted, auto_id=f"{act.name}-%s", label_suffix="")
