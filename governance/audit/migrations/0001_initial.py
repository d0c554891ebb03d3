from django.db import migrations, models


def add_head(apps, schema_editor):
    """The log's single head row, before any trigger guards it."""
    head = apps.get_model("audit", "AuditHead")
    head.objects.using(schema_editor.connection.alias).create(id=1, size=0, range_before=b"", note="")


class Migration(migrations.Migration):

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.CreateModel(
            name='AuditAlarm',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField()),
                ('event', models.BigIntegerField()),
                ('code', models.CharField(max_length=40)),
                ('detail', models.TextField()),
            ],
            options={
                'db_table': 'audit_alarm',
            },
        ),
        migrations.CreateModel(
            name='AuditCheckpoint',
            fields=[
                ('size', models.BigIntegerField(primary_key=True, serialize=False)),
                ('root', models.BinaryField(max_length=32)),
                ('note', models.TextField()),
                ('at', models.DateTimeField()),
            ],
            options={
                'db_table': 'audit_checkpoint',
                'constraints': [models.CheckConstraint(condition=models.Q(('size__gte', 1)), name='audit_checkpoint_not_empty')],
            },
        ),
        migrations.CreateModel(
            name='AuditEvent',
            fields=[
                ('seq', models.BigIntegerField(primary_key=True, serialize=False)),
                ('at', models.DateTimeField(db_index=True)),
                ('action', models.CharField(db_index=True, max_length=64)),
                ('body', models.TextField()),
                ('leaf', models.BinaryField(max_length=32)),
                ('actor_person', models.UUIDField(db_index=True, null=True)),
                ('model_slug', models.CharField(db_index=True, default='', max_length=80)),
                ('candidate', models.UUIDField(db_index=True, null=True)),
                ('subject_type', models.CharField(max_length=64)),
                ('subject_id', models.CharField(max_length=128)),
            ],
            options={
                'db_table': 'audit_event',
                'indexes': [models.Index(fields=['subject_type', 'subject_id'], name='audit_event_subject')],
                'constraints': [models.CheckConstraint(condition=models.Q(('seq__gte', 0)), name='audit_event_counts_from_0')],
            },
        ),
        migrations.CreateModel(
            name='AuditHead',
            fields=[
                ('id', models.SmallIntegerField(default=1, primary_key=True, serialize=False)),
                ('size', models.BigIntegerField(default=0)),
                ('range_before', models.BinaryField(default=bytes)),
                ('note', models.TextField(default='')),
            ],
            options={
                'db_table': 'audit_head',
                'constraints': [models.CheckConstraint(condition=models.Q(('id', 1)), name='audit_head_single_row'), models.CheckConstraint(condition=models.Q(('size__gte', 0)), name='audit_head_size')],
            },
        ),
        migrations.CreateModel(
            name='AuditPublication',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField()),
                ('destination', models.CharField(max_length=10)),
                ('size', models.BigIntegerField()),
                ('failure', models.TextField(blank=True)),
            ],
            options={
                'db_table': 'audit_publication',
                'indexes': [models.Index(fields=['destination', 'id'], name='audit_publication_newest')],
            },
        ),
        migrations.CreateModel(
            name='AuditSubtree',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('level', models.SmallIntegerField()),
                ('position', models.BigIntegerField()),
                ('hash', models.BinaryField(max_length=32)),
            ],
            options={
                'db_table': 'audit_subtree',
                'constraints': [models.UniqueConstraint(fields=('level', 'position'), name='audit_subtree_once')],
            },
        ),
        migrations.RunPython(add_head, migrations.RunPython.noop),
    ]
