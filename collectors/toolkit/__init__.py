"""What authors of sources hold in their hands. Pure Python: neither Django nor `apps` is imported here."""
