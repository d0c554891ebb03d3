import django.db.models.deletion
import uuid
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('accounts', '__first__'),
        ('audit', '0001_initial'),
        ('registry', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='PolicyVersion',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('name', models.SlugField(max_length=80)),
                ('version', models.PositiveIntegerField()),
                ('document', models.TextField()),
                ('digest', models.CharField(max_length=71)),
                ('origin', models.CharField(max_length=20)),
                ('event', models.ForeignKey(db_column='event_seq', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='audit.auditevent')),
                ('published_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('name', 'version'), name='policy_version_number')],
            },
        ),
        migrations.CreateModel(
            name='PolicyPin',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('number', models.PositiveIntegerField()),
                ('tier', models.CharField(max_length=10)),
                ('cause', models.CharField(max_length=40)),
                ('candidate', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='pins', to='registry.candidate')),
                ('event', models.ForeignKey(db_column='event_seq', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='audit.auditevent')),
                ('policy', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='pins', to='policy.policyversion')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('candidate', 'number'), name='policy_pin_number'), models.CheckConstraint(condition=models.Q(('tier__in', ('low', 'medium', 'high'))), name='policy_pin_known_tier')],
            },
        ),
    ]
