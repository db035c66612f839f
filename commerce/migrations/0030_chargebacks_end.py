import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('commerce', '0011_money_back_is_covered'),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='chargeback',
            name='commerce_chargeback_is_noted_once',
        ),
        migrations.AddConstraint(
            model_name='chargeback',
            constraint=models.UniqueConstraint(fields=('provider', 'provider_ref', 'payment'), name='commerce_chargeback_is_noted_once'),
        ),
        migrations.CreateModel(
            name='ChargebackResolution',
            fields=[
                ('chargeback', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, primary_key=True, related_name='resolution', serialize=False, to='commerce.chargeback')),
                ('status', models.CharField(choices=[('won', 'won'), ('lost', 'lost'), ('withdrawn', 'withdrawn')], max_length=9)),
                ('returned_cents', models.BigIntegerField()),
                ('surplus_cents', models.BigIntegerField()),
                ('reason', models.CharField(max_length=200)),
                ('occurred_at', models.DateTimeField()),
                ('noted_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('payment', models.OneToOneField(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='returned_by', to='commerce.payment')),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('status__in', ['won', 'lost', 'withdrawn'])), name='commerce_resolution_is_final'), models.CheckConstraint(condition=models.Q(('returned_cents__gte', 0), ('surplus_cents__gte', 0)), name='commerce_resolution_amounts_are_not_negative'), models.CheckConstraint(condition=models.Q(models.Q(('status', 'lost'), _negated=True), models.Q(('returned_cents', 0), ('surplus_cents', 0)), _connector='OR'), name='commerce_resolution_that_is_lost_returns_nothing'), models.CheckConstraint(condition=models.Q(models.Q(('returned_cents__gt', 0), ('payment__isnull', False)), models.Q(models.Q(('returned_cents__gt', 0), _negated=True), models.Q(('payment__isnull', False), _negated=True)), _connector='OR'), name='commerce_resolution_books_what_it_returns'), models.CheckConstraint(condition=models.Q(('reason', ''), _negated=True), name='commerce_resolution_has_a_reason')],
            },
        ),
    ]
