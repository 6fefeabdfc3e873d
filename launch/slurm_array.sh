#!/bin/bash
# A comparison as a Slurm array: every task takes a slice of the points, all of them share one work directory.
#
#   sbatch --array=1-40 launch/slurm_array.sh configs/sst_compare.py /shared/compare [--config.KEY=VALUE ...]
#
# The last task to finish writes the whole report. Tasks that were stopped go on where they were: submit it again.
#SBATCH --job-name=dd_al
#SBATCH --cpus-per-task=2
#SBATCH --mem=6G
#SBATCH --time=02:00:00
#SBATCH --output=%x-%A_%a.log
#SBATCH --signal=B:TERM@60
set -euo pipefail
config=${1:?"which config? see the head of this file"} workdir=${2:?"which work directory? see the head of this file"}
shift 2
# Arrays may begin at 0, and slices are counted from 1.
slice=$((SLURM_ARRAY_TASK_ID - SLURM_ARRAY_TASK_MIN + 1))
exec python -m dd_al.main --config="$config" --workdir="$workdir" --points="$slice/$SLURM_ARRAY_TASK_COUNT" "$@"
