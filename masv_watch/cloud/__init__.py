"""The border to MASV's cloud: values on this side, HTTP on the other."""
