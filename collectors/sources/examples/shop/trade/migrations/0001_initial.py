from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="TradePrice",
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
                ("title", models.CharField(max_length=200)),
                (
                    "price",
                    models.DecimalField(
                        decimal_places=2, help_text="In euros, for those who sell it on.", max_digits=8
                    ),
                ),
            ],
            options={
                "verbose_name": "trade price",
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("archived_at__isnull", True)),
                        fields=("isbn",),
                        name="examples_shop_trade_tradeprice_current_key",
                    )
                ],
            },
        ),
    ]
