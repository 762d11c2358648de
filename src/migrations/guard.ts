/*
 * Guard: triggers that refuse a change of the library behind the feed's back, by hand or by a bug of ours
 * (docs/decisions/0015-guard.md). A tick leaves a marker in its transaction, and so does retention when it
 * raises the floor of a feed: the setting `tidemark.changes_feed`. Without it, `records` and `change_events` are
 * read-only.
 *
 * Every write pays for it, so it is one WHEN clause of a statement: no function runs, no row is looked up.
 *
 * Triggers do not fire while `session_replication_role` is `replica`: in a repair (docs/operations.md), and
 * where logical replication applies the changes of another server.
 */

const REFUSE = `CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    RAISE EXCEPTION '% of % without a change of the feed', tg_op, tg_table_name USING
      ERRCODE = 'integrity_constraint_violation',
      DETAIL = 'Clients would never learn of it.',
      HINT = 'Use the API. For a repair, see "Repair by hand" in docs/operations.md.';
  END $$`;

/** AFTER: the server takes a tick and writes its event in one statement. */
const triggersOf = (table: string) => [
  `CREATE TRIGGER guard AFTER INSERT OR UPDATE OR DELETE ON ${table} FOR EACH STATEMENT
  WHEN (current_setting('tidemark.changes_feed', true) IS DISTINCT FROM 'on')
  EXECUTE FUNCTION refuse_change()`,
  `CREATE TRIGGER guard_truncate BEFORE TRUNCATE ON ${table} FOR EACH STATEMENT
  EXECUTE FUNCTION refuse_change()`,
];

export const CREATE_GUARD = [REFUSE, ...triggersOf('records'), ...triggersOf('change_events')];

/*
 * The audit log is append-only: no line is changed, and only retention deletes lines, with the setting
 * `tidemark.prunes_audit_log` in its transaction (src/audit/audit-pruner.ts).
 */
export const CREATE_AUDIT_GUARD = [
  `CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    RAISE EXCEPTION '% of audit_log, which is append-only', tg_op USING
      ERRCODE = 'integrity_constraint_violation',
      HINT = 'AUDIT_LOG_DAYS says how long lines are kept.';
  END $$`,
  `CREATE TRIGGER guard BEFORE UPDATE OR TRUNCATE ON audit_log FOR EACH STATEMENT
  EXECUTE FUNCTION refuse_audit_change()`,
  `CREATE TRIGGER guard_delete BEFORE DELETE ON audit_log FOR EACH STATEMENT
  WHEN (current_setting('tidemark.prunes_audit_log', true) IS DISTINCT FROM 'on')
  EXECUTE FUNCTION refuse_audit_change()`,
];

/** After the tables, with which the triggers go. */
export const DROP_GUARD = ['DROP FUNCTION refuse_change()', 'DROP FUNCTION refuse_audit_change()'];
