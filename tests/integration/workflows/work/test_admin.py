from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from tests.integration.workflows.work.conftest import Enqueue, row
from workflows.work import checkups, models, runner, schedules, services
from workflows.work.domain.claim import WorkRef

pytestmark = pytest.mark.django_db

MODELS = [
    models.Work,
    models.Attempt,
    models.Schedule,
    models.Slot,
    models.Worker,
    models.Checkup,
]


@pytest.fixture
def chief() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("chief", password="a-long-password-x"))
    return client


@pytest.fixture
def letter(enqueue: Enqueue) -> WorkRef:
    ref = enqueue("lab.fails", {"how": "permanent"})
    runner.take([ref.id], worker="w")
    return ref


def act(client: Client, action: str, ref: WorkRef) -> Any:
    url = reverse("admin:work_work_changelist")
    return client.post(url, {"action": action, "_selected_action": [str(ref.id)]}, follow=True)


class TestWhoMayLook:
    @pytest.fixture
    def staff(self) -> User:
        """Return somebody with the permissions of Django's own to view all of it."""
        staff = User.objects.create_user("staff", password="a-long-password-x", is_staff=True)
        staff.user_permissions.set(
            Permission.objects.filter(content_type__app_label="work", codename__startswith="view_")
        )
        return staff

    @pytest.mark.parametrize("model", MODELS)
    def test_is_a_matter_of_capabilities(self, staff: User, client: Client, model: Any) -> None:
        page = reverse(f"admin:work_{model._meta.model_name}_changelist")
        client.force_login(staff)
        assert client.get(page).status_code == 403

        staff.user_permissions.set(
            Permission.objects.filter(codename__in=["job.read", "system.health"])
        )

        assert client.get(page).status_code == 200

    def test_shows_the_attempts_of_a_job_to_who_may_see_the_job(
        self, staff: User, client: Client, letter: WorkRef
    ) -> None:
        staff.user_permissions.set(Permission.objects.filter(codename="job.read"))
        client.force_login(staff)

        page = client.get(reverse("admin:work_work_change", args=[letter.id]))

        assert page.status_code == 200
        assert "attempts" in page.content.decode()
        assert [len(each.formset.forms) for each in page.context["inline_admin_formsets"]] == [1]


class TestAdmin:
    @pytest.mark.parametrize("model", MODELS)
    def test_lists_every_table(self, chief: Client, model: Any, letter: WorkRef) -> None:
        checkups.check_up()
        meta = model._meta
        assert chief.get(reverse(f"admin:work_{meta.model_name}_changelist")).status_code == 200

    def test_finds_work_by_id_subject_and_story(self, chief: Client, enqueue: Enqueue) -> None:
        waiting = enqueue(subject="tale/1")
        done = enqueue(subject="tale/2")
        runner.take([done.id], worker="w")

        def found(asked: object) -> list[str]:
            page = chief.get(reverse("admin:work_work_changelist"), {"q": str(asked)})
            return [str(one.pk) for one in page.context["cl"].result_list]

        assert found("tale/1") == found(waiting.id) == [str(waiting.id)]
        assert found("tale/2") == found(f" {row(done).correlation_id} ") == [str(done.id)]
        assert found("tale") == []

    @pytest.mark.parametrize("model", MODELS)
    def test_changes_nothing_by_hand(self, rf: Any, model: Any) -> None:
        request = rf.get("/")
        request.user = User.objects.create_superuser("root", password="a-long-password-x")
        page = admin.site.get_model_admin(model)

        assert not page.has_add_permission(request)
        assert not page.has_change_permission(request)
        assert not page.has_delete_permission(request)

    def test_asks_for_the_work_of_all_slots_at_once(self, chief: Client) -> None:
        for number in range(3):
            services.schedule("lab.echo", name=f"s{number}", at=timezone.now(), input={"n": number})
        assert schedules.fire_due(limit=10) == 3

        with CaptureQueriesContext(connection) as asked:
            shown = chief.get(reverse("admin:work_slot_changelist"))

        assert shown.content.decode().count("lab.echo ") == 3
        assert [each for each in asked if 'FROM "work" WHERE' in each["sql"]] == []

    def test_shows_the_attempts_of_one(self, chief: Client, letter: WorkRef) -> None:
        page = chief.get(reverse("admin:work_work_change", args=[letter.id]))

        assert page.status_code == 200
        assert b"PermanentFailure" in page.content

    def test_shows_the_last_attempts_of_one_and_leads_to_all(
        self, chief: Client, enqueue: Enqueue
    ) -> None:
        ref, now = enqueue(), timezone.now()
        models.Attempt.objects.bulk_create(
            models.Attempt(
                work_id=ref.id, attempt=number, fence=number, worker=f"worker@test/{number}.",
                started_at=now, ended_at=now, outcome="snoozed",
            )
            for number in range(1, 61)
        )  # fmt: skip

        page = chief.get(reverse("admin:work_work_change", args=[ref.id])).content.decode()
        every = reverse("admin:work_attempt_changelist", query={"work": str(ref.id)})

        assert "worker@test/11." in page
        assert "worker@test/10." not in page
        assert f'href="{every}"' in page
        assert chief.get(every).context["cl"].result_count == 60

    def test_shows_what_succeeded_at_once_on_its_page_only(
        self, chief: Client, enqueue: Enqueue
    ) -> None:
        ref = enqueue()
        runner.take([ref.id], worker="worker@test/quick")

        page = chief.get(reverse("admin:work_work_change", args=[ref.id]))

        [inline] = page.context["inline_admin_formsets"]
        assert [form.instance.outcome for form in inline.formset.forms] == ["done"]
        assert "1, below" in page.content.decode()
        every = chief.get(reverse("admin:work_attempt_changelist"))
        assert every.context["cl"].result_count == 0
        assert "is on the page of its job only" in every.content.decode()

    def test_takes_letters_up_through_the_service(self, chief: Client, letter: WorkRef) -> None:
        assert act(chief, "retry", letter).status_code == 200

        assert (row(letter).status, row(letter).reason) == ("ready", "From the admin.")

    def test_says_why_not(self, chief: Client, enqueue: Enqueue) -> None:
        ref = enqueue()
        page = act(chief, "discard", ref)

        assert b"discard is possible while dead or poisoned" in page.content
        assert row(ref).status == "ready"

    def test_offers_nothing_to_who_may_not(self, letter: WorkRef) -> None:
        client = Client()
        user = User.objects.create_user("reader", password="a-long-password-x", is_staff=True)
        client.force_login(user)

        assert act(client, "retry", letter).status_code == 403
        assert row(letter).status == "dead"
