"""Inside OM, the online monitor of LCLS: our classifier as its processing layer."""
