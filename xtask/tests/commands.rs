//! The commands as users run them: their outputs and their error messages.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use candle_core::Device;
use engine::audio_file::{Audio, SampleFormat, decode, encode};
use engine::checkpoint::{Checkpoint, Kind, LatentStats, Precision, StoredTensor};
use engine::config::ModelConfig;
use engine::library::PATH_VARIABLE;
use engine::models::model::Model;
use engine::nn::candle::{Candle, ParamStore};
use tempfile::TempDir;

/// A temporary folder with input files. Only the files that a test names may change.
struct Bench {
    folder: TempDir,
}

fn golden(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/audio_files").join(name);
    path.to_string_lossy().into_owned()
}

/// A model with random weights that processes a window in milliseconds.
fn tiny_model() -> &'static [u8] {
    static BYTES: OnceLock<Vec<u8>> = OnceLock::new();
    BYTES.get_or_init(|| {
        let mut config = ModelConfig::default();
        config.autoencoder.channels = vec![8, 8, 16];
        config.autoencoder.latent_channels = 8;
        config.style.channels = vec![8, 8, 8, 16, 16, 16];
        config.style.dim = 16;
        config.unet.channels = vec![16, 16, 16];
        config.unet.embedding = 16;
        let mut store = ParamStore::new(&Device::Cpu, 3);
        let latent = LatentStats::identity(8);
        Model::<Candle>::load(
            &mut &mut store,
            config.clone(),
            latent.mean.clone(),
            latent.std.clone(),
        )
        .expect("built");
        let mut checkpoint = Checkpoint::new(Kind::Model, &config).expect("a checkpoint");
        checkpoint.latent = latent;
        for (name, (shape, data)) in store.export().expect("exported") {
            checkpoint.tensors.insert(name, StoredTensor { shape, data });
        }
        checkpoint.to_bytes(Precision::F32).expect("bytes")
    })
}

fn melody(sample_rate_hz: u32, frames: usize, channels: usize) -> Audio {
    let sample = |n: usize, c: usize| {
        let time = n as f32 / sample_rate_hz as f32;
        let hz = [262.0, 330.0, 392.0][(time / 0.25) as usize % 3] * (1 + c) as f32;
        0.2 * (std::f32::consts::TAU * hz * time).sin() * (-6.0 * (time % 0.25)).exp()
    };
    let channel = |c| (0..frames).map(|n| sample(n, c)).collect();
    Audio { sample_rate_hz, channels: (0..channels).map(channel).collect() }
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let bench = Self { folder };
        encode(bench.path("in.wav"), &melody(44_100, 50_001, 2), SampleFormat::Int24)
            .expect("written");
        encode(bench.path("mono.flac"), &melody(22_050, 30_007, 1), SampleFormat::Int24)
            .expect("written");
        let silence = Audio { sample_rate_hz: 44_100, channels: vec![vec![0.0; 30_000]] };
        encode(bench.path("silent.wav"), &silence, SampleFormat::Int24).expect("written");
        std::fs::write(bench.path("text.wav"), "no samples in here").expect("written");
        std::fs::write(bench.path("model.safetensors"), tiny_model()).expect("written");
        std::fs::write(bench.path("cut.safetensors"), &tiny_model()[..tiny_model().len() / 2])
            .expect("written");
        std::fs::create_dir(bench.path("folder.wav")).expect("created");
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn names(&self) -> BTreeSet<String> {
        let entries = std::fs::read_dir(self.folder.path()).expect("listed");
        entries.map(|e| e.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask_full"));
        // A CUDA library of this machine must not be found: the target folder is empty.
        command.env_remove(PATH_VARIABLE).env("CARGO_TARGET_DIR", self.folder.path());
        command.current_dir(self.folder.path()).args(line.split_whitespace());
        command
    }

    fn run(&self, line: &str) -> Output {
        self.command(line).output().expect("xtask runs")
    }

    /// Asserts one line of error that contains `part`, exit code 2, and no new file.
    fn refuses(&self, line: &str, part: &str) {
        let before = self.names();
        let output = self.run(line);
        let (out, err) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(2), "`{line}` printed: {out}{err}");
        assert!(
            err.trim_end().lines().count() == 1 && err.starts_with("error: "),
            "`{line}` printed: {err}"
        );
        assert!(err.contains(part), "`{line}` printed: {err}, without: {part}");
        assert!(out.is_empty(), "`{line}` printed: {out}");
        assert_eq!(before, self.names(), "`{line}` left a file");
    }

    /// Asserts success. Returns the standard output.
    fn does(&self, line: &str) -> String {
        let output = self.run(line);
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "`{line}` printed: {err}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

#[test]
fn every_bad_input_is_one_sentence() {
    let bench = Bench::new();
    let rest = "--style mono.flac --out out.wav --model model.safetensors";
    for (input, part) in [
        ("nowhere.wav", "no such file"),
        ("text.wav", "expected a WAV, AIFF, CAF, FLAC, MP3, M4A, Ogg Vorbis or Opus file"),
        ("silent.wav", "found silence"),
        ("folder.wav", "expected a folder with recordings"),
        (golden("empty.wav").as_str(), "found a file without samples"),
        (golden("nan.wav").as_str(), "NaN"),
        (golden("quad.wav").as_str(), "found 4 channels"),
    ] {
        bench.refuses(&format!("transfer {input} {rest}"), part);
    }
}

#[test]
fn every_bad_option_is_one_sentence() {
    let bench = Bench::new();
    let rest = "in.wav --style mono.flac --out out.wav --model model.safetensors";
    for (option, part) in [
        ("--steps 0", "steps: expected 1 to 1000, found 0"),
        ("--steps 1001", "found 1001"),
        ("--steps many", "many"),
        ("--guidance -1", "guidance: expected 0 to 10, found -1"),
        ("--guidance 11", "found 11"),
        ("--guidance nan", "found NaN"),
        ("--strength 1.5", "strength: expected 0 to 1, found 1.5"),
        ("--mix -0.1", "mix: expected 0 to 1"),
        ("--mix inf", "found inf"),
        ("--temperature 2", "temperature: expected 0 to 1"),
        ("--seed -1", "-1"),
        ("--device gpu", "gpu"),
        ("--vocoder magic", "magic"),
        ("--unheard-of", "--unheard-of"),
        ("--picture picture.jpg", ".png"),
        ("--picture nowhere/picture.png", "cannot be written"),
    ] {
        bench.refuses(&format!("transfer {rest} {option}"), part);
    }
    bench.refuses("transfer in.wav --out out.wav", "--style");
    bench.refuses("transfer in.wav --style mono.flac", "--out");
    bench.refuses("transpose in.wav", "transpose");
}

#[test]
fn without_a_gpu_cuda_fails_in_one_sentence_and_auto_uses_the_cpu() {
    let bench = Bench::new();
    let rest = "in.wav --style mono.flac --out out.wav --model model.safetensors";
    bench.refuses(
        &format!("transfer {rest} --device cuda"),
        "`cargo xtask bundle --cuda` builds it",
    );
    bench.does(&format!("transfer {rest} --device cpu"));
    let expected = std::fs::read(bench.path("out.wav")).expect("written");
    // A library that was built without CUDA, and a file that is not a library.
    let built = format!(
        "{}luthier_engine_cuda{}",
        std::env::consts::DLL_PREFIX,
        std::env::consts::DLL_SUFFIX
    );
    let built = std::env::current_exe().expect("this program's path").with_file_name(built);
    let mut auto = vec![(None, "")];
    for (library, reason) in
        [(built, "built without CUDA"), (bench.path("text.wav"), "cannot be opened")]
    {
        let refused = bench.command(&format!("transfer {rest} --device cuda"));
        let (status, _, err) = output_of(refused, Some(&library));
        assert!(
            status == Some(2) && err.starts_with("error: --device cuda: ") && err.contains(reason),
            "{err}"
        );
        assert_eq!(err.trim_end().lines().count(), 1, "{err}");
        auto.push((Some(library), reason));
    }
    for (library, reason) in auto {
        let command = bench.command(&format!("transfer {rest} --device auto"));
        let (status, out, err) = output_of(command, library.as_deref());
        assert!(status == Some(0) && out.contains(", cpu ("), "{out}{err}");
        let note =
            err.lines().find(|line| line.starts_with("note: CUDA is not available, using the CPU"));
        assert!(
            note.is_some() == library.is_some() && note.unwrap_or_default().contains(reason),
            "{err}"
        );
        assert!(
            std::fs::read(bench.path("out.wav")).expect("written") == expected,
            "the file differs from the CPU's"
        );
    }
}

/// Exit code, standard output and standard error of a command with this CUDA library.
fn output_of(mut command: Command, library: Option<&Path>) -> (Option<i32>, String, String) {
    if let Some(library) = library {
        command.env(PATH_VARIABLE, library);
    }
    let Output { status, stdout, stderr } = command.output().expect("xtask runs");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (status.code(), text(stdout), text(stderr))
}

#[test]
fn every_bad_style_is_one_sentence() {
    let bench = Bench::new();
    for (style, part) in [
        ("kazoo", "found `kazoo`"),
        ("nowhere.flac", "no such file"),
        ("text.wav", "expected a WAV"),
        ("silent.wav", "found silence"),
    ] {
        bench.refuses(
            &format!("transfer in.wav --style {style} --out out.wav --model model.safetensors"),
            part,
        );
        bench.refuses(
            &format!(
                "generate --seconds 1 --style {style} --out out.wav --model model.safetensors"
            ),
            part,
        );
    }
}

#[test]
fn every_path_that_cannot_be_written_is_one_sentence() {
    let bench = Bench::new();
    for (out, part) in [
        ("nowhere/out.wav", "cannot be written"),
        ("folder.wav", "found a folder"),
        ("out.mp3", "ends in .wav or .flac"),
        ("out", "ends in .wav or .flac"),
        ("in.wav", "differs from the inputs"),
        ("mono.flac", "differs from the inputs"),
    ] {
        bench.refuses(
            &format!("transfer in.wav --style mono.flac --out {out} --model model.safetensors"),
            part,
        );
    }
    bench.refuses(
        "transfer in.wav --style mono.flac --out out.flac --float --model model.safetensors",
        "FLAC cannot store float",
    );
}

#[test]
fn an_input_file_is_never_overwritten() {
    let bench = Bench::new();
    let before = std::fs::read(bench.path("mono.flac")).expect("read");
    for line in [
        "transfer in.wav --sidechain mono.flac --out mono.flac --model model.safetensors",
        "generate --style mono.flac --seconds 1 --out mono.flac --model model.safetensors",
    ] {
        bench.refuses(line, "differs from the inputs");
    }
    assert_eq!(std::fs::read(bench.path("mono.flac")).expect("read"), before);
}

#[cfg(unix)]
#[test]
fn an_interrupted_transfer_leaves_no_file() {
    let bench = Bench::new();
    encode(bench.path("long.wav"), &melody(44_100, 4_410_000, 2), SampleFormat::Int24)
        .expect("written");
    let before = bench.names();
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask_full"));
    let line = "transfer long.wav --style in.wav --steps 1000 --out out.wav --picture out.png \
                --model model.safetensors";
    command
        .current_dir(bench.folder.path())
        .args(line.split_whitespace())
        .stderr(std::process::Stdio::piped());
    let child = command.spawn().expect("xtask runs");
    while bench.names() == before {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    std::thread::sleep(std::time::Duration::from_millis(100));
    let killed =
        Command::new("kill").args(["-TERM", &child.id().to_string()]).status().expect("kill");
    assert!(killed.success());
    let output = child.wait_with_output().expect("ended");
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{err}");
    assert!(err.contains("interrupted: no file was written"), "{err}");
    assert_eq!(bench.names(), before);
}

#[test]
fn every_bad_model_is_one_sentence() {
    let bench = Bench::new();
    for model in ["nowhere.safetensors", "text.wav", "in.wav", "cut.safetensors", "folder.wav"] {
        bench.refuses(
            &format!("transfer in.wav --style mono.flac --out out.wav --model {model}"),
            model,
        );
        bench.refuses(&format!("inspect {model}"), model);
    }
    let mut extra = Checkpoint::from_bytes(tiny_model()).expect("read");
    extra
        .tensors
        .insert("unet.surplus.weight".into(), StoredTensor { shape: vec![1], data: vec![0.0] });
    std::fs::write(bench.path("extra.safetensors"), extra.to_bytes(Precision::F32).expect("bytes"))
        .expect("written");
    extra.tensors.remove("unet.surplus.weight");
    let (lost, _) = extra.tensors.pop_first().expect("a tensor");
    std::fs::write(bench.path("lost.safetensors"), extra.to_bytes(Precision::F32).expect("bytes"))
        .expect("written");
    let line = "transfer in.wav --style mono.flac --out out.wav --model";
    bench.refuses(&format!("{line} extra.safetensors"), "unet.surplus.weight");
    bench.refuses(&format!("{line} lost.safetensors"), &lost);
}

#[test]
fn every_bad_length_is_one_sentence() {
    let bench = Bench::new();
    for seconds in ["0", "-1", "nan", "1e9"] {
        let line = format!(
            "generate --style mono.flac --seconds {seconds} --out out.wav --model model.safetensors"
        );
        bench.refuses(&line, "seconds: expected above 0");
    }
}

#[test]
fn a_transfer_has_the_inputs_shape_in_every_format() {
    let bench = Bench::new();
    let mp3 = golden("stereo.mp3");
    for (input, out) in [
        ("in.wav", "a.wav"),
        ("in.wav", "a.flac"),
        ("mono.flac", "b.wav"),
        ("mono.flac", "c.flac"),
        (&mp3, "d.wav"),
    ] {
        let printed = bench.does(&format!(
            "transfer {input} --style mono.flac --steps 2 --out {out} --model model.safetensors \
             --picture a.png"
        ));
        assert!(printed.contains("real-time factor") && printed.ends_with("seed 0\n"), "{printed}");
        let (before, after) = (
            decode(bench.folder.path().join(input)).expect("input"),
            decode(bench.path(out)).expect("output"),
        );
        assert_eq!(before.sample_rate_hz, after.sample_rate_hz);
        assert_eq!(before.frames(), after.frames());
        assert_eq!(before.channels.len(), after.channels.len());
        assert!(after.channels.iter().flatten().any(|x| x.abs() > 1e-3));
        assert!(std::fs::read(bench.path("a.png")).expect("a picture").starts_with(b"\x89PNG"));
    }
}

#[test]
fn a_transfer_repeats_bit_for_bit_and_follows_its_seed() {
    let bench = Bench::new();
    let transfer = |out: &str, options: &str| {
        bench.does(&format!(
            "transfer in.wav --style mono.flac --steps 2 --out {out} --model model.safetensors \
             {options}"
        ));
        std::fs::read(bench.path(out)).expect("output")
    };
    let first = transfer("a.wav", "--temperature 1");
    assert!(first == transfer("b.wav", "--temperature 1"), "the same command wrote another file");
    assert!(first != transfer("c.wav", "--temperature 1 --seed 1"), "the seed changed nothing");
    let dry = transfer("d.wav", "--mix 0");
    assert!(
        dry == std::fs::read(bench.path("in.wav")).expect("input"),
        "the dry signal is not the input"
    );
}

#[test]
fn generate_and_inspect_report_their_results() {
    let bench = Bench::new();
    bench.does(
        "generate --style mono.flac --seconds 4.5 --steps 2 --out g.wav --model model.safetensors",
    );
    let audio = decode(bench.path("g.wav")).expect("audio");
    assert_eq!((audio.sample_rate_hz, audio.frames(), audio.channels.len()), (22_050, 99_225, 1));
    let json: serde_json::Value =
        serde_json::from_str(&bench.does("inspect model.safetensors --json")).expect("JSON");
    let parts = json["parameters"]["parts"].as_object().expect("parts");
    let sum: u64 = parts.values().map(|count| count.as_u64().expect("a count")).sum();
    assert_eq!(json["parameters"]["total"], sum);
    assert_eq!(parts.keys().collect::<Vec<_>>(), ["decoder", "encoder", "style", "unet"]);
    assert!(bench.does("inspect model.safetensors").contains("total"));
}

#[cfg(unix)]
#[test]
fn a_closed_pipe_ends_a_command_without_a_panic() {
    use std::os::unix::process::ExitStatusExt;
    const SIGPIPE: i32 = 13;
    let bench = Bench::new();
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let output =
        bench.command("inspect model.safetensors").stdout(writer).output().expect("started");
    assert_eq!(
        (String::from_utf8_lossy(&output.stderr).as_ref(), output.status.signal()),
        ("", Some(SIGPIPE))
    );
}

#[test]
fn a_transfer_follows_a_sidechain_from_the_first_window() {
    let bench = Bench::new();
    let (rate_hz, frames) = (22_050, 5 * 22_050);
    encode(bench.path("long.wav"), &melody(rate_hz, frames, 1), SampleFormat::Int24)
        .expect("written");
    let saw = |n: usize| 0.3 * (n as f32 * 220.0 / rate_hz as f32).fract() - 0.15;
    let saw = Audio { sample_rate_hz: rate_hz, channels: vec![(0..frames).map(saw).collect(); 2] };
    encode(bench.path("saw.wav"), &saw, SampleFormat::Int24).expect("written");
    let transfer = |sidechain: &str, out: &str| {
        bench.does(&format!(
            "transfer long.wav --sidechain {sidechain} --steps 2 --out {out} \
             --model model.safetensors"
        ));
        decode(bench.path(out)).expect("output").channels
    };
    let input = decode(bench.path("long.wav")).expect("input").channels;
    let (saw, own) = (transfer("saw.wav", "a.wav"), transfer("long.wav", "b.wav"));
    assert!(saw != input && own != input, "the first window has a style");
    assert!(transfer("mono.flac", "c.wav") == input, "the sidechain is too short for a style");
    bench.refuses(
        "transfer in.wav --sidechain saw.wav --out d.wav --model model.safetensors",
        "expected the input's sample rate of 44100 Hz, found 22050 Hz",
    );
    bench.refuses("transfer in.wav --out d.wav --model model.safetensors", "--style");
}

#[test]
fn a_saved_style_renders_like_its_recording() {
    let bench = Bench::new();
    let bytes = |name: &str| std::fs::read(bench.path(name)).expect("written");
    let printed = bench.does("style in.wav --out mine.luthier --model model.safetensors");
    assert!(printed.contains("mine.luthier: ") && printed.contains("style tokens"), "{printed}");
    let transfer = "transfer mono.flac --float --model model.safetensors";
    bench.does(&format!("{transfer} --style in.wav --out recording.wav"));
    bench.does(&format!("{transfer} --style mine.luthier --out saved.wav --picture saved.png"));
    assert_eq!(bytes("recording.wav"), bytes("saved.wav"));
    assert!(image::open(bench.path("saved.png")).is_ok());

    // The shipped model computes its own tokens from the 8-bit spectrograms in the file.
    bench.does("transfer mono.flac --style in.wav --float --out recording.wav");
    bench.does("transfer mono.flac --style mine.luthier --float --out saved.wav");
    let [recording, saved] =
        ["recording.wav", "saved.wav"].map(|name| decode(bench.path(name)).expect("audio"));
    let energy = |x: &[f32]| x.iter().map(|x| x * x).sum::<f32>();
    let (recording, saved) = (&recording.channels[0], &saved.channels[0]);
    let difference: Vec<f32> = recording.iter().zip(saved).map(|(a, b)| a - b).collect();
    assert!(
        energy(&difference) < 0.01 * energy(recording),
        "{}",
        energy(&difference) / energy(recording)
    );

    bench.refuses("style in.wav --out mine.wav", "ends in .luthier");
    bench.refuses("style silent.wav --out silent.luthier", "expected an audible recording");
    bench.refuses("style in.wav --out folder.wav/../text.wav/a.luthier", "cannot be written");
    std::fs::write(bench.path("text.luthier"), "no style in here").expect("written");
    bench.refuses(
        &format!("{transfer} --style text.luthier --out a.wav"),
        "expected a style file saved by Luthier",
    );
}

#[test]
fn a_folder_is_transferred_and_a_second_run_repeats_only_failures() {
    let bench = Bench::new();
    std::fs::create_dir_all(bench.path("take/more")).expect("created");
    for (from, to) in [("in.wav", "take/a.wav"), ("mono.flac", "take/more/b.flac")] {
        std::fs::copy(bench.path(from), bench.path(to)).expect("copied");
    }
    std::fs::write(bench.path("take/bad.mp3"), "no samples in here").expect("written");
    std::fs::write(bench.path("take/notes.txt"), "words").expect("written");
    let line = "transfer take --style mono.flac --steps 2 --out wet --model model.safetensors";
    let output = bench.run(line);
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{err}");
    assert!(err.contains("take/bad.mp3") && err.contains("1 of 3 files failed"), "{err}");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(printed.ends_with("2 of 3 files transferred\n"), "{printed}");
    // The same samples as those of a single transfer.
    bench.does(
        "transfer take/a.wav --style mono.flac --steps 2 --out one.wav --model model.safetensors",
    );
    let read = |name: &str| decode(bench.path(name)).expect("an output");
    assert!(read("wet/a.wav") == read("one.wav"));
    assert_eq!(read("wet/more/b.flac").frames(), 30_007);
    std::fs::copy(bench.path("in.wav"), bench.path("take/bad.mp3")).expect("copied");
    let printed = bench.does(line);
    assert!(
        printed.ends_with("1 of 3 files transferred, 2 skipped because their outputs exist\n"),
        "{printed}"
    );
    assert_eq!(read("wet/bad.wav").frames(), 50_001);
}

#[test]
fn a_loud_output_is_lowered_as_a_whole() {
    let bench = Bench::new();
    let mut loud = melody(44_100, 50_001, 2);
    loud.channels.iter_mut().flatten().for_each(|x| *x *= 20.0);
    encode(bench.path("loud.wav"), &loud, SampleFormat::Float32).expect("written");
    // With a mix of 0, the output is the input.
    let rest = "--style mono.flac --mix 0 --model model.safetensors";
    let output = bench.run(&format!("transfer loud.wav {rest} --out quiet.wav"));
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(err.contains("dB quieter"), "{err}");
    let lowered = decode(bench.path("quiet.wav")).expect("an output");
    let peak = |audio: &Audio| audio.channels.iter().flatten().fold(0.0_f32, |p, x| p.max(x.abs()));
    assert!((peak(&lowered) - 1.0).abs() < 1e-5);
    let gain = 1.0 / peak(&loud);
    for (lowered, loud) in lowered.channels[0].iter().zip(&loud.channels[0]) {
        assert!((lowered - loud * gain).abs() < 1e-4);
    }
    bench.does(&format!("transfer loud.wav {rest} --float --out kept.wav"));
    assert_eq!(peak(&decode(bench.path("kept.wav")).expect("an output")), peak(&loud));
}

#[cfg(target_os = "linux")]
#[test]
fn full_disks_and_names_that_are_not_utf8_are_handled() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let bench = Bench::new();
    let line = "transfer in.wav --style mono.flac --steps 2 --out o.wav --model model.safetensors";
    let full = std::fs::File::options().write(true).open("/dev/full").expect("opened");
    let output = bench.command(line).stdout(full).output().expect("started");
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{err}");
    assert!(err.contains("standard output: No space left"), "{err}");
    let name = OsStr::from_bytes(b"f\xfcr.flac");
    std::fs::copy(bench.path("mono.flac"), bench.folder.path().join(name)).expect("copied");
    let line = "transfer in.wav --steps 2 --out p.wav --model model.safetensors --style";
    let output = bench.command(line).arg(name).output().expect("started");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}
