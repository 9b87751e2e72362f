-- How long the summary of a job is; `summary` has its beginning, and where it is longer a blob has all of it. What was written before
-- stands in `summary` whole, with 0 here.
ALTER TABLE jobs ADD COLUMN summary_bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN summary_blob TEXT;
