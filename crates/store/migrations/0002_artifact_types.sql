-- What an artifact is: an archive of files, as all were before but in another format, or a single file.
ALTER TABLE artifacts ADD COLUMN mime TEXT NOT NULL DEFAULT 'application/x-tar';
