import django.db.models.deletion
import governance.accounts.roles
import uuid
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('audit', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='Person',
            fields=[
                ('password', models.CharField(max_length=128, verbose_name='password')),
                ('last_login', models.DateTimeField(blank=True, null=True, verbose_name='last login')),
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('username', models.CharField(max_length=150, unique=True)),
                ('printed_name', models.CharField(max_length=200)),
                ('email', models.EmailField(blank=True, max_length=254)),
                ('is_active', models.BooleanField(default=True)),
                ('reports_to', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name_plural': 'people',
                'ordering': ['printed_name'],
            },
        ),
        migrations.CreateModel(
            name='CredentialLink',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('secret_hash', models.CharField(max_length=64, unique=True)),
                ('expires_at', models.DateTimeField()),
                ('event', models.ForeignKey(db_column='event_seq', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='audit.auditevent')),
                ('issued_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('person', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='credential_links', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='CredentialSet',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('event', models.ForeignKey(db_column='event_seq', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='audit.auditevent')),
                ('link', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='use', to='accounts.credentiallink')),
                ('person', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='Delegation',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('role', models.CharField(choices=[('data-scientist', 'Data scientist'), ('validator', 'Validator'), ('compliance-officer', 'Compliance officer'), ('approver', 'Approver'), ('auditor', 'Auditor'), ('regulator', 'Regulator'), ('administrator', 'Administrator')], max_length=30)),
                ('begins_at', models.DateTimeField()),
                ('ends_at', models.DateTimeField()),
                ('when_late', models.BooleanField()),
                ('reason', models.TextField()),
                ('by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='delegations_made', to=settings.AUTH_USER_MODEL)),
                ('event', models.ForeignKey(db_column='event_seq', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='audit.auditevent')),
                ('to', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='delegations_held', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('by', models.F('to')), _negated=True), name='delegation_to_somebody_else'), models.CheckConstraint(condition=models.Q(('role__in', [governance.accounts.roles.Role['APPROVER'], governance.accounts.roles.Role['COMPLIANCE_OFFICER'], governance.accounts.roles.Role['REGULATOR'], governance.accounts.roles.Role['VALIDATOR']])), name='delegation_of_a_signing_role'), models.CheckConstraint(condition=models.Q(('ends_at__gt', models.F('begins_at'))), name='delegation_ends_after_it_begins')],
            },
        ),
        migrations.CreateModel(
            name='DelegationEnd',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('delegation', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='ending', to='accounts.delegation')),
                ('event', models.ForeignKey(db_column='event_seq', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='audit.auditevent')),
            ],
            options={
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='EnrolledAuthenticator',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('kind', models.CharField(max_length=10)),
                ('credential', models.CharField(blank=True, max_length=71)),
                ('public_key', models.CharField(blank=True, max_length=71)),
                ('event', models.ForeignKey(db_column='event_seq', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='audit.auditevent')),
                ('person', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='enrolled_authenticators', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('kind__in', ('totp', 'passkey'))), name='authenticator_known_kind'), models.CheckConstraint(condition=models.Q(models.Q(('kind', 'passkey'), _negated=True), models.Q(models.Q(('credential', ''), _negated=True), models.Q(('public_key', ''), _negated=True)), _connector='OR'), name='authenticator_passkey_named')],
            },
        ),
        migrations.CreateModel(
            name='Assertion',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('credential_id', models.TextField()),
                ('public_key', models.TextField()),
                ('client_data', models.TextField()),
                ('authenticator_data', models.TextField()),
                ('signature', models.TextField()),
                ('counter', models.BigIntegerField()),
                ('rp_id', models.CharField(max_length=253)),
                ('origin', models.CharField(max_length=300)),
                ('challenge', models.CharField(max_length=80, unique=True)),
                ('payload', models.TextField(blank=True)),
                ('event', models.ForeignKey(db_column='event_seq', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='audit.auditevent')),
                ('person', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('enrolled', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='assertions', to='accounts.enrolledauthenticator')),
            ],
            options={
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='EnrolmentConfirmation',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('credential', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='confirmation', to='accounts.credentialset')),
                ('event', models.ForeignKey(db_column='event_seq', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='audit.auditevent')),
                ('person', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='enrolment_confirmations', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('by', models.F('person')), _negated=True), name='enrolment_confirmed_by_another')],
            },
        ),
        migrations.CreateModel(
            name='ProviderAccount',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('issuer', models.CharField(max_length=300)),
                ('subject', models.CharField(max_length=255)),
                ('event', models.ForeignKey(db_column='event_seq', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='audit.auditevent')),
                ('person', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='provider_accounts', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(models.Q(('issuer', ''), _negated=True), models.Q(('subject', ''), _negated=True)), name='provider_account_named')],
            },
        ),
        migrations.CreateModel(
            name='ProviderAccountEnd',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('account', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='ending', to='accounts.provideraccount')),
                ('event', models.ForeignKey(db_column='event_seq', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='audit.auditevent')),
            ],
            options={
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='ProviderAnswer',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('client_id', models.CharField(max_length=300)),
                ('id_token', models.TextField()),
                ('key', models.JSONField()),
                ('began', models.DateTimeField(null=True)),
                ('challenge', models.CharField(max_length=80, unique=True)),
                ('payload', models.TextField(blank=True)),
                ('account', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='answers', to='accounts.provideraccount')),
                ('event', models.ForeignKey(db_column='event_seq', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='audit.auditevent')),
                ('person', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='RemovedAuthenticator',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('enrolled', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='removal', to='accounts.enrolledauthenticator')),
                ('event', models.ForeignKey(db_column='event_seq', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='audit.auditevent')),
            ],
            options={
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='RoleProposal',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('role', models.CharField(choices=[('data-scientist', 'Data scientist'), ('validator', 'Validator'), ('compliance-officer', 'Compliance officer'), ('approver', 'Approver'), ('auditor', 'Auditor'), ('regulator', 'Regulator'), ('administrator', 'Administrator')], max_length=30)),
                ('by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('event', models.ForeignKey(db_column='event_seq', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='audit.auditevent')),
                ('person', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='proposals', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('role__in', [governance.accounts.roles.Role['APPROVER'], governance.accounts.roles.Role['COMPLIANCE_OFFICER'], governance.accounts.roles.Role['REGULATOR'], governance.accounts.roles.Role['VALIDATOR']])), name='role_proposal_of_a_signing_role'), models.CheckConstraint(condition=models.Q(('by', models.F('person')), _negated=True), name='role_proposal_for_somebody_else')],
            },
        ),
        migrations.CreateModel(
            name='RoleGrant',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('role', models.CharField(choices=[('data-scientist', 'Data scientist'), ('validator', 'Validator'), ('compliance-officer', 'Compliance officer'), ('approver', 'Approver'), ('auditor', 'Auditor'), ('regulator', 'Regulator'), ('administrator', 'Administrator')], max_length=30)),
                ('at_installation', models.BooleanField(default=False)),
                ('event', models.ForeignKey(db_column='event_seq', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='audit.auditevent')),
                ('granted_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('person', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='grants', to=settings.AUTH_USER_MODEL)),
                ('proposed_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('proposal', models.OneToOneField(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='grant', to='accounts.roleproposal')),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('role__in', ['data-scientist', 'validator', 'compliance-officer', 'approver', 'auditor', 'regulator', 'administrator'])), name='role_grant_known_role'), models.CheckConstraint(condition=models.Q(models.Q(('at_installation', True), ('granted_by', None)), models.Q(('at_installation', False), ('granted_by__isnull', False)), _connector='OR'), name='role_grant_has_a_grantor'), models.CheckConstraint(condition=models.Q(models.Q(('role__in', [governance.accounts.roles.Role['APPROVER'], governance.accounts.roles.Role['COMPLIANCE_OFFICER'], governance.accounts.roles.Role['REGULATOR'], governance.accounts.roles.Role['VALIDATOR']]), _negated=True), ('at_installation', True), models.Q(('proposal__isnull', False), ('proposed_by__isnull', False)), _connector='OR'), name='role_grant_of_a_signing_role_takes_two'), models.CheckConstraint(condition=models.Q(('proposed_by', None), models.Q(models.Q(('proposed_by', models.F('granted_by')), _negated=True), models.Q(('proposed_by', models.F('person')), _negated=True), models.Q(('granted_by', models.F('person')), _negated=True)), _connector='OR'), name='role_grant_by_two_others')],
            },
        ),
        migrations.CreateModel(
            name='RoleEnd',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('event', models.ForeignKey(db_column='event_seq', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='audit.auditevent')),
                ('grant', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='ending', to='accounts.rolegrant')),
            ],
            options={
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='RoleDecline',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('reason', models.TextField()),
                ('by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('event', models.ForeignKey(db_column='event_seq', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='audit.auditevent')),
                ('proposal', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='decline', to='accounts.roleproposal')),
            ],
            options={
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='ServiceAccount',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=100, unique=True)),
                ('created_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('event', models.ForeignKey(db_column='event_seq', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='audit.auditevent')),
                ('responsible', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='service_accounts', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='Token',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=100)),
                ('secret_hash', models.CharField(max_length=64, unique=True)),
                ('scopes', models.JSONField()),
                ('expires_at', models.DateTimeField(null=True)),
                ('created_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('event', models.ForeignKey(db_column='event_seq', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='audit.auditevent')),
                ('person', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='tokens', to=settings.AUTH_USER_MODEL)),
                ('service_account', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='tokens', to='accounts.serviceaccount')),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(models.Q(('person', None), ('service_account__isnull', False)), models.Q(('person__isnull', False), ('service_account', None)), _connector='OR'), name='token_belongs_to_one')],
            },
        ),
        migrations.CreateModel(
            name='TokenRevocation',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('event', models.ForeignKey(db_column='event_seq', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='audit.auditevent')),
                ('token', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='revocation', to='accounts.token')),
            ],
            options={
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='TotpUse',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('step', models.BigIntegerField()),
                ('event', models.ForeignKey(db_column='event_seq', on_delete=django.db.models.deletion.PROTECT, related_name='+', to='audit.auditevent')),
                ('person', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('person', 'step'), name='totp_step_once')],
            },
        ),
    ]
