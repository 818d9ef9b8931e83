"""Django's database backends where the one that there is does not do."""
