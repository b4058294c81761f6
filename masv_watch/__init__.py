"""Hot folders for MASV: what settles in a folder is delivered exactly once."""

__version__ = "0.1.0"
#: the day of this version, as its part of CHANGELOG.rst has it once it is released
__date__ = "2026-11-29"
