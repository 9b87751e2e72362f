-- Secrets and variables of the repository, where `environment` is empty, and of its environments. The data of a secret is
-- sealed by whoever puts it here.
CREATE TABLE named_values (
    kind TEXT NOT NULL,
    environment TEXT NOT NULL,
    name TEXT NOT NULL,
    data BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (kind, environment, name)
) STRICT, WITHOUT ROWID;
