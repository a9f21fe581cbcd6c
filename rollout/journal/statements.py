"""The journal's statements: plain SQL that SQLite reads as it is, and PostgreSQL after three words are put in their places.

`?` stands for a parameter and nothing else; `/*now*/NULL` for the database's clock, if it has one of its own; `/*lock*/` for
keeping the row until the end of the transaction, where not the whole database is kept.
"""

from pathlib import Path

SCHEMA = 3
"""The schema that this tool reads and writes; see schema.sql."""


def schema() -> str:
    """The tables, in SQLite's words; statements end in `;` and a new line."""
    return Path(__file__).with_name("schema.sql").read_text(encoding="utf-8")


VERSION = "INSERT INTO journal (version, created_at) VALUES (?, ?)"
NOW = "SELECT /*now*/NULL"

RUN_COLUMNS = (
    "id, plan, digest, plan_file, created_at, created_by, tool, policy, seq, fence, owner, taken_at, renewed_at, "
    "ended_code, ended_because, ended_at, lease, /*now*/NULL"
)

CREATE_RUN = """
INSERT INTO run (id, plan, digest, plan_file, created_at, created_by, tool, policy) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO NOTHING"""
RUNS_OF_PLAN = "SELECT id, created_by, created_at FROM run WHERE plan = ?"
CREATE_GRAPH = "INSERT INTO graph (run, body) VALUES (?, ?)"
CREATE_HOST = "INSERT INTO host (run, name, combo, wave, slots) VALUES (?, ?, ?, ?, ?)"

NUMBER_OF_RUN = "SELECT number FROM run WHERE id = ?"
RUN_IDS = "SELECT id FROM run ORDER BY number"
RUNS = f"SELECT {RUN_COLUMNS} FROM run ORDER BY number DESC"  # noqa: S608  our own column names
RUN = f"SELECT {RUN_COLUMNS} FROM run WHERE number = ?"  # noqa: S608  our own column names
LOCKED_RUN = f"{RUN} /*lock*/"
NEWEST_RUN = "SELECT id FROM run ORDER BY number DESC LIMIT 1"
GRAPH = "SELECT body FROM graph WHERE run = ?"
AMEND_GRAPH = "UPDATE graph SET body = ? WHERE run = ?"
AMEND_RUN = "UPDATE run SET digest = ? WHERE number = ?"
AMEND_HOST = "UPDATE host SET combo = ?, wave = ?, slots = ? WHERE run = ? AND name = ?"
HOST_PLACES = "SELECT name, combo, wave, slots, slot FROM host WHERE run = ?"

CLAIM = """
UPDATE run SET fence = fence + 1, owner = ?, lease = ?, taken_at = ?, renewed_at = ?,
  ended_code = NULL, ended_because = NULL, ended_at = NULL
WHERE number = ?"""
RENEW = "UPDATE run SET renewed_at = ? WHERE number = ?"
RELEASE = """
UPDATE run SET owner = NULL, ended_code = ?, ended_because = ?, ended_at = ? WHERE number = ?"""

HEAD = "SELECT seq, fence, owner IS NOT NULL, /*now*/NULL FROM run WHERE number = ? /*lock*/"
SET_SEQ = "UPDATE run SET seq = ? WHERE number = ?"
SET_HEAD = "UPDATE run SET renewed_at = ?, seq = ? WHERE number = ?"
SET_FOLDED = "UPDATE run SET renewed_at = ?, seq = ?, folded = ?, folded_at = ? WHERE number = ?"
KEEP_STATE = (
    "INSERT INTO state (run, body) VALUES (?, ?) ON CONFLICT (run) DO UPDATE SET body = excluded.body"
)

APPEND = """
INSERT INTO event (run, seq, at, kind, host, step, attempt, because, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"""
ANSWER = """
INSERT INTO gate (run, seq, at, host, gate, moment, value, because, samples) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"""

KEEP_HOST = """
UPDATE host SET status = ?, step = ?, attempt = ?, since = ?, because = ?, body = ? WHERE run = ? AND name = ? AND slot = ?"""
HOST_SLOTS = "SELECT slots FROM host WHERE run = ? AND name = ?"
SET_SLOT = "UPDATE host SET slot = ? WHERE run = ? AND name = ?"
HOLDS = "SELECT 1 FROM slot WHERE run = ? AND slot = ? AND host = ?"
COUNT_SLOT = "SELECT count(*) FROM slot WHERE run = ? AND slot = ?"
TAKE = "INSERT INTO slot (run, slot, host) VALUES (?, ?, ?) ON CONFLICT (run, slot, host) DO NOTHING"
GIVE_BACK = "DELETE FROM slot WHERE run = ? AND host = ?"
HOLDERS = "SELECT host FROM slot WHERE run = ? AND slot = ? ORDER BY host"
SLOTS = "SELECT slot, host FROM slot WHERE run = ? ORDER BY slot, host"

FOLDED = "SELECT run.folded, run.folded_at, state.body, run.digest FROM run LEFT JOIN state ON state.run = run.number WHERE number = ?"
HOST_BODIES = "SELECT body FROM host WHERE run = ? AND body IS NOT NULL"
HOST_NAMES = "SELECT name FROM host WHERE run = ?"

_EVENT = "SELECT seq, at, kind, host, step, attempt, because, data FROM event WHERE run = ? AND seq > ?"
EVENTS_SINCE = f"{_EVENT} ORDER BY seq"
EVENTS = f"{_EVENT} ORDER BY seq LIMIT 1000"
EVENTS_OF_HOST = f"{_EVENT} AND host = ? ORDER BY seq LIMIT 1000"

_ANSWER = "SELECT seq, at, host, gate, moment, value, because, samples FROM gate WHERE run = ?"
ANSWERS = f"{_ANSWER} ORDER BY seq"
ANSWERS_OF_HOST = f"{_ANSWER} AND host = ? ORDER BY seq"

SAMPLES = "SELECT samples FROM gate WHERE run = ? AND seq = ?"

SUMMARY = "SELECT combo, wave, status, count(*) FROM host WHERE run = ? GROUP BY combo, wave, status"
_HOST = "SELECT name, combo, wave, status, step, attempt, since, because FROM host WHERE run = ?"
HOSTS = f"{_HOST} ORDER BY name"
HOSTS_BY_STATUS = f"{_HOST} AND status = ? ORDER BY name"

APPROVE = "INSERT INTO approval (at, plan, digest, run, by, because, claims, newest) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
APPROVALS = "SELECT plan, digest, run, by, because, at, newest, claims FROM approval WHERE plan = ? ORDER BY number DESC"
