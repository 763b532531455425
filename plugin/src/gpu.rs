//! The GPU beside the CPU: whether a model plays on it, and why it does not.

use std::sync::OnceLock;

use engine::checkpoint::Checkpoint;
use engine::inference_model::InferenceModel;
use engine::latency_mode::LatencyMode;
use engine::library::{self, Accelerator, Device, Library};
use engine::nn::packed::Packed;
use engine::pipeline::TransferModel;

use crate::guard::own_folder::own_folder;

/// The library that is shipped beside the plugin, or why it does not open; none where none is.
type Shipped = Option<Result<Library, String>>;

/// Opened with the first model, by the loader, for as long as the process lives.
pub fn shipped() -> &'static Shipped {
    static SHIPPED: OnceLock<Shipped> = OnceLock::new();
    SHIPPED.get_or_init(|| {
        let path = library::find(&own_folder()?)?;
        Some(Library::open(&path, Device::Cuda).map_err(|error| error.reason()))
    })
}

/// What a model may play on beside the CPU; none where no library is shipped.
pub struct Gpu(Option<Result<Accelerator, String>>);

impl Gpu {
    /// Puts a model on the library's GPU. Takes its time: for the loader.
    pub fn open(library: &Shipped, checkpoint: &Checkpoint, cpu: &InferenceModel<Packed>) -> Self {
        Self(library.as_ref().map(|library| {
            let library = library.as_ref().map_err(Clone::clone)?;
            Accelerator::open(library, checkpoint, cpu).map_err(|error| error.reason())
        }))
    }

    /// The networks for one stream: on the GPU if it plays, and on the CPU where it does not, or no
    /// longer.
    pub fn networks(
        &self,
        cpu: &InferenceModel<Packed>,
        mode: LatencyMode,
    ) -> Box<dyn TransferModel> {
        let gpu = self.0.as_ref().and_then(|gpu| gpu.as_ref().ok());
        Accelerator::networks(gpu, cpu, mode)
    }

    /// Whether it plays.
    pub fn plays(&self) -> bool {
        matches!(&self.0, Some(Ok(gpu)) if gpu.fault().is_none())
    }

    /// Why it does not play, in one sentence without its end; nothing where it does, or is not
    /// asked for.
    pub fn trouble(&self) -> &str {
        match &self.0 {
            Some(Ok(gpu)) => gpu.fault().unwrap_or_default(),
            Some(Err(reason)) => reason,
            None => "",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use engine::image::MelImage;

    use super::*;
    use crate::factory;

    /// The library of this build, which has no CUDA, beside the test programs.
    fn built(device: Device) -> Shipped {
        let name = format!(
            "{}luthier_engine_cuda{}",
            std::env::consts::DLL_PREFIX,
            std::env::consts::DLL_SUFFIX
        );
        let path: PathBuf = own_folder().expect("a folder").join(name);
        Some(Library::open(&path, device).map_err(|error| error.reason()))
    }

    fn encoded(library: &Shipped) -> (Gpu, Vec<f32>) {
        let checkpoint = Checkpoint::from_bytes(factory::MODEL).expect("the model");
        let cpu = InferenceModel::packed(&checkpoint).expect("playable");
        let gpu = Gpu::open(library, &checkpoint, &cpu);
        let image = MelImage::filled(128, 16, 0.5);
        let latent = gpu.networks(&cpu, LatencyMode::Live).encode(&image).expect("a latent");
        (gpu, latent)
    }

    #[test]
    fn without_a_library_the_cpu_plays_and_nothing_is_said() {
        let (gpu, _) = encoded(&None);
        assert!(!gpu.plays() && gpu.trouble().is_empty());
    }

    #[test]
    fn a_library_that_does_not_open_and_a_gpu_that_is_not_there_are_told_and_the_cpu_plays() {
        let (_, expected) = encoded(&None);
        let (gpu, latent) = encoded(&Some(Err("libcuda.so.1 is not there".into())));
        assert!(!gpu.plays() && gpu.trouble() == "libcuda.so.1 is not there" && latent == expected);
        let (gpu, latent) = encoded(&built(Device::Cuda));
        assert!(!gpu.plays() && !gpu.trouble().is_empty() && latent == expected);
    }

    #[test]
    fn a_device_that_agrees_with_the_cpu_plays() {
        let (_, expected) = encoded(&None);
        let (gpu, latent) = encoded(&built(Device::Cpu));
        assert!(gpu.plays() && gpu.trouble().is_empty());
        let apart = latent.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(apart <= library::TOLERANCE && latent.len() == expected.len(), "{apart}");
    }
}
