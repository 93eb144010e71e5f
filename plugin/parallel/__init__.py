"""Messages between processes, and jobs of many: neither knows what is computed.

`channel` is the protocol, with a version inside one process; `mpi_channel` and
`processes` carry it over MPI and pipes. `mpi_job` starts and ends the ranks of a job,
`block_pool` shares numbered blocks of work out over them.
"""
