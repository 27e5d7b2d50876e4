#!/usr/bin/env bash
# Makes tiny_ctc and tiny_rnnt: [TEXTS="FILE …"] recipes/tiny/rebuild.sh FOLDER [MINUTES [MINUTES]]
#
# Run it from the repository's root, with gigaam and its extra "train" installed. The minutes are the
# time budgets of the two stages, on idle cores; the models are written to FOLDER/tiny_ctc and
# FOLDER/tiny_rnnt.
set -euo pipefail
folder=$1 first=${2:-120} second=${3:-120}

apt-get install -y festvox-ru asterisk-core-sounds-ru asterisk-core-sounds-ru-g722 \
    fortunes-ru espeak-ng festival sox wine64 gcc-mingw-w64-x86-64
pip install wordfreq silero-stress
# shellcheck disable=SC2086  # several names
python -m recipes.tiny.prepare "$folder/data" ${TEXTS:+--texts $TEXTS}

export OMP_NUM_THREADS=1
train=(python -m recipes.tiny.train --data "$folder/data")
rnnt=(--config recipes/tiny/tiny_rnnt.yaml)
"${train[@]}" --out "$folder/first" --budget-minutes "$first"
"${train[@]}" --out "$folder/second" --budget-minutes "$second" "${rnnt[@]}" --init "$folder/first"
python -m recipes.tiny.export "$folder/second" "$folder/tiny_ctc"
python -m recipes.tiny.export "$folder/second" "$folder/tiny_rnnt" "${rnnt[@]}"

for model in tiny_ctc tiny_rnnt; do
    gigaam eval "$folder/$model" "$folder"/data/test_{festvox,prompts,irina}.tsv
done
