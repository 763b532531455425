//! Many streams on few threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use engine::cancel::Cancel;
use engine::settings::Settings;
use engine::stream::{AudioThread, Pool, StreamConfig, WindowProcessor, Work, open_on};
use tests::signal::{Lcg, delayed};

use crate::fakes::{Passthrough, before, grid, play, short};

const RATE_HZ: u32 = 8_000;

fn stream(
    pool: &Arc<Pool>,
    processor: Box<dyn WindowProcessor>,
    deadline_seconds: u64,
) -> (AudioThread, Work) {
    let deadline_samples = deadline_seconds * u64::from(RATE_HZ);
    let config = StreamConfig {
        grid: grid(&short(), RATE_HZ),
        channels: 1,
        sidechain: false,
        deadline_samples,
    };
    open_on(pool, &config, processor, &Settings::default()).expect("a stream")
}

/// Sends exactly the first window.
fn send_one(audio: &mut AudioThread) {
    let mut samples = vec![0.1; grid(&short(), RATE_HZ).need(0) as usize];
    audio.process(&mut [&mut samples], &[]);
}

/// A processor that says its name when its window is computed.
fn named(name: char, said: &Sender<char>) -> Box<dyn WindowProcessor> {
    let said = said.clone();
    before(1, move |_, _: &Cancel| {
        said.send(name).expect("somebody listens");
        Ok(())
    })
}

/// A processor that computes until it is let go or called off, and what lets it go.
fn busy(started: &Sender<char>) -> (Box<dyn WindowProcessor>, Arc<AtomicBool>) {
    let (started, go) = (started.clone(), Arc::new(AtomicBool::new(false)));
    let wait = Arc::clone(&go);
    let processor = before(1, move |_, cancel: &Cancel| {
        started.send('!').expect("somebody listens");
        while !wait.load(SeqCst) {
            cancel.check()?;
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    });
    (processor, go)
}

#[test]
fn streams_that_share_threads_play_what_they_play_alone() {
    let pool = Arc::new(Pool::new(2).expect("threads"));
    std::thread::scope(|scope| {
        for seed in 0..8u8 {
            let pool = &pool;
            scope.spawn(move || {
                let gain = f32::from(seed + 1) / 8.0;
                let processor = Box::new(Passthrough { gain, ..Passthrough::new(1) });
                let (mut audio, _work) = stream(pool, processor, 0);
                audio.set_offline(true);
                let signal = Lcg(u64::from(seed)).noise(50_000);
                let out = play(&mut audio, std::slice::from_ref(&signal), |_| 777);
                let expected: Vec<f32> = signal.iter().map(|x| x * gain).collect();
                assert!(
                    out[0] == delayed(&expected, audio.latency_samples() as usize),
                    "stream {seed}"
                );
            });
        }
    });
}

#[test]
fn the_window_that_is_due_first_is_computed_first_and_renders_come_last() {
    let pool = Arc::new(Pool::new(1).expect("a thread"));
    let (said, order) = channel();
    let (processor, go) = busy(&said);
    let (mut holds, _a) = stream(&pool, processor, 1);
    let (mut render, _b) = stream(&pool, named('r', &said), 0);
    let (mut later, _c) = stream(&pool, named('l', &said), 90);
    let (mut soon, _d) = stream(&pool, named('s', &said), 1);
    render.set_offline(true);
    send_one(&mut holds);
    assert_eq!(order.recv(), Ok('!'), "the only thread is busy");
    send_one(&mut render);
    send_one(&mut later);
    send_one(&mut soon);
    go.store(true, SeqCst);
    let heard: String = (0..3).map(|_| order.recv().expect("a window")).collect();
    assert_eq!(heard, "slr");
}

#[test]
fn a_stream_that_closes_calls_off_its_own_work_alone() {
    let pool = Arc::new(Pool::new(1).expect("a thread"));
    let (said, order) = channel();
    let (processor, _never) = busy(&said);
    let (mut closing, work) = stream(&pool, processor, 1);
    let (mut other, _work) = stream(&pool, named('o', &said), 1);
    send_one(&mut closing);
    assert_eq!(order.recv(), Ok('!'));
    send_one(&mut other);
    let status = work.status();
    drop(work);
    assert_eq!((order.recv(), status.stats().failed), (Ok('o'), 0));
    // What has no worker any more goes on dry.
    let signal = vec![Lcg(1).noise(20_000)];
    play(&mut closing, &signal, |_| 512);
}
