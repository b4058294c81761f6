"""The local HTTP API: the same verbs for callers that hot folders use."""
