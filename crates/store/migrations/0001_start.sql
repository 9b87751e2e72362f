-- The event log. Sequence numbers are never reused, because events are never deleted.
CREATE TABLE events (
    seq INTEGER PRIMARY KEY,
    stream TEXT NOT NULL,
    version INTEGER NOT NULL,
    kind TEXT NOT NULL,
    data BLOB NOT NULL,
    at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX events_by_stream ON events (stream, version);

CREATE TABLE snapshots (
    stream TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    data BLOB NOT NULL,
    at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE idempotency (
    id TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE leases (
    name TEXT PRIMARY KEY,
    holder TEXT NOT NULL,
    token INTEGER NOT NULL,
    expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE settings (
    name TEXT PRIMARY KEY,
    data BLOB NOT NULL,
    at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE sign_in_tokens (
    digest TEXT PRIMARY KEY,
    account TEXT NOT NULL,
    created INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    used INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE sessions (
    digest TEXT PRIMARY KEY,
    account TEXT NOT NULL,
    created INTEGER NOT NULL,
    expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Read models. They can be made anew from the events.
CREATE TABLE runs (
    id INTEGER PRIMARY KEY,
    number INTEGER NOT NULL,
    repository TEXT NOT NULL,
    path TEXT NOT NULL,
    workflow TEXT NOT NULL,
    title TEXT NOT NULL,
    event TEXT NOT NULL,
    actor TEXT NOT NULL,
    git_ref TEXT NOT NULL,
    branch TEXT NOT NULL,
    sha TEXT NOT NULL,
    commit_subject TEXT NOT NULL,
    commit_author TEXT NOT NULL,
    status TEXT NOT NULL,
    conclusion TEXT,
    attempt INTEGER NOT NULL,
    rerun_of INTEGER,
    created_at INTEGER NOT NULL,
    started_at INTEGER,
    finished_at INTEGER,
    failed TEXT
) STRICT;
CREATE UNIQUE INDEX runs_by_number ON runs (repository, path, number);
CREATE INDEX runs_unfinished ON runs (id) WHERE status <> 'completed';

CREATE TABLE jobs (
    run INTEGER NOT NULL,
    job TEXT NOT NULL,
    place INTEGER NOT NULL,
    name TEXT NOT NULL,
    needs TEXT NOT NULL,
    status TEXT NOT NULL,
    conclusion TEXT,
    attempt INTEGER NOT NULL,
    started_at INTEGER,
    finished_at INTEGER,
    reason TEXT,
    log TEXT,
    log_lines INTEGER NOT NULL DEFAULT 0,
    error_line INTEGER,
    summary TEXT,
    PRIMARY KEY (run, job)
) STRICT, WITHOUT ROWID;

CREATE TABLE steps (
    run INTEGER NOT NULL,
    job TEXT NOT NULL,
    place INTEGER NOT NULL,
    name TEXT NOT NULL,
    status TEXT NOT NULL,
    conclusion TEXT,
    exit_code INTEGER,
    started_at INTEGER,
    finished_at INTEGER,
    first_line INTEGER,
    PRIMARY KEY (run, job, place)
) STRICT, WITHOUT ROWID;

CREATE TABLE annotations (
    run INTEGER NOT NULL,
    place INTEGER NOT NULL,
    job TEXT NOT NULL,
    level TEXT NOT NULL,
    title TEXT,
    message TEXT NOT NULL,
    file TEXT,
    line INTEGER,
    PRIMARY KEY (run, place)
) STRICT, WITHOUT ROWID;

CREATE TABLE artifacts (
    run INTEGER NOT NULL,
    name TEXT NOT NULL,
    digest TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (run, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE deliveries (
    service TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    state TEXT NOT NULL,
    at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE releases (
    id INTEGER PRIMARY KEY,
    service TEXT NOT NULL,
    version TEXT NOT NULL,
    digest TEXT NOT NULL,
    sha TEXT,
    run INTEGER,
    spec_name TEXT NOT NULL,
    spec TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX releases_by_service ON releases (service, id);

CREATE TABLE rollouts (
    id INTEGER PRIMARY KEY,
    service TEXT NOT NULL,
    release INTEGER NOT NULL,
    from_release INTEGER,
    run INTEGER,
    requested_by TEXT NOT NULL,
    phase TEXT NOT NULL,
    step INTEGER NOT NULL,
    steps INTEGER NOT NULL,
    share INTEGER NOT NULL,
    headline TEXT NOT NULL,
    needs_you INTEGER NOT NULL,
    outcome TEXT,
    reason TEXT,
    started_at INTEGER NOT NULL,
    finished_at INTEGER,
    first_version INTEGER NOT NULL,
    last_version INTEGER,
    report TEXT
) STRICT;
CREATE INDEX rollouts_by_service ON rollouts (service, id);
CREATE INDEX rollouts_by_run ON rollouts (run, id);

CREATE TABLE evidence (
    rollout INTEGER PRIMARY KEY,
    epoch INTEGER NOT NULL,
    data BLOB NOT NULL,
    at INTEGER NOT NULL
) STRICT;
