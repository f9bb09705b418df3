#!/bin/bash
#SBATCH --job-name=billing
#SBATCH --array=0-30%8
#SBATCH --cpus-per-task=4
#SBATCH --mem=8G
#SBATCH --time=02:00:00
#SBATCH --requeue
# A day a task, eight at once; all share one store, so that no row is asked by two. A task that Slurm ends and queues
# again finds its answers there.
set -eu
day=$(date -d "2026-11-01 + ${SLURM_ARRAY_TASK_ID} days" +%F)
srun rlm-dsl run billing.rlm --context "tickets=data/$day.csv" --model gpt-5-mini --yes \
    --store "postgresql://billing@answers.example.org/answers" --memory 6GB --threads 4 \
    --trace "runs/$day-${SLURM_JOB_ID}-${SLURM_RESTART_COUNT:-0}.trace" --events
