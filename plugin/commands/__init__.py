"""One module for each sub-command, and the arguments that several of them share."""
