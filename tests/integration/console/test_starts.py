"""The pages of starts: what they tell, how one is declared and what may be done about it."""

import html
import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from events import context
from events.domain.principal import Principal, PrincipalKind
from ledger.models import Entry
from tests.integration.console.conftest import Visitor
from tests.integration.console.flow_pages import register
from tests.integration.console.reading import page_of
from tests.integration.workflows.flows.conftest import wind
from tests.live import sequence
from workflows.flows import following
from workflows.flows.models import FlowStart, FlowSummary
from workflows.flows.triggers import starts
from workflows.flows.triggers.occasions import OCCASIONS_MAX
from workflows.work import runner, schedules
from workflows.work.models import Schedule

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("step_functions", "weather"),
]

KEEPERS = ("flow.read", "flow.start", "flow_start.manage")
BY_CLOCK = {"name": "nightly", "goals": "hold", "by": "cron", "cron": "30 6 * * 1-5",
            "tz": "Europe/Berlin", "missed": "merge", "enabled": "on",
            "value.trip": "Rome"}  # fmt: skip
ON_WIND = {"name": "gusts", "goals": "hold", "by": "event", "event": "wind.rose",
           "language": "cel", "filter": "value.speed > 5", "enabled": "on",
           "take.trip": "$.speed"}  # fmt: skip

WRONG: list[tuple[dict[str, str], dict[str, str], str]] = [
    (BY_CLOCK, {"name": "Not Clean"}, "a name is lower case letters"),
    (BY_CLOCK, {"name": "nightly-"}, "a name neither begins nor ends with -"),
    (BY_CLOCK, {"name": "n" * 101}, "at most 100 characters (it has 101)"),
    (BY_CLOCK, {"cron": ""}, "give exactly one of cron and event"),
    (BY_CLOCK, {"cron": "at noon"}, "A cron expression has five fields."),
    (BY_CLOCK, {"tz": "Nowhere"}, "'Nowhere' is no time zone."),
    (BY_CLOCK, {"tz": "localtime"}, "is not the same on every machine"),
    (BY_CLOCK, {"missed": "perhaps"}, "Select a valid choice"),
    (BY_CLOCK, {"goals": "fly"}, "step not found: [fly]"),
    (BY_CLOCK, {"value.trip": ""}, "This is needed"),
    (BY_CLOCK, {"timeout_s": "0"}, "greater than or equal to 1"),
    (ON_WIND, {"event": ""}, "give exactly one of cron and event"),
    (ON_WIND, {"event": "nobody.said"}, "No event called nobody.said"),
    (ON_WIND, {"event": "flow_start.fired"}, "it may go on for ever"),
    (ON_WIND, {"filter": "value.speed >"}, "cel"),
    (ON_WIND, {"take.trip": "$["}, "jpath"),
]


@pytest.fixture
def keeper(visitor: Visitor) -> Client:
    register("hold", trip="required", note="optional", seat="output")
    return visitor(*KEEPERS)


def text_of(page: str) -> str:
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", " ", page)))


def declare(client: Client, form: dict[str, str], **changes: str) -> str:
    """Declare over the page, and return the page that follows."""
    response = client.post("/flows/starts/new", {**form, **changes}, follow=True)
    assert response.status_code == 200, text_of(response.content.decode())
    return text_of(response.content.decode())


def fire(speed: int = 9) -> None:
    wind(speed)
    sequence()
    while following.follow():
        pass
    while runner.work_off(worker="test", kinds=["flow.start", "flow.invoke"]):
        pass


class TestTheForm:
    def test_declares_a_start_by_the_clock(self, keeper: Client) -> None:
        page = declare(keeper, BY_CLOCK, labels="env=prod", compensate="on", timeout_s="60")

        start = FlowStart.objects.get()
        assert (start.cron, start.tz, start.missed) == ("30 6 * * 1-5", "Europe/Berlin", "merge")
        assert (start.init, start.takes, start.labels) == ({"trip": ["Rome"]}, {}, {"env": "prod"})
        assert start.options == {"compensate": True, "timeout_ms": 60_000}
        assert start.declared_by == f"user:{User.objects.get().pk}"
        assert "The next flow starts" in page
        assert page.count("06:30 CE") == 5
        assert Entry.objects.get(action_name="flow_start.declare").target_id == "nightly"

    def test_declares_a_start_on_an_event(self, keeper: Client) -> None:
        page = declare(keeper, ON_WIND)

        start = FlowStart.objects.get()
        assert (start.event, start.language, start.filter) == (
            "wind.rose",
            "cel",
            "value.speed > 5",
        )
        assert (start.init, start.takes, start.cron) == ({}, {"trip": "$.speed"}, "")
        assert "It waits for the next wind.rose that its condition accepts." in page

    def test_is_filled_by_its_address_and_asks_for_what_the_goals_need(
        self, keeper: Client
    ) -> None:
        page = page_of(keeper, "/flows/starts/new?goals=hold&by=cron&cron=30+6+*+*+*&tz=UTC")

        assert 'name="value.trip"' in page
        assert 'name="take.note"' in page
        assert text_of(page).count("06:30 UTC") == 5

    def test_says_what_is_wrong_before_it_is_sent(self, keeper: Client) -> None:
        for query, says in (
            ("cron=at+noon", "A cron expression has five fields."),
            ("cron=61+*+*+*+*", "is no cron expression"),
            ("cron=*+*+*+*+*&tz=Nowhere", "'Nowhere' is no time zone."),
            ("by=event&event=nobody.said", "No event of this name is in the catalogue."),
            ("goals=fly", "step not found: [fly]"),
        ):
            assert says in text_of(page_of(keeper, f"/flows/starts/new?{query}"))

    def test_marks_the_field_that_is_wrong_and_declares_nothing(self, keeper: Client) -> None:
        for form, changes, says in WRONG:
            response = keeper.post("/flows/starts/new", {**form, **changes})

            assert response.status_code == 400
            fields = re.findall(
                r'<div class="field wrong">.*?</div>', response.content.decode(), re.DOTALL
            )
            [field] = changes
            [wrong] = [one for one in fields if f'name="{field}"' in one]
            assert says in text_of(wrong)
        assert not FlowStart.objects.exists()
        assert not Entry.objects.exclude(action_name="step.register").exists()

    def test_only_checks_if_asked_to(self, keeper: Client) -> None:
        response = keeper.post("/flows/starts/new", {**ON_WIND, "do": "check"})

        assert "The definition is good. Nothing was changed." in response.content.decode()
        assert not FlowStart.objects.exists()

    def test_does_not_take_the_place_of_another(self, keeper: Client) -> None:
        declare(keeper, BY_CLOCK)

        response = keeper.post("/flows/starts/new", {**ON_WIND, "name": "nightly"})

        assert "There is a start of this name already." in response.content.decode()
        assert FlowStart.objects.get().cron

    @pytest.mark.parametrize("timeout_ms", [1, 1_500])
    def test_loses_nothing_that_it_has_no_field_for(self, keeper: Client, timeout_ms: int) -> None:
        with context.acting(Principal(kind=PrincipalKind.USER, id=str(User.objects.get().pk))):
            starts.declare_start(
                name="odd",
                goals=["hold"],
                event="wind.rose",
                init={"trip": ["true"], "extra": [1, 2], "note": [None], "no_text": [""]},
                options={"timeout_ms": timeout_ms, "concurrency_key": "k"},
            )
        before = FlowStart.objects.values().get()
        page = page_of(keeper, "/flows/starts/odd/edit")
        form = {
            name: html.unescape(value)
            for name, value in re.findall(r'name="(value\.\w+|timeout_s)" value="([^"]*)"', page)
        }

        answer = keeper.post(
            "/flows/starts/odd/edit",
            {
                **form,
                "goals": "hold",
                "by": "event",
                "event": "wind.rose",
                "concurrency_key": "k",
                "enabled": "on",
            },
        )

        assert answer.status_code == 302
        assert FlowStart.objects.values().get() == before

    def test_of_a_version_before_does_not_overwrite(self, keeper: Client) -> None:
        declare(keeper, BY_CLOCK)
        page = page_of(keeper, "/flows/starts/nightly/edit")
        starts.set_start_enabled(name="nightly", enabled=False)

        response = keeper.post(
            "/flows/starts/nightly/edit", {**BY_CLOCK, "version": "1", "cron": "0 7 * * *"}
        )

        assert 'name="version" value="1"' in page
        assert response.status_code == 400
        assert FlowStart.objects.get().cron == "30 6 * * 1-5"


class TestThePage:
    def test_tells_of_every_occasion_with_its_flow_and_entry(self, keeper: Client) -> None:
        declare(keeper, ON_WIND, concurrency_key="one")
        fire()
        flow = FlowSummary.objects.get()

        page = page_of(keeper, "/flows/starts/gusts")

        assert f'href="/flows/{flow.flow_id}"' in page
        entry = Entry.objects.get(action_name="flow.start")
        assert str(entry.pk)[-8:] in page
        assert re.search(r"fired.*completed.*declared by ada", text_of(page))

    def test_says_that_it_was_skipped_for_its_concurrency_key(self, keeper: Client) -> None:
        register("pay", trip="required", paid="output")
        declare(keeper, ON_WIND, goals="pay", concurrency_key="one")
        fire()
        holder = FlowSummary.objects.get().flow_id
        fire()

        page = text_of(page_of(keeper, "/flows/starts/gusts"))

        assert f"skipped A flow with the concurrency key one is active: {holder}." in page
        assert "The last flow could not start" not in page

    def test_says_why_it_was_refused(self, keeper: Client) -> None:
        declare(keeper, ON_WIND, **{"take.trip": "$.gust"})
        fire()

        page = text_of(page_of(keeper, "/flows/starts/gusts"))
        row = text_of(page_of(keeper, "/flows/starts"))

        assert "The last flow could not start: trip:" in page
        assert re.search(r"gusts hold refused trip:", row)

    def test_says_that_it_is_paused_and_whose_rights_are_gone(
        self, keeper: Client, visitor: Visitor
    ) -> None:
        declare(keeper, ON_WIND)
        User.objects.filter(username="ada").update(is_active=False)
        bob = visitor(*KEEPERS, name="bob")

        before = text_of(page_of(bob, "/flows/starts/gusts"))
        fire()
        after = text_of(page_of(bob, "/flows/starts/gusts"))
        listed = text_of(page_of(bob, "/flows/starts?status=paused"))
        bob.post("/flows/starts/gusts/enable", {"reason": "Ada has left"})

        gone = f"user:{User.objects.get(username='ada').pk} may no longer act."
        assert f"The next occasion will pause it: {gone}" in before
        assert f"Paused automatically: {gone}" in after
        assert re.search(rf"gusts hold paused {gone}", listed)
        start = FlowStart.objects.get()
        assert (start.enabled, start.paused_because) == (True, "")
        assert Entry.objects.get(action_name="flow_start.enable").reason == "Ada has left"

    def test_names_the_slots_that_nobody_fired(self, keeper: Client) -> None:
        declare(keeper, BY_CLOCK, cron="0 0 1 1 *", missed="skip")
        to_come = Schedule.objects.get().next_at
        assert to_come is not None
        Schedule.objects.update(next_at=to_come.replace(year=to_come.year - 2))

        schedules.fire_due(limit=10)

        page = text_of(page_of(keeper, "/flows/starts/nightly"))
        assert "missed It could not be fired in time, and missed slots are skipped." in page
        assert "It stands for 2 slots. the slot of" in page

    def test_pages_through_what_befell_it(self, keeper: Client) -> None:
        declare(keeper, BY_CLOCK)
        for turn in range(OCCASIONS_MAX):
            starts.set_start_enabled(name="nightly", enabled=bool(turn % 2))

        newest = page_of(keeper, "/flows/starts/nightly")
        [older] = re.findall(r'href="([^"]*)" rel="next"', newest)
        oldest = page_of(keeper, f"/flows/starts/nightly{older}")

        assert newest.count(">declared<") == OCCASIONS_MAX
        assert oldest.count(">declared<") == 1
        assert 'rel="next"' not in oldest

    def test_names_the_occasions_that_are_still_to_be_handled(self, keeper: Client) -> None:
        declare(keeper, ON_WIND)
        wind()
        sequence()
        while following.follow():
            pass

        page = text_of(page_of(keeper, "/flows/starts/gusts"))

        assert re.search(r"An occasion of .* ready", page)

    def test_is_reached_from_its_stream(self, keeper: Client) -> None:
        declare(keeper, ON_WIND)

        page = page_of(keeper, "/events/streams/flow_start/gusts")

        assert 'href="/flows/starts/gusts"' in page


class TestTheList:
    def test_filters_by_state_name_goal_and_event(self, keeper: Client) -> None:
        declare(keeper, BY_CLOCK)
        declare(keeper, ON_WIND, enabled="")

        def names(query: str) -> list[str]:
            page = page_of(keeper, f"/flows/starts?{query}")
            return re.findall(r'data-row href="/flows/starts/([^"]+)"', page)

        assert names("") == ["gusts", "nightly"]
        assert names("status=on") == ["nightly"]
        assert names("status=off") == ["gusts"]
        assert names("status=paused") == []
        assert names("name=ni") == ["nightly"]
        assert names("event=wind.rose") == ["gusts"]
        assert names("goal=hold&before=gusts") == ["nightly"]
        for wrong in ("status=odd", f"name={'x' * 200}"):
            assert keeper.get(f"/flows/starts?{wrong}").status_code == 400


class TestWhatMayBeDone:
    def test_is_offered_to_who_may(self, keeper: Client, visitor: Visitor) -> None:
        declare(keeper, BY_CLOCK)
        reader = visitor("flow.read", name="bob")
        warden = visitor("flow.read", "flow_start.manage", name="eve")

        def offers(client: Client) -> set[str]:
            page = page_of(client, "/flows/starts/nightly")
            return set(re.findall(r'action="/flows/starts/nightly/(\w+)"', page))

        assert offers(keeper) == offers(warden) == {"disable", "remove"}
        assert offers(reader) == set()
        starts.set_start_enabled(name="nightly", enabled=False)
        assert offers(keeper) == {"enable", "remove"}
        assert offers(warden) == {"remove"}

    def test_switches_it_off_and_removes_it_on_record(self, keeper: Client) -> None:
        declare(keeper, BY_CLOCK)

        keeper.post("/flows/starts/nightly/disable", {"reason": "Holidays"})
        assert not FlowStart.objects.get().enabled
        keeper.post("/flows/starts/nightly/remove", {"reason": "Not any more"})

        assert not FlowStart.objects.exists()
        entries = Entry.objects.filter(target_type="flow_start")
        assert {(each.action_name, each.reason) for each in entries} == {
            ("flow_start.declare", ""),
            ("flow_start.disable", "Holidays"),
            ("flow_start.remove", "Not any more"),
        }

    def test_needs_the_capability_and_a_reason(self, keeper: Client, visitor: Visitor) -> None:
        declare(keeper, BY_CLOCK)
        reader = visitor("flow.read", name="bob")
        before = FlowStart.objects.values().get()

        for what in ("enable", "disable", "remove"):
            address = f"/flows/starts/nightly/{what}"
            refused = reader.post(address, {"reason": "Because"})
            incomplete = keeper.post(address, {"reason": " "})
            assert (refused.status_code, incomplete.status_code) == (403, 400)
        for address in ("/flows/starts/new", "/flows/starts/nightly/edit"):
            assert reader.post(address, BY_CLOCK).status_code == 403

        assert FlowStart.objects.values().get() == before

    def test_declaring_needs_the_right_to_start_too(self, keeper: Client, visitor: Visitor) -> None:
        warden = visitor("flow.read", "flow_start.manage", name="eve")

        response = warden.post("/flows/starts/new", BY_CLOCK)

        assert response.status_code == 400
        assert "This needs the capability flow.start." in response.content.decode()
        assert not FlowStart.objects.exists()


def test_what_is_not_there_is_not_found(keeper: Client) -> None:
    for address in ("/flows/starts/never", "/flows/starts/never/edit"):
        assert keeper.get(address).status_code == 404
    assert keeper.post("/flows/starts/never/remove", {"reason": "x"}).status_code == 404
    assert keeper.get("/flows/starts/never?before=x").status_code == 404


def test_a_flow_names_the_start_that_it_came_of(keeper: Client) -> None:
    declare(keeper, ON_WIND)
    fire()

    page = page_of(keeper, f"/flows/{FlowSummary.objects.get().flow_id}")

    assert 'href="/flows/starts/gusts"' in page


def test_a_hostile_definition_is_shown_as_text(keeper: Client) -> None:
    hostile: Any = "</script><script>alert(1)</script>"
    declare(keeper, BY_CLOCK, **{"value.trip": hostile})

    for address in ("/flows/starts", "/flows/starts/nightly", "/flows/starts/nightly/edit"):
        assert hostile not in page_of(keeper, address)
