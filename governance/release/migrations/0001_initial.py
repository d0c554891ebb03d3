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
        ('registry', '0001_initial'),
        ('review', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='Approval',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('environments', models.JSONField()),
                ('conditions', models.JSONField()),
                ('valid_from', models.DateTimeField()),
                ('valid_until', models.DateTimeField()),
                ('keep_approved', models.PositiveSmallIntegerField()),
                ('body', models.TextField()),
                ('digest', models.CharField(max_length=71, unique=True)),
                ('candidate', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='approval', to='registry.candidate')),
                ('event', models.ForeignKey(db_column='event_seq', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='audit.auditevent')),
                ('last_signature', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='review.signature')),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('valid_until__gt', models.F('valid_from'))), name='approval_ends_after_it_begins')],
            },
        ),
        migrations.CreateModel(
            name='ApprovalAct',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('kind', models.CharField(max_length=10)),
                ('environment', models.CharField(blank=True, max_length=60)),
                ('reason', models.TextField()),
                ('printed_name', models.CharField(max_length=200)),
                ('roles', models.JSONField()),
                ('approval', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='acts', to='release.approval')),
                ('by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('event', models.ForeignKey(db_column='event_seq', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='audit.auditevent')),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('kind__in', ('suspend', 'reinstate', 'revoke', 'retire'))), name='approval_act_known_kind')],
            },
        ),
        migrations.CreateModel(
            name='ApprovedSeat',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('stage', models.CharField(max_length=60)),
                ('seat', models.PositiveSmallIntegerField()),
                ('role', models.CharField(max_length=30)),
                ('approval', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='seats', to='release.approval')),
                ('event', models.ForeignKey(db_column='event_seq', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='audit.auditevent')),
                ('person', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('signature', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='review.signature')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('approval', 'stage', 'seat'), name='approved_seat_once'), models.UniqueConstraint(fields=('approval', 'person'), name='approved_seat_one_a_person')],
            },
        ),
        migrations.CreateModel(
            name='Deployment',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('digest', models.CharField(max_length=71)),
                ('environment', models.CharField(max_length=60)),
                ('deployed_at', models.DateTimeField()),
                ('allowed_when_deployed', models.BooleanField()),
                ('allowed_on_arrival', models.BooleanField()),
                ('reasons', models.JSONField()),
                ('source', models.TextField(blank=True)),
                ('by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('candidate', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='deployments', to='registry.candidate')),
                ('event', models.ForeignKey(db_column='event_seq', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='audit.auditevent')),
                ('model', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='deployments', to='registry.model')),
                ('service_account', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.serviceaccount')),
            ],
            options={
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='Dossier',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('number', models.PositiveIntegerField()),
                ('facts_digest', models.CharField(max_length=71)),
                ('file_digest', models.CharField(max_length=71)),
                ('size', models.BigIntegerField()),
                ('final', models.BooleanField()),
                ('candidate', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='dossiers', to='registry.candidate')),
                ('event', models.ForeignKey(db_column='event_seq', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='audit.auditevent')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('candidate', 'number'), name='dossier_number')],
            },
        ),
        migrations.CreateModel(
            name='EmergencyProposal',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('environments', models.JSONField()),
                ('hours', models.PositiveSmallIntegerField()),
                ('reason', models.TextField()),
                ('printed_name', models.CharField(max_length=200)),
                ('roles', models.JSONField()),
                ('payload', models.TextField()),
                ('digest', models.CharField(max_length=71, unique=True)),
                ('by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('candidate', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='emergency_proposals', to='registry.candidate')),
                ('event', models.ForeignKey(db_column='event_seq', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='audit.auditevent')),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('hours__gte', 1), ('hours__lte', 24)), name='emergency_proposal_hours')],
            },
        ),
        migrations.CreateModel(
            name='EmergencyApproval',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('gate_digest', models.CharField(max_length=71, unique=True)),
                ('environments', models.JSONField()),
                ('hours', models.PositiveSmallIntegerField()),
                ('printed_name', models.CharField(max_length=200)),
                ('roles', models.JSONField()),
                ('body', models.TextField()),
                ('digest', models.CharField(max_length=71, unique=True)),
                ('by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('candidate', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='emergency', to='registry.candidate')),
                ('event', models.ForeignKey(db_column='event_seq', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='audit.auditevent')),
                ('proposed_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('proposal', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='approval', to='release.emergencyproposal')),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('hours__gte', 1), ('hours__lte', 24)), name='emergency_approval_hours'), models.CheckConstraint(condition=models.Q(('by', models.F('proposed_by')), _negated=True), name='emergency_approval_by_two')],
            },
        ),
        migrations.CreateModel(
            name='EmergencyAct',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('kind', models.CharField(max_length=10)),
                ('reason', models.TextField()),
                ('printed_name', models.CharField(max_length=200)),
                ('roles', models.JSONField()),
                ('by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('event', models.ForeignKey(db_column='event_seq', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='audit.auditevent')),
                ('emergency', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='acts', to='release.emergencyapproval')),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('kind__in', ('suspend', 'revoke'))), name='emergency_act_known_kind'), models.UniqueConstraint(fields=('emergency', 'kind'), name='emergency_act_once')],
            },
        ),
        migrations.CreateModel(
            name='EmergencyDecline',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('reason', models.TextField()),
                ('printed_name', models.CharField(max_length=200)),
                ('by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('event', models.ForeignKey(db_column='event_seq', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='audit.auditevent')),
                ('proposal', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='decline', to='release.emergencyproposal')),
            ],
            options={
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='GateQuestion',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('at', models.DateTimeField()),
                ('token', models.UUIDField()),
                ('model_slug', models.CharField(max_length=80)),
                ('digest', models.CharField(max_length=71)),
                ('environment', models.CharField(max_length=60)),
                ('status', models.PositiveSmallIntegerField()),
                ('body', models.TextField()),
                ('leaf', models.BinaryField(max_length=32)),
            ],
            options={
                'indexes': [models.Index(fields=['token', 'at'], name='gate_question_of_token'), models.Index(fields=['digest', 'at'], name='gate_question_of_file')],
            },
        ),
        migrations.CreateModel(
            name='QuestionSeal',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('first', models.BigIntegerField(unique=True)),
                ('last', models.BigIntegerField(unique=True)),
                ('count', models.PositiveIntegerField()),
                ('root', models.CharField(max_length=64)),
                ('event', models.ForeignKey(db_column='event_seq', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='audit.auditevent')),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('count__gte', 1), ('last__gte', models.F('first'))), name='question_seal_in_order')],
            },
        ),
        migrations.CreateModel(
            name='SigningKey',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('key_id', models.CharField(max_length=64, unique=True)),
                ('public_key', models.CharField(max_length=64, unique=True)),
                ('event', models.ForeignKey(db_column='event_seq', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='audit.auditevent')),
            ],
            options={
                'abstract': False,
            },
        ),
    ]
