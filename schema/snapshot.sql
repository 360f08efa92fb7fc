-- The twins' database (store.path), as `sqlite3 gemel.db .schema` shows it. Written by one gateway in one
-- transaction a snapshot, in WAL mode; any number of others may read. PRAGMA user_version is 5,
-- application_id is 0x47454D4C.
--
-- The last column of each row, gemel_crc, is CRC-32C (RFC 3720, B.4) of the table's name and the row's
-- other values, but for gemel_row and position: each value as a byte for its type (0 null, 1 integer, 2 real,
-- 3 text, 4 blob), then eight bytes of an integer or a real, or the size in eight bytes and the bytes of a
-- text or a blob; little-endian. `gemel verify` checks all of it.

-- What each table must hold: how many rows, and the sum of their checksums. `fields` is a JSON array of a
-- model's fields when the table was made: name, type, and whether it has an event time; of a window also
-- its layout and its size in bytes.
CREATE TABLE gemel_tables (name TEXT PRIMARY KEY, fields TEXT, row_count INTEGER, checksums INTEGER,
                           gemel_crc INTEGER) WITHOUT ROWID;

-- How far each shard was when its twins were copied: the journal is replayed from behind the lowest one.
CREATE TABLE gemel_checkpoints (shard INTEGER PRIMARY KEY, lsn INTEGER, gemel_crc INTEGER);

-- Twins that were deleted by a record above the lowest checkpoint; key_hash is XXH3-64 of "model/id".
CREATE TABLE gemel_deletions (key_hash INTEGER PRIMARY KEY, lsn INTEGER, gemel_crc INTEGER);

-- Commands and alerts that the broker had not acknowledged, in their order.
CREATE TABLE gemel_outbox (position INTEGER PRIMARY KEY, lsn INTEGER, ordinal INTEGER,
                           kind INTEGER,          -- 0 command, 1 alert
                           model TEXT, is_retained INTEGER,
                           has_more INTEGER,      -- another message of the same id follows
                           decided_us INTEGER,    -- record time, microseconds since 1970
                           lifetime_us INTEGER,   -- from then on; 0: it never expires
                           topic TEXT, payload TEXT, gemel_crc INTEGER);

-- Alerts that have not ended at their webhook. The broker and each webhook wait for themselves.
CREATE TABLE gemel_webhook_outbox (position INTEGER PRIMARY KEY, webhook TEXT, lsn INTEGER,
                                   ordinal INTEGER,
                                   key_hash INTEGER,     -- of the twin, as in gemel_deletions
                                   decided_us INTEGER, lifetime_us INTEGER, payload TEXT,
                                   gemel_crc INTEGER);

-- The webhooks of the last start: each gets alerts of the record `since` and later ones.
CREATE TABLE gemel_webhooks (name TEXT PRIMARY KEY, since INTEGER, gemel_crc INTEGER) WITHOUT ROWID;

-- And a table a model, under its name. For the model `meter` with a telemetry field litres (double) and a
-- field is_leaking (bool) of its own:
--
-- CREATE TABLE "meter" (
--   gemel_row INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,
--   "litres" REAL,
--   "litres__at" INTEGER,           -- event time of that value, microseconds since 1970
--   "is_leaking" INTEGER,
--   gemel_lsn INTEGER,              -- the last record that the twin has seen
--   gemel_telemetry_us INTEGER,     -- record time of its last telemetry
--   gemel_seen TEXT,                -- JSON: the highest event time by route
--   gemel_alerts TEXT,              -- JSON: the alerts that are active, then those that nobody has acknowledged (cleared_us); null if there are none
--   gemel_repeats BLOB,             -- by route: the messages that would be repeats
--   gemel_timers TEXT,              -- JSON: the armed timers by name; null if there are none
--   gemel_commands TEXT,            -- JSON: the commands that wait for an answer, oldest first; null if there are none
--   gemel_told TEXT,                -- JSON: the profile fields that somebody has set since, and whether a "person" or a "topic"; null if there are none
--   gemel_crc INTEGER);
--
-- bool, int64 and time are INTEGER (time in microseconds), double is REAL, symbol and text are TEXT; a null
-- of the model is NULL. A window is a BLOB of its bytes, whose meaning its layout names: kept by a model whose
-- window has the same layout and size, and begun anew by any other.
