"""The room that moves bytes: from a quiet source to a package that the cloud confirmed."""
