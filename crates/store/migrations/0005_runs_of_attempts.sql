-- Each row of runs is one attempt. All attempts of a run have the id of the first as the run's own.
ALTER TABLE runs ADD COLUMN run INTEGER NOT NULL DEFAULT 0;
UPDATE runs SET run = (SELECT min(first.id) FROM runs AS first
    WHERE first.repository = runs.repository AND first.path = runs.path AND first.number = runs.number);
ALTER TABLE runs ADD COLUMN superseded INTEGER NOT NULL DEFAULT 0;
UPDATE runs SET superseded = 1 WHERE EXISTS (SELECT 1 FROM runs AS later
    WHERE later.repository = runs.repository AND later.path = runs.path AND later.number = runs.number
        AND later.attempt > runs.attempt);
ALTER TABLE runs DROP COLUMN rerun_of;
-- How many jobs it keeps of an earlier attempt, and how many have failed so far.
ALTER TABLE runs ADD COLUMN kept INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN failed_jobs INTEGER NOT NULL DEFAULT 0;
CREATE UNIQUE INDEX runs_by_run ON runs (run, attempt);
CREATE UNIQUE INDEX runs_current ON runs (run) WHERE superseded = 0;
-- The attempt that a job ended in which is kept.
ALTER TABLE jobs ADD COLUMN kept_from INTEGER;
-- What was made by an attempt is made by its run.
UPDATE rollouts SET run = (SELECT runs.run FROM runs WHERE runs.id = rollouts.run)
    WHERE run IN (SELECT id FROM runs WHERE id <> run);
UPDATE releases SET run = (SELECT runs.run FROM runs WHERE runs.id = releases.run)
    WHERE run IN (SELECT id FROM runs WHERE id <> run);
