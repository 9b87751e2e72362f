-- A run that is repeated keeps its number, and counts its attempts.
DROP INDEX runs_by_number;
CREATE UNIQUE INDEX runs_by_number ON runs (repository, path, number, attempt);
