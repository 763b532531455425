//! The measured latency is the reported latency, and the dry signal is the delayed input to the
//! bit.

use tests::clap_host::{Clap, entry};
use tests::signal::{Lcg, delayed};

const RATES_HZ: [u32; 3] = [44_100, 48_000, 96_000];

#[test]
fn a_dry_impulse_is_delayed_by_exactly_the_reported_latency() {
    let entry = entry();
    for rate_hz in RATES_HZ {
        for block in [1000, 64, 8192] {
            let mut clap = Clap::new(&entry);
            let latency = clap.activate(rate_hz, block);
            assert!(latency > rate_hz as usize, "at least one window");
            let mut impulse = vec![0.0; latency + 3000];
            impulse[1234] = 1.0;
            let mix = clap.param("Mix");
            let out = clap.play(&[impulse.clone(), impulse.clone()], &[], |_| block, &[(mix, 0.0)]);
            assert!(out == vec![delayed(&impulse, latency); 2], "{rate_hz} Hz, blocks of {block}");
        }
    }
}

#[test]
fn bypass_is_the_delayed_input_to_the_bit_for_any_gain() {
    let entry = entry();
    let mut random = Lcg(1);
    for rate_hz in RATES_HZ {
        let mut clap = Clap::new(&entry);
        let latency = clap.activate(rate_hz, 8192);
        let input = vec![random.noise(latency + 20_000), random.noise(latency + 20_000)];
        let (bypass, gain) = (clap.param("Bypass"), clap.param("Input gain"));
        let out = clap.play(&input, &[], |_| 1 + random.below(8192), &[(bypass, 1.0), (gain, 0.9)]);
        for (out, input) in out.iter().zip(&input) {
            assert!(*out == delayed(input, latency), "{rate_hz} Hz");
        }
    }
}

#[test]
fn a_latency_mode_takes_effect_at_the_next_activation_exact_to_the_sample() {
    let mut clap = Clap::new(&entry());
    let (latency, mix) = (clap.param("Latency"), clap.param("Mix"));
    let mut before = clap.activate(48_000, 512);
    for mode in [1.0, 2.0] {
        // nice-plug also requests a restart at an activation with another latency than before.
        let restarts = clap.restarts();
        clap.play(&[vec![0.0; 512], vec![0.0; 512]], &[], |_| 512, &[(latency, mode), (mix, 0.0)]);
        assert_eq!(clap.latency(), before, "constant while active");
        assert_eq!(clap.restarts(), restarts + 1, "one restart is requested");
        clap.deactivate();
        let (after, restarts) = (clap.activate(48_000, 512), clap.restarts());
        assert!(after * 4 < before, "{after} of {before}");
        let mut impulse = vec![0.0; after + 3000];
        impulse[1234] = 1.0;
        let out = clap.play(&[impulse.clone(), impulse.clone()], &[], |_| 512, &[]);
        assert!(out == vec![delayed(&impulse, after); 2], "mode {mode}");
        assert_eq!(clap.restarts(), restarts, "no restart request");
        before = after;
    }
    assert!(before <= 48_000 / 5, "at most 0.2 s: {before}");
}

#[test]
fn the_limiter_changes_neither_the_latency_nor_quiet_samples_nor_the_bypass() {
    let entry = entry();
    let mut random = Lcg(3);
    for mode in [0.0, 1.0, 2.0] {
        let mut clap = Clap::new(&entry);
        let [mix, limiter, gain, bypass, latency_mode] =
            ["Mix", "Limiter", "Output gain", "Bypass", "Latency"].map(|name| clap.param(name));
        clap.activate(48_000, 512);
        clap.play(&vec![vec![0.0; 512]; 2], &[], |_| 512, &[(latency_mode, mode), (mix, 0.0)]);
        clap.deactivate();
        let latency = clap.activate(48_000, 512);
        let quiet: Vec<f32> = random.noise(latency + 30_000).iter().map(|x| 0.3 * x).collect();
        for on in [1.0, 0.0] {
            let out = clap.play(&[quiet.clone(), quiet.clone()], &[], |_| 512, &[(limiter, on)]);
            assert_eq!(clap.latency(), latency);
            let later = |out: &[f32]| out[latency..].to_vec();
            assert!(later(&out[0]) == quiet[..30_000], "mode {mode}, limiter {on}");
        }
        let values = [(limiter, 1.0), (gain, 1.0)];
        let out = clap.play(&[quiet.clone(), quiet.clone()], &[], |_| 512, &values);
        let peak = out[0][latency..].iter().fold(0.0f32, |peak, x| peak.max(x.abs()));
        assert!((0.7..0.8915).contains(&peak), "mode {mode}: {peak}");
        let loud: Vec<f32> = quiet.iter().map(|sample| 9.0 * sample).collect();
        let out = clap.play(&[loud.clone(), loud.clone()], &[], |_| 512, &[(bypass, 1.0)]);
        assert!(out[0][latency + 2000..] == loud[2000..30_000], "mode {mode}: bypass");
    }
}

#[test]
fn latency_is_the_same_at_every_activation() {
    let mut clap = Clap::new(&entry());
    let first = clap.activate(48_000, 512);
    for round in 0..6 {
        clap.deactivate();
        assert_eq!(clap.activate(48_000, 64 << round), first);
        assert_eq!(clap.latency(), first);
    }
}
