"""Hot folders for MASV: what settles in a folder is delivered exactly once."""

__version__ = "0.1.0"
