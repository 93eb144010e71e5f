"""Another model or other supports for a running job: protocol, server, builder."""
