#!/bin/bash
#SBATCH --job-name=grade
#SBATCH --array=0-63
#SBATCH --cpus-per-task=2
#SBATCH --mem=4G
#SBATCH --time=01:00:00

# Grade a class in 64 parts, each on any node, then put them together:
#
#   sbatch slurm.sh hw3/ submissions/ parts/ SEED
#   minigrad grade merge parts/ -o graded/
#
# SEED: a number of your own that students cannot guess, the same for all parts.
# Parts that failed, here 3 and 7: sbatch --array=3,7 slurm.sh and the same words again.
# For other than 64 parts, change --array above and this:
PARTS=64

set -euo pipefail
assignment=$1 submissions=$2 parts=$3 seed=$4
exec minigrad grade shard "$assignment" "$submissions" -o "$parts" --seed "$seed" \
    --index "$SLURM_ARRAY_TASK_ID" --of "$PARTS" --jobs "${SLURM_CPUS_PER_TASK:-2}"
