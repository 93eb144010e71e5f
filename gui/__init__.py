"""The windows: the monitor of a run, and the labeller; both draw and decide nothing."""
