#!/usr/bin/env bash
# A run on a Slurm cluster: rank 0 collects, the other tasks work.
#
#   sbatch --partition=NAME --ntasks=17 slurm.sh experiment.yaml [--set KEY=VALUE ...]
#
# Options given to sbatch win over those written here. Partition, account and
# reservation have the site's names, so they are given by hand.
#SBATCH --job-name=specklenn
#SBATCH --ntasks=9
#SBATCH --cpus-per-task=1
#SBATCH --time=12:00:00
# A minute before the time is over all ranks are told to end, and close their files.
#SBATCH --signal=TERM@60
set -euo pipefail

# What the site calls its software, or the environment that specklenn is in:
# module load openmpi
# source /path/to/venv/bin/activate

# Ranks fill the cores; threads of libraries would only get into their way.
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1

# With an interface that the MPI does not speak, every task becomes a job of one.
interface=${SPECKLENN_MPI:-pmix}
if ! srun --mpi=list 2>&1 | grep -qw "$interface"; then
  echo "slurm.sh: this Slurm has no --mpi=$interface; srun --mpi=list shows what it has," \
    "SPECKLENN_MPI chooses another that the MPI library speaks" >&2
  exit 2
fi

# exec: signals reach srun itself.
exec srun --mpi="$interface" --cpu-bind=cores specklenn run "$@"
