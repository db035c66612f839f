"""A log goes on under a key that the one before it vouches for, or under none."""

from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from django.test import override_settings

from events import context
from ledger import verifier
from ledger.models import Sealed, SigningKey
from ledger.sealing.seals import SigningKeyUnknown
from ledger.services import seals as services
from tests.integration.ledger.sealing.test_seals import CLERK, do, exported, key

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _a_clerk_acts() -> Iterator[None]:
    with context.acting(CLERK):
        yield


class TestANewSigningKey:
    def test_is_endorsed_by_the_one_before(self, tmp_path: Path) -> None:
        do()
        with override_settings(LEDGER_SIGNING_KEY=key("d")):
            services.seal_entries()
        # In letters the first of the two public keys comes first: the last one is that in use.
        with override_settings(LEDGER_SIGNING_KEY=key("a"), LEDGER_SIGNING_KEY_BEFORE=key("d")):
            for _ in range(2):
                do()
                services.seal_entries()
            out = exported(tmp_path)

        first, second = SigningKey.objects.order_by("number")
        assert second.endorsed_by == first
        assert verifier.verify(str(out), keys=[first.public]).keys == [first.public, second.public]

    def test_that_nobody_vouches_for_seals_nothing_unless_accepted(self, tmp_path: Path) -> None:
        do()
        services.seal_entries()
        do()

        with override_settings(LEDGER_SIGNING_KEY=key("b")):
            with pytest.raises(SigningKeyUnknown):
                services.seal_entries()
            assert Sealed.objects.count() == 1
            call_command("ledger_seal", "--accept-key", stdout=StringIO())
            assert Sealed.objects.count() == 2
            out = exported(tmp_path)

        with pytest.raises(verifier.Broken, match="nobody vouches"):
            verifier.verify(str(out))
        last = SigningKey.objects.latest("number")
        assert verifier.verify(str(out), keys=[last.public]).entries == 2

    def test_is_endorsed_by_none_but_the_one_before(self) -> None:
        do()
        with override_settings(LEDGER_SIGNING_KEY=key("a")):
            services.seal_entries()
        do()

        with (
            override_settings(LEDGER_SIGNING_KEY=key("b"), LEDGER_SIGNING_KEY_BEFORE=key("c")),
            pytest.raises(SigningKeyUnknown),
        ):
            services.seal_entries()

    def test_is_not_a_former_one(self) -> None:
        do()
        with override_settings(LEDGER_SIGNING_KEY=key("a")):
            services.seal_entries()
        do()
        with override_settings(LEDGER_SIGNING_KEY=key("b"), LEDGER_SIGNING_KEY_BEFORE=key("a")):
            services.seal_entries()
        do()

        with override_settings(LEDGER_SIGNING_KEY=key("a")), pytest.raises(SigningKeyUnknown):
            services.seal_entries(accept_key=True)
