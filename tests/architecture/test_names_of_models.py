"""What operators read in the index of the admin: every model under a name that is English."""

import re

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.db.models import Model
from django.test import Client

OURS = ("events", "ledger", "work", "flows", "webhooks", "commerce")
MODELS = [
    model for label in OURS for model in apps.get_app_config(label).get_models()
]  # fmt: skip

OF_THEIR_OWN = {
    "entry without a seal": "entries without a seal",
    "event without a position": "events without a position",
    "external content": "external content",
    "number series": "number series",
    "personal data of a traveller": "personal data of travellers",
    "place in the seals": "places in the seals",
    "policies in force": "policies in force",
    "work": "work",
}
"""Names whose plural no rule makes."""


def plural_of(name: str) -> str:
    if name in OF_THEIR_OWN:
        return OF_THEIR_OWN[name]
    if re.search(r"[^aeiou]y$", name):
        return f"{name[:-1]}ies"
    return f"{name}es" if re.search(r"(s|x|z|ch|sh)$", name) else f"{name}s"


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_a_model_has_a_noun_for_its_name_and_its_plural(model: type[Model]) -> None:
    name, plural = str(model._meta.verbose_name), str(model._meta.verbose_name_plural)

    assert plural == plural_of(name)
    # A participle says what it is like, and not what it is.
    assert not name.endswith("ed")


@pytest.mark.django_db
def test_the_index_of_the_admin_calls_flows_flows() -> None:
    client = Client()
    client.force_login(User.objects.create_superuser("chief"))

    page = client.get("/admin/").content.decode()

    shown = set(re.findall(r'<a href="/admin/(?:flows|events)/\w+/">([^<]+)</a>', page))
    assert {"Flows", "Remembered answers", "Events", "Events without a position"} <= shown
    assert not any(re.search(r"[^aeiou]ys$|eds$", each) for each in shown)
