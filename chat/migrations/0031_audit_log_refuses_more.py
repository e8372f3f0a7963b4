from typing import ClassVar

from django.db import migrations

# TRUNCATE asks no row trigger. And triggers of the ordinary kind rest while a session says that it
# is a replica (session_replication_role), which a superuser may say: these do not.
REFUSE = """
    CREATE TRIGGER audit_entry_is_not_truncated BEFORE TRUNCATE ON chat_auditentry
        FOR EACH STATEMENT EXECUTE FUNCTION chat_refuse_change();
    CREATE TRIGGER audit_outcome_is_not_truncated BEFORE TRUNCATE ON chat_auditoutcome
        FOR EACH STATEMENT EXECUTE FUNCTION chat_refuse_change();
    ALTER TABLE chat_auditentry ENABLE ALWAYS TRIGGER audit_entry_is_append_only;
    ALTER TABLE chat_auditentry ENABLE ALWAYS TRIGGER audit_entry_is_not_truncated;
    ALTER TABLE chat_auditoutcome ENABLE ALWAYS TRIGGER audit_outcome_is_append_only;
    ALTER TABLE chat_auditoutcome ENABLE ALWAYS TRIGGER audit_outcome_is_not_truncated;
"""

ALLOW = """
    DROP TRIGGER audit_entry_is_not_truncated ON chat_auditentry;
    DROP TRIGGER audit_outcome_is_not_truncated ON chat_auditoutcome;
    ALTER TABLE chat_auditentry ENABLE TRIGGER audit_entry_is_append_only;
    ALTER TABLE chat_auditoutcome ENABLE TRIGGER audit_outcome_is_append_only;
"""


class Migration(migrations.Migration):
    dependencies: ClassVar = [("chat", "0030_room_seats")]

    operations: ClassVar = [migrations.RunSQL(REFUSE, ALLOW)]
