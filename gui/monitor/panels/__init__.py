"""The panels of the monitor window; `gui.monitor.window` puts them together."""
