-- What of an earlier version of a file its cloud file still has. Written for SQLite.
-- which version of its source this is for its cloud file, counted from 0
ALTER TABLE files ADD COLUMN version INTEGER NOT NULL DEFAULT 0;
-- chunks that the cloud takes of it
ALTER TABLE files ADD COLUMN max_chunks INTEGER NOT NULL DEFAULT 10000;
-- of its whole content, with how it is made; empty until it is closed, and with `verify: size`
ALTER TABLE files ADD COLUMN hash TEXT NOT NULL DEFAULT '';
-- under which version of its file it was acknowledged
ALTER TABLE chunks ADD COLUMN version INTEGER NOT NULL DEFAULT 0;
