"""Secrets in tables: a field that encrypts, and the ring of keys it does so with (docs/secrets.md).

EncryptedTextField   a column that holds nothing readable                        fields.py
Key, KeyRing         AES-256-GCM with the id of the key in front of the text     keys.py
current_ring         the ring of this process, as fresh as its file              ring.py

Nothing is imported here: settings read `keys` before there is a Django.
"""
