from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("ledger", "0065_reasons_beside_entries")]

    operations = [
        migrations.AlterField("remark", "text", models.TextField(null=True)),
    ]
