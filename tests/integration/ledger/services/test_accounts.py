"""Users and groups: changed within the reach of who changes them, and always on record."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client

from events import context
from events.domain.principal import Principal, PrincipalKind
from ledger.access.authority import Caller
from ledger.domain.rights import OwnAccess, Rights, RightsTooWide
from ledger.models import Entry, Mutation, Payload
from ledger.services import accounts
from ledger.services.accounts import RightsGone
from tests.integration.ledger.approvals import put_into_force
from tests.integration.ledger.conftest import grant

pytestmark = pytest.mark.django_db(transaction=True)

USERS, GROUPS = "/admin/auth/user/", "/admin/auth/group/"
PASSWORD = "root-has-a-long-password"
NEW_PASSWORD = "quite-another-long-password"


@pytest.fixture
def root() -> User:
    return User.objects.create_superuser("root", password=PASSWORD)


@pytest.fixture
def clerk(alice: User) -> User:
    """Somebody who administers users and may read jobs, and no more."""
    alice.is_staff = True
    alice.save()
    return grant(alice, "user.read", "user.administer", "job.read")


@pytest.fixture
def admin(root: User) -> Client:
    client = Client()
    client.force_login(root)
    return client


@pytest.fixture(autouse=True)
def as_root(root: User) -> Iterator[None]:
    with context.acting(Principal(kind=PrincipalKind.USER, id=str(root.pk))):
        yield


def entries_of(action: str) -> list[Entry]:
    return list(Entry.objects.filter(action_name=action).order_by("occurred_at"))


def changed(user: User, caller: User, **rights: Any) -> User:
    return accounts.change_user(
        user_id=user.pk,
        username=user.username,
        contact={"first_name": "", "last_name": "", "email": user.email},
        rights=Rights(**rights),
        caller=Caller(caller),
    )


def form_of(user: User, **changed: Any) -> dict[str, Any]:
    return {
        "username": user.username,
        "email": user.email,
        "is_active": "on",
        "your_password": PASSWORD,
        **changed,
    }


class TestChangingAUser:
    def test_says_who_made_whom_a_superuser_by_what_authority(self, root: User, bob: User) -> None:
        Group.objects.create(name="Night")

        changed(bob, root, is_superuser=True, groups=frozenset({"Night"}))

        bob.refresh_from_db()
        [entry] = entries_of("user.change")
        assert (entry.principal_type, entry.principal_id) == ("user", str(root.pk))
        assert (entry.target_type, entry.target_id) == ("user", str(bob.pk))
        assert (entry.capability_id, entry.evaluated_risk) == ("user.administer", "critical")
        assert entry.mutation.summary == "Made a superuser. Put into: Night."
        assert bob.is_superuser
        assert [group.name for group in bob.groups.all()] == ["Night"]
        assert {each.kind for each in Payload.objects.filter(entry=entry)} == {"before", "after"}

    def test_to_what_they_are_already_leaves_no_entry(self, root: User, bob: User) -> None:
        changed(bob, root)

        assert entries_of("user.change") == []

    def test_names_fields_of_a_person_and_no_values(self, root: User, bob: User) -> None:
        accounts.change_user(
            user_id=bob.pk,
            username="robert",
            contact={"first_name": "Robert", "last_name": "", "email": "bob@example.org"},
            rights=Rights(),
            caller=Caller(root),
        )

        [mutation] = Mutation.objects.all()
        assert mutation.summary == "Changed: username, first name, email."
        assert "obert" not in json.dumps(list(Entry.objects.values()), default=str)

    def test_beyond_ones_own_reach_is_refused_and_on_record(self, clerk: User, bob: User) -> None:
        with pytest.raises(RightsTooWide):
            changed(bob, clerk, is_superuser=True)
        with pytest.raises(RightsTooWide):
            changed(bob, clerk, permissions=frozenset({"ledger.job.discard"}))
        changed(bob, clerk, permissions=frozenset({"ledger.job.read"}))

        assert [entry.status for entry in entries_of("user.change")] == [
            "denied",
            "denied",
            "succeeded",
        ]
        bob.refresh_from_db()
        assert not bob.is_superuser
        assert accounts.rights_of(bob).reach == {"ledger.job.read"}

    def test_into_a_group_that_may_more_is_refused_too(self, clerk: User, bob: User) -> None:
        accounts.create_group(name="Ops", permissions=["ledger.job.discard"], caller=None)

        with pytest.raises(RightsTooWide):
            changed(bob, clerk, groups=frozenset({"Ops"}))

        assert not bob.groups.exists()

    def test_into_a_group_that_decides_approvals_takes_a_member_of_it(
        self, clerk: User, bob: User
    ) -> None:
        treasury = accounts.create_group(name="Treasury", permissions=[], caller=None)
        changed(bob, clerk, groups=frozenset({"Treasury"}))
        changed(bob, clerk)
        put_into_force(assigned_group="Treasury")

        for user in (bob, clerk):
            with pytest.raises(RightsTooWide) as refusal:
                changed(user, clerk, is_staff=True, groups=frozenset({"Treasury"}))
            assert "group:Treasury" in refusal.value.facts["beyond"]

        clerk.groups.add(treasury)
        changed(bob, clerk, groups=frozenset({"Treasury"}))
        assert [group.name for group in bob.groups.all()] == ["Treasury"]

    def test_who_may_more_than_oneself_is_refused(self, clerk: User, root: User) -> None:
        with pytest.raises(RightsTooWide):
            changed(root, clerk, is_active=False)
        with pytest.raises(RightsTooWide):
            accounts.set_password(user_id=root.pk, password=NEW_PASSWORD, caller=Caller(clerk))

        root.refresh_from_db()
        assert root.is_superuser
        assert root.check_password(PASSWORD)

    def test_takes_nobodys_own_access_away(self, root: User) -> None:
        with pytest.raises(OwnAccess):
            changed(root, root, is_staff=True)

        assert entries_of("user.change") == []

    def test_takes_nobodys_own_permission_to_administer_away(self, clerk: User) -> None:
        with pytest.raises(OwnAccess):
            changed(clerk, clerk, is_staff=True, permissions=frozenset({"ledger.job.read"}))

        assert accounts.rights_of(clerk).holds("ledger.user.administer")

    def test_waits_for_somebody_else_where_a_policy_says_so(self, admin: Client, bob: User) -> None:
        put_into_force(
            capabilities=("user.administer",),
            condition="has(facts.makes_superuser) && facts.makes_superuser",
        )

        admin.post(f"{USERS}{bob.pk}/change/", form_of(bob, is_superuser="on"))

        bob.refresh_from_db()
        assert not bob.is_superuser
        assert [entry.status for entry in entries_of("user.change")] == ["awaiting_approval"]


class TestPassword:
    def test_is_in_no_entry_nor_what_it_refers_to(self, root: User, bob: User) -> None:
        user = accounts.create_user(username="eve", password=NEW_PASSWORD, caller=Caller(root))
        accounts.set_password(user_id=bob.pk, password=NEW_PASSWORD, caller=Caller(root))

        bob.refresh_from_db()
        assert user.check_password(NEW_PASSWORD)
        assert bob.check_password(NEW_PASSWORD)
        kept = [*Entry.objects.values(), *Mutation.objects.values(), *Payload.objects.values()]
        text = json.dumps(kept, default=str)
        assert NEW_PASSWORD not in text
        assert bob.password not in text
        assert len(entries_of("user.create")) == len(entries_of("user.set_password")) == 1


class TestGroup:
    def test_says_what_its_members_got_and_lost(self, root: User) -> None:
        group = accounts.create_group(
            name="Night", permissions=["ledger.job.read"], caller=Caller(root)
        )
        accounts.change_group(
            group_id=group.pk, name="Day", permissions=["ledger.job.retry"], caller=Caller(root)
        )

        assert [entry.mutation.summary for entry in Entry.objects.order_by("occurred_at")] == [
            "Given: ledger.job.read.",
            "Given: ledger.job.retry. Taken away: ledger.job.read. Changed: name.",
        ]
        assert accounts.labels_of(group.permissions.all()) == {"ledger.job.retry"}

    def test_gets_no_more_than_who_makes_it_has(self, clerk: User) -> None:
        with pytest.raises(RightsTooWide):
            accounts.create_group(
                name="Night", permissions=["ledger.job.discard"], caller=Caller(clerk)
            )

        assert not Group.objects.exists()

    def test_gets_nothing_that_there_is_not(self, root: User) -> None:
        with pytest.raises(RightsGone) as refusal:
            accounts.create_group(
                name="Night",
                permissions=["ledger.job.read", "ledger.job.reed"],
                caller=Caller(root),
            )

        assert refusal.value.pointer == "/permissions"
        assert refusal.value.facts == {"missing": ["ledger.job.reed"]}
        assert not Group.objects.exists()

    def test_keeps_what_lets_who_changes_it_change_it(self, bob: User) -> None:
        administers = ["ledger.user.read", "ledger.user.administer"]
        group = accounts.create_group(name="Office", permissions=administers, caller=None)
        bob.groups.add(group)

        with pytest.raises(OwnAccess):
            accounts.change_group(
                group_id=group.pk, name="Office", permissions=[], caller=Caller(bob)
            )

        assert accounts.labels_of(group.permissions.all()) == set(administers)
        assert entries_of("group.change") == []


class TestPages:
    def test_make_a_user_and_lead_to_their_rights(self, admin: Client) -> None:
        form = {"username": "eve", "password1": NEW_PASSWORD, "password2": NEW_PASSWORD}

        answer = admin.post(f"{USERS}add/", {**form, "your_password": PASSWORD})

        eve = User.objects.get(username="eve")
        assert answer["Location"] == f"{USERS}{eve.pk}/change/"
        assert eve.check_password(NEW_PASSWORD)
        assert [entry.target_id for entry in entries_of("user.create")] == [str(eve.pk)]

    def test_offer_capabilities_and_nothing_that_opens_nothing(
        self, admin: Client, bob: User
    ) -> None:
        for page in (f"{USERS}{bob.pk}/change/", f"{GROUPS}add/"):
            shown = admin.get(page).content.decode()

            assert "job.read: See jobs, their attempts and results." in shown
            assert "Can add user" not in shown

    def test_show_no_part_of_a_password(self, admin: Client, bob: User) -> None:
        shown = admin.get(f"{USERS}{bob.pk}/change/").content.decode()

        assert f'<a href="{USERS}{bob.pk}/password/">Set another password</a>' in shown
        assert bob.password.split("$")[0] not in shown

    def test_change_nothing_without_the_password_again(self, admin: Client, bob: User) -> None:
        for wrong in ("", "guessed"):
            answer = admin.post(
                f"{USERS}{bob.pk}/change/",
                form_of(bob, is_superuser="on", first_name="Bo", your_password=wrong),
            )
            page = answer.content.decode()
            assert answer.status_code == 200
            assert 'value="Bo"' in page
            assert "guessed" not in page

        bob.refresh_from_db()
        assert not bob.is_superuser
        assert entries_of("user.change") == []

    def test_ask_for_it_once_in_five_minutes(self, admin: Client, bob: User) -> None:
        admin.post(f"{USERS}{bob.pk}/change/", form_of(bob, is_superuser="on"))
        admin.post(f"{GROUPS}add/", {"name": "Night"})

        bob.refresh_from_db()
        assert bob.is_superuser
        assert Group.objects.filter(name="Night").exists()

    def test_say_at_the_field_what_is_called_otherwise_by_now(
        self, admin: Client, bob: User
    ) -> None:
        night = Group.objects.create(name="Night")

        def rename_once_chosen(execute: Any, sql: str, *rest: Any) -> Any:
            found = execute(sql, *rest)
            if "IN (" in sql and sql.startswith('SELECT "auth_group"'):
                Group.objects.filter(pk=night.pk).update(name="Day")
            return found

        with connection.execute_wrapper(rename_once_chosen):
            answer = admin.post(f"{USERS}{bob.pk}/change/", form_of(bob, groups=[night.pk]))

        assert "What was chosen is not there any more: Night." in answer.content.decode()
        assert not bob.groups.exists()
        assert entries_of("user.change") == []

    def test_say_at_the_field_what_is_refused(self, admin: Client, root: User, bob: User) -> None:
        answer = admin.post(f"{USERS}{root.pk}/change/", {**form_of(root), "first_name": "Typed"})

        page = answer.content.decode()
        assert "You cannot take your own access away." in page
        assert 'value="Typed"' in page

    def test_set_another_password(self, admin: Client, bob: User) -> None:
        page = f"{USERS}{bob.pk}/password/"
        form = {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD}

        refused = admin.post(page, form)
        answer = admin.post(page, {**form, "your_password": PASSWORD})

        bob.refresh_from_db()
        assert (refused.status_code, answer.status_code) == (200, 302)
        assert bob.check_password(NEW_PASSWORD)
        assert len(entries_of("user.set_password")) == 1

    def test_put_a_change_of_ones_own_password_on_record(self, alice: User) -> None:
        alice.is_staff = True
        alice.set_password(PASSWORD)
        alice.save()
        here, elsewhere = Client(), Client()
        for client in (here, elsewhere):
            client.force_login(alice)
        form = {"new_password1": NEW_PASSWORD, "new_password2": NEW_PASSWORD}

        refused = here.post("/admin/password_change/", {**form, "old_password": "guessed"})
        assert "Your old password was entered incorrectly" in refused.content.decode()
        assert entries_of("user.change_password") == []
        answer = here.post("/admin/password_change/", {**form, "old_password": PASSWORD})

        alice.refresh_from_db()
        assert answer["Location"] == "/admin/password_change/done/"
        assert alice.check_password(NEW_PASSWORD)
        assert here.get(answer["Location"]).status_code == 200
        assert elsewhere.get("/admin/").status_code == 302
        [entry] = entries_of("user.change_password")
        assert (entry.principal_id, entry.target_id) == (str(alice.pk), str(alice.pk))
        assert entry.capability_id == "user.change_password"
        assert entry.mutation.summary == "Has chosen another password; other sessions ended."

    def test_let_who_may_only_read_change_nothing(self, alice: User, bob: User) -> None:
        alice.is_staff = True
        alice.save()
        grant(alice, "user.read")
        client = Client()
        client.force_login(alice)

        seen = client.get(f"{USERS}{bob.pk}/change/")
        tried = [
            client.post(f"{USERS}{bob.pk}/change/", form_of(bob, is_superuser="on")),
            client.post(f"{USERS}add/", {"username": "eve"}),
            client.post(f"{USERS}{bob.pk}/password/", {"password1": "x", "password2": "x"}),
            client.post(f"{USERS}{bob.pk}/delete/", {"post": "yes"}),
        ]

        assert seen.status_code == 200
        assert "pbkdf2" not in seen.content.decode()
        assert [each.status_code for each in tried] == [403] * 4
        assert User.objects.filter(pk=bob.pk, is_superuser=False).exists()

    @pytest.mark.parametrize("page", [USERS, GROUPS])
    @pytest.mark.parametrize("chosen", ["x", "\0", str(10**30), "-1", ""])
    def test_mind_no_ids_that_are_none(self, admin: Client, page: str, chosen: str) -> None:
        form = {"action": "delete_selected", "_selected_action": chosen}

        for answer in (
            admin.post(page, form),
            admin.get(f"{page}{chosen or 'x'}/change/".replace("\0", "%00")),
            admin.get(page, {"id__exact": chosen}),
        ):
            assert answer.status_code < 500
