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
CREATE TABLE bulletins_known (
    id INTEGER PRIMARY KEY,
    hot_folder TEXT NOT NULL,
    -- its place among those of the hot folder when it was noted
    hook INTEGER NOT NULL,
    -- a keyed hash of the hook's kind and address; empty: of an earlier version, known by its place
    whose TEXT NOT NULL,
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
    -- its last try failed of the hook and not of what is told: until `retry_at` it is told nothing
    deferred INTEGER NOT NULL DEFAULT 0,
    note TEXT NOT NULL DEFAULT ''
);
INSERT INTO bulletins_known (id, hot_folder, hook, whose, told, noun, noun_id, name, detail, at,
    created_at, ended, attempts, retry_at, note)
SELECT id, hot_folder, hook, '', told, noun, noun_id, name, detail, at, created_at, ended, attempts,
    retry_at, note
FROM bulletins;
-- one that may have taken something is known by nothing but its place, where another may stand now
UPDATE bulletins_known SET ended = 1, note = 'nobody knows any more whom it was for'
WHERE ended = 0 AND EXISTS (SELECT 1 FROM bulletins WHERE bulletins.ended = 1
    AND bulletins.hot_folder = bulletins_known.hot_folder
    AND bulletins.hook = bulletins_known.hook);
DROP TABLE bulletins;
ALTER TABLE bulletins_known RENAME TO bulletins;
CREATE UNIQUE INDEX bulletins_once ON bulletins
    (whose, hot_folder, told, noun, noun_id, detail) WHERE whose <> '';
CREATE INDEX bulletins_due ON bulletins (retry_at, id) WHERE ended = 0;
CREATE INDEX bulletins_ended ON bulletins (created_at) WHERE ended = 1;
CREATE INDEX bulletins_owed ON bulletins (id) WHERE ended = 0;
CREATE INDEX bulletins_deferred ON bulletins (whose, retry_at) WHERE ended = 0 AND deferred = 1;
-- the hooks that ever took something: kept for ever, so that what is theirs is no other's
CREATE TABLE takers (
    whose TEXT PRIMARY KEY
) WITHOUT ROWID;
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
    -- it was of another file system than the root; NULL: not known
    mounted INTEGER,
    PRIMARY KEY (hot_folder, path)
) WITHOUT ROWID;
-- On which folders below a root another file system was mounted.
CREATE TABLE submounts (
    hot_folder TEXT NOT NULL,
    root BLOB NOT NULL,
    -- below the root
    path BLOB NOT NULL,
    PRIMARY KEY (hot_folder, root, path)
) WITHOUT ROWID;
-- its letter may have left after the copy was made that was restored: a person says whether it goes
ALTER TABLE tasks ADD COLUMN in_doubt INTEGER NOT NULL DEFAULT 0;
-- so may those have that are owed once it is delivered
ALTER TABLE uploads ADD COLUMN in_doubt INTEGER NOT NULL DEFAULT 0;
-- On which file system the archive of each hot folder stood when something was moved to it last.
CREATE TABLE archives (
    hot_folder TEXT NOT NULL,
    -- what the targets of all moves have in common
    path BLOB NOT NULL,
    top BLOB NOT NULL,
    uuid TEXT NOT NULL,
    device TEXT NOT NULL,
    boot TEXT NOT NULL,
    source TEXT NOT NULL,
    -- it is that of the hot folder itself
    home INTEGER NOT NULL,
    -- why nothing is moved there now; empty: it is
    why TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (hot_folder, path)
) WITHOUT ROWID;
-- What a person cancelled while it settled, as it was seen last (`watch.memory`); empty: not known.
ALTER TABLE drops ADD COLUMN cancelled_as TEXT NOT NULL DEFAULT '';
-- In which letter people were told of what needs them: when it was written.
ALTER TABLE alarms ADD COLUMN told_at REAL;
-- no mail server ever takes it
ALTER TABLE notices ADD COLUMN refused INTEGER NOT NULL DEFAULT 0;
-- Of which held drops people were told.
-- since when it is held for its reason
ALTER TABLE drops ADD COLUMN held_at REAL;
-- the reason for which people were told that it is held; empty: they were told of none
ALTER TABLE drops ADD COLUMN told_as TEXT NOT NULL DEFAULT '';
UPDATE drops SET held_at = seen_at WHERE hold IS NOT NULL;
-- since when there is more to it than people were told of
ALTER TABLE alarms ADD COLUMN more_since REAL;
-- The links that somebody had us make beside the one that letters bring.
CREATE TABLE links_by_hand (
    id TEXT PRIMARY KEY,
    upload_id TEXT NOT NULL REFERENCES uploads (id)
) WITHOUT ROWID;
CREATE INDEX links_by_hand_of ON links_by_hand (upload_id);
-- What was missing of a drop when a person let it go (`watch.lacks`); empty: not known.
ALTER TABLE drops ADD COLUMN lack_shown TEXT NOT NULL DEFAULT '';
-- The wall clock by which a drop was found too old, seconds; NULL: it did not end for its age.
ALTER TABLE drops ADD COLUMN judged_at REAL;
CREATE INDEX drops_judged ON drops (hot_folder, judged_at) WHERE judged_at IS NOT NULL;
-- Whose quota does not suffice, or who owes a payment, as the cloud said last.
CREATE TABLE shortages (
    -- whose it is, in words
    payer TEXT PRIMARY KEY,
    since REAL NOT NULL,
    -- when the cloud is asked again
    ask_at REAL NOT NULL,
    refusals INTEGER NOT NULL,
    -- what the newest refusal was about, and its words
    step TEXT NOT NULL,
    why TEXT NOT NULL
) WITHOUT ROWID;
-- How many chunks of a file were read again since the last was acknowledged (`transfer.rereading`).
ALTER TABLE files ADD COLUMN reread INTEGER NOT NULL DEFAULT 0;
-- when one was acknowledged last
ALTER TABLE files ADD COLUMN sent_at REAL NOT NULL DEFAULT 0;
