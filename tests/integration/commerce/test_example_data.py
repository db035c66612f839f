import pytest
from django.core.management import call_command

from commerce import example_data
from commerce.models import Booking, Invoice, Product
from events import doctor


@pytest.mark.django_db(transaction=True)
class TestPlant:
    def test_makes_bookings_in_every_interesting_state(self) -> None:
        call_command("seed_demo", verbosity=0)

        assert Product.objects.count() == 3
        assert sorted(Booking.objects.values_list("status", flat=True)) == [
            "awaiting_payment",
            "cancelled",
            "confirmed",
            "confirmed",
            "draft",
            "in_progress",
            "on_hold",
        ]
        cancelled = Booking.objects.get(status="cancelled")
        assert cancelled.entitlement is not None
        assert cancelled.entitlement["refundBp"] == 5_000
        assert Invoice.objects.filter(status="paid").count() == 4

    def test_makes_nothing_a_second_time(self) -> None:
        example_data.plant()

        assert example_data.plant() == []
        assert Booking.objects.count() == 7

    def test_leaves_nothing_for_the_doctor_to_find(self) -> None:
        example_data.plant()

        ours = [each for each in doctor.checks() if each.id.startswith(("commerce", "I4", "I11"))]
        assert len(ours) >= 10
        assert [finding for finding in map(doctor.examine, ours) if finding.violations] == []
