from django.db import migrations

from ledger.accountable import Accountable


class Migration(migrations.Migration):

    dependencies = [
        ('commerce', '0001_initial'),
        ('ledger', '0004_entry_if_and_only_if_change'),
    ]

    operations = [
        # Only of the status, and only of a row that stays: a rebuild writes rows anew.
        Accountable(
            'commerce_booking',
            target='booking',
            on='UPDATE',
            when='OLD.status IS DISTINCT FROM NEW.status',
        ),
        Accountable(
            'commerce_invoice',
            target='invoice',
            on='UPDATE',
            when="OLD.status IS DISTINCT FROM NEW.status AND 'draft' = OLD.status OR 'void' = NEW.status",
        ),
        Accountable('commerce_payment', target='payment', on='INSERT OR UPDATE'),
        Accountable('commerce_creditnote', target='credit_note', on='INSERT'),
        Accountable('commerce_refund', target='refund', on='INSERT OR UPDATE'),
        Accountable('commerce_travellerpersonal', target='traveller', on='DELETE'),
    ]
