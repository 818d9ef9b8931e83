from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("registry", "0002_runs_that_can_be_trusted")]

    operations = [
        migrations.AlterModelOptions(
            name="app",
            options={"ordering": ["code"], "permissions": [("export_app", "Can export collected rows")]},
        ),
    ]
