#!/bin/bash
# Workers for a study of atml as a SLURM job array. The study itself is begun by `atml search`, anywhere.
#   sbatch --export=ALL,STUDY=small docs/slurm.sh
# ATML_STORAGE names the database, without the password: that lies in ~/.pgpass, which every node can read.
# DATA is only needed where the data lie elsewhere than the study says.
#SBATCH --job-name=atml
#SBATCH --array=0-7
#SBATCH --cpus-per-task=4
#SBATCH --mem=8G
#SBATCH --time=08:00:00
#SBATCH --signal=B:TERM@120
set -euo pipefail

: "${STUDY:?name the study: sbatch --export=ALL,STUDY=small}"
: "${ATML_STORAGE:?name the database: postgresql+psycopg://searcher@HOST/atml}"
echo "task $SLURM_ARRAY_TASK_ID on $(hostname)"
# exec: two minutes before its time is over, SLURM's SIGTERM reaches atml itself, which puts its trials back.
exec atml worker --study "$STUDY" --workers "${SLURM_CPUS_PER_TASK:-1}" ${DATA:+--data "$DATA"}
