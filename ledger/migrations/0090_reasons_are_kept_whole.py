from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("ledger", "0002_drop_functions_that_nothing_calls")]

    operations = [
        migrations.AlterField("remark", "text", models.TextField(null=True)),
    ]
