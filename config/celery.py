"""The Celery application: `celery -A config.celery ...`, or `manage.py worker` and `manage.py beat`."""

from celery import Celery

app = Celery("datacollector")
app.config_from_object("django.conf:settings", namespace="CELERY")
# Named, because a room whose tasks.py fails to import must not stop the worker.
app.autodiscover_tasks(["apps.runtime"])
