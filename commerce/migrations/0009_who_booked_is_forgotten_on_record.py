from django.db import migrations

from ledger.accountable import Accountable


class Migration(migrations.Migration):

    dependencies = [
        ('commerce', '0008_seal_with_the_keys_of_persons'),
    ]

    operations = [
        Accountable('commerce_bookingcontact', target='contact', on='DELETE'),
    ]
