-- How far a run was told to the workflows that wait for others: 0 not at all, 1 that it was asked for, 2 that it began, 3 that it
-- is over. What was there before is told to nobody.
ALTER TABLE runs ADD COLUMN told INTEGER NOT NULL DEFAULT 3;
-- How many runs led to it, each by its end, its beginning or its being asked for.
ALTER TABLE runs ADD COLUMN chain INTEGER NOT NULL DEFAULT 0;
CREATE INDEX runs_untold ON runs (id) WHERE told < 3;
