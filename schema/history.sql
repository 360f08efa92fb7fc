-- The history's database, beside the twins' one (history.path). SQLite in WAL mode; `sqlite3` reads it while the gateway writes it.
-- PRAGMA application_id = 0x47454D48 ("GEMH"), PRAGMA user_version = 1.

-- A row a change of an alert. A change has the id of the effect that told of it, lsn and ordinal, so
-- that one that is decided once more by a replay is the same row.
CREATE TABLE alert_changes (
  position INTEGER PRIMARY KEY,  -- in the order in which they were written
  lsn INTEGER NOT NULL,          -- of the record that changed it
  ordinal INTEGER NOT NULL,      -- among that record's effects
  time_ms INTEGER NOT NULL,      -- when, milliseconds since 1970 UTC
  id TEXT NOT NULL,              -- of the alert, a-1a2b-0
  change TEXT NOT NULL,          -- raised, severity, acknowledged or cleared
  status TEXT NOT NULL,          -- from then on: active_unacked, active_acked, cleared_unacked, cleared_acked
  severity TEXT NOT NULL,        -- critical, major, minor, warning or info
  model TEXT NOT NULL,
  twin TEXT NOT NULL,
  code TEXT NOT NULL,
  alert TEXT NOT NULL,           -- JSON, schema/alert.schema.json
  UNIQUE (lsn, ordinal));
CREATE INDEX alert_changes_by_twin ON alert_changes (model, twin, position);
CREATE INDEX alert_changes_by_time ON alert_changes (time_ms);
CREATE INDEX alert_changes_by_id ON alert_changes (id, position);
CREATE INDEX alert_changes_by_model ON alert_changes (model, time_ms);

-- The same of commands on routes whose devices answer (command_ack).
CREATE TABLE command_changes (
  position INTEGER PRIMARY KEY,
  lsn INTEGER NOT NULL,
  ordinal INTEGER NOT NULL,
  time_ms INTEGER NOT NULL,
  id TEXT NOT NULL,              -- of the command, c-1a2b-0
  status TEXT NOT NULL,          -- from then on: sent (perhaps again), successful, failed, expired or timeout
  model TEXT NOT NULL,
  twin TEXT NOT NULL,
  name TEXT NOT NULL,
  command TEXT NOT NULL,         -- JSON, schema/command_change.schema.json
  UNIQUE (lsn, ordinal));
CREATE INDEX command_changes_by_time ON command_changes (time_ms);
CREATE INDEX command_changes_by_id ON command_changes (id, position);
CREATE INDEX command_changes_by_twin ON command_changes (model, twin, position);
