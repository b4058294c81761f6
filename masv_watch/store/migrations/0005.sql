-- What needs a person, and the letters about it. Written for SQLite.
CREATE TABLE alarms (
    key TEXT PRIMARY KEY,
    text TEXT NOT NULL,
    cure TEXT NOT NULL,
    -- nothing can make it well any more
    final INTEGER NOT NULL,
    since REAL NOT NULL,
    told INTEGER NOT NULL DEFAULT 0,
    ended_at REAL
) WITHOUT ROWID;
CREATE TABLE notices (
    id INTEGER PRIMARY KEY,
    address TEXT NOT NULL,
    subject TEXT NOT NULL,
    text TEXT NOT NULL,
    created_at REAL NOT NULL,
    -- 0: on its way, 1: taken by the mail server or refused for good
    ended INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    retry_at REAL NOT NULL DEFAULT 0,
    note TEXT NOT NULL DEFAULT ''
);
CREATE INDEX tasks_in_trouble ON tasks (id)
    WHERE state = 'refused' OR (state = 'due' AND attempts >= 3);
-- What follows when a name or a content comes again. Written for SQLite.
-- its package makes way for that of a later drop of the same name
ALTER TABLE uploads ADD COLUMN retired INTEGER NOT NULL DEFAULT 0;
-- what a drop held that ended as a duplicate, until its source is dealt with
CREATE TABLE sources (
    drop_id INTEGER NOT NULL REFERENCES drops (id),
    path BLOB NOT NULL,
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    ctime_ns INTEGER NOT NULL,
    inode INTEGER NOT NULL,
    device INTEGER NOT NULL,
    PRIMARY KEY (drop_id, path)
) WITHOUT ROWID;
-- the upload whose package serves it; of the others each has one of its own
ALTER TABLE uploads ADD COLUMN relinks TEXT;
DROP INDEX uploads_by_package;
CREATE UNIQUE INDEX uploads_by_package ON uploads (package_id)
    WHERE package_id IS NOT NULL AND relinks IS NULL;
CREATE INDEX uploads_relinked ON uploads (package_id) WHERE relinks IS NOT NULL;
-- a drop did not fit into this batch any more, and began the next one
ALTER TABLE uploads ADD COLUMN batch_closed INTEGER NOT NULL DEFAULT 0;
-- What uploads need that leave a package for another one.
-- packages that nobody wants any more and that the cloud still has
CREATE TABLE left_packages (
    package_id TEXT PRIMARY KEY,
    upload_id TEXT NOT NULL,
    -- sealed
    token TEXT NOT NULL,
    type TEXT NOT NULL,
    team TEXT,
    attempts INTEGER NOT NULL DEFAULT 0,
    retry_at REAL NOT NULL DEFAULT 0
) WITHOUT ROWID;
-- the cloud's words about a file that it never takes; empty: it has not refused it
ALTER TABLE files ADD COLUMN refused TEXT NOT NULL DEFAULT '';
-- What is forgotten one day.
-- when nothing was found to stand at the path of a drop that ended; none: it does, or is not known
ALTER TABLE drops ADD COLUMN gone_at REAL;
-- nothing stood there for as long as history is kept: its rows may go
ALTER TABLE drops ADD COLUMN over INTEGER NOT NULL DEFAULT 0;
CREATE INDEX drops_over ON drops (id) WHERE over = 1 AND upload_id IS NULL;
-- What a person is asked about a drop's limits, and what he let go.
ALTER TABLE drops ADD COLUMN asked TEXT NOT NULL DEFAULT '';
ALTER TABLE drops ADD COLUMN waived TEXT NOT NULL DEFAULT '';
-- Since when nothing of an upload gets through.
-- its first and newest failure in a row, and how far it had come then
ALTER TABLE uploads ADD COLUMN outage_since REAL;
ALTER TABLE uploads ADD COLUMN outage_at REAL;
ALTER TABLE uploads ADD COLUMN outage_mark TEXT NOT NULL DEFAULT '';
-- when it was given up first; it is tried again by itself at `retry_at` where it `revives`
ALTER TABLE uploads ADD COLUMN gave_up_at REAL;
ALTER TABLE uploads ADD COLUMN revives INTEGER NOT NULL DEFAULT 0;
-- a person ended it before it went: what still comes of it is not sent either
ALTER TABLE drops ADD COLUMN unwanted INTEGER NOT NULL DEFAULT 0;
CREATE INDEX drops_unwanted ON drops (hot_folder)
    WHERE state = 'cancelled' AND settled_at IS NULL AND unwanted = 1;
-- the done marker of a hot folder's batch as it was seen last; used: a batch was closed for it
CREATE TABLE batch_marks (
    hot_folder TEXT PRIMARY KEY,
    mark TEXT NOT NULL,
    seen_at REAL NOT NULL,
    used INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
-- what became of the source of a drop
CREATE INDEX tasks_of_sources ON tasks (key) WHERE kind = 'dispose';
-- where a file is looked for that was moved
CREATE INDEX files_alike ON files (size, mtime_ns, inode) WHERE drop_id IS NOT NULL;
-- What is searched for by the name of a file.
CREATE INDEX files_by_name ON files (name COLLATE NOCASE, upload_id);
-- which files a person saw when he answered about late ones, or about a name that came again
ALTER TABLE drops ADD COLUMN answered_for TEXT NOT NULL DEFAULT '';
-- packages of which nobody knows any more what became of them in the cloud
CREATE TABLE strays (
    package_id TEXT PRIMARY KEY,
    upload_id TEXT NOT NULL,
    why TEXT NOT NULL,
    at REAL NOT NULL
) WITHOUT ROWID;
-- What hooks are told. Written for SQLite.
CREATE TABLE bulletins (
    id INTEGER PRIMARY KEY,
    hot_folder TEXT NOT NULL,
    -- its place among those of the hot folder
    hook INTEGER NOT NULL,
    told TEXT NOT NULL,
    noun TEXT NOT NULL,
    noun_id TEXT NOT NULL,
    name TEXT NOT NULL,
    detail TEXT NOT NULL,
    at REAL NOT NULL,
    created_at REAL NOT NULL,
    -- 0: to be told, 1: told, or not to be told any more
    ended INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    retry_at REAL NOT NULL DEFAULT 0,
    note TEXT NOT NULL DEFAULT '',
    UNIQUE (hot_folder, hook, told, noun, noun_id, detail)
);
CREATE INDEX bulletins_due ON bulletins (retry_at, id) WHERE ended = 0;
CREATE INDEX bulletins_ended ON bulletins (created_at) WHERE ended = 1;
