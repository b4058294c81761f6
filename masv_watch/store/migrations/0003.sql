-- What of an earlier version of a file its cloud file still has. Written for SQLite.
-- which version of its source this is for its cloud file, counted from 0
ALTER TABLE files ADD COLUMN version INTEGER NOT NULL DEFAULT 0;
-- chunks that the cloud takes of it
ALTER TABLE files ADD COLUMN max_chunks INTEGER NOT NULL DEFAULT 10000;
-- of its whole content, with how it is made; empty until it is closed, and with `verify: size`
ALTER TABLE files ADD COLUMN hash TEXT NOT NULL DEFAULT '';
-- under which version of its file it was acknowledged
ALTER TABLE chunks ADD COLUMN version INTEGER NOT NULL DEFAULT 0;
-- What drops need that are taken while they still arrive.
-- a person let it go past its limits
ALTER TABLE drops ADD COLUMN limit_waived INTEGER NOT NULL DEFAULT 0;
CREATE INDEX drops_stopped ON drops (upload_id) WHERE state = 'taken' AND hold IS NOT NULL;
-- ended before all of it had arrived (`lifecycle.is_given_up`)
CREATE INDEX drops_given_up ON drops (hot_folder)
    WHERE state = 'cancelled' AND settled_at IS NULL AND upload_id IS NOT NULL;
CREATE INDEX files_stale ON files (drop_id) WHERE stale = 1;
-- a person set the priority: the one of its hot folder's rule does not count any more
ALTER TABLE uploads ADD COLUMN prioritized INTEGER NOT NULL DEFAULT 0;
-- until now no rule had a priority, so whatever is not 0 came from a person
UPDATE uploads SET prioritized = 1 WHERE priority <> 0;
-- What failures cost an upload.
-- bytes that were handed over in vain, or acknowledged and lost again
ALTER TABLE uploads ADD COLUMN resent INTEGER NOT NULL DEFAULT 0;
-- steps that failed and were tried again, and why the last time
ALTER TABLE uploads ADD COLUMN retries INTEGER NOT NULL DEFAULT 0;
ALTER TABLE uploads ADD COLUMN retry_reason TEXT NOT NULL DEFAULT '';
