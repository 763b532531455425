//! Measured latency is reported latency, and what is dry is the delayed input to the bit.

use tests::clap_host::{Clap, entry};
use tests::signal::{Lcg, delayed};

const RATES_HZ: [u32; 3] = [44_100, 48_000, 96_000];

#[test]
fn an_impulse_comes_out_dry_after_exactly_the_reported_latency() {
    let entry = entry();
    for rate_hz in RATES_HZ {
        for block in [1000, 64, 8192] {
            let mut clap = Clap::new(&entry);
            let latency = clap.activate(rate_hz, block);
            assert!(latency > rate_hz as usize, "a window, at least");
            let mut impulse = vec![0.0; latency + 3000];
            impulse[1234] = 1.0;
            let mix = clap.param("Mix");
            let out = clap.play(&[impulse.clone(), impulse.clone()], &[], |_| block, &[(mix, 0.0)]);
            assert!(out == vec![delayed(&impulse, latency); 2], "{rate_hz} Hz, blocks of {block}");
        }
    }
}

#[test]
fn bypass_is_the_delayed_input_to_the_bit_whatever_the_gains() {
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
fn a_latency_mode_holds_from_the_next_activation_on_exact_to_the_sample() {
    let mut clap = Clap::new(&entry());
    let (latency, mix) = (clap.param("Latency"), clap.param("Mix"));
    let mut before = clap.activate(48_000, 512);
    for mode in [1.0, 2.0] {
        // nice-plug asks too, at an activation whose latency is another than the one before.
        let asked = clap.restarts();
        clap.play(&[vec![0.0; 512], vec![0.0; 512]], &[], |_| 512, &[(latency, mode), (mix, 0.0)]);
        assert_eq!(clap.latency(), before, "constant while active");
        assert_eq!(clap.restarts(), asked + 1, "the host is asked to restart it");
        clap.deactivate();
        let (after, asked) = (clap.activate(48_000, 512), clap.restarts());
        assert!(after * 4 < before, "{after} of {before}");
        let mut impulse = vec![0.0; after + 3000];
        impulse[1234] = 1.0;
        let out = clap.play(&[impulse.clone(), impulse.clone()], &[], |_| 512, &[]);
        assert!(out == vec![delayed(&impulse, after); 2], "mode {mode}");
        assert_eq!(clap.restarts(), asked, "it was");
        before = after;
    }
    assert!(before <= 48_000 / 5, "a fifth of a second: {before}");
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
