from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("runtime", "0003_runs_that_can_be_trusted"),
    ]

    operations = [
        migrations.AddField(
            model_name="runtime",
            name="http_summary",
            field=models.JSONField(
                blank=True, default=dict, help_text="Its requests by status and by host; see RequestMetrics.summary."
            ),
        ),
        migrations.AddField(
            model_name="runtime",
            name="touched_objects",
            field=models.JSONField(
                blank=True, default=list, help_text="Tables it merged rows into: model, table, action and the rows."
            ),
        ),
    ]
