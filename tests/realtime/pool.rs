//! Several streams on a shared pool of threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use engine::cancel::Cancel;
use engine::settings::Settings;
use engine::stream::{AudioThread, Pool, StreamConfig, WindowProcessor, WorkHandle, open_on};
use tests::signal::{Lcg, delayed};

use crate::fakes::{Passthrough, before, grid, play, short};

const RATE_HZ: u32 = 8_000;

fn stream(
    pool: &Arc<Pool>,
    processor: Box<dyn WindowProcessor>,
    deadline_seconds: u64,
) -> (AudioThread, WorkHandle) {
    let deadline_samples = deadline_seconds * u64::from(RATE_HZ);
    let config = StreamConfig {
        grid: grid(&short(), RATE_HZ),
        channels: 1,
        sidechain: false,
        deadline_samples,
        limiter: false,
    };
    open_on(pool, &config, processor, &Settings::default()).expect("a stream")
}

/// Sends the input of exactly one window.
fn send_one(audio: &mut AudioThread) {
    let mut samples = vec![0.1; grid(&short(), RATE_HZ).required_samples(0) as usize];
    audio.process(&mut [&mut samples], &[]);
}

/// A processor that sends its name when it computes a window.
fn named(name: char, sender: &Sender<char>) -> Box<dyn WindowProcessor> {
    let sender = sender.clone();
    before(1, move |_, _: &Cancel| {
        sender.send(name).expect("a receiver");
        Ok(())
    })
}

/// A processor that computes until it is released or cancelled, and the flag that releases it.
fn busy(started: &Sender<char>) -> (Box<dyn WindowProcessor>, Arc<AtomicBool>) {
    let (started, go) = (started.clone(), Arc::new(AtomicBool::new(false)));
    let wait = Arc::clone(&go);
    let processor = before(1, move |_, cancel: &Cancel| {
        started.send('!').expect("a receiver");
        while !wait.load(SeqCst) {
            cancel.check()?;
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    });
    (processor, go)
}

#[test]
fn shared_threads_do_not_change_the_output_of_streams() {
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
fn the_earliest_deadline_is_computed_first_and_offline_renders_last() {
    let pool = Arc::new(Pool::new(1).expect("a thread"));
    let (sender, order) = channel();
    let (processor, go) = busy(&sender);
    let (mut blocking, _a) = stream(&pool, processor, 1);
    let (mut render, _b) = stream(&pool, named('r', &sender), 0);
    let (mut later, _c) = stream(&pool, named('l', &sender), 90);
    let (mut soon, _d) = stream(&pool, named('s', &sender), 1);
    render.set_offline(true);
    send_one(&mut blocking);
    assert_eq!(order.recv(), Ok('!'), "the only thread is busy");
    send_one(&mut render);
    send_one(&mut later);
    send_one(&mut soon);
    go.store(true, SeqCst);
    let finished: String = (0..3).map(|_| order.recv().expect("a window")).collect();
    assert_eq!(finished, "slr");
}

#[test]
fn a_closed_stream_cancels_only_its_own_work() {
    let pool = Arc::new(Pool::new(1).expect("a thread"));
    let (sender, order) = channel();
    let (processor, _never) = busy(&sender);
    let (mut closing, work) = stream(&pool, processor, 1);
    let (mut other, _work) = stream(&pool, named('o', &sender), 1);
    send_one(&mut closing);
    assert_eq!(order.recv(), Ok('!'));
    send_one(&mut other);
    let status = work.status();
    drop(work);
    assert_eq!((order.recv(), status.stats().failed), (Ok('o'), 0));
    // Without a worker the stream continues dry.
    let signal = vec![Lcg(1).noise(20_000)];
    play(&mut closing, &signal, |_| 512);
}
