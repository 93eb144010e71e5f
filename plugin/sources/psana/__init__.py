"""LCLS-II with psana: recorded and growing runs, shared memory."""
