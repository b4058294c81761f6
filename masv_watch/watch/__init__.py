"""The room that watches hot folders and turns what has settled into drops."""
