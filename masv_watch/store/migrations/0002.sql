-- What callers may ask of an upload, beside what a hot folder asks. Written for SQLite.
ALTER TABLE uploads ADD COLUMN type TEXT NOT NULL DEFAULT 'team';
UPDATE uploads SET type = json_extract(terms, '$.type');
ALTER TABLE uploads ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;
-- a person asked for it to go at once: it waits for no slot
ALTER TABLE uploads ADD COLUMN started INTEGER NOT NULL DEFAULT 0;
ALTER TABLE uploads ADD COLUMN chunk_size INTEGER;
-- both sealed
ALTER TABLE uploads ADD COLUMN access_code TEXT;
ALTER TABLE uploads ADD COLUMN password TEXT;
-- a caller asked for the finalize: a source that changes afterwards does not undo the wish
ALTER TABLE uploads ADD COLUMN finalize_wanted INTEGER NOT NULL DEFAULT 0;
-- deleting takes the package along even when it is delivered
ALTER TABLE uploads ADD COLUMN takes_package INTEGER NOT NULL DEFAULT 0;
-- finalizes in a row that the cloud refused because files were missing
ALTER TABLE uploads ADD COLUMN refusals INTEGER NOT NULL DEFAULT 0;
-- the user who named it, whose rights count when it is looked at again; none: the daemon's own
ALTER TABLE files ADD COLUMN reader INTEGER;
CREATE INDEX uploads_by_age ON uploads (created_at, id);

-- without a reference to a drop: what a caller named has none (0)
CREATE TABLE left_out (
    upload_id TEXT NOT NULL REFERENCES uploads (id),
    drop_id INTEGER NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (upload_id, drop_id, reason)
) WITHOUT ROWID;
INSERT INTO left_out SELECT upload_id, drop_id, reason FROM skipped;
DROP TABLE skipped;
ALTER TABLE left_out RENAME TO skipped;

CREATE TABLE repeats (
    key TEXT PRIMARY KEY,
    digest TEXT NOT NULL,
    upload_id TEXT NOT NULL,
    at REAL NOT NULL
) WITHOUT ROWID;

-- hot folders that a person paused
CREATE TABLE pauses (
    hot_folder TEXT PRIMARY KEY,
    at REAL NOT NULL
) WITHOUT ROWID;

CREATE INDEX uploads_started ON uploads (retry_at) WHERE started = 1;
CREATE INDEX drops_unsettled ON drops (upload_id) WHERE state = 'taken' AND whole = 0;
CREATE INDEX files_unsettled ON files (upload_id, retry_at, id)
    WHERE stale = 1 AND closed = 0 AND drop_id IS NULL;
