import django.db.models.deletion
import governance.evidence.kinds
import uuid
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('accounts', '__first__'),
        ('audit', '0001_initial'),
        ('policy', '0001_initial'),
        ('registry', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='Evidence',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('kind', models.CharField(max_length=30)),
                ('run', models.PositiveIntegerField()),
                ('schema', models.CharField(max_length=40)),
                ('content', models.TextField()),
                ('digest', models.CharField(max_length=71)),
                ('provenance', models.TextField()),
                ('provenance_digest', models.CharField(max_length=71)),
                ('candidate', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='evidence', to='registry.candidate')),
                ('event', models.ForeignKey(db_column='event_seq', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='audit.auditevent')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('candidate', 'kind', 'run'), name='evidence_run'), models.CheckConstraint(condition=models.Q(('kind__in', ['performance', 'fairness', 'explainability', 'data', 'admission', 'comparison', 'challenge-performance', 'challenge-fairness'])), name='evidence_known_kind')],
            },
        ),
        migrations.CreateModel(
            name='CheckResult',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('tier', models.CharField(max_length=10)),
                ('key', models.CharField(max_length=300)),
                ('title', models.CharField(max_length=400)),
                ('state', models.CharField(max_length=20)),
                ('cause', models.CharField(blank=True, max_length=40)),
                ('value', models.JSONField(null=True)),
                ('limit', models.JSONField(null=True)),
                ('severity', models.CharField(max_length=10)),
                ('blocks', models.BooleanField()),
                ('n', models.BigIntegerField(null=True)),
                ('candidate', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='checks', to='registry.candidate')),
                ('event', models.ForeignKey(db_column='event_seq', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='audit.auditevent')),
                ('policy', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='policy.policyversion')),
                ('evidence', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='checks', to='evidence.evidence')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('evidence', 'policy', 'tier', 'key'), name='check_result_once'), models.CheckConstraint(condition=models.Q(('state__in', ['pass', 'warn', 'fail', 'not-applicable', 'error'])), name='check_known_state'), models.CheckConstraint(condition=models.Q(models.Q(('state', 'not-applicable'), _negated=True), models.Q(('cause', ''), _negated=True), _connector='OR'), name='check_not_applicable_has_a_cause')],
            },
        ),
        migrations.CreateModel(
            name='EvidenceFailure',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('kind', models.CharField(max_length=30)),
                ('run', models.PositiveIntegerField()),
                ('code', models.CharField(max_length=60)),
                ('detail', models.TextField()),
                ('candidate', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='evidence_failures', to='registry.candidate')),
                ('event', models.ForeignKey(db_column='event_seq', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='audit.auditevent')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('candidate', 'kind', 'run'), name='evidence_failure_run')],
            },
        ),
        migrations.CreateModel(
            name='IntakeResult',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('errors', models.JSONField()),
                ('facts', models.JSONField()),
                ('candidate', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='intake', to='registry.candidate')),
                ('event', models.ForeignKey(db_column='event_seq', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='audit.auditevent')),
            ],
            options={
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='Job',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(max_length=30)),
                ('run', models.PositiveIntegerField(default=1)),
                ('state', models.CharField(default=governance.evidence.kinds.JobState['QUEUED'], max_length=10)),
                ('progress', models.FloatField(default=0.0)),
                ('note', models.CharField(blank=True, max_length=200)),
                ('attempt', models.PositiveSmallIntegerField(default=0)),
                ('lease', models.UUIDField(null=True)),
                ('lease_until', models.DateTimeField(null=True)),
                ('error', models.JSONField(null=True)),
                ('created_at', models.DateTimeField()),
                ('knocked_at', models.DateTimeField(null=True)),
                ('finished_at', models.DateTimeField(null=True)),
                ('candidate', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='jobs', to='registry.candidate')),
            ],
            options={
                'indexes': [models.Index(fields=['state', 'lease_until'], name='job_sweep')],
                'constraints': [models.UniqueConstraint(fields=('candidate', 'kind', 'run'), name='job_run'), models.CheckConstraint(condition=models.Q(('state__in', ['queued', 'running', 'succeeded', 'failed'])), name='job_known_state'), models.CheckConstraint(condition=models.Q(models.Q(('state', 'running'), _negated=True), models.Q(('lease__isnull', False), ('lease_until__isnull', False)), _connector='OR'), name='job_running_is_leased'), models.CheckConstraint(condition=models.Q(('kind__in', ['intake', 'performance', 'fairness', 'explainability', 'data', 'admission', 'comparison', 'challenge-performance', 'challenge-fairness', 'dossier'])), name='job_known_kind')],
            },
        ),
        migrations.CreateModel(
            name='RerunOrder',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('kind', models.CharField(max_length=30)),
                ('run', models.PositiveIntegerField()),
                ('reason', models.TextField()),
                ('by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('candidate', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='rerun_orders', to='registry.candidate')),
                ('event', models.ForeignKey(db_column='event_seq', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='audit.auditevent')),
            ],
            options={
                'abstract': False,
            },
        ),
    ]
