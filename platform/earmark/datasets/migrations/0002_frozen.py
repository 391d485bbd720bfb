"""What is frozen stays frozen: the database itself refuses to change a snapshot or its items.

To delete a snapshot on purpose (a speaker asks to be forgotten), an administrator of the database says so for one
transaction: `SET LOCAL earmark.unfreeze = 'on'`.
"""

from django.db import migrations

FREEZE = """
CREATE FUNCTION datasets_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('earmark.unfreeze', true) = 'on' THEN
        RETURN coalesce(NEW, OLD);
    END IF;
    RAISE EXCEPTION 'snapshots are frozen: % on % is refused', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation',
              HINT = 'Take a new snapshot; see SET LOCAL earmark.unfreeze for deleting one on purpose.';
END $$;

CREATE TRIGGER datasets_item_frozen BEFORE UPDATE OR DELETE ON datasets_snapshotitem
    FOR EACH ROW EXECUTE FUNCTION datasets_refuse_change();
CREATE TRIGGER datasets_snapshot_kept BEFORE DELETE ON datasets_snapshot
    FOR EACH ROW EXECUTE FUNCTION datasets_refuse_change();
CREATE TRIGGER datasets_snapshot_frozen
    BEFORE UPDATE OF collection_id, purpose, digest, counts, created_at ON datasets_snapshot
    FOR EACH ROW EXECUTE FUNCTION datasets_refuse_change();
"""

THAW = """
DROP TRIGGER datasets_snapshot_frozen ON datasets_snapshot;
DROP TRIGGER datasets_snapshot_kept ON datasets_snapshot;
DROP TRIGGER datasets_item_frozen ON datasets_snapshotitem;
DROP FUNCTION datasets_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("datasets", "0001_initial")]
    operations = [migrations.RunSQL(FREEZE, THAW)]
