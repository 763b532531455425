#!/usr/bin/env bash
# Trains the shipped model, stage by stage. The stages are those of the table in README.md.
#
# Usage: bash presets/recipe/train.sh [STAGE]...
# Example: bash presets/recipe/train.sh stage_11 stage_12
# Without arguments, all stages run in order. common.sh lists the settings.
#
# What cannot be repeated:
# - The commands of stages 1 to 3 were not kept. Their model is `before.safetensors`. If
#   $RUNS/before.safetensors does not exist, stages_1_to_3 trains a substitute from the settings on
#   record. All other settings, and the seeds of the runs, are those of trainer/configs.
# - Some schedules were changed during a run (README.md has the list). Here, every run has its last
#   schedule from the start.
# - The trainer and trainer/configs/ldm.toml changed between the stages, and within stages 4 and 8.
# The result is therefore a comparable model, not the same file.
#
# The script never overwrites presets/luthier.safetensors: the result is $RUNS/luthier.safetensors.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

SAMPLED_FONTS_A=("$DATA/sampled-1.sf2" "$DATA/sampled-2.sf2")
SAMPLED_FONTS_B=("$DATA"/sampled-{3,4,5,6}.sf2)

# Shared by stages 6 to 8.
MIDDLE=(schedule.floor=0.02 ema_decay=0.998 diffusion.prefix_probability=0.1 loss.label=0.02)
# Shared by stages 9 to 12.
LATE=(schedule.floor=0.02 ema_decay=0.998 diffusion.prefix_probability=0.05
    diffusion.style_drop=0.05 diffusion.recolour=0.4 loss.label=0.02)
# One more residual block in each level of the denoiser: stages 7 to 12.
DEEP=(model.unet.res_blocks=3)
# Twice the width at the finest resolution as well: stages 9 to 12.
WIDE=("${DEEP[@]}" "model.unet.channels=[128,128,256]")

# Usage: base_dataset
# Piano, guitar, harp and violin on the two training soundfonts.
base_dataset() {
    render aligned --soundfonts "${TRAINING_FONTS[@]}"
}

# Usage: sampled_fonts FIRST LAST
# Soundfonts from the folders of recorded notes, by number.
sampled_fonts() {
    local folders=([1]=one [2]=two [3]=three [4]=four [5]=five [6]=six) number
    for ((number = $1; number <= $2; number++)); do
        [[ -e $DATA/sampled-$number.sf2 ]] && continue
        trainer sample --notes "$NOTES/${folders[number]}" --out "$DATA/sampled-$number.sf2" \
            --seed $((number + 2))
    done
}

# A substitute for the stages whose commands were not kept. The original changed its settings during
# both runs, and its networks had neither spectral profile nor positions in the style encoder.
stages_1_to_3() {
    if [[ -e $RUNS/before.safetensors ]]; then
        echo "$RUNS/before.safetensors: exists already"
        return
    fi
    base_dataset
    train autoencoder autoencoder 110 --data "$DATA/aligned"
    train ldm start 1500 --data "$DATA/aligned" --init "$RUNS/autoencoder/last.safetensors" \
        optimiser.muon_momentum=0 diffusion.terminal_share=0.4 diffusion.channel_power=1
    train ldm base 9000 --data "$DATA/aligned" --init "$RUNS/start/last.safetensors" \
        optimiser.muon_momentum=0
    render extra --soundfonts "${TRAINING_FONTS[@]}" --extra-instruments all --pieces 1400 \
        --setups-per-font 10 --seed 11
    train ldm extra 8200 --data "$DATA/extra" --init "$RUNS/base/last.safetensors" \
        optimiser.muon_momentum=0 schedule.learning_rate=7e-4
    trainer export --model "$RUNS/extra/last.safetensors" --out "$RUNS/before.safetensors"
}

# Synthetic sounds, AdamW.
stage_4() {
    local synthetic=("$DATA/synthetic-1.sf2" "$DATA/synthetic-2.sf2")
    trainer synthesise --out "${synthetic[0]}" --seed 1
    trainer synthesise --out "${synthetic[1]}" --seed 2
    render mixed --soundfonts "${TRAINING_FONTS[@]}" "${synthetic[@]}" \
        --extra-instruments all --pieces 800 --setups-per-font 6 --seed 14
    train ldm mixed 7000 --data "$DATA/mixed" --init "$RUNS/before.safetensors" seed=41 \
        optimiser.muon_momentum=0 ema_decay=0.998 diffusion.prefix_probability=0.1 \
        diffusion.recolour=0.5 loss.label=0.02
    trainer export --model "$RUNS/mixed/last.safetensors" --mean-with "$RUNS/before.safetensors" \
        --out "$RUNS/mixed.safetensors"
}

# 52 instruments, Muon from here on.
stage_5() {
    render guests --soundfonts "${TRAINING_FONTS[@]}" --extra-instruments all --pieces 800 \
        --setups-per-font 10 --seed 12
    train ldm first 3200 --data "$DATA/guests" --init "$RUNS/mixed.safetensors" seed=51 \
        schedule.learning_rate=7e-4 ema_decay=0.998 diffusion.prefix_probability=0.1 \
        diffusion.recolour=0.3 loss.label=0.02
}

# More steps on the same data.
stage_6() {
    train ldm second 10000 --data "$DATA/guests" --init "$RUNS/first/last.safetensors" seed=120 \
        schedule.learning_rate=1e-3 "${MIDDLE[@]}" diffusion.recolour=0.3
}

# A deeper denoiser, pieces with gestures.
stage_7() {
    render more --soundfonts "${TRAINING_FONTS[@]}" --extra-instruments all --pieces 800 \
        --setups-per-font 10 --expressive 0.25 --seed 15
    train ldm third 10500 --data "$DATA/more" --init "$RUNS/second/last.safetensors" seed=130 \
        "${DEEP[@]}" schedule.learning_rate=1e-3 "${MIDDLE[@]}" diffusion.recolour=0.3
    trainer export --model "$RUNS/third/last.safetensors" \
        --mean-with "$RUNS/second/last.safetensors" --out "$RUNS/third.safetensors"
}

# Four times as many pieces.
stage_8() {
    render most --soundfonts "${TRAINING_FONTS[@]}" --extra-instruments all --pieces 3200 \
        --setups-per-font 20 --expressive 0.25 --seed 17
    train ldm fourth 10400 --data "$DATA/most" --init "$RUNS/third.safetensors" seed=140 \
        "${DEEP[@]}" schedule.learning_rate=1e-3 "${MIDDLE[@]}" diffusion.recolour=0.4
    trainer export --model "$RUNS/fourth/last.safetensors" --makeup-db 2.5 \
        --out "$RUNS/fourth.safetensors"
}

# Recorded notes, a wider denoiser.
stage_9() {
    sampled_fonts 1 2
    render recorded --soundfonts "${TRAINING_FONTS[@]}" "${SAMPLED_FONTS_A[@]}" \
        --extra-instruments all --pieces 2400 --setups-per-font 12 --expressive 0.25 --seed 19
    train ldm fifth 8200 --data "$DATA/recorded" --init "$RUNS/fourth.safetensors" seed=170 \
        "${WIDE[@]}" schedule.learning_rate=1e-3 "${LATE[@]}"
    trainer export --model "$RUNS/fifth/last.safetensors" --makeup-db 3.0 \
        --out "$RUNS/fifth.safetensors"
}

# More recording setups of the same soundfonts. Run `sixth` was not used (experiments.sh).
stage_10() {
    sampled_fonts 1 2
    render mix --soundfonts "${TRAINING_FONTS[@]}" "${SAMPLED_FONTS_A[@]}" \
        --extra-instruments all --pieces 1000 --setups-per-font 24 --expressive 0.25 --seed 23
    train ldm seventh 3300 --data "$DATA/mix" --init "$RUNS/fifth.safetensors" seed=200 \
        "${WIDE[@]}" schedule.learning_rate=1e-3 "${LATE[@]}"
    trainer export --model "$RUNS/seventh/last.safetensors" \
        --mean-with "$RUNS/fifth.safetensors" --makeup-db 2.6 --out "$RUNS/seventh.safetensors"
}

# The base instruments, then both datasets.
stage_11() {
    base_dataset
    train ldm eighth 500 --data "$DATA/aligned" --init "$RUNS/seventh.safetensors" seed=210 \
        "${WIDE[@]}" schedule.learning_rate=5e-4 "${LATE[@]}"
    train ldm ninth 2900 --data "$DATA/aligned" --init "$RUNS/eighth/last.safetensors" seed=220 \
        "${WIDE[@]}" schedule.learning_rate=1e-3 "${LATE[@]}" \
        "diffusion.extra_datasets=[\"$DATA/mix\"]"
    trainer export --model "$RUNS/ninth/last.safetensors" \
        --mean-with "$RUNS/seventh.safetensors" --makeup-db 2.8 --out "$RUNS/ninth.safetensors"
}

# Recorded notes of four more soundfonts. Run `tenth` was planned for 5600 steps and stopped after
# 657, at a high learning rate.
stage_12() {
    STOP_AT=650 train ldm tenth 5600 --data "$DATA/aligned" \
        --init "$RUNS/ninth/last.safetensors" seed=230 \
        "${WIDE[@]}" schedule.learning_rate=1e-3 "${LATE[@]}" \
        "diffusion.extra_datasets=[\"$DATA/aligned\", \"$DATA/mix\"]"
    sampled_fonts 3 6
    render further --soundfonts "${SAMPLED_FONTS_B[@]}" --extra-instruments all --pieces 500 \
        --setups-per-font 12 --expressive 0.25 --seed 29
    train ldm eleventh 4000 --data "$DATA/aligned" --init "$RUNS/tenth/last.safetensors" seed=231 \
        "${WIDE[@]}" schedule.learning_rate=1e-3 "${LATE[@]}" \
        "diffusion.extra_datasets=[\"$DATA/mix\", \"$DATA/further\"]"
    trainer export --model "$RUNS/eleventh/last.safetensors" \
        --mean-with "$RUNS/ninth.safetensors" --makeup-db 2.7 --out "$RUNS/luthier.safetensors"
}

run_functions stages_1_to_3 stage_4 stage_5 stage_6 stage_7 stage_8 stage_9 stage_10 stage_11 \
    stage_12 -- "$@"
