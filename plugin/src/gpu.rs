//! The optional GPU: whether a model runs on it, and the reason if it does not.

use std::sync::OnceLock;

use engine::checkpoint::Checkpoint;
use engine::inference_model::InferenceModel;
use engine::latency_mode::LatencyMode;
use engine::library::{self, Accelerator, Device, Library};
use engine::nn::packed::Packed;
use engine::pipeline::TransferModel;

use crate::guard::own_folder::own_folder;

/// The GPU library in the plugin's folder, or the reason why it cannot be opened. `None` without a
/// library.
type Shipped = Option<Result<Library, String>>;

/// The GPU library. The first call opens it on the loader's thread. It stays open until the process
/// ends.
pub fn shipped() -> &'static Shipped {
    static SHIPPED: OnceLock<Shipped> = OnceLock::new();
    SHIPPED.get_or_init(|| {
        let path = library::find(&own_folder()?)?;
        Some(Library::open(&path, Device::Cuda).map_err(|error| error.reason()))
    })
}

/// One model on the GPU, or the reason why it does not run there. `None` without a GPU library.
pub struct Gpu(Option<Result<Accelerator, String>>);

impl Gpu {
    /// Loads a model onto the GPU of `library`. Slow, so only the loader calls it.
    pub fn open(library: &Shipped, checkpoint: &Checkpoint, cpu: &InferenceModel<Packed>) -> Self {
        Self(library.as_ref().map(|library| {
            let library = library.as_ref().map_err(Clone::clone)?;
            Accelerator::open(library, checkpoint, cpu).map_err(|error| error.reason())
        }))
    }

    /// The networks for one stream. They run on the GPU if it works, and on the CPU otherwise or
    /// after a GPU error.
    pub fn networks(
        &self,
        cpu: &InferenceModel<Packed>,
        mode: LatencyMode,
    ) -> Box<dyn TransferModel> {
        let gpu = self.0.as_ref().and_then(|gpu| gpu.as_ref().ok());
        Accelerator::networks(gpu, cpu, mode)
    }

    /// Whether the model runs on the GPU.
    pub fn is_in_use(&self) -> bool {
        matches!(&self.0, Some(Ok(gpu)) if gpu.fault().is_none())
    }

    /// The reason why the GPU is not used, without a final full stop. Empty if the GPU is used or
    /// the plugin has no GPU library.
    pub fn problem(&self) -> &str {
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

    /// The GPU library of this build, without CUDA, from the folder of the test programs.
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
        let cpu = InferenceModel::packed(&checkpoint).expect("an inference model");
        let gpu = Gpu::open(library, &checkpoint, &cpu);
        let image = MelImage::filled(128, 16, 0.5);
        let latent = gpu.networks(&cpu, LatencyMode::Live).encode(&image).expect("a latent");
        (gpu, latent)
    }

    #[test]
    fn without_a_library_the_cpu_is_used_and_no_problem_is_reported() {
        let (gpu, _) = encoded(&None);
        assert!(!gpu.is_in_use() && gpu.problem().is_empty());
    }

    #[test]
    fn a_missing_library_or_gpu_is_reported_and_the_cpu_is_used() {
        let (_, expected) = encoded(&None);
        let (gpu, latent) = encoded(&Some(Err("libcuda.so.1 is missing".into())));
        assert!(
            !gpu.is_in_use() && gpu.problem() == "libcuda.so.1 is missing" && latent == expected
        );
        let (gpu, latent) = encoded(&built(Device::Cuda));
        assert!(!gpu.is_in_use() && !gpu.problem().is_empty() && latent == expected);
    }

    #[test]
    fn a_device_that_agrees_with_the_cpu_is_used() {
        let (_, expected) = encoded(&None);
        let (gpu, latent) = encoded(&built(Device::Cpu));
        assert!(gpu.is_in_use() && gpu.problem().is_empty());
        let difference =
            latent.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(difference <= library::TOLERANCE && latent.len() == expected.len(), "{difference}");
    }
}
