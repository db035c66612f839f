"""Why a step of a flow stands as it does, at /api/v1/flows/{id}/steps/{step}."""

import pytest
from rest_framework.test import APIClient

from ledger.models import Entry
from tests.integration.workflows.flows.clients import FLOWS, STEPS, post, script, start
from tests.integration.workflows.flows.conftest import work_off

pytestmark = pytest.mark.django_db(transaction=True)


class TestReasons:
    def test_of_a_start_are_the_inputs(self, sums: APIClient) -> None:
        start(sums)

        why = sums.get(f"{FLOWS}/f1/steps/double").json()

        assert why["status"] == "completed"
        assert why["decided_by"]["name"] == "step_completed"

    def test_of_a_failure_are_what_failed(self, sums: APIClient) -> None:
        start(sums, init={"n": ["text"]})
        work_off()

        add, double = (sums.get(f"{FLOWS}/f1/steps/{one}").json() for one in ("add", "double"))

        assert [event["name"] for event in add["causes"]] == ["work_failed"]
        assert double["decided_by"]["name"] == "step_failed"
        assert [event["name"] for event in double["causes"]] == ["step_failed"]
        assert double["causes"][0]["data"]["step_id"] == "add"
        assert sums.get(f"{FLOWS}/f1/steps/none").status_code == 404

    def test_of_a_step_that_nobody_needs_any_more_are_who_served_them(
        self, fetching: APIClient
    ) -> None:
        quick = script("quick", '{:page "by hand"}', page="output")
        reader = script("reader", "{:read 1}", page="required", read="output")
        for step in (quick, reader, script("later", "{:at 1}", at="output")):
            assert post(fetching, STEPS, step).status_code == 201
        slow = {**fetching.get(f"{STEPS}/fetch").json()["step"]}
        slow["attributes"]["at"] = {"role": "required"}
        assert fetching.put(f"{STEPS}/fetch", slow, format="json").status_code == 200

        start(fetching, goal="reader", init={})
        why = fetching.get(f"{FLOWS}/f1/steps/fetch").json()

        assert why["decided_by"]["data"]["reason"] == "outputs not needed"
        [cause] = why["causes"]
        assert (cause["name"], cause["data"]["key"]) == ("attribute_set", "page")
        assert cause["data"]["step_id"] == "quick"

    def test_of_a_step_that_somebody_skipped_are_none_but_that(self, fetching: APIClient) -> None:
        start(fetching, goal="fetch")
        post(fetching, f"{FLOWS}/f1/steps/fetch/skip", {"reason": "storm"})

        why = fetching.get(f"{FLOWS}/f1/steps/fetch").json()

        skipped = Entry.objects.get(action_name="flow.skip_step")
        assert why["decided_by"]["data"]["entry_id"] == str(skipped.pk)
        assert skipped.reason == "storm"
        assert why["causes"] == []

    def test_of_a_step_without_its_input_are_who_did_not_give_it(self, sums: APIClient) -> None:
        """It completed, and gave something else."""
        post(sums, STEPS, script("mute", "{:other 1}", word="output"))
        gated = {"required": {"match": {"language": "jpath", "script": "$"}}, "role": "required"}
        for step_id, takes in (("gated", gated), ("plain", {"role": "required"})):
            post(sums, STEPS, {**script(step_id, "1"), "attributes": {"word": takes}})
            post(sums, FLOWS, {"id": step_id, "goals": [step_id]})

        whys = [sums.get(f"{FLOWS}/{one}/steps/{one}").json() for one in ("gated", "plain")]

        assert [why["status"] for why in whys] == ["skipped", "failed"]
        for why in whys:
            [cause] = why["causes"]
            assert (cause["name"], cause["data"]["step_id"]) == ("step_completed", "mute")

    def test_of_a_step_that_needed_nothing_is_the_start_of_the_flow(self, sums: APIClient) -> None:
        never = {"language": "cel", "script": "false"}
        post(sums, STEPS, {**script("unwanted", "1", hint="optional"), "predicate": never})
        post(sums, FLOWS, {"id": "f1", "goals": ["unwanted"]})

        why = sums.get(f"{FLOWS}/f1/steps/unwanted").json()

        assert why["decided_by"]["data"]["reason"] == "predicate returned false"
        assert [event["name"] for event in why["causes"]] == ["flow_started"]
