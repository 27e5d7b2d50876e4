#!/usr/bin/env bash
# Makes tiny_ctc and tiny_rnnt: [TEXTS="FILE …"] recipes/tiny/rebuild.sh FOLDER [MINUTES]
#
# Run it from the repository's root, with gigaam and its extra "train" installed. The minutes are the
# time budget of each of the four stages, on idle cores. A stage that was interrupted goes on, and
# one that is done is not done again, when the script is started again. The models are written to
# FOLDER/tiny_ctc and FOLDER/tiny_rnnt.
set -euo pipefail
folder=$1 minutes=${2:-140}

apt-get install -y festvox-ru asterisk-core-sounds-ru asterisk-core-sounds-ru-g722 \
    fortunes-ru espeak-ng festival sox wine64 gcc-mingw-w64-x86-64
pip install wordfreq
pip install --no-deps silero-stress # it needs torch alone, and must not bring another
for part in real irina rhvoice festival games words espeak; do
    [ -e "$folder/data/$part.done" ] && continue
    # shellcheck disable=SC2086  # several names
    python -m recipes.tiny.prepare "$folder/data" "$part" ${TEXTS:+--texts $TEXTS}
    touch "$folder/data/$part.done"
done

export OMP_NUM_THREADS=1
rnnt=(--config recipes/tiny/tiny_rnnt.yaml)
grep -qE 'avx512_bf16|amx_bf16' /proc/cpuinfo && precision=(--bfloat16) || precision=()
train() { # NAME OPTION…
    [ -e "$folder/$1/final.pt" ] && return
    python -m recipes.tiny.train --data "$folder/data" --out "$folder/$1" \
        --budget-minutes "$minutes" "${precision[@]}" "${@:2}"
}

# Two stages without the woman of the prompts: how well do they hear somebody unknown?
train first --without train_prompts
train second "${rnnt[@]}" --init "$folder/first" --without train_prompts
python -m recipes.tiny.export "$folder/second" "$folder/without_prompts" "${rnnt[@]}"
gigaam eval "$folder/without_prompts" "$folder"/data/{train,dev,test}_prompts.tsv

train third "${rnnt[@]}" --init "$folder/second"
train fourth "${rnnt[@]}" --init "$folder/third"
python -m recipes.tiny.export "$folder/fourth" "$folder/tiny_ctc"
python -m recipes.tiny.export "$folder/fourth" "$folder/tiny_rnnt" "${rnnt[@]}"
for model in tiny_ctc tiny_rnnt; do
    gigaam eval "$folder/$model" "$folder"/data/test_{festvox,prompts,irina}.tsv
done
