-- Which command within a composite action made a step fail, as JSON; nothing for a step that is a command itself.
ALTER TABLE steps ADD COLUMN culprit TEXT;
