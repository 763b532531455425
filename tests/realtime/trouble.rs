//! Slow, failing and panicking workers: the output continues, and every missing window is counted.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use engine::Error;
use engine::settings::Settings;
use engine::stream::{AudioThread, StreamConfig, WindowProcessor, WorkHandle, open};
use tests::signal::{Lcg, delayed};

use crate::fakes::{
    Passthrough, before, counter, grid, live, max_step, offline, play, short, sine, work_for,
};

const RATE_HZ: u32 = 44_100;

fn realtime(
    processor: Box<dyn WindowProcessor>,
    deadline_samples: u64,
) -> (AudioThread, WorkHandle) {
    let config = StreamConfig {
        grid: grid(&short(), RATE_HZ),
        channels: 1,
        sidechain: false,
        deadline_samples,
        limiter: false,
    };
    open(&config, processor, &Settings::default()).expect("a stream")
}

/// Sends the signal in blocks of 441 samples at `speed` times real time.
fn play_in_time(audio: &mut AudioThread, signal: &[Vec<f32>], speed: f64) -> Vec<Vec<f32>> {
    let start = Instant::now();
    play(audio, signal, |position| {
        let due = Duration::from_secs_f64(position as f64 / f64::from(RATE_HZ) / speed);
        std::thread::sleep(due.saturating_sub(start.elapsed()));
        441
    })
}

/// The wet signal equals the dry one, so any switch between them must be inaudible: the output is
/// the delayed input bit for bit.
fn assert_untouched(signal: &[Vec<f32>], out: &[Vec<f32>], latency: usize) {
    assert!(out[0] == delayed(&signal[0], latency));
}

#[test]
fn failed_windows_are_dry_and_counted() {
    let signal = vec![sine(400_000, 440.0, RATE_HZ)];
    let failing = |index: u64, _: &_| match index % 3 {
        1 => Err(Error::Compute("on purpose".into())),
        _ => Ok(()),
    };
    let (mut audio, worker) = offline(grid(&short(), RATE_HZ), 1, before(1, failing));
    let out = play(&mut audio, &signal, |_| 512);
    assert_untouched(&signal, &out, audio.latency_samples() as usize);
    let stats = worker.status().stats();
    assert!(stats.failed.abs_diff(stats.wet / 2) <= 1 && stats.failed > 10, "{stats:?}");
    assert_eq!(stats.late, 0);
    assert_eq!(worker.status().first_error().as_deref(), Some("window 1: compute: on purpose"));
}

#[test]
fn a_panic_affects_windows_but_not_the_stream() {
    let signal = vec![sine(400_000, 440.0, RATE_HZ)];
    let panicking = |index: u64, _: &_| {
        assert!(index % 4 != 2, "a panic in window {index}");
        Ok(())
    };
    let (mut audio, worker) = offline(grid(&short(), RATE_HZ), 1, before(1, panicking));
    let out = play(&mut audio, &signal, |_| 512);
    assert_untouched(&signal, &out, audio.latency_samples() as usize);
    let stats = worker.status().stats();
    // The window after a panic has no history.
    assert!(stats.wet >= 20 && stats.failed.abs_diff(stats.wet) <= 3, "{stats:?}");
    assert!(worker.status().first_error().is_some_and(|text| text.contains("a panic in window 2")));
}

/// The wet signal is inverted, louder or silent. The fades between wet and dry must be continuous.
#[test]
fn switching_between_wet_and_dry_never_clicks() {
    for gain in [0.0, -1.0, 0.5, 2.0] {
        let signal = vec![sine(300_000, 220.0, RATE_HZ)];
        let mut processor = before(1, |index, _: &_| match index % 3 {
            0 => Err(Error::Compute("on purpose".into())),
            _ => Ok(()),
        });
        processor.inner.gain = gain;
        let (mut audio, _worker) = offline(grid(&short(), RATE_HZ), 1, processor);
        let out = play(&mut audio, &signal, |_| 512);
        let allowed = max_step(&signal[0]) * gain.abs().max(1.0) * 1.5 + 0.001;
        assert!(max_step(&out[0]) < allowed, "{} with gain {gain}", max_step(&out[0]));
        let peak = out[0].iter().fold(0.0f32, |peak, sample| peak.max(sample.abs()));
        assert!(peak <= 0.5 * gain.abs().max(1.0) * 1.3, "{peak} with gain {gain}");
    }
}

#[test]
fn wrong_and_infinite_output_counts_as_failed() {
    struct Invalid(Passthrough);
    impl WindowProcessor for Invalid {
        fn process(
            &mut self,
            window: &engine::stream::WindowInput,
            out: &mut engine::stream::WindowOutput,
            cancel: &engine::cancel::Cancel,
        ) -> engine::Result<()> {
            self.0.process(window, out, cancel)?;
            match window.index % 2 {
                0 => out.wet[0][17] = f32::NAN,
                _ => out.wet[0].truncate(100),
            }
            Ok(())
        }
        fn skip(&mut self, window: &engine::stream::WindowInput) {
            self.0.skip(window);
        }
        fn reset(&mut self) {
            self.0.reset();
        }
    }
    let signal = vec![Lcg(1).noise(100_000)];
    let (mut audio, worker) =
        offline(grid(&short(), RATE_HZ), 1, Box::new(Invalid(Passthrough::new(1))));
    let out = play(&mut audio, &signal, |_| 512);
    assert_untouched(&signal, &out, audio.latency_samples() as usize);
    assert_eq!(worker.status().stats().wet, 0);
    assert!(worker.status().stats().failed > 5);
}

/// A worker within its deadline is never late. A slower worker is dry in part, and catches up.
#[test]
fn a_slow_worker_is_late_only_beyond_the_deadline() {
    let hop = Duration::from_secs_f64(8.0 * 512.0 / 22_050.0);
    let signal = vec![sine(4 * RATE_HZ as usize, 330.0, RATE_HZ)];
    let run = |work: Duration, deadline_ms: u64| {
        let processor = before(1, move |_, cancel: &_| work_for(work, cancel));
        let (mut audio, worker) = realtime(processor, deadline_ms * u64::from(RATE_HZ) / 1000);
        let out = play_in_time(&mut audio, &signal, 1.0);
        assert_untouched(&signal, &out, audio.latency_samples() as usize);
        worker.status().stats()
    };
    let in_time = run(hop / 6, 300);
    assert_eq!(in_time.late, 0, "{in_time:?}");
    let late = run(hop / 2, 0);
    assert!(late.late > 10 && late.wet > 5, "late windows fade in: {late:?}");
    let far_too_slow = run(hop * 3, 0);
    assert!(far_too_slow.late > 10, "{far_too_slow:?}");
}

/// With hundreds of blocks and no deadline, no free jobs are left. The stream continues dry and
/// then recovers.
#[test]
fn the_stream_recovers_from_a_blocked_worker() {
    let (count, calls) = counter();
    let processor = before(1, move |index, cancel: &_| {
        count.fetch_add(1, Ordering::SeqCst);
        work_for(Duration::from_millis(if index == 1 { 300 } else { 0 }), cancel)
    });
    let (mut audio, worker) = realtime(processor, 0);
    let signal = vec![sine(60 * RATE_HZ as usize, 330.0, RATE_HZ)];
    let out = play_in_time(&mut audio, &signal, 20.0);
    assert_untouched(&signal, &out, audio.latency_samples() as usize);
    let stats = worker.status().stats();
    assert!(stats.late > 10, "{stats:?}");
    assert!(calls() > 50 && stats.wet > 50, "it recovers: {stats:?}");
}

#[test]
fn a_busy_worker_stops_within_one_stage() {
    let (count, calls) = counter();
    let processor = before(1, move |_, cancel: &_| {
        count.fetch_add(1, Ordering::SeqCst);
        work_for(Duration::from_secs(60), cancel)
    });
    let (mut audio, mut worker) = realtime(processor, 0);
    play(&mut audio, &[vec![0.1; 60_000]], |_| 512);
    while calls() == 0 {
        std::thread::sleep(Duration::from_millis(1));
    }
    let start = Instant::now();
    worker.stop();
    assert!(start.elapsed() < Duration::from_millis(500), "{:?}", start.elapsed());
    // Without its worker the stream continues dry.
    let signal = vec![sine(60_000, 330.0, RATE_HZ)];
    audio.reset();
    audio.set_offline(true);
    let out = play(&mut audio, &signal, |_| 512);
    assert_untouched(&signal, &out, audio.latency_samples() as usize);
}

#[test]
fn resets_during_work_lose_no_buffers() {
    let processor = before(1, |_, cancel: &_| work_for(Duration::from_millis(15), cancel));
    let (mut audio, worker) = realtime(processor, 2000);
    let mut random = Lcg(12);
    for _ in 0..60 {
        play_in_time(&mut audio, &[vec![0.1; 1 + random.below(40_000)]], 20.0);
        audio.reset();
    }
    audio.set_offline(true);
    let signal = vec![random.noise(200_000)];
    let before = worker.status().stats();
    let out = play(&mut audio, &signal, |_| 512);
    assert_untouched(&signal, &out, audio.latency_samples() as usize);
    let after = worker.status().stats();
    assert_eq!(after.late, before.late);
    assert!(after.wet > before.wet + 20);
}

#[test]
fn a_live_window_fades_too() {
    let signal = vec![sine(300_000, 440.0, RATE_HZ)];
    let (mut audio, _worker) = offline(
        grid(&live(), RATE_HZ),
        1,
        before(1, |index, _: &_| match index % 4 {
            1 | 2 => Err(Error::Compute("on purpose".into())),
            _ => Ok(()),
        }),
    );
    let out = play(&mut audio, &signal, |_| 512);
    assert_untouched(&signal, &out, audio.latency_samples() as usize);
}
