"""Who may see and do what: by capability, by object, by scope; revocation at once."""

from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, Group, Permission, User
from django.contrib.sessions.backends.db import SessionStore
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from guardian.shortcuts import assign_perm, remove_perm
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from events import catalogue
from events.domain.principal import ANONYMOUS
from ledger.access import authority, credentials
from ledger.access.credentials import CredentialRefused
from ledger.capabilities import CapabilityNotDeclared
from ledger.domain.capability import CapabilityMissing
from ledger.models import ApiKey
from tests.integration.ledger.conftest import client_with, grant, issue

URL = "/api/v1/gadgets"


@pytest.fixture
def bolt(_gadgets: None) -> Group:
    return Group.objects.create(name="bolt")


@pytest.fixture
def nut(_gadgets: None) -> Group:
    return Group.objects.create(name="nut")


def names(client: APIClient) -> list[str]:
    return [gadget["name"] for gadget in client.get(URL).json()["results"]]


class TestObjectPermissions:
    def test_show_what_they_are_held_on_and_nothing_else(
        self, alice: User, bolt: Group, nut: Group
    ) -> None:
        assign_perm("auth.view_group", alice, bolt)
        client = client_with(issue(alice, ["*"])[0])

        assert names(client) == ["bolt"]
        assert client.get(f"{URL}/{bolt.pk}").status_code == 200
        assert client.get(f"{URL}/{nut.pk}").status_code == 404

    def test_may_come_from_a_group(self, alice: User, bolt: Group, nut: Group) -> None:
        team = Group.objects.create(name="team")
        alice.groups.add(team)
        assign_perm("auth.view_group", team, nut)

        assert names(client_with(issue(alice, ["*"])[0])) == ["nut"]

    def test_let_somebody_look_who_may_not_change(self, alice: User, bolt: Group) -> None:
        assign_perm("auth.view_group", alice, bolt)
        client = client_with(issue(alice, ["*"])[0])
        headers = {"If-Match": "*"}

        assert client.post(f"{URL}/{bolt.pk}/change", headers=headers).status_code == 403
        assign_perm("auth.change_group", alice, bolt)
        assert client.post(f"{URL}/{bolt.pk}/change", headers=headers).status_code == 200

    def test_reach_no_further_than_the_scopes_of_the_key(self, alice: User, bolt: Group) -> None:
        assign_perm("auth.view_group", alice, bolt)

        client = client_with(issue(alice, ["gadget.create"])[0])

        refused = client.get(URL)
        assert refused.status_code == 403
        assert refused.json()["detail"] == "This needs the capability gadget.read."
        assert client.get(f"{URL}/{bolt.pk}").status_code == 403

    def test_end_at_once(self, alice: User, bolt: Group) -> None:
        assign_perm("auth.view_group", alice, bolt)
        client = client_with(issue(alice, ["*"])[0])
        assert names(client) == ["bolt"]

        remove_perm("auth.view_group", alice, bolt)

        assert client.get(URL).status_code == 403

    def test_are_not_granted_by_djangos_own_model_permissions(
        self, alice: User, bolt: Group
    ) -> None:
        alice.user_permissions.add(Permission.objects.get(codename="view_group"))

        assert client_with(issue(alice, ["*"])[0]).get(URL).status_code == 403

    def test_cost_no_query_per_row(self, alice: User, bolt: Group) -> None:
        assign_perm("auth.view_group", alice, bolt)
        client = client_with(issue(alice, ["*"])[0])
        names(client)
        with CaptureQueriesContext(connection) as few:
            names(client)
        for number in range(30):
            assign_perm("auth.view_group", alice, Group.objects.create(name=f"g{number}"))
        with CaptureQueriesContext(connection) as many:
            assert len(names(client)) == 31

        assert len(many) == len(few)


class TestCapabilities:
    def test_granted_to_a_group_are_held_by_its_members(self, alice: User, bolt: Group) -> None:
        team = Group.objects.create(name="team")
        team.permissions.add(Permission.objects.get(codename="gadget.read"))
        client = client_with(issue(alice, ["*"])[0])
        assert client.get(URL).status_code == 403

        alice.groups.add(team)

        assert set(names(client)) == {"bolt", "team"}

    def test_taken_away_end_at_once(self, alice: User, client: APIClient) -> None:
        assert client.get(URL).status_code == 200

        alice.user_permissions.clear()

        assert client.get(URL).status_code == 403

    def test_are_all_held_by_a_superuser_but_only_as_far_as_the_key_reaches(
        self, bolt: Group
    ) -> None:
        root = User.objects.create_superuser("root")

        assert authority.holds(root, "gadget.create")
        narrow = client_with(issue(root, ["gadget.read"])[0])
        assert names(narrow) == ["bolt"]
        assert narrow.post(URL, {"name": "nut"}).status_code == 403

    def test_of_an_inactive_user_are_none(self, alice: User) -> None:
        alice = grant(alice, "gadget.read")
        alice.is_active = False

        assert not authority.holds(alice, "gadget.read")

    def test_that_nobody_declared_are_a_bug(self, alice: User) -> None:
        with pytest.raises(CapabilityNotDeclared):
            authority.holds(alice, "gadget.fly")

    def test_can_be_demanded(self, alice: User) -> None:
        caller = authority.caller_of(alice)

        with pytest.raises(CapabilityMissing) as refused:
            caller.demand("gadget.read")

        assert str(refused.value) == "This needs the capability gadget.read."
        authority.caller_of(grant(alice, "gadget.read")).demand("gadget.read")


class TestPrincipal:
    def test_is_the_key_not_its_owner(self, alice: User) -> None:
        secret, key_id = issue(alice, ["*"])
        caller = authority.bearer(f"Bearer {secret}")

        assert str(caller.principal) == f"api_key:{ApiKey.objects.get(pk=key_id).prefix}"
        assert secret not in repr(caller)

    def test_is_the_user_of_a_session(self, alice: User) -> None:
        assert str(authority.principal_of(alice)) == f"user:{alice.pk}"
        assert str(authority.principal_of({"user": alice})) == f"user:{alice.pk}"

    def test_is_nobody_without_a_credential(self) -> None:
        request = RequestFactory().get("/")
        request.user = AnonymousUser()

        assert authority.principal_of(request) == ANONYMOUS
        assert authority.principal_of({"user": AnonymousUser()}) == ANONYMOUS
        assert authority.principal_of({}) == ANONYMOUS

    @pytest.mark.parametrize("header", ["", "Basic abc", "Bearer x", "daybook_x"])
    def test_of_another_header_is_refused(self, db: None, header: str) -> None:
        with pytest.raises(CredentialRefused):
            authority.bearer(header)


class TestRevalidation:
    def test_of_a_key_refreshes_what_it_may(self, alice: User) -> None:
        caller = authority.bearer(f"Bearer {issue(alice, ['*'])[0]}")
        assert not caller.holds("gadget.read")

        grant(alice, "gadget.read")

        assert not caller.holds("gadget.read")  # What was asked once is kept, until…
        assert caller.revalidated().holds("gadget.read")

    def test_of_a_key_asks_once_for_it_and_what_it_may(
        self, alice: User, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        caller = authority.bearer(f"Bearer {issue(grant(alice, 'gadget.read'), ['*'])[0]}")

        with django_assert_num_queries(1):
            assert caller.revalidated().holds("gadget.read")

    @pytest.mark.parametrize(
        "end",
        [
            lambda: ApiKey.objects.update(revoked_at="2026-01-01T00:00Z"),
            lambda: ApiKey.objects.update(
                expires_at="2026-01-01T00:00Z", created_at="2025-12-31T00:00Z"
            ),
            lambda: User.objects.update(is_active=False),
        ],
        ids=["revoked", "expired", "owner barred"],
    )
    def test_refuses_a_key_that_ended(self, alice: User, end: Any) -> None:
        caller = authority.bearer(f"Bearer {issue(alice, ['*'])[0]}")
        end()

        with pytest.raises(CredentialRefused):
            caller.revalidated()

    def session_of(self, client: Client, user: User) -> dict[str, Any]:
        client.force_login(user)
        return {"user": user, "session": SessionStore(client.session.session_key)}

    def test_of_a_session_lasts_as_long_as_the_session(self, alice: User) -> None:
        client = Client()
        caller = authority.caller_of(self.session_of(client, alice))
        assert caller.revalidated().principal == caller.principal

        client.logout()

        with pytest.raises(CredentialRefused):
            caller.revalidated()

    def test_refuses_a_session_that_is_older_than_the_password(self, alice: User) -> None:
        caller = authority.caller_of(self.session_of(Client(), alice))
        alice.set_password("another-long-password")
        alice.save()

        with pytest.raises(CredentialRefused):
            caller.revalidated()

    def test_refuses_a_user_who_is_gone(self, alice: User) -> None:
        caller = authority.caller_of(alice)
        User.objects.update(is_active=False)

        with pytest.raises(CredentialRefused):
            caller.revalidated()


class TestStreams:
    @pytest.fixture(autouse=True)
    def _kinds(self, _gadgets: None) -> Any:
        def resolve(stream: tuple[str, ...]) -> Group | None:
            return Group.objects.filter(pk=int(stream[1])).first()

        for kind, resolver in (("gadget", resolve), ("drawer", None)):
            catalogue.declare_stream(
                kind, meaning=kind, read="gadget.read", object_resolver=resolver
            )
        yield
        catalogue._streams.pop("gadget")
        catalogue._streams.pop("drawer")

    def test_are_read_by_who_holds_the_capability_of_their_kind(self, alice: User) -> None:
        assert not authority.may_read_stream(alice, ("gadget", "1"))
        alice = grant(alice, "gadget.read")

        assert authority.may_read_stream(alice, ("gadget", "1"))
        assert authority.may_read_stream(alice, ("drawer",))
        assert {"gadget", "drawer"} <= authority.readable_kinds(alice)

    def test_are_read_by_who_holds_it_on_the_object_behind(
        self, alice: User, bolt: Group, nut: Group
    ) -> None:
        assign_perm("auth.view_group", alice, bolt)

        assert authority.may_read_stream(alice, ("gadget", str(bolt.pk)))
        assert not authority.may_read_stream(alice, ("gadget", str(nut.pk)))
        assert not authority.may_read_stream(alice, ("drawer",))
        assert authority.readable_kinds(alice) == frozenset()

    def test_of_a_kind_that_nobody_declared_are_read_by_nobody(self) -> None:
        assert not authority.may_read_stream(User.objects.create_superuser("root"), ("secret",))

    @pytest.mark.parametrize("odd", [("gadget",), ("gadget", "x"), ("gadget", "1", "x")])
    def test_that_name_no_object_are_read_by_nobody(
        self, alice: User, odd: tuple[str, ...]
    ) -> None:
        assert not authority.may_read_stream(alice, odd)

    def test_are_not_read_beyond_the_scopes_of_a_key(self, alice: User, bolt: Group) -> None:
        assign_perm("auth.view_group", alice, bolt)
        caller = authority.bearer(f"Bearer {issue(alice, ['gadget.create'])[0]}")

        assert not caller.reads_stream(("gadget", str(bolt.pk)))

    def test_are_asked_of_the_database_once(self, alice: User, bolt: Group) -> None:
        caller = authority.caller_of(alice)
        caller.reads_stream(("gadget", str(bolt.pk)))
        with CaptureQueriesContext(connection) as queries:
            for _ in range(10):
                caller.reads_stream(("gadget", str(bolt.pk)))

        assert len(queries) == 0


class TestPlainViews:
    def test_send_the_stranger_to_the_log_in_and_refuse_the_unable(self, alice: User) -> None:
        @authority.requires("gadget.read")
        def view(request: Any) -> Any:
            return HttpResponse("seen")

        request = RequestFactory().get("/somewhere?x=1")
        request.session = SessionStore()
        request.user = AnonymousUser()
        assert view(request)["Location"] == "/login/?next=/somewhere%3Fx%3D1"

        for capable in (False, True):
            request = RequestFactory().get("/somewhere")
            request.session = SessionStore()
            request.user = grant(alice, "gadget.read") if capable else alice
            if capable:
                assert view(request).status_code == 200
            else:
                with pytest.raises(PermissionDenied):
                    view(request)


class TestComparison:
    def test_of_secrets_takes_constant_time(
        self, alice: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        compared: list[tuple[str, str]] = []

        def compare(left: str, right: str) -> bool:
            compared.append((left, right))
            return left == right

        monkeypatch.setattr(credentials, "constant_time_compare", compare)
        secret, _ = issue(alice, ["*"])

        authority.bearer(f"Bearer {secret}")

        assert compared == [(ApiKey.objects.get().digest,) * 2]
