"""Orders to a running job: protocol, server and what they build."""
