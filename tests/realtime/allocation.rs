//! The audio thread does not allocate or free memory, for any behaviour of the worker.

use std::time::Duration;

use engine::Error;
use engine::settings::Settings;
use engine::stream::{Controls, StreamConfig, open};
use tests::allocations::{CountingAllocator, count_calls};
use tests::signal::Lcg;

use crate::fakes::{before, grid, short, work_for};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

#[test]
fn an_allocation_is_counted() {
    let ((), calls) = count_calls(|| drop(std::hint::black_box(vec![1; 10])));
    assert!(calls >= 2, "{calls}");
}

#[test]
fn the_audio_thread_never_allocates() {
    let processor = before(2, |index, cancel: &_| match index % 5 {
        1 => Err(Error::Compute("on purpose".into())),
        2 => panic!("on purpose"),
        3 => work_for(Duration::from_millis(40), cancel),
        _ => Ok(()),
    });
    let config = StreamConfig {
        grid: grid(&short(), 44_100),
        channels: 2,
        sidechain: true,
        deadline_samples: 1000,
        limiter: true,
    };
    let (mut audio, worker) = open(&config, processor, &Settings::default()).expect("a stream");
    let mut random = Lcg(1);
    let (mut left, mut right, side) = (random.noise(8192), random.noise(8192), random.noise(8192));
    let mut settings = Settings::default();
    let ((), calls) = count_calls(|| {
        for block in 0..400 {
            let len = 1 + random.below(8192);
            audio.process(
                &mut [&mut left[..len], &mut right[..len]],
                &[&side[..len], &side[..len / 2]],
            );
            settings.mix = (block % 10) as f32 / 10.0;
            audio.set_settings(&settings);
            let limiter = block % 3 > 0;
            audio.set_controls(&Controls { output_gain: 4.0, limiter, ..Controls::default() });
            if block % 97 == 96 {
                audio.reset();
            }
            // Offline blocks wait for the worker, so that every case occurs on slow machines too.
            audio.set_offline(block % 100 < 50);
        }
    });
    assert_eq!(calls, 0);
    let stats = worker.status().stats();
    assert!(
        stats.wet > 10 && stats.failed > 10 && stats.late > 0,
        "every case occurred: {stats:?}"
    );
}
