"""What memoizable steps are not asked again."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings
from django.utils import timezone

from tests.integration.workflows.flows.api.test_engine_api import ask
from tests.integration.workflows.flows.conftest import flow, work_off
from tests.support.step_server import StepServer
from workflows.flows import conf, tasks
from workflows.flows.execution import memoization
from workflows.flows.models import Remembered

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("open_engine"),
]


def priced(peer: StepServer, kind: str = "sync", **extra: Any) -> None:
    step = {
        "id": "price",
        "name": "price",
        "type": kind,
        "memoizable": True,
        "attributes": {"what": {"role": "required"}, "price": {"role": "output"}},
        "http": {"endpoint": peer.url("/price")},
        **extra,
    }
    if ask("POST", "/engine/step", step)[0] == 409:
        assert ask("PUT", "/engine/step/price", step)[0] == 200


def bought(flow_id: str, what: Any) -> Any:
    ask("POST", "/engine/flow", {"id": flow_id, "goals": ["price"], "init": {"what": [what]}})
    work_off()
    return flow(flow_id).executions["price"].outputs


def test_an_answer_is_taken_from_memory_whatever_the_order_of_its_inputs(peer: StepServer) -> None:
    peer.says["/price"] = (200, {"price": 5})
    priced(peer)

    assert bought("first", {"a": 1, "b": 2}) == {"price": 5}
    peer.says["/price"] = (200, {"price": 9})
    assert bought("second", {"b": 2, "a": 1}) == {"price": 5}

    assert len(peer.calls("/price")) == 1
    events = ask("GET", "/engine/flow/second/events")[1]["events"]
    assert [event["type"] for event in events] == [
        "flow_started",
        "step_started",
        "work_succeeded",
        "attribute_set",
        "step_completed",
        "flow_completed",
        "flow_deactivated",
    ]
    [item] = ask("GET", "/engine/flow/second")[1]["executions"]["price"]["work_items"].values()
    assert item["started_at"] == "0001-01-01T00:00:00Z"


def test_other_inputs_are_another_question(peer: StepServer) -> None:
    peer.says["/price"] = lambda heard: (200, {"price": heard.body["what"] * 2})
    priced(peer)

    assert [bought("one", 1), bought("two", 2), bought("again", 1)] == [
        {"price": 2},
        {"price": 4},
        {"price": 2},
    ]
    assert len(peer.calls("/price")) == 2


def test_another_name_keeps_the_memory_and_another_address_does_not(peer: StepServer) -> None:
    peer.says["/price"] = (200, {"price": 5})
    peer.says["/moved"] = (200, {"price": 6})
    priced(peer)
    bought("one", 1)

    priced(peer, name="Price", labels={"team": "x"})
    assert bought("two", 1) == {"price": 5}
    priced(peer, http={"endpoint": peer.url("/moved")})
    assert bought("three", 1) == {"price": 6}

    assert (len(peer.calls("/price")), len(peer.calls("/moved"))) == (1, 1)


def test_a_failure_is_not_remembered(peer: StepServer) -> None:
    peer.says["/price"] = (422, {"detail": "not yet"})
    priced(peer)
    bought("one", 1)

    peer.says["/price"] = (200, {"price": 5})
    assert bought("two", 1) == {"price": 5}


def test_what_comes_by_webhook_is_remembered_too(peer: StepServer) -> None:
    priced(peer, kind="async")
    assert bought("one", 1) is None
    token = flow("one").executions["price"].order[0]

    assert ask("POST", f"/webhook/one/price/{token}", {"price": 5})[0] == 200

    assert bought("two", 1) == {"price": 5}
    assert len(peer.calls("/price")) == 1


@pytest.mark.parametrize(
    ("items", "parallelism", "asked"),
    [
        ([1, 1, 2, 1, {"a": 1, "b": 2}, {"b": 2, "a": 1}], 1, [1, 2, {"a": 1, "b": 2}]),
        ([1, True, 1.0, 1.5], 1, [1, 1.5, True]),
        ([1, 1, 1, 2, 1], 2, [1, 1, 2]),
    ],
)
def test_an_item_that_starts_after_an_equal_one_has_succeeded_is_not_asked(
    peer: StepServer, items: list[Any], parallelism: int, asked: list[Any]
) -> None:
    peer.says["/price"] = lambda heard: (200, {"price": [heard.body["what"]]})
    each = {"role": "required", "required": {"for_each": True}}
    priced(
        peer,
        attributes={"what": each, "price": {"role": "output"}},
        work_config={"parallelism": parallelism},
    )

    outputs = bought("many", items)

    assert sorted((call.body["what"] for call in peer.calls("/price")), key=str) == asked
    assert outputs["price"] == [{"what": one, "price": [one]} for one in items]


def answered(key: str, *, days_ago: float) -> None:
    made_at = timezone.now() - timedelta(days=days_ago)
    Remembered.objects.create(key=key, outputs="{}", made_at=made_at)


def kept() -> set[str]:
    return set(Remembered.objects.values_list("key", flat=True))


def test_what_is_old_is_forgotten_and_asked_for_again(peer: StepServer) -> None:
    peer.says["/price"] = (200, {"price": 5})
    priced(peer)
    bought("first", 1)
    Remembered.objects.update(made_at=timezone.now() - timedelta(days=31))
    peer.says["/price"] = (200, {"price": 6})
    assert bought("second", 1) == {"price": 5}

    tasks.forget_answers.apply(throw=True)

    assert bought("third", 1) == {"price": 6}


def test_all_old_ones_are_forgotten_and_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memoization, "ANSWERS_PER_PAGE", 2)
    for number in range(5):
        answered(f"old-{number}", days_ago=31 + number)
    answered("new", days_ago=29)

    assert memoization.forget_old() == 5
    assert kept() == {"new"}


def test_how_long_is_a_setting() -> None:
    answered("some", days_ago=3)

    with override_settings(FLOWS_REMEMBERED_DAYS=4):
        assert memoization.forget_old() == 0
    with override_settings(FLOWS_REMEMBERED_DAYS=2):
        assert memoization.forget_old() == 1


def test_no_time_at_all_is_refused() -> None:
    with (
        override_settings(FLOWS_REMEMBERED_DAYS=0),
        pytest.raises(ImproperlyConfigured, match="DAYBOOK_REMEMBERED_DAYS must be above zero"),
    ):
        conf.current()
