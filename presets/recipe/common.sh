#!/usr/bin/env bash
# Settings and functions that the scripts of this folder share. Each script sources this file.
# They need bash 4.4 or newer.
#
# The settings are environment variables, for example:
#   DATA=/big/data RUNS=/big/runs bash presets/recipe/train.sh
#   DRY_RUN=1 bash presets/recipe/train.sh      # prints the trainer commands only

# The caller uses these variables.
# shellcheck disable=SC2034

# Folder with FluidR3_GM.sf2, MuseScore_General_Full.sf2 and TimGM6mb.sf2.
SOUNDFONTS=${SOUNDFONTS:-/usr/share/sounds/sf2}
# Folder with the recorded notes, in the folders one to six (see README.md).
NOTES=${NOTES:-notes}
# Folder for rendered datasets and generated soundfonts.
DATA=${DATA:-data}
# Folder for training runs, exported models and reports.
RUNS=${RUNS:-runs}
# If not empty, print the trainer commands instead of running them.
DRY_RUN=${DRY_RUN:-}

# The scripts name repository files relative to the repository root.
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit

TRAINING_FONTS=("$SOUNDFONTS/FluidR3_GM.sf2" "$SOUNDFONTS/MuseScore_General_Full.sf2")
UNSEEN_FONT=$SOUNDFONTS/TimGM6mb.sf2
CLASSIFIER=tests/fixtures/classifier.safetensors

# The trainer saves a checkpoint on Ctrl-C and exits with 0. The script must then stop as well.
trap 'exit 130' INT TERM

fail() {
    echo "$*" >&2
    exit 1
}

trainer() {
    if [[ -n $DRY_RUN ]]; then
        echo "trainer ${*@Q}"
    else
        cargo run --quiet --release --bin trainer -- "$@"
    fi
}

# Usage: render NAME ARGUMENT...
# Renders the dataset $DATA/NAME. A stopped rendering continues.
render() {
    local name=$1
    shift
    trainer render --out "$DATA/$name" "$@"
}

# Usage: logged RUN STEP
# Succeeds if the run's log contains this step.
logged() {
    grep -qs "\"step\":$2[,}]" "$RUNS/$1/log.jsonl"
}

# Usage: stop_after RUN STEP
# Requests the end of a running training soon after this step. The log has every tenth step.
stop_after() {
    until logged "$1" "$2"; do
        kill -0 $$ || return 0 # The script has ended.
        sleep 1
    done
    touch "$RUNS/$1/stop"
}

# Usage: [STOP_AT=STEP] train MODEL RUN STEPS ARGUMENT...
# Trains the run $RUNS/RUN. A finished run is skipped, a stopped run continues. With STOP_AT, the
# run ends soon after that step, with a schedule for all STEPS.
train() {
    local model=$1 run=$2 steps=$3 last=${STOP_AT:-$3}
    shift 3
    if logged "$run" "$last"; then
        echo "$RUNS/$run: finished already"
        return
    fi
    local resume=()
    if [[ -e $RUNS/$run/state.safetensors ]]; then
        resume=(--resume)
    fi
    if [[ $last != "$steps" && -z $DRY_RUN ]]; then
        stop_after "$run" "$last" &
    fi
    trainer train --model "$model" --config "trainer/configs/$model.toml" --out "$RUNS/$run" \
        "${resume[@]}" "$@" "steps=$steps"
    if [[ -z $DRY_RUN ]] && ! logged "$run" "$last"; then
        fail "$RUNS/$run: stopped before step $last. Run the script again to continue."
    fi
}

# Usage: run_functions DEFAULTS -- [NAME]...
# Calls the named functions, or the default ones.
run_functions() {
    local defaults=()
    while [[ $1 != -- ]]; do
        defaults+=("$1")
        shift
    done
    shift
    local names=("$@")
    if ((${#names[@]} == 0)); then
        names=("${defaults[@]}")
    fi
    local name
    for name in "${names[@]}"; do
        [[ " ${defaults[*]} " == *" $name "* ]] ||
            fail "$name: unknown. Expected some of: ${defaults[*]}"
    done
    [[ -n $DRY_RUN ]] || mkdir -p "$DATA" "$RUNS"
    for name in "${names[@]}"; do
        echo "== $name"
        "$name"
    done
}
