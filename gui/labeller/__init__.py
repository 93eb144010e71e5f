"""The labelling window.

`app` opens it, `window` draws what the labelling session says and passes keys on to it;
`pattern_view` is the large picture, `class_rows` the list of labels beside it.
"""
