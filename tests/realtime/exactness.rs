//! A passthrough processor must return the input, delayed by exactly the latency, for every rate
//! and block size.

use engine::config::ModelConfig;
use engine::settings::Settings;
use engine::stream::{AudioThread, StreamConfig, open};
use tests::signal::{Lcg, delayed};

use crate::fakes::{Passthrough, before, grid, live, offline, play, short};

const RATES_HZ: [u32; 4] = [22_050, 44_100, 48_000, 96_000];

#[test]
fn a_passthrough_is_a_delay_bit_for_bit_at_every_rate() {
    for rate in RATES_HZ {
        for config in [short(), live()] {
            let mut random = Lcg(u64::from(rate));
            let (mut audio, _worker) =
                offline(grid(&config, rate), 2, Box::new(Passthrough::new(2)));
            let latency = audio.latency_samples() as usize;
            let signal = vec![
                random.noise(latency + 3 * rate as usize),
                random.noise(latency + 3 * rate as usize),
            ];
            let out = play(&mut audio, &signal, |_| 1 + random.below(8192));
            for (out, signal) in out.iter().zip(&signal) {
                assert!(*out == delayed(signal, latency), "{rate} Hz");
            }
            assert!(audio.status().stats().wet >= 8, "the wet path was used");
        }
    }
}

#[test]
fn the_default_window_is_exact_too() {
    let rate = 44_100;
    let (mut audio, _worker) =
        offline(grid(&ModelConfig::default(), rate), 1, Box::new(Passthrough::new(1)));
    let latency = audio.latency_samples() as usize;
    let signal = vec![Lcg(3).noise(latency + 9 * rate as usize)];
    let out = play(&mut audio, &signal, |_| 1000);
    assert!(out[0] == delayed(&signal[0], latency));
    assert_eq!(audio.status().stats().wet, 4);
}

#[test]
fn an_impulse_is_delayed_by_exactly_the_latency() {
    for rate in RATES_HZ {
        for at in [0, 1, 9_000, 30_001] {
            let (mut audio, _worker) =
                offline(grid(&short(), rate), 1, Box::new(Passthrough::new(1)));
            let latency = audio.latency_samples() as usize;
            let mut signal = vec![vec![0.0; latency + at + 10]];
            signal[0][at] = 1.0;
            let out = play(&mut audio, &signal, |_| 64);
            let loud: Vec<usize> = (0..out[0].len()).filter(|&n| out[0][n] != 0.0).collect();
            assert_eq!(loud, [at + latency], "{rate} Hz");
        }
    }
}

/// A processor with state and different output in overlaps, so that any error in its input changes
/// the output.
fn stateful() -> Box<dyn engine::stream::WindowProcessor> {
    struct Stateful(Passthrough, f32);
    impl engine::stream::WindowProcessor for Stateful {
        fn process(
            &mut self,
            window: &engine::stream::WindowInput,
            out: &mut engine::stream::WindowOutput,
            cancel: &engine::cancel::Cancel,
        ) -> engine::Result<()> {
            self.1 = 0.9 * self.1 + window.main[0].iter().sum::<f32>();
            self.0.gain = self.1.sin();
            if window.index % 5 == 3 {
                self.0.skip(window);
                return Err(engine::Error::Compute("on purpose".into()));
            }
            self.0.process(window, out, cancel)
        }
        fn skip(&mut self, window: &engine::stream::WindowInput) {
            self.0.skip(window);
        }
        fn reset(&mut self) {
            self.0.reset();
            self.1 = 0.0;
        }
    }
    Box::new(Stateful(Passthrough::new(1), 0.0))
}

#[test]
fn the_output_does_not_depend_on_the_block_size() {
    let signal = vec![Lcg(5).noise(100_000)];
    let run = |blocks: &mut dyn FnMut(usize) -> usize| {
        let (mut audio, _worker) = offline(grid(&short(), 44_100), 1, stateful());
        audio.set_settings(&Settings { mix: 0.7, ..Settings::default() });
        play(&mut audio, &signal, blocks)
    };
    let expected = run(&mut |_| 512);
    assert!(expected[0].iter().any(|&sample| sample != 0.0));
    for size in [1, 7, 64, 1000, 8192, 100_000] {
        assert!(run(&mut |_| size) == expected, "blocks of {size}");
    }
    let mut random = Lcg(6);
    assert!(run(&mut |_| 1 + random.below(8192)) == expected, "random blocks");
}

#[test]
fn a_reset_within_a_window_starts_a_new_stream() {
    let signal = vec![Lcg(7).noise(60_000)];
    let (mut fresh, _worker) = offline(grid(&short(), 44_100), 1, stateful());
    let expected = play(&mut fresh, &signal, |_| 256);
    let (mut audio, _worker) = offline(grid(&short(), 44_100), 1, stateful());
    for before_reset in [1, 5_000, 23_456, 50_000] {
        play(&mut audio, &[Lcg(8).noise(before_reset)], |_| 333);
        audio.reset();
        assert!(play(&mut audio, &signal, |_| 256) == expected, "reset after {before_reset}");
    }
}

#[test]
fn two_streams_do_not_disturb_each_other() {
    let signal = vec![Lcg(9).noise(60_000)];
    let run = || {
        let (mut audio, _worker) = offline(grid(&short(), 44_100), 1, stateful());
        play(&mut audio, &signal, |_| 480)
    };
    let alone = run();
    std::thread::scope(|scope| {
        let both = [scope.spawn(run), scope.spawn(run)];
        for thread in both {
            assert!(thread.join().expect("no panic") == alone);
        }
    });
}

/// With mix 0 the output is the delayed input, for any output of the worker.
#[test]
fn no_mix_is_the_delayed_input() {
    let signal = vec![Lcg(10).noise(60_000)];
    let (mut audio, _worker) = offline(grid(&short(), 44_100), 1, stateful());
    audio.set_settings(&Settings { mix: 0.0, ..Settings::default() });
    let out = play(&mut audio, &signal, |_| 480);
    assert!(out[0] == delayed(&signal[0], audio.latency_samples() as usize));
}

#[test]
fn a_change_of_the_mix_is_a_ramp() {
    let signal = vec![vec![1.0; 80_000]];
    let processor = Passthrough { gain: 0.0, ..Passthrough::new(1) };
    let (mut audio, _worker) = offline(grid(&short(), 44_100), 1, Box::new(processor));
    let start = audio.latency_samples() as usize;
    let mut settings = Settings::default();
    let wet = play(&mut audio, &[vec![1.0; 50_000]], |_| 480);
    assert!(wet[0].iter().all(|&sample| sample == 0.0));
    settings.mix = 0.5;
    audio.set_settings(&settings);
    let mixed = play(&mut audio, &signal, |_| 480);
    assert!(start < 50_000 && (mixed[0][2000] - 0.5).abs() < 1e-6);
    assert!(crate::fakes::max_step(&mixed[0]) < 0.0012, "20 ms at 44.1 kHz");
}

/// Unusual input of a host: missing channels, a short sidechain, an empty block, values that are
/// not finite.
#[test]
fn unusual_blocks_are_processed() {
    let config = StreamConfig {
        grid: grid(&short(), 44_100),
        channels: 2,
        sidechain: true,
        deadline_samples: 500,
        limiter: true,
    };
    let (mut audio, _worker) =
        open(&config, Box::new(Passthrough::new(2)), &Settings::default()).expect("a stream");
    audio.process(&mut [], &[]);
    audio.process(&mut [&mut [], &mut []], &[&[1.0]]);
    let mut bad = [f32::NAN, f32::INFINITY, 1e-40, 0.25];
    let mut mono = [0.5; 4];
    audio.process(&mut [&mut bad, &mut mono], &[&[0.0; 2], &[]]);
    let mut rest = vec![0.0; audio.latency_samples() as usize];
    audio.process(&mut [&mut rest], &[&[0.0; 9]]);
    assert_eq!(rest[rest.len() - 4..], [0.0, 0.0, 0.0, 0.25]);
    assert!(bad.iter().chain(&mono).all(|&sample| sample == 0.0), "the latency is silent");
}

/// The worker receives the sidechain in sync with the main signal.
#[test]
fn the_sidechain_is_in_sync() {
    struct Compare(std::sync::Arc<std::sync::atomic::AtomicU64>);
    impl engine::stream::WindowProcessor for Compare {
        fn process(
            &mut self,
            window: &engine::stream::WindowInput,
            _: &mut engine::stream::WindowOutput,
            _: &engine::cancel::Cancel,
        ) -> engine::Result<()> {
            assert!(window.has_sidechain_signal);
            assert!(window.main[0].iter().zip(&window.sidechain[0]).all(|(a, b)| *a == -*b));
            self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            Ok(())
        }
        fn skip(&mut self, _: &engine::stream::WindowInput) {}
        fn reset(&mut self) {}
    }
    let (count, windows) = crate::fakes::counter();
    let config = StreamConfig {
        grid: grid(&short(), 44_100),
        channels: 1,
        sidechain: true,
        deadline_samples: 0,
        limiter: false,
    };
    let (mut audio, _worker) =
        open(&config, Box::new(Compare(count)), &Settings::default()).expect("a stream");
    audio.set_offline(true);
    let mut random = Lcg(11);
    for _ in 0..100 {
        let mut block = random.noise(777);
        let side: Vec<f32> = block.iter().map(|sample| -sample).collect();
        audio.process(&mut [&mut block], &[&side]);
    }
    assert!(windows() > 5);
    assert_eq!(audio.status().stats().failed, 0);
}

/// A host may call the `AudioThread` from any thread.
#[test]
fn the_audio_thread_object_is_send() {
    fn assert_send<T: Send>(_: &T) {}
    let (audio, _worker): (AudioThread, _) =
        offline(grid(&short(), 44_100), 1, before(1, |_, _| Ok(())));
    assert_send(&audio);
}
