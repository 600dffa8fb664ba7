// The tables of the log's file. One row of `batches` is what one append put into one partition, or a part of it.

/** `TDMK` */
export const APPLICATION_ID = 0x54_44_4d_4b
/** Of the tables and of what a batch's bytes mean. */
export const FORMAT = 1

/**
 * `partitions.id` is never used twice, so that who knows an old one is not misled by a topic made anew. `end` is the next offset to be
 * given. A batch is found by its last offset; one that a trim cuts in two stays until it lies below the start as a whole.
 * `garbage` names partitions whose topic is gone and whose batches are still being deleted.
 */
export const TABLES = `
  CREATE TABLE topics (name TEXT PRIMARY KEY, partitions INTEGER NOT NULL, max_message_bytes INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE partitions (id INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT NOT NULL, partition INTEGER NOT NULL, "start" INTEGER NOT NULL DEFAULT 0, "end" INTEGER NOT NULL DEFAULT 0, UNIQUE (topic, partition)) STRICT;
  CREATE TABLE batches (partition_id INTEGER NOT NULL, base INTEGER NOT NULL, last INTEGER NOT NULL, bytes BLOB NOT NULL) STRICT;
  CREATE UNIQUE INDEX batches_by_last ON batches (partition_id, last);
  CREATE TABLE producers (transactional_id TEXT PRIMARY KEY, epoch INTEGER NOT NULL, used_at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  INSERT INTO counters VALUES ('producer epoch', 0);
  CREATE TABLE garbage (partition_id INTEGER PRIMARY KEY) STRICT;
  CREATE TABLE mirrored (group_name TEXT NOT NULL, topic TEXT NOT NULL, partition INTEGER NOT NULL, next_offset INTEGER NOT NULL, PRIMARY KEY (group_name, topic, partition)) STRICT, WITHOUT ROWID;
`
