-- The greylist. Times are Unix seconds. Readable by SQLite 3.26: no STRICT, no generated columns, no newer functions.

CREATE TABLE meta (
  key   TEXT PRIMARY KEY,
  value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE greylist (
  client     TEXT    NOT NULL,                -- '192.0.2.0/24', '2001:db8:0:1::/64', 'ptr:example.org'
  sender     TEXT    NOT NULL,                -- normalised; '' is the null sender
  recipient  TEXT    NOT NULL,                -- normalised
  first_seen INTEGER NOT NULL CHECK (typeof(first_seen) = 'integer'),
  last_seen  INTEGER NOT NULL CHECK (typeof(last_seen) = 'integer'),
  passed_at  INTEGER,                         -- NULL while it waits
  deferred   INTEGER NOT NULL DEFAULT 0,
  passed     INTEGER NOT NULL DEFAULT 0,      -- counted at most once an hour
  last_ip    TEXT,                            -- evidence only
  last_name  TEXT,
  origin     TEXT    NOT NULL DEFAULT 'smtp', -- 'smtp', 'observe', 'import:…', 'admin'
  PRIMARY KEY (client, sender, recipient)
) WITHOUT ROWID;
CREATE INDEX greylist_waiting ON greylist (first_seen) WHERE passed_at IS NULL;
CREATE INDEX greylist_passed  ON greylist (last_seen)  WHERE passed_at IS NOT NULL;

CREATE TABLE known_client (
  client        TEXT    NOT NULL,             -- '192.0.2.7', '192.0.2.0/24', 'ptr:example.org'
  sender_domain TEXT    NOT NULL DEFAULT '',  -- '' whatever the sender
  passes        INTEGER NOT NULL,             -- proven retries, counted at most once an hour
  last_pass     INTEGER NOT NULL,
  first_seen    INTEGER NOT NULL,
  last_seen     INTEGER NOT NULL,
  hits          INTEGER NOT NULL DEFAULT 0,   -- counted at most once an hour
  origin        TEXT    NOT NULL DEFAULT 'smtp',
  PRIMARY KEY (client, sender_domain)
) WITHOUT ROWID;
CREATE INDEX known_client_last ON known_client (last_seen);

CREATE TABLE correspondent (
  remote    TEXT    NOT NULL,
  local     TEXT    NOT NULL,
  last_sent INTEGER NOT NULL,
  sent      INTEGER NOT NULL DEFAULT 1,
  PRIMARY KEY (remote, local)
) WITHOUT ROWID;
CREATE INDEX correspondent_last ON correspondent (last_sent);

CREATE TABLE exemption (
  kind    TEXT    NOT NULL,                   -- 'open', 'opt_in', 'opt_out'
  value   TEXT    NOT NULL,                   -- a recipient's address or domain
  until   INTEGER,                            -- NULL for good
  reason  TEXT    NOT NULL DEFAULT '',
  created INTEGER NOT NULL,
  PRIMARY KEY (kind, value)
) WITHOUT ROWID;

CREATE VIEW waiting AS
  SELECT client, sender, recipient,
         datetime(first_seen, 'unixepoch') || 'Z' AS first_seen,
         datetime(last_seen, 'unixepoch') || 'Z' AS last_try,
         deferred AS tries, last_ip, last_name, origin,
         CAST(strftime('%s', 'now') AS INTEGER) - first_seen AS age_seconds
    FROM greylist WHERE passed_at IS NULL;

CREATE VIEW passed AS
  SELECT client, sender, recipient,
         passed_at - first_seen AS delayed_seconds,
         datetime(first_seen, 'unixepoch') || 'Z' AS first_seen,
         datetime(passed_at, 'unixepoch') || 'Z' AS passed_at,
         datetime(last_seen, 'unixepoch') || 'Z' AS last_seen,
         deferred, passed, last_ip, last_name, origin
    FROM greylist WHERE passed_at IS NOT NULL;

CREATE VIEW known_clients AS
  SELECT client, sender_domain, passes, hits,
         datetime(first_seen, 'unixepoch') || 'Z' AS first_seen,
         datetime(last_seen, 'unixepoch') || 'Z' AS last_seen, origin
    FROM known_client;
