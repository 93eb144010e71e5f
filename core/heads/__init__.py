"""Classification heads: labelled supports in, class probabilities of patterns out.

NumPy only. A head is fitted to the features of a few supports per class, and to
unlabelled shots of the run where there are some; see `specklenn.core.heads.head`.
"""
