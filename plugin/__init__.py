"""The live application: MPI event loop, sources, results, commands."""
