-- Exemptions, written by `mailward allow`. Times are Unix seconds. Readable by SQLite 3.26: no STRICT, no newer functions.

CREATE TABLE allow (
  id       INTEGER PRIMARY KEY AUTOINCREMENT,   -- never used again: traces name it
  kind     TEXT    NOT NULL CHECK (kind IN ('client', 'network', 'domain', 'sender', 'recipient')),
  value    TEXT    NOT NULL,
  reason   TEXT    NOT NULL DEFAULT '',
  author   TEXT    NOT NULL DEFAULT '',
  created  INTEGER NOT NULL,
  expires  INTEGER,                             -- NULL for good
  hits     INTEGER NOT NULL DEFAULT 0,
  last_hit INTEGER,
  UNIQUE (kind, value)
);

CREATE VIEW allowed AS
  SELECT id, kind, value, reason, author,
         datetime(created, 'unixepoch') || 'Z' AS created,
         datetime(expires, 'unixepoch') || 'Z' AS expires,
         hits,
         datetime(last_hit, 'unixepoch') || 'Z' AS last_hit
    FROM allow
   WHERE expires IS NULL OR expires > CAST(strftime('%s', 'now') AS INTEGER);
