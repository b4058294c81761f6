-- What hot folders know of themselves. Written for SQLite.
-- the longest pause of each of the last drops, seconds
CREATE TABLE gaps (
    id INTEGER PRIMARY KEY,
    hot_folder TEXT NOT NULL,
    seconds REAL NOT NULL
);
CREATE INDEX gaps_by_folder ON gaps (hot_folder, id);
