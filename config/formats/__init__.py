"""How languages write moments: Django looks for a module of each."""
