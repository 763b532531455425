//! An offline bounce is equal to the output of the command line, to the bit.

use std::path::Path;

use engine::audio_file::Audio;
use engine::latency_mode::LatencyMode;
use engine::nn::packed::Packed;
use engine::reference::Reference;
use engine::settings::Settings;
use engine::style::file;
use serde_json::Value;
use tests::bundle;
use tests::clap_host::{Clap, entry};
use tests::signal::{Lcg, piano};
use tests::transfer::{
    reference, shipped_model, tokens, transfer, transfer_in_mode, transfer_with_sidechain,
    transfer_with_style,
};
use vst3_host::Vst3Host;
use vst3_host::audio::{BusDirection, MediaType};
use vst3_host::plugin::ProcessMode;

/// Value of the Style parameter: violin.
const VIOLIN: f64 = 3.0;

/// Value of the Style parameter: captured style.
const CAPTURED: f64 = 61.0;

/// Value of the Style parameter: recording.
const FILE: f64 = 62.0;

/// Value of the Style parameter: sidechain.
const SIDECHAIN: f64 = 60.0;

/// Appends silence, so that the end of the input is output.
fn with_tail(audio: &Audio, latency: usize) -> Vec<Vec<f32>> {
    let mut channels = audio.channels.clone();
    channels.iter_mut().for_each(|channel| channel.resize(channel.len() + latency, 0.0));
    channels
}

#[test]
fn a_clap_bounce_equals_the_command_lines_file_for_any_blocks() {
    let entry = entry();
    let mut random = Lcg(1);
    for channels in [2, 1] {
        let audio = piano(7.0, channels);
        let expected =
            transfer(&audio, "violin", &Settings { seed: 5, ..Settings::default() }).channels;
        assert!(expected != audio.channels, "the model changed the audio");
        let mut clap = Clap::new(&entry);
        clap.set_channels(channels);
        clap.set_offline(true);
        let latency = clap.activate(audio.sample_rate_hz, 8192);
        let values = [(clap.param("Style"), VIOLIN), (clap.param("Seed"), 5.0)];
        let input = with_tail(&audio, latency);
        for round in 0..2 {
            let next = |_: usize| if round == 0 { 512 } else { 1 + random.below(8192) };
            let out = clap.play(&input, &[], next, &values);
            for (out, expected) in out.iter().zip(&expected) {
                assert!(out[latency..] == *expected, "{channels} channel(s), round {round}");
            }
        }
    }
}

#[test]
fn a_bounce_in_another_latency_mode_equals_the_command_lines_file() {
    let (entry, audio) = (entry(), piano(5.0, 1));
    let violin = tokens("violin");
    for (number, mode) in [(1.0, LatencyMode::Balanced), (2.0, LatencyMode::Live)] {
        let expected =
            transfer_in_mode(mode, &audio, violin.clone(), &Settings::default()).channels;
        let mut clap = Clap::new(&entry);
        clap.set_channels(1);
        clap.set_offline(true);
        let values = [(clap.param("Style"), VIOLIN), (clap.param("Latency"), number)];
        clap.activate(audio.sample_rate_hz, 1024);
        clap.play(&[vec![0.0; 10]], &[], |_| 10, &values);
        clap.deactivate();
        let latency = clap.activate(audio.sample_rate_hz, 1024);
        let out = clap.play(&with_tail(&audio, latency), &[], |_| 1024, &[]);
        assert!(out[0][latency..] == expected[0], "{mode:?}");
    }
}

#[test]
fn a_vst3_bounce_equals_the_command_lines_file() {
    const BLOCK: usize = 512;
    let audio = piano(7.0, 2);
    let expected = transfer(&audio, "violin", &Settings::default()).channels;
    let rate_hz = f64::from(audio.sample_rate_hz);
    let mut host =
        Vst3Host::builder().sample_rate(rate_hz).block_size(BLOCK).build().expect("a host");
    let mut plugin = host.load_plugin(bundle::vst3()).expect("loaded");
    plugin.set_bus_active(MediaType::Audio, BusDirection::Input, 1, true).expect("a sidechain");
    plugin.set_process_mode(ProcessMode::Offline).expect("offline");
    let style = plugin.find_parameter("Style").expect("a style").id;
    plugin.start_processing().expect("started");
    plugin.set_parameter(style, VIOLIN / 63.0).expect("violin");
    let latency = plugin.latency_samples() as usize;
    let input = with_tail(&audio, latency);
    let mut out = vec![Vec::new(); 2];
    for start in (0..input[0].len()).step_by(BLOCK) {
        let end = input[0].len().min(start + BLOCK);
        let mut buffers = plugin.create_bus_audio_buffers(BLOCK).expect("buffers");
        for (buffer, input) in buffers.inputs[0].channels.iter_mut().zip(&input) {
            buffer[..end - start].copy_from_slice(&input[start..end]);
        }
        plugin.process_bus_audio(&mut buffers).expect("processed");
        for (out, buffer) in out.iter_mut().zip(&buffers.outputs[0].channels) {
            out.extend_from_slice(&buffer[..end - start]);
        }
    }
    plugin.stop_processing().expect("stopped");
    for (out, expected) in out.iter().zip(&expected) {
        assert!(out[latency..] == *expected);
    }
}

#[test]
fn a_bounce_with_a_sidechain_equals_the_command_lines_file() {
    let audio = piano(9.0, 2);
    let violin = reference("violin");
    let side = vec![violin.channels[0][..audio.frames()].to_vec(); 2];
    let expected = transfer_with_sidechain(&audio, &side);
    assert!(expected != audio.channels, "the model changed the audio");
    let mut clap = Clap::new(&entry());
    clap.set_offline(true);
    let latency = clap.activate(audio.sample_rate_hz, 4096);
    let mut sidechain = side;
    sidechain.iter_mut().for_each(|channel| channel.resize(channel.len() + latency, 0.0));
    let values = [(clap.param("Style"), SIDECHAIN)];
    let out = clap.play(&with_tail(&audio, latency), &sidechain, |_| 1000, &values);
    for (out, expected) in out.iter().zip(&expected) {
        assert!(out[latency..] == *expected);
    }
}

/// A project with the style of a recording, or a captured style, has the same output as the file
/// that saves the style.
#[test]
fn a_bounce_with_a_saved_style_equals_the_command_lines_file() {
    let audio = piano(7.0, 1);
    let model = shipped_model();
    let mut recording = reference("harp");
    let second = recording.sample_rate_hz as usize;
    recording.channels.iter_mut().for_each(|channel| drop(channel.drain(..second)));
    let chosen = Reference::from_audio(&recording).expect("a reference");
    let saved_style = model
        .saved_style(&mut Packed::default(), "harp.wav".into(), Path::new("harp.wav"), &chosen)
        .expect("a style");
    let folder = tempfile::tempdir().expect("a folder");
    let saved = folder.path().join("harp.luthier");
    file::write(&saved_style, &saved).expect("saved");
    let tokens = (*file::read(&saved).expect("a style").tokens).clone();
    let expected = transfer_with_style(&audio, tokens, &Settings::default());
    for (place, slot) in [("captured", CAPTURED), ("file", FILE)] {
        let mut clap = Clap::new(&entry());
        let mut state: Value = serde_json::from_slice(&clap.save()[8..]).expect("JSON");
        let mut project: Value =
            serde_json::from_str(state["fields"]["project"].as_str().expect("text")).expect("JSON");
        project[place] = serde_json::to_value(saved_style.write()).expect("JSON");
        state["fields"]["project"] = project.to_string().into();
        let state = state.to_string();
        assert!(clap.load(&[&(state.len() as u64).to_le_bytes(), state.as_bytes()].concat()));
        clap.set_channels(1);
        clap.set_offline(true);
        let latency = clap.activate(audio.sample_rate_hz, 4096);
        let values = [(clap.param("Style"), slot)];
        let out = clap.play(&with_tail(&audio, latency), &[], |_| 3000, &values);
        assert!(out[0][latency..] == expected.channels[0], "{place}");
    }
}

/// Renders `audio` with a transport that starts `early` samples before the position that the
/// latency requires.
fn render_early(audio: &Audio, early: usize, block: usize) -> Vec<f32> {
    let mut clap = Clap::new(&entry());
    clap.set_channels(1);
    clap.set_offline(true);
    let values = [(clap.param("Style"), VIOLIN)];
    let latency = clap.activate(audio.sample_rate_hz, 1024);
    clap.play(&[vec![0.0; 3000]], &[], |_| 1024, &values);
    clap.position = Some(Box::new(move |sample| sample as i64 - (latency + early) as i64));
    let mut input = with_tail(audio, latency);
    input[0].splice(0..0, vec![0.0; early]);
    clap.play(&input, &[], |_| block, &[]).remove(0).split_off(early + latency)
}

/// A host that compensates latencies starts before the first sample of the timeline, by varying
/// amounts.
#[test]
fn a_render_that_starts_early_equals_the_command_lines_file() {
    let audio = piano(5.0, 1);
    let expected = transfer(&audio, "violin", &Settings::default()).channels;
    for early in [1295, 1311] {
        assert!(render_early(&audio, early, 1024) == expected[0], "{early} samples early");
    }
}

/// Blocks larger than announced are split. Each part has its own transport position.
#[test]
fn a_render_that_starts_early_in_large_blocks_equals_the_command_lines_file() {
    let mut audio = piano(5.0, 1);
    audio.channels[0].splice(0..0, vec![0.0; 3000]);
    let expected = transfer(&audio, "violin", &Settings::default()).channels;
    assert!(render_early(&audio, 9000, 20_000) == expected[0]);
}

/// The song position jumps, for example in a loop. The output depends only on the input.
#[test]
fn jumps_of_the_transport_have_no_effect() {
    let (entry, audio) = (entry(), piano(5.0, 1));
    let expected = transfer(&audio, "violin", &Settings::default()).channels;
    let mut clap = Clap::new(&entry);
    clap.set_channels(1);
    clap.set_offline(true);
    let values = [(clap.param("Style"), VIOLIN)];
    let latency = clap.activate(audio.sample_rate_hz, 1024);
    const JUMPS: [(usize, i64); 4] =
        [(0, 0), (70_000, -500_000), (90_000, 9_999_999), (150_000, 0)];
    clap.position = Some(Box::new(|sample| {
        let (from, position) =
            *JUMPS.iter().rev().find(|(from, _)| *from <= sample).expect("the first");
        position + (sample - from) as i64
    }));
    let out = clap.play(&with_tail(&audio, latency), &[], |_| 1000, &values);
    assert!(out[0][latency..] == expected[0]);
}

/// All instances share one pool and one model. Each has the output that it has alone.
#[test]
fn sixteen_instances_have_the_output_of_one() {
    let entry = entry();
    let audio = piano(4.0, 1);
    let expected: Vec<_> = (0..2)
        .map(|seed| {
            transfer(&audio, "violin", &Settings { seed, ..Settings::default() }).channels.remove(0)
        })
        .collect();
    std::thread::scope(|scope| {
        for instance in 0..16 {
            let (entry, audio, expected) = (entry.clone(), &audio, &expected);
            scope.spawn(move || {
                let mut clap = Clap::new(&entry);
                clap.set_channels(1);
                clap.set_offline(true);
                let latency = clap.activate(audio.sample_rate_hz, 512);
                let seed = instance % 2;
                let values = [(clap.param("Style"), VIOLIN), (clap.param("Seed"), f64::from(seed))];
                let out = clap.play(&with_tail(audio, latency), &[], |_| 512, &values);
                assert!(out[0][latency..] == expected[seed as usize], "instance {instance}");
            });
        }
    });
}
