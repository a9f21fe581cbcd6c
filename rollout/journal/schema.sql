-- The journal, schema 3. Times are seconds since the epoch. STRICT is left out on an SQLite that does not know it.
-- PostgreSQL's words for the types are in postgresql.py.
--
-- What may change:
--   event, gate, approval   rows are added, and never altered or removed
--   graph         another one when a person amends the run: with run.digest, and with combo, wave and slots of its hosts
--   run           free -> held (claim: fence + 1) -> free (release: ended_*); held -> held (take-over of a dead or lapsed owner: fence + 1)
--   host, state   the fold of the run's events up to run.folded; written in the transaction of those events
--   slot          a row while host.slot = 1; added by an intent (counted against its cap) or by the fold (never refused)

CREATE TABLE journal (
  version     INTEGER NOT NULL,
  created_at  REAL NOT NULL
) STRICT;

CREATE TABLE run (
  number        INTEGER PRIMARY KEY,
  id            TEXT NOT NULL UNIQUE,
  plan          TEXT NOT NULL,
  digest        TEXT NOT NULL,
  plan_file     TEXT NOT NULL,
  created_at    REAL NOT NULL,
  created_by    TEXT NOT NULL,
  tool          TEXT NOT NULL,
  policy        INTEGER NOT NULL,
  seq           INTEGER NOT NULL DEFAULT 0,  -- of the last event
  folded        INTEGER NOT NULL DEFAULT 0,  -- of the last event that host and state know of
  folded_at     REAL NOT NULL DEFAULT 0,
  fence         INTEGER NOT NULL DEFAULT 0,
  owner         TEXT,                        -- JSON; null: free
  taken_at      REAL NOT NULL DEFAULT 0,
  renewed_at    REAL NOT NULL DEFAULT 0,     -- the owner's last sign of life: a claim, a transaction, or nothing but that
  lease         REAL,                        -- an owner who cannot be seen may be silent so long; null: no time-out decides
  ended_code    INTEGER,                     -- null: held, or its last owner died
  ended_because TEXT,
  ended_at      REAL
) STRICT;

-- Apart from `run`, so that counting an event does not write them again.
CREATE TABLE graph (
  run   INTEGER PRIMARY KEY REFERENCES run (number),
  body  BLOB NOT NULL                        -- JSON, zlib
) STRICT;

CREATE TABLE state (
  run   INTEGER PRIMARY KEY REFERENCES run (number),
  body  TEXT NOT NULL                        -- JSON of RunState; its seq and at are run.folded and run.folded_at
) STRICT;

CREATE TABLE host (
  run     INTEGER NOT NULL REFERENCES run (number),
  name    TEXT NOT NULL,
  combo   TEXT NOT NULL,
  wave    TEXT NOT NULL,
  slots   TEXT NOT NULL,                     -- JSON: what it takes while it is disrupted
  slot    INTEGER NOT NULL DEFAULT 0,        -- whether it holds them
  status  TEXT NOT NULL DEFAULT 'waiting',
  step    TEXT,
  attempt INTEGER NOT NULL DEFAULT 0,
  since   REAL NOT NULL DEFAULT 0,
  because TEXT NOT NULL DEFAULT '',
  body    TEXT,                              -- JSON of HostState; null: it has not begun
  PRIMARY KEY (run, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE event (
  run     INTEGER NOT NULL REFERENCES run (number),
  seq     INTEGER NOT NULL,                  -- from 1, without gaps
  at      REAL NOT NULL,
  kind    TEXT NOT NULL,
  host    TEXT,
  step    TEXT,
  attempt INTEGER NOT NULL,
  because TEXT NOT NULL,
  data    TEXT,                              -- JSON; null: empty
  PRIMARY KEY (run, seq)
) STRICT, WITHOUT ROWID;

CREATE INDEX event_of_host ON event (run, host, seq) WHERE host IS NOT NULL;

CREATE TABLE gate (
  run     INTEGER NOT NULL REFERENCES run (number),
  seq     INTEGER NOT NULL,                  -- of its event
  at      REAL NOT NULL,
  host    TEXT,
  gate    TEXT NOT NULL,
  moment  TEXT NOT NULL,
  value   TEXT NOT NULL,
  because TEXT NOT NULL,
  samples TEXT NOT NULL,                     -- JSON
  PRIMARY KEY (run, seq)
) STRICT, WITHOUT ROWID;

CREATE INDEX gate_of_host ON gate (run, host, seq);

CREATE TABLE slot (
  run   INTEGER NOT NULL,
  slot  TEXT NOT NULL,
  host  TEXT NOT NULL,
  PRIMARY KEY (run, slot, host),
  FOREIGN KEY (run, host) REFERENCES host (run, name)
) STRICT, WITHOUT ROWID;

CREATE INDEX slot_of_host ON slot (run, host);

-- Of plans, not of runs: an approval is there before the run that it lets begin.
CREATE TABLE approval (
  number        INTEGER PRIMARY KEY,
  at            REAL NOT NULL,
  plan          TEXT NOT NULL,
  digest        TEXT NOT NULL,
  run           TEXT,                        -- the amended run that may go on; null: a new one may begin
  by            TEXT NOT NULL,
  because       TEXT NOT NULL,
  claims        TEXT NOT NULL,               -- JSON: what a verified token told of who it was; empty: the machine told it
  newest        TEXT                         -- the newest run of the journal then; null: none. A clock that is put back would tell it wrongly
) STRICT;

CREATE INDEX approval_of_plan ON approval (plan, number);
