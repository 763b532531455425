//! File rendering: no latency, the length of the input, and bounded memory.

use std::sync::{Arc, Mutex};

use engine::Error;
use engine::cancel::Cancel;
use engine::config::ModelConfig;
use engine::settings::Settings;
use engine::stream::{OfflineStream, ParallelRender, WindowProcessor, render};
use tests::signal::Lcg;

use crate::fakes::{Numbered, Passthrough, before, grid, play, short, shortest};

#[test]
fn a_render_is_exactly_as_long_as_its_input() {
    for config in [short(), ModelConfig::default()] {
        for len in [0, 1, 511, 2048, 44_100, 200_001] {
            let signal = vec![Lcg(1).noise(len), Lcg(2).noise(len)];
            let mut last = None;
            let processor = Box::new(Passthrough::new(2));
            let settings = Settings::default();
            let (out, report) =
                render(grid(&config, 44_100), &signal, processor, &settings, &mut |done| {
                    last = Some(done)
                })
                .expect("rendered");
            assert!(out == signal, "{len} samples");
            assert_eq!((report.samples, last), (len as u64, Some(len as u64)));
            assert_eq!(report.stats.late + report.stats.failed, 0);
            assert!(len == 0 || report.stats.wet > 0);
        }
    }
}

#[test]
fn a_render_and_a_bounce_are_the_same_samples() {
    let signal = vec![Lcg(3).noise(150_000)];
    let processor = || {
        let mut processor = before(1, |_, _: &_| Ok(()));
        processor.inner.gain = 0.3;
        processor
    };
    let settings = Settings { mix: 0.8, ..Settings::default() };
    let (rendered, _) =
        render(grid(&short(), 48_000), &signal, processor(), &settings, &mut |_| ())
            .expect("rendered");
    let (mut audio, _worker) = crate::fakes::offline(grid(&short(), 48_000), 1, processor());
    audio.set_settings(&settings);
    let bounced = play(&mut audio, &signal, |_| 100);
    let latency = audio.latency_samples() as usize;
    assert!(bounced[0][latency..] == rendered[0][..150_000 - latency]);
}

/// Any number of streams, any length of the input and any position of the fades.
#[test]
fn parallel_streams_render_the_same_as_one() {
    let numbered = || -> Box<dyn WindowProcessor> { Box::new(Numbered(Passthrough::new(2))) };
    let settings = Settings { mix: 0.9, ..Settings::default() };
    let cases = [
        (short(), 44_100, [0, 1, 30_000, 400_001]),
        (shortest(), 44_100, [0, 1, 5_000, 70_001]),
        (shortest(), 48_000, [0, 1, 5_000, 70_001]),
    ];
    for (config, rate_hz, lens) in cases {
        let grid = grid(&config, rate_hz);
        for (len, streams) in
            lens.into_iter().flat_map(|len| (1..=3).map(move |streams| (len, streams)))
        {
            let signal = vec![Lcg(6).noise(len), Lcg(7).noise(len)];
            let (expected, alone) =
                render(grid.clone(), &signal, numbered(), &settings, &mut |_| ())
                    .expect("rendered");
            for length in [Some(len as u64), None] {
                let processors = (0..streams).map(|_| numbered()).collect();
                let mut stream =
                    ParallelRender::new(grid.clone(), 2, false, processors, &settings, length)
                        .expect("streams");
                let mut out = vec![Vec::new(); 2];
                for start in (0..len).step_by(9_973) {
                    let block =
                        signal.iter().map(|channel| &channel[start..len.min(start + 9_973)]);
                    stream
                        .push_with_sidechain(&block.collect::<Vec<_>>(), &[], &mut out)
                        .expect("pushed");
                    assert_eq!(stream.delivered_samples(), out[0].len() as u64);
                }
                let report = stream.finish(&mut out).expect("finished");
                assert!(out == expected, "{len} samples, {streams} streams");
                assert_eq!((report.samples, report.stats.failed), (alone.samples, 0));
            }
        }
    }
}

/// With a segment as long as two rounded fades, no window is late, at any end of a piece.
#[test]
fn no_window_is_late_with_the_shortest_hop() {
    for rate_hz in [44_100, 48_000, 96_000] {
        let signal = vec![Lcg(9).noise(300_000)];
        let mut processor = before(1, |_, _: &_| Ok(()));
        processor.inner.gain = -1.0;
        let grid = grid(&shortest(), rate_hz);
        let (out, report) =
            render(grid, &signal, processor, &Settings::default(), &mut |_| ()).expect("rendered");
        let wet = out[0].iter().zip(&signal[0]).filter(|(out, signal)| **out == -**signal).count();
        assert_eq!((wet, report.stats.late), (signal[0].len(), 0), "{rate_hz} Hz");
    }
}

#[test]
fn a_failure_in_one_of_several_streams_is_reported() {
    let signal = vec![Lcg(8).noise(200_000)];
    let fails_at_twelve = |index, _: &_| match index {
        12 => Err(Error::Compute("out of memory".into())),
        _ => Ok(()),
    };
    let processors =
        (0..2).map(|_| before(1, fails_at_twelve) as Box<dyn WindowProcessor>).collect();
    let mut stream = ParallelRender::new(
        grid(&short(), 44_100),
        1,
        false,
        processors,
        &Settings::default(),
        None,
    )
    .expect("streams");
    let mut out = vec![Vec::new()];
    stream.push_with_sidechain(&[&signal[0]], &[], &mut out).expect("pushed");
    let report = stream.finish(&mut out).expect("finished");
    assert!(out == signal, "dry where it failed");
    assert!(
        report
            .first_error
            .is_some_and(|text| text.contains("window 12") && text.contains("out of memory"))
    );
    assert!(
        ParallelRender::new(
            grid(&short(), 44_100),
            1,
            false,
            Vec::new(),
            &Settings::default(),
            None
        )
        .is_err()
    );
}

/// A file of one span is computed at its end. Progress and cancellation work within it too.
#[test]
fn parallel_streams_report_progress_and_can_be_cancelled() {
    let signal = Lcg(8).noise(400_000);
    let open = || {
        let processors =
            (0..2).map(|_| Box::new(Passthrough::new(1)) as Box<dyn WindowProcessor>).collect();
        let grid = grid(&short(), 44_100);
        let mut stream =
            ParallelRender::new(grid, 1, false, processors, &Settings::default(), Some(400_000))
                .expect("streams");
        let (cancel, positions) = (Cancel::default(), Arc::new(Mutex::new(Vec::new())));
        let here = Arc::clone(&positions);
        stream.on_progress(cancel.clone(), move |samples| here.lock().unwrap().push(samples));
        (stream, cancel, positions)
    };
    let (mut stream, _, positions) = open();
    stream.push_with_sidechain(&[&signal], &[], &mut [Vec::new()]).expect("pushed");
    stream.finish(&mut [Vec::new()]).expect("finished");
    let positions = positions.lock().unwrap();
    let steps = positions.windows(2).filter(|pair| pair[1] > pair[0]).count();
    assert!(
        steps >= 4 && steps + 1 == positions.len() && positions.last() == Some(&400_000),
        "{positions:?}"
    );

    let (mut stream, cancel, positions) = open();
    cancel.cancel();
    let pushed = stream.push_with_sidechain(&[&signal], &[], &mut [Vec::new()]);
    let ended = pushed.and_then(|()| stream.finish(&mut [Vec::new()]).map(drop));
    assert!(matches!(ended, Err(Error::Cancelled)), "{ended:?}");
    assert!(positions.lock().unwrap().is_empty(), "nothing was computed");
}

#[test]
fn failures_are_reported_with_their_reason() {
    let signal = vec![Lcg(4).noise(100_000)];
    let processor = before(1, |_, _: &_| Err(Error::Compute("out of memory".into())));
    let (out, report) =
        render(grid(&short(), 44_100), &signal, processor, &Settings::default(), &mut |_| ())
            .expect("rendered");
    assert!(out == signal, "dry");
    assert!(report.first_error.is_some_and(|text| text.contains("out of memory")));
    assert_eq!(report.stats.wet, 0);
}

/// The last windows extend beyond the input. They are cancelled when the render ends, in any state
/// of their work.
#[test]
fn a_window_cancelled_at_the_end_has_not_failed() {
    for len in [2048, 20_000, 44_100] {
        let signal = vec![Lcg(5).noise(len)];
        let grid = grid(&short(), 44_100);
        let beyond =
            (0..).find(|&window| grid.segment(window).start >= len as u64).expect("a window");
        let processor = before(1, move |index, cancel: &Cancel| {
            if index < beyond {
                return Ok(());
            }
            loop {
                cancel.check()?;
                std::thread::yield_now();
            }
        });
        let (out, report) =
            render(grid.clone(), &signal, processor, &Settings::default(), &mut |_| ())
                .expect("rendered");
        assert!(out == signal);
        assert_eq!((report.first_error, report.stats.failed), (None, 0), "{len} samples");
        assert_eq!(report.stats.wet, beyond, "{len} samples");
    }
}

#[test]
fn unusable_shapes_are_refused() {
    let settings = Settings::default();
    let new = |channels| {
        OfflineStream::new(
            grid(&short(), 44_100),
            channels,
            Box::new(Passthrough::new(1)),
            &settings,
        )
    };
    assert!(new(3).is_err());
    let mut stream = new(2).expect("stereo");
    let mut out = vec![Vec::new(); 2];
    assert!(stream.push(&[&[0.0], &[0.0, 1.0]], &mut out).is_err());
    assert!(stream.push(&[&[0.0]], &mut out).is_err());
    let invalid = Settings { mix: 2.0, ..Settings::default() };
    assert!(
        OfflineStream::new(grid(&short(), 44_100), 1, Box::new(Passthrough::new(1)), &invalid)
            .is_err()
    );
}
