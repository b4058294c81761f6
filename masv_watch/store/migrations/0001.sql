-- Written for SQLite; another engine brings its own file of the same number.
-- Times are store-clock seconds (float). Paths are bytes. Flags are 0 or 1.
CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE roots (
    hot_folder TEXT PRIMARY KEY,
    path BLOB NOT NULL,
    adopted_at REAL NOT NULL
);

CREATE TABLE uploads (
    id TEXT PRIMARY KEY,
    hot_folder TEXT,
    root BLOB NOT NULL,
    name TEXT NOT NULL,
    message TEXT NOT NULL,
    terms TEXT NOT NULL,
    batch INTEGER NOT NULL DEFAULT 0,
    state TEXT NOT NULL,
    package_id TEXT,
    package_token TEXT,
    package_asked_at REAL,
    finalize_asked INTEGER NOT NULL DEFAULT 0,
    finalize_at REAL,
    retry_at REAL NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    error_code INTEGER,
    error TEXT NOT NULL DEFAULT '',
    fence INTEGER NOT NULL DEFAULT 0,
    lease_until REAL NOT NULL DEFAULT 0,
    created_at REAL NOT NULL,
    joined_at REAL NOT NULL,
    finalized_at REAL,
    size INTEGER NOT NULL DEFAULT 0,
    sent INTEGER NOT NULL DEFAULT 0,
    file_count INTEGER NOT NULL DEFAULT 0,
    open_files INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX uploads_by_state ON uploads (state, retry_at, created_at);
CREATE UNIQUE INDEX uploads_by_package ON uploads (package_id) WHERE package_id IS NOT NULL;

CREATE TABLE drops (
    id INTEGER PRIMARY KEY,
    hot_folder TEXT NOT NULL,
    path BLOB NOT NULL,
    generation INTEGER NOT NULL,
    state TEXT NOT NULL,
    hold TEXT,
    note TEXT NOT NULL DEFAULT '',
    whole INTEGER NOT NULL DEFAULT 0,
    upload_id TEXT REFERENCES uploads (id),
    signature TEXT NOT NULL DEFAULT '',
    size INTEGER NOT NULL DEFAULT 0,
    file_count INTEGER NOT NULL DEFAULT 0,
    seen_at REAL NOT NULL,
    settled_at REAL,
    UNIQUE (hot_folder, path, generation)
);
CREATE UNIQUE INDEX drops_one_living ON drops (hot_folder, path)
    WHERE state IN ('settling', 'held', 'queued', 'taken');
CREATE INDEX drops_by_upload ON drops (upload_id) WHERE upload_id IS NOT NULL;

CREATE TABLE files (
    id INTEGER PRIMARY KEY,
    upload_id TEXT NOT NULL REFERENCES uploads (id),
    drop_id INTEGER REFERENCES drops (id),
    path BLOB NOT NULL,
    package_path TEXT NOT NULL,
    name TEXT NOT NULL,
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    ctime_ns INTEGER NOT NULL,
    inode INTEGER NOT NULL,
    device INTEGER NOT NULL,
    cloud_id TEXT,
    multipart_id TEXT,
    chunk_size INTEGER,
    sent INTEGER NOT NULL DEFAULT 0,
    open_asked INTEGER NOT NULL DEFAULT 0,
    close_asked INTEGER NOT NULL DEFAULT 0,
    closed INTEGER NOT NULL DEFAULT 0,
    stale INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    retry_at REAL NOT NULL DEFAULT 0,
    error TEXT NOT NULL DEFAULT '',
    UNIQUE (upload_id, path)
);
CREATE INDEX files_open ON files (upload_id, retry_at, id) WHERE closed = 0 AND stale = 0;
CREATE INDEX files_by_drop ON files (drop_id, upload_id) WHERE drop_id IS NOT NULL;

CREATE TABLE leftovers (
    upload_id TEXT NOT NULL REFERENCES uploads (id),
    cloud_id TEXT NOT NULL,
    PRIMARY KEY (upload_id, cloud_id)
) WITHOUT ROWID;

CREATE TABLE skipped (
    upload_id TEXT NOT NULL REFERENCES uploads (id),
    drop_id INTEGER NOT NULL REFERENCES drops (id),
    reason TEXT NOT NULL,
    PRIMARY KEY (upload_id, drop_id, reason)
) WITHOUT ROWID;

CREATE TABLE chunks (
    file_id INTEGER NOT NULL REFERENCES files (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    size INTEGER NOT NULL,
    etag TEXT NOT NULL,
    hash TEXT NOT NULL,
    PRIMARY KEY (file_id, number)
) WITHOUT ROWID;

CREATE TABLE links (
    upload_id TEXT PRIMARY KEY REFERENCES uploads (id),
    id TEXT NOT NULL,
    secret TEXT NOT NULL,
    expiry TEXT NOT NULL
);

CREATE TABLE tasks (
    id INTEGER PRIMARY KEY,
    upload_id TEXT NOT NULL REFERENCES uploads (id),
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    state TEXT NOT NULL,
    asked INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    retry_at REAL NOT NULL DEFAULT 0,
    lease_until REAL NOT NULL DEFAULT 0,
    created_at REAL NOT NULL,
    fence INTEGER NOT NULL DEFAULT 0,
    note TEXT NOT NULL DEFAULT '',
    facts TEXT NOT NULL DEFAULT '{}',
    UNIQUE (upload_id, kind, key)
);
CREATE INDEX tasks_due ON tasks (retry_at, id) WHERE state = 'due';
CREATE INDEX tasks_open ON tasks (upload_id) WHERE state = 'due';

CREATE TABLE events (
    id INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    noun TEXT NOT NULL,
    noun_id TEXT NOT NULL,
    event TEXT NOT NULL,
    before TEXT NOT NULL,
    after TEXT NOT NULL,
    detail TEXT NOT NULL DEFAULT ''
);
CREATE INDEX events_by_noun ON events (noun, noun_id);
