from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="BranchStock",
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
                ("isbn", models.CharField(max_length=13, verbose_name="ISBN")),
                ("branch", models.CharField(max_length=100)),
                ("title", models.CharField(max_length=200)),
                ("copies", models.PositiveIntegerField()),
            ],
            options={
                "verbose_name": "stock of a branch",
                "verbose_name_plural": "stock of the branches",
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("archived_at__isnull", True)),
                        fields=("isbn", "branch"),
                        name="examples_shop_stock_branchstock_current_key",
                    )
                ],
            },
        ),
    ]
