-- Of a history only what lives is asked how it was found. Written for SQLite.
DROP INDEX drops_unfound;
CREATE INDEX drops_unfound ON drops (hot_folder)
    WHERE found_by IS NULL AND state IN ('settling', 'held', 'queued', 'taken');
