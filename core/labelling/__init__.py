"""Labels that people give: kept, suggested and turned into supports."""
