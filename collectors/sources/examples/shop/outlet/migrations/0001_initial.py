from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Copy",
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
                ("number", models.PositiveIntegerField()),
                ("title", models.CharField(max_length=200)),
                ("price", models.DecimalField(decimal_places=2, help_text="In euros.", max_digits=8)),
            ],
            options={
                "verbose_name": "copy",
                "verbose_name_plural": "copies",
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("archived_at__isnull", True)),
                        fields=("number",),
                        name="examples_shop_outlet_copy_current_key",
                    )
                ],
            },
        ),
    ]
