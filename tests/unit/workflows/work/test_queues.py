import pytest
from django.core.exceptions import ImproperlyConfigured

from workflows.work import queues


@pytest.mark.parametrize(
    ("queue", "name"), [("default", "daybook"), ("webhooks", "daybook.webhooks")]
)
def test_a_queue_and_its_name_in_celery_are_found_from_each_other(queue: str, name: str) -> None:
    assert queues.celery_name(queue, "daybook") == name
    assert queues.named(name, "daybook") == queue


def test_a_message_that_names_no_queue_is_of_the_default_one() -> None:
    assert queues.named(None, "daybook") == "default"


def test_every_route_has_its_queue() -> None:
    declared = queues.declared("daybook", {"flow.invoke": "flows"})

    # As Celery declares what `-Q` names.
    assert [(each.name, each.exchange.name, each.routing_key) for each in declared] == [
        ("daybook", "daybook", "daybook"),
        ("daybook.flows", "daybook.flows", "daybook.flows"),
        ("daybook.webhooks", "daybook.webhooks", "daybook.webhooks"),
    ]


def test_what_routes_add_is_neither_the_default_queue_nor_one_that_kinds_declare() -> None:
    routes = {"flow.invoke": "flows", "a.b": "slow", "a.c": "slow", "a.d": "default"}

    assert queues.added_by({**routes, "a.e": "webhooks"}) == ["flows", "slow"]
    assert queues.added_by({}) == []


def test_routes_are_read() -> None:
    assert queues.routes(["flow.invoke = flows", "a.b=default"]) == {
        "flow.invoke": "flows",
        "a.b": "default",
    }


@pytest.mark.parametrize(
    "pairs",
    [["flow.invoke"], ["=flows"], ["a.b="], ["a.b=Flows"], ["a.b=x" * 30], ["a.b=c", "a.b=d"]],
)
def test_routes_that_cannot_be_read_are_refused(pairs: list[str]) -> None:
    with pytest.raises(ImproperlyConfigured, match="WORK_QUEUES"):
        queues.routes(pairs)
