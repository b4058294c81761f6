"""Play MASV's cloud on one machine, as an independent witness of what a client did.

Owns the wire protocol of `cloud-api.md` (whose marks the comments cite), storage, downloads and a
mail sink. Never imports anything else of masv_watch. Called by the command line and by tests.
"""
