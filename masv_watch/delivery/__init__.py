"""The room after delivery: letters, and what becomes of the source."""
