//! Sixteen concurrent instances, three times, with changing parameters: no crash and no memory
//! leak.
//!
//! It is a separate program, so that it can count all allocated bytes.

use clack_host::prelude::{ClapId, PluginEntry};
use tests::allocations::{CountingAllocator, held_bytes};
use tests::clap_host::{Clap, linked_entry};
use tests::signal::{Lcg, piano};

const INSTANCES: u64 = 16;
/// Seconds of audio on each of the sixteen threads; `LUTHIER_SOAK_SECONDS` overrides it.
const SECONDS: usize = 24;
/// Bound of the output for piano with 24 dB of gain at the input, 24 dB at the output and 12 dB in
/// the model.
const LOUDEST: f32 = 1000.0;
/// Maximum growth of the allocated memory after the second and the last third. An instance needs
/// thousands of times more.
const GROWTH_BYTES_MAX: usize = 16 << 10;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

fn seconds() -> usize {
    std::env::var("LUTHIER_SOAK_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(SECONDS)
}

/// Values of the Style parameter: factory styles, an unused value, and user styles.
const STYLES: [i32; 8] = [0, 1, 2, 3, 30, 60, 60, 61];

/// The parameters that change.
struct Ids {
    style: ClapId,
    seed: ClapId,
    steps: ClapId,
    switches: [ClapId; 3],
    knobs: [ClapId; 4],
}

impl Ids {
    fn read(clap: &mut Clap) -> Self {
        Self {
            style: clap.param("Style"),
            seed: clap.param("Seed"),
            steps: clap.param("Steps"),
            switches: ["Freeze", "Bypass", "Limiter"].map(|name| clap.param(name)),
            knobs: ["Strength", "Mix", "Input gain", "Output gain"].map(|name| clap.param(name)),
        }
    }

    /// A random value for each parameter.
    fn values(&self, random: &mut Lcg) -> Vec<(ClapId, f64)> {
        let mut values = vec![
            (self.style, f64::from(STYLES[random.below(STYLES.len())])),
            (self.seed, f64::from(random.bits() % 10_000)),
            (self.steps, 0.0),
        ];
        values.extend(self.switches.map(|switch| (switch, f64::from(random.bits() % 2))));
        values.extend(self.knobs.map(|knob| (knob, f64::from(random.bits() % 1001) / 1000.0)));
        values
    }
}

/// One instance processes `seconds` of music, a repeated piece.
fn run_instance(entry: &PluginEntry, instance: u64, seconds: usize) {
    let mut random = Lcg(instance);
    let piece = piano(12.0, 2);
    let rate_hz = piece.sample_rate_hz as usize;
    let repeated =
        |channel: &Vec<f32>| channel.iter().copied().cycle().take(seconds * rate_hz).collect();
    let music: Vec<Vec<f32>> = piece.channels.iter().map(repeated).collect();
    let mut side = music.clone();
    side.iter_mut().for_each(|channel| channel.rotate_left(5 * rate_hz));
    let mut clap = Clap::new(entry);
    let ids = Ids::read(&mut clap);
    clap.set_offline(true);
    clap.activate(piece.sample_rate_hz, 8192);
    let mut changes = 0;
    let next = |start: usize| {
        let change = start / rate_hz >= changes;
        changes += usize::from(change);
        (1 + random.below(8192), if change { ids.values(&mut random) } else { Vec::new() })
    };
    let out = clap.perform(&music, if instance.is_multiple_of(4) { &[] } else { &side }, next);
    assert!(out.iter().flatten().all(|x| x.abs() < LOUDEST), "finite and bounded");
    let state = clap.save();
    assert!(clap.load(&state));
}

#[test]
fn sixteen_instances_free_their_memory() {
    let entry = linked_entry();
    let third = seconds().div_ceil(3);
    let mut held = Vec::new();
    for _ in 0..3 {
        std::thread::scope(|scope| {
            for instance in 0..INSTANCES {
                let entry = entry.clone();
                scope.spawn(move || run_instance(&entry, instance, third));
            }
        });
        held.push(held_bytes());
    }
    println!("{} s on each thread, bytes held after each third: {held:?}", 3 * third);
    assert!(
        held[1] < held[0] + GROWTH_BYTES_MAX && held[2] < held[0] + GROWTH_BYTES_MAX,
        "{held:?}"
    );
}
