#!/usr/bin/env bash
# The data behind the packaged models (docs/reproduce.md): data.sh STRUCTURES WORK
#
# STRUCTURES holds the atomic models that docs/splits.csv names, one ID.npz each.
# Everything is written to WORK; a command that was interrupted goes on.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
splits=${SPLITS:-$here/../../docs/splits.csv}
structures=$(cd "$1" && pwd)
mkdir -p "$2"
cd "$2"

list() {
  echo "structures:"
  awk -F, -v split_="$1" -v folder="$structures" \
    '$4 == split_ { print "  - " folder "/" $1 ".npz" }' "$splits"
}

# For training: noise-free, without a mask, larger than the crop, so that photons,
# masks and rotations can be drawn anew at every step. Two by two pixels of the
# benchmark are one here, as the network sees them.
plain='noise: {jitter_shape: 0, shot_noise: false, read_noise_photons: 0}
fractions: {single-hit: 1, multi-hit: 1, non-sample-hit: 1}'
open='beam_stop_rows: 0, beam_stop_columns: 0, gap_columns: 0'
binned="detector: {rows: 72, columns: 72, pixel_size_m: 900.e-6, $open}
average_fringes: true
$plain"
bodies="{count: ${BODIES:-128}, seed: 7, radius_angstrom: [28, 270], photons: 1.e+5}"
{ echo "seed: 1"; echo "$binned"; list train; } > proteins.yaml
{ echo "seed: 2"; echo "$binned"
  echo "procedural: {count: 90, slender: 50, seed: 1, atoms: [8000, 80000]}"
} > procedural.yaml
{ echo "seed: 3"; echo "$binned"; echo "random_bodies: $bodies"; } > bodies.yaml
specklenn simulate proteins.yaml -o proteins.h5 --per-class "${PATTERNS:-120}"
mapfile -t trained < <(awk -F, '$4 == "train" { print $1 }' "$splits")
python "$here/relatives.py" "$structures" relatives "${trained[@]}"
{ echo "seed: 9"; echo "$binned"; echo "structures:"
  for file in relatives/*.npz; do echo "  - $PWD/$file"; done; } > relatives.yaml
specklenn simulate relatives.yaml -o relatives.h5 --per-class "${PATTERNS:-80}"
specklenn simulate procedural.yaml -o procedural.h5 --per-class "${PATTERNS:-80}"
specklenn simulate bodies.yaml -o bodies.h5 --per-class "${PATTERNS:-60}"

# For the paper's recipe: the benchmark's pixels, single- and multi-hits of proteins.
{ echo "seed: 1"; echo "detector: {rows: 144, columns: 144, $open}"
  echo "noise: {jitter_shape: 0, shot_noise: false, read_noise_photons: 0}"
  list train; } > paper.yaml
specklenn simulate paper.yaml -o paper.h5 --per-class "${PATTERNS:-40}"

# Shots that choose the step: other families at three fluences, and experiments unlike
# the training in energy, distance, pixels, masks, noise and particles.
classes='fractions: {single-hit: 1, multi-hit: 1, non-sample-hit: 1}'
shots_of_selection() {
  { echo "seed: $2"; echo "$classes"; echo "fluence: $3"; list selection; } > "$1.yaml"
  specklenn simulate "$1.yaml" -o "$1.h5" --per-class "${PATTERNS:-25}"
}
shots_of_selection select_proteins 4 1
shots_of_selection select_weak 5 0.1
shots_of_selection select_bright 6 10
for name in virus_wide virus_small virus_weak sphere; do
  specklenn simulate "$here/select_$name.yaml" -o "select_$name.h5" \
    --per-class "${PATTERNS:-100}"
done

# Shots that judge: again other families, noise-free for the scan over fluences, and
# four more experiments.
judged='seed: 7
noise: {jitter_shape: 0, shot_noise: false, read_noise_photons: 0}'
{ echo "$judged"; list validation; } > judge_clean.yaml
{ echo "seed: 8"; echo "$classes"; list validation; } > judge.yaml
specklenn simulate judge_clean.yaml -o judge_clean.h5 --per-class "${PATTERNS:-100}"
specklenn simulate judge.yaml -o judge.h5 --per-class "${PATTERNS:-100}"
for name in judge_virus_50 judge_rod judge_sphere; do
  specklenn simulate "$here/$name.yaml" -o "$name.h5" --per-class "${PATTERNS:-100}"
done
specklenn simulate simulate_virus -o judge_virus.h5 --per-class "${PATTERNS:-150}"
