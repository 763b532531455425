#!/usr/bin/env bash
# Evaluates a model as in docs/model/results.md. The commands are those above the tables there.
#
# Usage: bash presets/recipe/evaluate.sh [PART]...
# Example: MODEL=runs/luthier.safetensors bash presets/recipe/evaluate.sh report
# Without arguments, all parts run in order. common.sh lists further settings.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# The model file to evaluate.
MODEL=${MODEL:-presets/luthier.safetensors}

# Usage: evaluate PART ARGUMENT...
# PART is empty for the whole report.
evaluate() {
    local part=()
    [[ -z $1 ]] || part=("$1")
    shift
    trainer evaluate "${part[@]}" --model "$MODEL" --classifier "$CLASSIFIER" "$@"
}

# The datasets: pieces on the training soundfonts, and test pieces on the unseen soundfont.
datasets() {
    render aligned --soundfonts "${TRAINING_FONTS[@]}"
    render heldout --soundfonts "$UNSEEN_FONT" --split test --seed 2 --pieces 60
}

# Tables of images, with pictures.
report() {
    evaluate "" --out "$RUNS/report" --data "$DATA/aligned" --unseen "$DATA/heldout" \
        --items 200 --steps 1 2 4 10 50
}

# Tables of 200 audio clips.
audio_200() {
    local settings=(--items 200 --seconds 8 --steps 2 10 --brief)
    evaluate audio --data "$DATA/aligned" --soundfonts "${TRAINING_FONTS[@]}" "${settings[@]}" \
        --json "$RUNS/audio-200-training.json"
    evaluate audio --data "$DATA/heldout" --soundfonts "$UNSEEN_FONT" "${settings[@]}" \
        --json "$RUNS/audio-200-unseen.json"
}

# Tables of 40 audio clips with all latencies and both vocoders.
audio_40() {
    local settings=(--items 40 --seconds 8 --steps 1 2 4 10 50)
    evaluate audio --data "$DATA/aligned" --soundfonts "${TRAINING_FONTS[@]}" "${settings[@]}" \
        --json "$RUNS/audio-40-training.json"
    evaluate audio --data "$DATA/heldout" --soundfonts "$UNSEEN_FONT" "${settings[@]}" \
        --json "$RUNS/audio-40-unseen.json"
}

# The level offset for `trainer export --makeup-db`: column `louder` of the validation pieces.
level() {
    evaluate audio --data "$DATA/aligned" --soundfonts "${TRAINING_FONTS[@]}" \
        --split validation --steps 2 --items 24 --seconds 8 --brief
}

run_functions datasets report audio_200 audio_40 level -- "$@"
