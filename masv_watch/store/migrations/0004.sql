-- What hot folders know of themselves. Written for SQLite.
-- the longest pause of each of the last drops, seconds
CREATE TABLE gaps (
    id INTEGER PRIMARY KEY,
    hot_folder TEXT NOT NULL,
    seconds REAL NOT NULL
);
CREATE INDEX gaps_by_folder ON gaps (hot_folder, id);
-- a person wants it sent whatever was delivered before
ALTER TABLE drops ADD COLUMN answered INTEGER NOT NULL DEFAULT 0;
-- only what was not delivered before with the same folder
ALTER TABLE drops ADD COLUMN late INTEGER NOT NULL DEFAULT 0;
-- a person had its path forgotten: what was delivered of it does not count
ALTER TABLE drops ADD COLUMN forgotten INTEGER NOT NULL DEFAULT 0;
-- where a renamed drop is looked for
CREATE INDEX drops_by_content ON drops (hot_folder, file_count, size) WHERE state IN ('taken', 'done');
CREATE INDEX drops_forgotten ON drops (hot_folder) WHERE forgotten = 1;
-- What drops need whose completeness is asked about.
-- a person let it go although something is missing
ALTER TABLE drops ADD COLUMN lack_waived INTEGER NOT NULL DEFAULT 0;
-- What was noted of a root, to know it again.
ALTER TABLE roots ADD COLUMN marked INTEGER NOT NULL DEFAULT 0;
ALTER TABLE roots ADD COLUMN uuid TEXT NOT NULL DEFAULT '';
-- device and inode, and the boot in which they count
ALTER TABLE roots ADD COLUMN place TEXT NOT NULL DEFAULT '';
ALTER TABLE roots ADD COLUMN boot TEXT NOT NULL DEFAULT '';
-- a person said that whatever stands there is the root
ALTER TABLE roots ADD COLUMN accepted INTEGER NOT NULL DEFAULT 0;
-- what found a drop: `event` or `sweep`; none: not decided yet, empty: of before it was noted
ALTER TABLE drops ADD COLUMN found_by TEXT;
UPDATE drops SET found_by = '';
CREATE INDEX drops_unfound ON drops (hot_folder) WHERE found_by IS NULL;
-- what limits compare a drop with
CREATE INDEX drops_settled ON drops (hot_folder, settled_at) WHERE settled_at IS NOT NULL;
