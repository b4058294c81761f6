-- Of a history only what lives is asked how it was found. Written for SQLite.
DROP INDEX drops_unfound;
CREATE INDEX drops_unfound ON drops (hot_folder)
    WHERE found_by IS NULL AND state IN ('settling', 'held', 'queued', 'taken');
-- How long what is up can be taken back. Written for SQLite.
-- seconds; as its rule says it now
ALTER TABLE uploads ADD COLUMN recall_s REAL NOT NULL DEFAULT 0;
-- the window of what it holds now is over, or a person ended it
ALTER TABLE uploads ADD COLUMN recall_over INTEGER NOT NULL DEFAULT 0;
-- Letters that tell of several deliveries. Written for SQLite.
-- when a letter was tried first; its life counts from then
ALTER TABLE tasks ADD COLUMN tried_at REAL;
-- the letter of several that it goes in, of which the Message-ID is made; empty: its own, or none yet
ALTER TABLE tasks ADD COLUMN letter TEXT NOT NULL DEFAULT '';
-- its letter of several was taken apart: it goes in none any more
ALTER TABLE tasks ADD COLUMN alone INTEGER NOT NULL DEFAULT 0;
CREATE INDEX letters_to ON tasks (lower(key)) WHERE kind = 'letter' AND state = 'due';
CREATE INDEX letters_joined ON tasks (letter) WHERE state = 'due' AND letter <> '';
-- when a letter was last handed over for an address, as far as is known
CREATE TABLE mailed (
    address TEXT NOT NULL,
    -- path of the user's template; empty: ours
    template TEXT NOT NULL,
    at REAL NOT NULL,
    -- what stood there before, should that one not have been taken
    before REAL NOT NULL,
    PRIMARY KEY (address, template)
) WITHOUT ROWID;
-- Whose each bulletin is, and what keeps a hook's others.
-- a keyed hash of the hook's kind and address; empty: of an earlier version, known by its place
ALTER TABLE bulletins ADD COLUMN whose TEXT NOT NULL DEFAULT '';
-- its last try failed of the hook and not of what is told: until `retry_at` the hook is told nothing
ALTER TABLE bulletins ADD COLUMN deferred INTEGER NOT NULL DEFAULT 0;
-- the hook took it
ALTER TABLE bulletins ADD COLUMN taken INTEGER NOT NULL DEFAULT 0;
CREATE INDEX bulletins_owed ON bulletins (id) WHERE ended = 0;
CREATE INDEX bulletins_deferred ON bulletins (whose, retry_at) WHERE ended = 0 AND deferred = 1;
CREATE INDEX bulletins_whose ON bulletins (whose, taken);
-- What proves deliveries. Written for SQLite.
CREATE TABLE receipts (
    -- its place in the chain, counted from 1; kept for ever, whatever is forgotten of its upload
    number INTEGER PRIMARY KEY,
    upload_id TEXT NOT NULL UNIQUE,
    -- the text that was signed, the next one's proof of what came before it
    content TEXT NOT NULL,
    hash TEXT NOT NULL,
    signature TEXT NOT NULL
);
-- what each says of its delivery, compressed, in pieces
CREATE TABLE receipt_pieces (
    upload_id TEXT NOT NULL,
    piece INTEGER NOT NULL,
    content BLOB NOT NULL,
    PRIMARY KEY (upload_id, piece)
);
-- What could not be read when its hot folder was met first, and what `initial` said then.
CREATE TABLE unread (
    hot_folder TEXT NOT NULL,
    path BLOB NOT NULL,
    initial TEXT NOT NULL,
    -- the state had been restored
    anew INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (hot_folder, path)
) WITHOUT ROWID;
-- What a person cancelled while it settled, as it was seen last (`watch.memory`); empty: not known.
ALTER TABLE drops ADD COLUMN cancelled_as TEXT NOT NULL DEFAULT '';
