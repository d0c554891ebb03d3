import django.db.models.deletion
import uuid
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('accounts', '0001_initial'),
        ('accounts', '__first__'),
        ('audit', '0001_initial'),
        ('evidence', '0001_initial'),
        ('registry', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='ExternalDecision',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('stage', models.CharField(max_length=60)),
                ('statement_digest', models.CharField(max_length=71)),
                ('authority', models.CharField(max_length=200)),
                ('decided_on', models.DateField()),
                ('outcome', models.CharField(max_length=30)),
                ('reason', models.TextField()),
                ('conditions', models.JSONField()),
                ('letter_digest', models.CharField(max_length=71)),
                ('letter_size', models.BigIntegerField()),
                ('letter_format', models.CharField(max_length=10)),
                ('printed_name', models.CharField(max_length=200)),
                ('payload', models.TextField()),
                ('digest', models.CharField(max_length=71, unique=True)),
                ('candidate', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='external_decisions', to='registry.candidate')),
                ('event', models.ForeignKey(db_column='event_seq', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='audit.auditevent')),
                ('recorded_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('outcome__in', ('approve', 'approve-with-conditions', 'request-changes', 'reject'))), name='external_decision_known_outcome')],
            },
        ),
        migrations.CreateModel(
            name='ExternalConfirmation',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('printed_name', models.CharField(max_length=200)),
                ('confirmed_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('event', models.ForeignKey(db_column='event_seq', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='audit.auditevent')),
                ('recorded_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('decision', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='confirmation', to='review.externaldecision')),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('confirmed_by', models.F('recorded_by')), _negated=True), name='external_confirmation_by_another')],
            },
        ),
        migrations.CreateModel(
            name='Finding',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('number', models.PositiveIntegerField()),
                ('severity', models.CharField(max_length=10)),
                ('blocking', models.BooleanField()),
                ('title', models.CharField(max_length=500)),
                ('detail', models.TextField(blank=True)),
                ('by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('candidate', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='findings', to='registry.candidate')),
                ('check_result', models.OneToOneField(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='finding', to='evidence.checkresult')),
                ('event', models.ForeignKey(db_column='event_seq', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='audit.auditevent')),
                ('model', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='findings', to='registry.model')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('model', 'number'), name='finding_number'), models.CheckConstraint(condition=models.Q(('severity__in', ('low', 'medium', 'high', 'critical'))), name='finding_known_severity')],
            },
        ),
        migrations.CreateModel(
            name='FindingChange',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('number', models.PositiveIntegerField()),
                ('kind', models.CharField(max_length=10)),
                ('text', models.TextField()),
                ('by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('event', models.ForeignKey(db_column='event_seq', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='audit.auditevent')),
                ('finding', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='changes', to='review.finding')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('finding', 'number'), name='finding_change_number'), models.CheckConstraint(condition=models.Q(('kind__in', ('answered', 'closed', 'lowered', 'void'))), name='finding_change_known_kind')],
            },
        ),
        migrations.CreateModel(
            name='Interpretation',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('kind', models.CharField(max_length=20)),
                ('evidence_digest', models.CharField(max_length=71)),
                ('text', models.TextField()),
                ('digest', models.CharField(max_length=71)),
                ('by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('candidate', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='interpretations', to='registry.candidate')),
                ('event', models.ForeignKey(db_column='event_seq', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='audit.auditevent')),
                ('replaces', models.OneToOneField(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='replacement', to='review.interpretation')),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('kind__in', ('fairness', 'explainability'))), name='interpretation_known_kind')],
            },
        ),
        migrations.CreateModel(
            name='Reminder',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('stage', models.CharField(max_length=60)),
                ('opened_seq', models.BigIntegerField()),
                ('kind', models.CharField(max_length=10)),
                ('candidate', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='reminders', to='registry.candidate')),
                ('event', models.ForeignKey(db_column='event_seq', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='audit.auditevent')),
                ('person', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('candidate', 'person', 'stage', 'opened_seq', 'kind'), name='reminder_once'), models.CheckConstraint(condition=models.Q(('kind__in', ('soon', 'late', 'escalated'))), name='reminder_known_kind')],
            },
        ),
        migrations.CreateModel(
            name='StagePause',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('stage', models.CharField(max_length=60)),
                ('reason', models.TextField()),
                ('by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('candidate', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='pauses', to='registry.candidate')),
                ('event', models.ForeignKey(db_column='event_seq', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='audit.auditevent')),
            ],
            options={
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='StageResume',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('event', models.ForeignKey(db_column='event_seq', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='audit.auditevent')),
                ('pause', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='resume', to='review.stagepause')),
            ],
            options={
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='Statement',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('stage', models.CharField(max_length=60)),
                ('body', models.TextField()),
                ('digest', models.CharField(max_length=71, unique=True)),
                ('candidate', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='statements', to='registry.candidate')),
                ('event', models.ForeignKey(db_column='event_seq', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='audit.auditevent')),
            ],
            options={
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='Signature',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('stage', models.CharField(max_length=60)),
                ('printed_name', models.CharField(max_length=200)),
                ('roles', models.JSONField()),
                ('outcome', models.CharField(max_length=30)),
                ('reason', models.TextField()),
                ('conditions', models.JSONField()),
                ('nonce', models.CharField(max_length=100, unique=True)),
                ('method', models.CharField(max_length=40)),
                ('payload', models.TextField()),
                ('digest', models.CharField(max_length=71, unique=True)),
                ('by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='signatures', to=settings.AUTH_USER_MODEL)),
                ('candidate', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='signatures', to='registry.candidate')),
                ('event', models.ForeignKey(db_column='event_seq', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='audit.auditevent')),
                ('statement', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='signatures', to='review.statement')),
                ('external', models.OneToOneField(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='signature', to='review.externaldecision')),
                ('delegation', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='signatures', to='accounts.delegation')),
                ('on_behalf_of', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('on_behalf_of_name', models.CharField(blank=True, max_length=200)),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('statement', 'by'), name='signature_once_a_statement'), models.CheckConstraint(condition=models.Q(('outcome__in', ('approve', 'approve-with-conditions', 'request-changes', 'reject', 'abstain'))), name='signature_known_outcome'), models.CheckConstraint(condition=models.Q(models.Q(('by', None), ('external__isnull', False)), models.Q(('by__isnull', False), ('external', None)), _connector='OR'), name='signature_by_a_person_or_a_letter'), models.CheckConstraint(condition=models.Q(models.Q(('delegation', None), ('on_behalf_of', None), ('on_behalf_of_name', '')), models.Q(('delegation__isnull', False), ('on_behalf_of__isnull', False), models.Q(('on_behalf_of', models.F('by')), _negated=True)), _connector='OR'), name='signature_for_somebody_else_by_delegation')],
            },
        ),
        migrations.CreateModel(
            name='SignatureWithdrawal',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('reason', models.TextField()),
                ('event', models.ForeignKey(db_column='event_seq', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='audit.auditevent')),
                ('signature', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='withdrawal', to='review.signature')),
            ],
            options={
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='TextRevision',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('number', models.PositiveIntegerField()),
                ('summary', models.TextField()),
                ('answer', models.TextField()),
                ('digest', models.CharField(max_length=71, unique=True)),
                ('by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('candidate', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='text_revisions', to='registry.candidate')),
                ('event', models.ForeignKey(db_column='event_seq', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='audit.auditevent')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('candidate', 'number'), name='text_revision_number'), models.CheckConstraint(condition=models.Q(('number__gte', 2)), name='text_revision_follows_the_manifest')],
            },
        ),
    ]
