-- The journal: what mailward decided, and what became of each message. Times are Unix seconds. Readable by SQLite 3.26:
-- no STRICT, no generated columns, no newer functions.

-- One row for each decision, and one with the event MESSAGE for what became of a message; in the order of writing.
CREATE TABLE journal (
  id          INTEGER PRIMARY KEY,
  time        INTEGER NOT NULL,
  decision    TEXT    NOT NULL,             -- its name, as id= in the log
  message     TEXT,                         -- the message's name: that of all rows about it
  event       TEXT    NOT NULL,             -- CONNECT, HELO, MAIL, RCPT, DATA, END-OF-MESSAGE; MESSAGE
  verdict     TEXT    NOT NULL,             -- permit, defer, reject, discard; of a MESSAGE: accepted, held, discarded,
                                            -- deferred, rejected, aborted
  observed    INTEGER NOT NULL DEFAULT 0,   -- 1: mode = "observe", it took no effect
  code        INTEGER,                      -- the reply's code
  reply       TEXT,                         -- the reply as the client read it
  rule        INTEGER,                      -- the entry that decided
  client      TEXT,                         -- the client's address
  client_name TEXT,                         -- its verified name, or 'unknown'
  helo        TEXT,
  sender      TEXT,                         -- '' is the null sender
  recipient   TEXT,
  login       TEXT,                         -- the SASL login
  queue_id    TEXT,
  greylist    TEXT,                         -- new, early-retry, too-many, opened, passed, known, correspondent, exempt,
                                            -- unavailable
  waited      INTEGER,                      -- seconds from the first attempt, where greylist is opened
  policy      INTEGER,                      -- the configuration
  record      TEXT                          -- the rest as JSON: the request, the steps, the answers
);

-- The entries of restriction lists, each once.
CREATE TABLE rule (
  id     INTEGER PRIMARY KEY,
  stage  TEXT    NOT NULL,
  entry  TEXT    NOT NULL,
  file   TEXT    NOT NULL,
  line   INTEGER NOT NULL,
  column INTEGER NOT NULL,
  UNIQUE (entry, file, line, column, stage)
);

-- The configurations that were in force.
CREATE TABLE policy (
  id         INTEGER PRIMARY KEY,
  digest     TEXT    NOT NULL UNIQUE,       -- SHA-256 of its files
  first_used INTEGER NOT NULL
);

-- What each span of 4096 rows (since 0002_spans 16384) can be found by: hashes of addresses, names and networks, sorted, in 256 buckets.
CREATE TABLE term (
  bucket INTEGER NOT NULL,
  span   INTEGER NOT NULL,                  -- id / 4096
  hits   BLOB    NOT NULL,
  PRIMARY KEY (bucket, span)
) WITHOUT ROWID;

-- The spans that are in the table above.
CREATE TABLE span (
  span   INTEGER PRIMARY KEY,
  oldest INTEGER NOT NULL,
  newest INTEGER NOT NULL
);

CREATE TABLE meta (
  key   TEXT PRIMARY KEY,
  value TEXT NOT NULL
) WITHOUT ROWID;

CREATE VIEW decisions AS
  SELECT datetime(j.time, 'unixepoch') || 'Z' AS time, j.decision, j.event, j.verdict, j.reply,
         r.entry AS rule, r.file || ':' || r.line AS place,
         j.client, j.client_name, j.helo, j.sender, j.recipient, j.login, j.queue_id, j.greylist, j.waited,
         j.observed, j.message
    FROM journal j LEFT JOIN rule r ON r.id = j.rule WHERE j.event <> 'MESSAGE';

CREATE VIEW messages AS
  SELECT datetime(time, 'unixepoch') || 'Z' AS time, queue_id, verdict AS fate, client, client_name, helo, sender,
         recipient, login, message
    FROM journal WHERE event = 'MESSAGE';
