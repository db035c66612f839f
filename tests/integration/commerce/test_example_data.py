import pytest
from django.core.management import call_command

from commerce import example_data
from commerce.models import Booking, Invoice, Product, Slot
from commerce.services import policies, products
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

    def test_makes_nothing_a_second_time(self, example: None) -> None:
        assert example_data.create_example() == []
        assert Booking.objects.count() == 7

    def test_goes_on_where_it_was_killed(self) -> None:
        version = policies.create_policy(
            name=example_data.POLICY, currency="EUR", rules=example_data.TIERS
        )
        products.create_product(
            currency="EUR",
            status="active",
            cancellation_policy_id=version.policy_id,
            **example_data.PRODUCTS[0],
        )

        made = example_data.create_example()

        assert made == ["Old town walk", "Island day trip", *(f"EXAMPLE-{n}" for n in range(1, 8))]
        assert [slot.capacity for slot in Slot.objects.all()] == [12] * 9

    def test_leaves_nothing_for_the_doctor_to_find(self, example: None) -> None:
        ours = [each for each in doctor.checks() if each.id.startswith(("commerce", "I4", "I11"))]
        assert len(ours) >= 10
        assert [finding for finding in map(doctor.examine, ours) if finding.violations] == []
