"""The live loop: workers classify shots, the collector counts and publishes them.

A shot's way: `feed` (a leased range of a run, or a share of a stream) -> `worker`
-> `report` -> `collector`, where `scheduler` lets it count once, `run_state` counts
it, `results` writes it and `publish` and `metrics_server` show it. A new model or new
supports come as a `model_update`, and `swap_coordinator` brings it to all workers.
"""
