#!/usr/bin/env bash
# A run on several machines without a batch system, with Open MPI 5.
#
#   mpirun_nodes.sh HOSTFILE experiment.yaml [--set KEY=VALUE ...]
#
# HOSTFILE has a line for each machine, and says how many ranks it gets:
#
#   mon01 slots=9
#   mon02 slots=8
#
# Rank 0, the collector, sits on the first one. specklenn must be in the same place on
# all of them, and so must the files that the configuration names.
#
# INTERFACE   network for messages between ranks, as eth0 or 10.0.0.0/24 (default: all
#             that are up, which includes slow ones and those of containers)
# AGENT       what starts a process on another machine (default: ssh, which must not
#             ask for a password)
set -euo pipefail

if [ $# -lt 2 ] || [ ! -r "$1" ]; then
  echo "usage: mpirun_nodes.sh HOSTFILE CONFIG [--set KEY=VALUE ...]" >&2
  exit 2
fi
hostfile=$1
shift

# The full path: it tells Open MPI where its daemon is on the other machines.
mpirun=$(command -v mpirun)
specklenn=$(command -v specklenn)
options=(
  --hostfile "$hostfile"
  # One after another: the first machine is filled first. Without -n, all slots.
  --map-by slot
  # A rank keeps its core, and its memory stays near it.
  --bind-to core
  # Variables reach the other machines only when they are named.
  -x OMP_NUM_THREADS=1 -x OPENBLAS_NUM_THREADS=1 -x MKL_NUM_THREADS=1
)
# PRRTE, which starts the ranks, has its own parameters (--prtemca), and so has PMIx,
# through which they find each other (--pmixmca); --mca is for the messages of MPI.
if [ -n "${AGENT:-}" ]; then
  options+=(--prtemca plm_ssh_agent "$AGENT")
fi
if [ -n "${INTERFACE:-}" ]; then
  options+=(
    --prtemca prte_if_include "$INTERFACE"
    --mca btl_tcp_if_include "$INTERFACE"
  )
fi

exec "$mpirun" "${options[@]}" "$specklenn" run "$@"
