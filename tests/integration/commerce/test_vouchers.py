"""Vouchers: what is done twice leaves one entry."""

import pytest

from commerce.models import Booking
from commerce.services import vouchers
from ledger.models import Entry

pytestmark = pytest.mark.django_db(transaction=True)


def test_one_that_was_valid_already_leaves_no_entry(confirmed: Booking) -> None:
    [item] = confirmed.items.all()
    wanted = {"booking_id": confirmed.pk, "item_id": item.pk}
    voucher = vouchers.issue_voucher(**wanted)

    assert vouchers.issue_voucher(**wanted) == voucher
    vouchers.void_voucher(booking_id=confirmed.pk, code=voucher.code, reason="Lost.")
    vouchers.void_voucher(booking_id=confirmed.pk, code=voucher.code, reason="Lost.")

    actions = Entry.objects.filter(target_type="voucher").values_list("action_name", flat=True)
    assert sorted(actions) == ["voucher.issue", "voucher.void"]
