"""The database refuses to change an audit entry, and to delete one outside of retention."""

from django.db import migrations

POSTGRESQL = [
    """
    CREATE FUNCTION accounts_audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'DELETE' THEN
            IF EXISTS (SELECT 1 FROM accounts_auditsweep WHERE before > OLD.at) THEN
                RETURN OLD;
            END IF;
        ELSIF TG_OP = 'TRUNCATE' AND EXISTS (SELECT 1 FROM accounts_auditsweep) THEN
            RETURN NULL;
        END IF;
        RAISE EXCEPTION 'The audit trail is append-only.' USING ERRCODE = 'restrict_violation';
    END $$
    """,
    """
    CREATE TRIGGER accounts_audit_row BEFORE UPDATE OR DELETE ON accounts_auditentry
    FOR EACH ROW EXECUTE FUNCTION accounts_audit_is_append_only()
    """,
    """
    CREATE TRIGGER accounts_audit_table BEFORE TRUNCATE ON accounts_auditentry
    FOR EACH STATEMENT EXECUTE FUNCTION accounts_audit_is_append_only()
    """,
]
POSTGRESQL_BACK = [
    "DROP TRIGGER accounts_audit_row ON accounts_auditentry",
    "DROP TRIGGER accounts_audit_table ON accounts_auditentry",
    "DROP FUNCTION accounts_audit_is_append_only()",
]
SQLITE = [
    """
    CREATE TRIGGER accounts_audit_update BEFORE UPDATE ON accounts_auditentry
    BEGIN SELECT RAISE(ABORT, 'The audit trail is append-only.'); END
    """,
    """
    CREATE TRIGGER accounts_audit_delete BEFORE DELETE ON accounts_auditentry
    WHEN NOT EXISTS (SELECT 1 FROM accounts_auditsweep WHERE "before" > OLD."at")
    BEGIN SELECT RAISE(ABORT, 'The audit trail is append-only.'); END
    """,
]
SQLITE_BACK = ["DROP TRIGGER accounts_audit_update", "DROP TRIGGER accounts_audit_delete"]


def _run(postgresql, sqlite):
    def run(_apps, schema_editor):
        for statement in {"postgresql": postgresql, "sqlite": sqlite}[schema_editor.connection.vendor]:
            schema_editor.execute(statement, params=None)

    return run


class Migration(migrations.Migration):
    dependencies = [("accounts", "0003_grants_and_clients")]

    operations = [migrations.RunPython(_run(POSTGRESQL, SQLITE), _run(POSTGRESQL_BACK, SQLITE_BACK))]
