//! Tests the library as programs open it, computing on candle's CPU device. Only the arithmetic of
//! a GPU is not covered.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use engine::checkpoint::Checkpoint;
use engine::image::MelImage;
use engine::inference_model::InferenceModel;
use engine::latency_mode::LatencyMode;
use engine::library::abi::{self, FAILED, Functions, OK, Room, StatusCode, View};
use engine::library::{
    Accelerator, Device, Library, Networks, PATH_VARIABLE, TOLERANCE, require_agreement,
};
use engine::models::model::Conditioning;
use engine::nn::packed::Packed;
use engine::pipeline::{BackendModel, TransferModel};

fn file_name(stem: &str) -> String {
    format!("{}{stem}{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX)
}

/// The library built with this test; cargo puts it into the folder of the test programs.
fn path() -> PathBuf {
    let program = std::env::current_exe().expect("this program's path");
    program.with_file_name(file_name("luthier_engine_cuda"))
}

fn library() -> Library {
    Library::open(&path(), Device::Cpu).expect("the library")
}

fn model_file() -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../presets/luthier.safetensors");
    std::fs::read(path).expect("the shipped model")
}

fn checkpoint() -> Checkpoint {
    Checkpoint::from_bytes(&model_file()).expect("the shipped model")
}

fn packed() -> BackendModel<Packed> {
    let packed = InferenceModel::packed(&checkpoint()).expect("a usable model");
    BackendModel::new(packed.model(), Packed::default())
}

fn networks() -> Networks {
    library().networks(&checkpoint()).expect("networks in the library")
}

/// Deterministic values in `[0, 1]`.
fn values(count: usize, seed: f32) -> Vec<f32> {
    (0..count).map(|i| (i as f32 * 0.37 + seed).sin().abs()).collect()
}

fn image(frames: usize, seed: f32) -> MelImage {
    MelImage { n_mels: 128, frames, data: values(128 * frames, seed) }
}

fn assert_near(what: &str, device: &[f32], cpu: &[f32]) {
    assert_eq!(device.len(), cpu.len(), "{what}");
    let difference = device.iter().zip(cpu).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    println!("measured: {what}: difference {difference:.1e}");
    assert!(difference <= TOLERANCE, "{what}: difference {difference}");
}

#[test]
fn the_library_computes_the_same_as_the_packed_executor() {
    assert_computes_the_same(networks());
}

fn assert_computes_the_same(mut device: Networks) {
    let mut cpu = packed();
    // Half windows, as in a latency mode, and two references.
    let references = [image(64, 0.0), image(64, 1.0)];
    let [style, on_device] = [&mut cpu as &mut dyn TransferModel, &mut device]
        .map(|networks| networks.style_tokens(&references).expect("a style"));
    assert_near("style tokens", &on_device.tokens, &style.tokens);
    assert_near("pooled style", &on_device.pooled, &style.pooled);
    assert_near("instruments", &on_device.instruments, &style.instruments);
    assert_eq!(on_device.dim, style.dim);
    let content = cpu.encode(&references[0]).expect("encoded");
    assert_near("latent", &device.encode(&references[0]).expect("encoded"), &content);
    let dims = [16, 8, cpu.config().autoencoder.latent_channels];
    let noisy: Vec<f32> =
        values(content.len(), 2.0).iter().map(|value| 3.0 * value - 1.5).collect();
    let styled = Conditioning { content: Some(&content), style: Some(&style), prefix_columns: 2 };
    let conditionings =
        [styled, Conditioning { style: None, ..styled }, Conditioning { content: None, ..styled }];
    for timestep in [cpu.config().diffusion.train_timesteps - 1, 7] {
        let [on_cpu, on_device] =
            [&mut cpu as &mut dyn TransferModel, &mut device].map(|networks| {
                let predictions = networks.denoise(&noisy, dims, timestep, &conditionings);
                predictions.expect("predicted").concat()
            });
        assert_near(&format!("prediction at {timestep}"), &on_device, &on_cpu);
    }
    let decoded = device.decode(&content, dims).expect("decoded");
    assert_eq!((decoded.n_mels, decoded.frames), (128, 64));
    assert_near("image", &decoded.data, &cpu.decode(&content, dims).expect("decoded").data);
}

#[test]
fn a_device_with_other_results_is_not_used() {
    require_agreement(&mut packed(), &mut networks()).expect("they agree");
    let mut other = checkpoint();
    let bias = other.tensors.get_mut("decoder.out.bias").expect("the last layer's");
    bias.data.iter_mut().for_each(|value| *value += 0.02);
    let cpu = InferenceModel::packed(&checkpoint()).expect("a usable model");
    let refused = Accelerator::open(&library(), &other, &cpu).err().expect("refused").reason();
    assert!(refused.contains("expected the CPU's value"), "{refused}");
}

#[test]
fn streams_of_one_model_compute_the_same_on_any_thread() {
    let checkpoint = checkpoint();
    let cpu = InferenceModel::packed(&checkpoint).expect("a usable model");
    let model = Accelerator::open(&library(), &checkpoint, &cpu).expect("a model in the library");
    let mode = LatencyMode::Live;
    let latents = std::thread::scope(|scope| {
        let encode = || {
            let mut networks = Accelerator::networks(Some(&model), &cpu, mode);
            assert_eq!(networks.mode(), mode);
            (networks.encode(&image(16, 0.0)).expect("a latent"), networks)
        };
        let threads = [scope.spawn(encode), scope.spawn(encode)];
        threads.map(|thread| thread.join().expect("no panic"))
    });
    // The streams are closed on another thread than the one that opened them.
    assert!(latents[0].0 == latents[1].0 && model.fault().is_none());
}

/// The library's functions, without the engine's side of the interface.
fn functions() -> &'static Functions {
    // SAFETY: the names are of these types.
    unsafe {
        let library = Box::leak(Box::new(libloading::Library::new(path()).expect("opened")));
        let version: libloading::Symbol<abi::VersionFn> =
            library.get(abi::VERSION_SYMBOL).expect("a version");
        assert_eq!(version(), abi::VERSION);
        let functions: libloading::Symbol<abi::FunctionsFn> =
            library.get(abi::FUNCTIONS_SYMBOL).expect("functions");
        assert!(functions(abi::VERSION + 1).is_null(), "another version is rejected");
        functions(abi::VERSION).as_ref().expect("this version is accepted")
    }
}

/// The status and message of a call.
fn status_and_message(call: impl FnOnce(Room<u8>) -> StatusCode) -> (StatusCode, String) {
    let mut message = [0u8; 400];
    let status = call(Room::from_slice(&mut message));
    let text = message.split(|byte| *byte == 0).next().unwrap_or_default();
    (status, String::from_utf8(text.to_vec()).expect("UTF-8"))
}

fn assert_refused(part: &str, call: impl FnOnce(Room<u8>) -> StatusCode) {
    let (status, message) = status_and_message(call);
    assert!(status == FAILED && message.contains(part), "expected `{part}`, found `{message}`");
}

fn open(file: &[u8], device: u32) -> Result<*mut abi::Model, String> {
    let mut model = std::ptr::null_mut();
    // SAFETY: all pointers are valid until the call returns.
    let call = |message| unsafe {
        (functions().open_model)(View::from_slice(Some(file)), device, &mut model, message)
    };
    match status_and_message(call) {
        (OK, _) => Ok(model),
        (_, message) => Err(message),
    }
}

#[test]
fn invalid_models_and_devices_are_rejected() {
    let file = model_file();
    for garbage in [&b""[..], b"garbage", &file[..file.len() / 2], &vec![b'{'; 10_000]] {
        assert!(
            open(garbage, abi::DEVICE_CPU).expect_err("refused").contains("model field"),
            "{}",
            garbage.len()
        );
    }
    assert!(open(&file, 7).expect_err("refused").contains("device: expected 0 or 1, found 7"));
    if !cfg!(feature = "cuda") {
        assert!(open(&file, abi::DEVICE_CUDA).expect_err("refused").contains("built without CUDA"));
    }
}

fn latent(dims: [usize; 3], data: &[f32]) -> abi::Latent {
    abi::Latent { dims, data: View::from_slice(Some(data)) }
}

/// Calls with wrong lengths return a message, and the stream stays usable.
#[test]
fn wrong_lengths_are_rejected() {
    let functions = functions();
    let model = open(&model_file(), abi::DEVICE_CPU).expect("a model");
    let mut stream = std::ptr::null_mut();
    // SAFETY: here and below, handles are open and all pointers are valid until the call returns.
    let opened = status_and_message(|message| unsafe {
        (functions.open_stream)(model, &mut stream, message)
    });
    assert_eq!(opened.0, OK);
    // SAFETY: as above; a stream outlives its model.
    unsafe { (functions.close_model)(model) };
    let pixels = values(128 * 16, 0.0);
    let mut room = vec![0.0; 16 * 2 * 32];
    let mut encode = |n_mels, frames, data: &[f32], room_len: usize, message| {
        let image = abi::Image { n_mels, frames, data: View::from_slice(Some(data)) };
        // SAFETY: as above.
        unsafe {
            (functions.encode)(stream, image, Room::from_slice(&mut room[..room_len]), message)
        }
    };
    assert_refused("128 bands", |m| encode(64, 32, &pixels, 1024, m));
    assert_refused("a multiple of 8 frames", |m| encode(128, 12, &pixels[..128 * 12], 1024, m));
    assert_refused("images of 128 x 32 values, found 2048", |m| encode(128, 32, &pixels, 1024, m));
    assert_refused("images of", |m| encode(usize::MAX, 2, &pixels, 1024, m));
    assert_refused("images of", |m| encode(128, 0, &[], 1024, m));
    assert_refused("room for 1024 values, found 1000", |m| encode(128, 16, &pixels, 1000, m));
    assert_refused("one, found 2", |m| encode(128, 8, &pixels, 1024, m));
    assert_eq!(status_and_message(|m| encode(128, 16, &pixels, 1024, m)), (OK, String::new()));
    let content = room.clone();

    let mut pixels = vec![0.0; 128 * 16];
    let mut decode = |dims, data: &[f32], message| {
        // SAFETY: as above.
        unsafe {
            (functions.decode)(stream, latent(dims, data), Room::from_slice(&mut pixels), message)
        }
    };
    assert_refused("latent", |m| decode([16, 2, 31], &content, m));
    assert_refused("latent", |m| decode([usize::MAX, usize::MAX, 32], &content, m));
    assert_refused("latent", |m| decode([0, 2, 32], &[], m));
    assert_refused("room for 1024 values, found 2048", |m| decode([16, 1, 32], &content[..512], m));
    assert_eq!(status_and_message(|m| decode([16, 2, 32], &content, m)).0, OK);

    let mut denoise = |conditionings: &[abi::Conditioning], room_len: usize, message| {
        let (noisy, conditionings) =
            (latent([16, 2, 32], &content), View::from_slice(Some(conditionings)));
        // SAFETY: as above.
        unsafe {
            (functions.denoise)(
                stream,
                noisy,
                9,
                conditionings,
                Room::from_slice(&mut room[..room_len]),
                message,
            )
        }
    };
    let none = View::from_slice(None);
    let bare = abi::Conditioning {
        content: none,
        tokens: none,
        pooled: none,
        profile: none,
        prefix_columns: 0,
    };
    let styled = abi::Conditioning {
        tokens: View::from_slice(Some(&content[..7])),
        pooled: View::from_slice(Some(&content[..7])),
        ..bare
    };
    assert_refused("style tokens", |m| denoise(&[styled], 1024, m));
    assert_refused("latent", |m| {
        denoise(
            &[abi::Conditioning { content: View::from_slice(Some(&content[..9])), ..bare }],
            1024,
            m,
        )
    });
    assert_refused("room for 1024 values, found 5", |m| denoise(&[bare], 5, m));
    assert_eq!(status_and_message(|m| denoise(&[], 0, m)).0, FAILED, "no prediction requested");
    assert_eq!(
        status_and_message(|m| denoise(
            &[abi::Conditioning { prefix_columns: usize::MAX, ..bare }],
            1024,
            m
        ))
        .0,
        OK
    );
    // SAFETY: as above.
    unsafe { (functions.close_stream)(stream) };
}

/// Compiles a library from one line of source.
fn compiled(folder: &Path, name: &str, source: &str) -> PathBuf {
    let (text, library) = (folder.join(format!("{name}.rs")), folder.join(file_name(name)));
    std::fs::write(&text, source).expect("written");
    let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    rustc.args(["--edition", "2024", "--crate-type", "cdylib", "-o"]).arg(&library).arg(&text);
    assert!(rustc.status().expect("rustc").success());
    library
}

#[test]
fn other_libraries_are_rejected_in_one_sentence() {
    let folder = tempfile::tempdir().expect("a folder");
    let (missing, text) = (folder.path().join("missing.so"), folder.path().join("text.so"));
    std::fs::write(&text, "no library").expect("written");
    let other = "#[unsafe(no_mangle)] pub extern \"C\" fn luthier_engine_version() -> u32 { 4000 }";
    for (path, part) in [
        (missing, "NVIDIA driver"),
        (text, "NVIDIA driver"),
        (compiled(folder.path(), "foreign", "pub fn f() {}"), "expected a Luthier engine library"),
        (compiled(folder.path(), "newer", other), "expected interface version 2, found 4000"),
    ] {
        let error = Library::open(&path, Device::Cuda).err().expect("refused").to_string();
        let named = error.starts_with(&path.display().to_string());
        assert!(named && error.contains(part) && error.lines().count() == 1, "{error}");
    }
}

/// Seconds per window with `threads` concurrent streams.
fn window_seconds(gpu: &Accelerator, cpu: &InferenceModel<Packed>, threads: usize) -> f64 {
    const WINDOWS: u32 = 20;
    const STEPS: usize = 10;
    let run = || {
        let (mut networks, image) =
            (Accelerator::networks(Some(gpu), cpu, LatencyMode::Quality), image(128, 0.0));
        let style = networks.style_tokens(std::slice::from_ref(&image)).expect("a style");
        let mut latent = Vec::new();
        for _ in 0..WINDOWS {
            let content = networks.encode(&image).expect("encoded");
            let conditioning =
                Conditioning { content: Some(&content), style: Some(&style), prefix_columns: 2 };
            latent = content.clone();
            for step in 0..STEPS {
                let predicted =
                    networks.denoise(&latent, [16, 16, 32], 999 - 99 * step, &[conditioning]);
                latent = predicted.expect("predicted").remove(0);
            }
            networks.decode(&latent, [16, 16, 32]).expect("decoded");
        }
        latent
    };
    let start = Instant::now();
    let latents: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    assert!(latents.iter().all(|latent| *latent == latents[0]), "the same in every stream");
    start.elapsed().as_secs_f64() / f64::from(WINDOWS) / threads as f64
}

/// Runs if `LUTHIER_CUDA_LIBRARY` names a library with CUDA and the machine has a GPU.
#[test]
fn a_gpu_computes_the_same_as_the_cpu_in_several_streams() {
    let skip = |reason: String| println!("skipped: GPU comparison: {reason}");
    let Some(path) = std::env::var_os(PATH_VARIABLE) else {
        return skip(format!("{PATH_VARIABLE} names no library with CUDA"));
    };
    let library = match Library::open(path.as_ref(), Device::Cuda) {
        Ok(library) => library,
        Err(error) => return skip(error.reason()),
    };
    match library.networks(&checkpoint()) {
        Ok(networks) => assert_computes_the_same(networks),
        Err(error) => return skip(error.reason()),
    }
    let cpu = InferenceModel::packed(&checkpoint()).expect("a usable model");
    let gpu = Accelerator::open(&library, &checkpoint(), &cpu).expect("the GPU agrees");
    for threads in [1, 4, 8] {
        let ms = 1e3 * window_seconds(&gpu, &cpu, threads);
        println!("measured: {ms:.1} ms per window of 10 steps, {threads} concurrent streams");
    }
    assert_eq!(gpu.fault(), None);
}
