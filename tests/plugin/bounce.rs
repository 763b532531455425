//! An offline bounce is what the command line makes, to the bit.

use engine::audio_file::Audio;
use engine::nn::packed::Packed;
use engine::pipeline::{Executed, Pipeline};
use engine::settings::Settings;
use engine::stream::OfflineStream;
use tests::bundle;
use tests::clap_host::{Clap, entry};
use tests::signal::{Lcg, piano};
use tests::transfer::{playable, reference, transfer};
use vst3_host::Vst3Host;
use vst3_host::audio::{BusDirection, MediaType};
use vst3_host::plugin::ProcessMode;

/// The Style parameter's place of the violin.
const VIOLIN: f64 = 3.0;

/// The Style parameter's place of the sidechain.
const SIDECHAIN: f64 = 60.0;

fn slices(channels: &[Vec<f32>]) -> Vec<&[f32]> {
    channels.iter().map(Vec::as_slice).collect()
}

/// Lets the input's end come out.
fn with_tail(audio: &Audio, latency: usize) -> Vec<Vec<f32>> {
    let mut channels = audio.channels.clone();
    channels.iter_mut().for_each(|channel| channel.resize(channel.len() + latency, 0.0));
    channels
}

#[test]
fn a_clap_bounce_is_the_command_lines_file_whatever_the_blocks() {
    let entry = entry();
    let mut random = Lcg(1);
    for channels in [2, 1] {
        let audio = piano(7.0, channels);
        let expected = transfer(&audio, "violin", &Settings { seed: 5, ..Settings::default() }).channels;
        assert!(expected != audio.channels, "something was transferred");
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
fn a_vst3_bounce_is_the_command_lines_file() {
    const BLOCK: usize = 512;
    let audio = piano(7.0, 2);
    let expected = transfer(&audio, "violin", &Settings::default()).channels;
    let rate_hz = f64::from(audio.sample_rate_hz);
    let mut host = Vst3Host::builder().sample_rate(rate_hz).block_size(BLOCK).build().expect("a host");
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
fn a_bounce_with_a_sidechain_is_the_command_lines_file() {
    let audio = piano(9.0, 2);
    let violin = reference("violin");
    let side = vec![violin.channels[0][..audio.frames()].to_vec(); 2];
    let playable = playable();
    let networks = Box::new(Executed::new(playable.model(), Packed::default()));
    let pipeline = Pipeline::following(networks, audio.sample_rate_hz, 2).expect("a pipeline");
    let grid = pipeline.grid().clone();
    let mut stream =
        OfflineStream::with_sidechain(grid, 2, Box::new(pipeline), &Settings::default()).expect("a stream");
    let mut expected = vec![Vec::new(); 2];
    stream.push_beside(&slices(&audio.channels), &slices(&side), &mut expected).expect("pushed");
    let report = stream.finish(&mut expected).expect("finished");
    assert_eq!(report.first_error, None);
    assert!(expected != audio.channels, "something was transferred");
    let mut clap = Clap::new(&entry());
    clap.set_offline(true);
    let latency = clap.activate(audio.sample_rate_hz, 4096);
    let mut beside = side.clone();
    beside.iter_mut().for_each(|channel| channel.resize(channel.len() + latency, 0.0));
    let values = [(clap.param("Style"), SIDECHAIN)];
    let out = clap.play(&with_tail(&audio, latency), &beside, |_| 1000, &values);
    for (out, expected) in out.iter().zip(&expected) {
        assert!(out[latency..] == *expected);
    }
}

/// All on the threads of one pool, with the weights of one model: what each plays is what it would play alone.
#[test]
fn sixteen_instances_at_once_play_as_one_would() {
    let entry = entry();
    let audio = piano(4.0, 1);
    let expected: Vec<_> = (0..2)
        .map(|seed| transfer(&audio, "violin", &Settings { seed, ..Settings::default() }).channels.remove(0))
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
