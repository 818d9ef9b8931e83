"""What the acceptance tests start their processes with."""

from tests.acceptance.conftest import manage

__all__ = ["manage"]
