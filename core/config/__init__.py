"""Run configuration: schema, loading, overrides (YAML: `core.settings_file`)."""
