"""The monitor window.

`app` reads the command line, `event_loop` opens the window, `controller` refreshes it:
`stream` receives snapshots, `state` merges them into a `view`, `window` draws it. Each
panel of the window is a module of its name in `panels`; `window` lists them.
"""
