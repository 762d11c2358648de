/**
 * SQL, a condition: may the developer `:reader` read the row `record`, as its owner or by a share?
 *
 * Enumeration: part of the statement that looks for the record, so that a record of another developer takes as
 * long as none.
 */
export const IS_READABLE = `(
  record.user_id = :reader OR EXISTS (
    SELECT FROM shares s
    WHERE s.user_id = record.user_id AND s.item_id = record.item_id AND s.reader_user_id = :reader
  ))`;
