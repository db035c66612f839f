from django.db import migrations

from events.append_only import AppendOnly


class Migration(migrations.Migration):

    dependencies = [("webhooks", "0001_subscriptions_and_deliveries")]

    operations = [AppendOnly("webhooks_attempt")]
