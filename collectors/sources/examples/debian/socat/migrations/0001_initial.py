from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="AddressType",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("sha", models.CharField(editable=False, help_text="Hash of the business fields.", max_length=64)),
                ("archived_at", models.DateTimeField(blank=True, editable=False, null=True)),
                (
                    "archived_by",
                    models.CharField(blank=True, editable=False, help_text="The run that archived it.", max_length=32),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("modified_at", models.DateTimeField(auto_now=True)),
                (
                    "runtime",
                    models.CharField(blank=True, editable=False, help_text="The run that wrote it.", max_length=32),
                ),
                ("form", models.CharField(help_text="As it is typed, with its parameters.", max_length=100)),
                ("about", models.TextField()),
                ("option_groups", models.CharField(blank=True, max_length=200)),
            ],
            options={
                "abstract": False,
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("archived_at__isnull", True)),
                        fields=("form",),
                        name="examples_debian_socat_addresstype_current_key",
                    )
                ],
            },
        ),
    ]
