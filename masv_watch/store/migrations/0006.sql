-- Of a history only what lives is asked how it was found. Written for SQLite.
DROP INDEX drops_unfound;
CREATE INDEX drops_unfound ON drops (hot_folder)
    WHERE found_by IS NULL AND state IN ('settling', 'held', 'queued', 'taken');
-- How long what is up can be taken back. Written for SQLite.
-- seconds; as its rule says it now
ALTER TABLE uploads ADD COLUMN recall_s REAL NOT NULL DEFAULT 0;
-- the window of what it holds now is over, or a person ended it
ALTER TABLE uploads ADD COLUMN recall_over INTEGER NOT NULL DEFAULT 0;
