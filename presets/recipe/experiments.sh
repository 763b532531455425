#!/usr/bin/env bash
# Trainings of docs/experiments.md that are not part of the shipped model.
#
# Usage: bash presets/recipe/experiments.sh [EXPERIMENT]...
# Example: bash presets/recipe/experiments.sh ablation
# Without arguments, all experiments run in order. common.sh lists the settings. The experiments
# need datasets and models of train.sh and evaluate.sh.
#
# Two runs had another schedule at first; here they have their last schedule from the start:
# - `sixth` was planned for 4200 steps up to step 250.
# - `twelfth` was planned for 4500 steps up to step 871, and for 3700 up to step 1628.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

WIDE=(model.unet.res_blocks=3 "model.unet.channels=[128,128,256]")
COMMON=(schedule.floor=0.02 ema_decay=0.998 diffusion.prefix_probability=0.05
    diffusion.style_drop=0.05 loss.label=0.02)

# More of the timesteps other than the last: 3000 steps from model 9.
other_timesteps() {
    train ldm sixth 3000 --data "$DATA/mix" --init "$RUNS/fifth.safetensors" seed=190 \
        "${WIDE[@]}" schedule.learning_rate=7e-4 "${COMMON[@]}" diffusion.recolour=0.25 \
        diffusion.terminal_share=0.45
}

# Four synthetic soundfonts as an extra dataset: 3100 steps from the shipped model.
synthetic_soundfonts() {
    local number fonts=("$DATA"/synthetic-{3,4,5,6}.sf2)
    for number in 3 4 5 6; do
        trainer synthesise --out "$DATA/synthetic-$number.sf2" --seed "$number"
    done
    render made --soundfonts "${fonts[@]}" --extra-instruments all --pieces 500 \
        --setups-per-font 12 --expressive 0.25 --seed 31
    train ldm twelfth 3100 --data "$DATA/aligned" --init presets/luthier.safetensors seed=240 \
        "${WIDE[@]}" schedule.learning_rate=1e-3 "${COMMON[@]}" diffusion.recolour=0.4 \
        "diffusion.extra_datasets=[\"$DATA/mix\", \"$DATA/further\", \"$DATA/made\"]"
}

# The table of the ablation: one training for each row of trainer/configs/ablation.toml. Two rows
# use the classifier runs/listener/last.safetensors, so RUNS must be `runs` here. It is trained on
# other data than the classifier that judges.
ablation() {
    [[ $RUNS == runs ]] || fail "ablation: expected RUNS=runs, found $RUNS"
    render listener --soundfonts "${TRAINING_FONTS[@]}" --pieces 200 --setups-per-font 6 --seed 3
    train classifier listener 1500 --data "$DATA/listener"
    train autoencoder autoencoder 110 --data "$DATA/aligned"
    trainer ablate --rows trainer/configs/ablation.toml --config trainer/configs/ldm.toml \
        --autoencoder trainer/configs/autoencoder.toml --data "$DATA/aligned" \
        --unseen "$DATA/heldout" --init "$RUNS/autoencoder/last.safetensors" \
        --classifier "$CLASSIFIER" --out "$RUNS/ablation" --items 100 \
        steps=500 batch=16 ema_decay=0.99 diffusion.prefix_probability=0.3
}

run_functions other_timesteps synthetic_soundfonts ablation -- "$@"
