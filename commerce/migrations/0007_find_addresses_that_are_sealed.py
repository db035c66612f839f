from django.db import migrations, models


def _index() -> "models.CharField[str, str]":
    return models.CharField(blank=True, db_default='', db_index=True, max_length=64)


class Migration(migrations.Migration):

    dependencies = [
        ('commerce', '0005_document_access'),
    ]

    operations = [
        migrations.AddField('travellerpersonal', 'email_index', _index()),
        migrations.AddField('bookingcontact', 'email_index', _index()),
        migrations.AddField('delivery', 'recipient_index', _index()),
        migrations.AlterField(
            'delivery', 'recipient_masked', models.CharField(blank=True, max_length=200)
        ),
        migrations.RenameField('rendition', 'content', 'content_sealed'),
    ]
