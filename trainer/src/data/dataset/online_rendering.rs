//! On-the-fly rendering: replaces the setups of a dataset during training.
//!
//! A dataset has a few dozen setups. A model can memorise them before it learns to read a style
//! from its reference. Here one setup after another is replaced by a new one with random programs
//! and a random recording chain. All training pieces with that setup are rendered again, on
//! threads of their own, before training needs them. Notes, instruments and splits of the pieces
//! stay, so pairs stay valid. The plain setups stay too, and so do all validation and test images.
//!
//! The sounds of a step depend only on its number. Training waits if rendering is late. A resumed
//! run renders the same setups again.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use crossbeam::channel::{Receiver, bounded};
use engine::cancel::Cancel;
use engine::{Error, Result};
use rayon::ThreadPool;
use rayon::prelude::*;

use super::description::Description;
use super::imager::Imager;
use super::renderer::Renderer;
use super::rerendered_setup::RerenderedSetup;
use super::setup::Setup;
use super::split::Split;
use crate::data::augment::chain::Chain;
use crate::data::random;
use crate::data::score::instruments::{self, Instrument};

/// Renders one new setup every `every` steps.
pub struct OnlineRendering {
    renderer: Arc<SetupRenderer>,
    every: u64,
    /// Number of new setups in the whole run.
    last: u64,
    /// Number of new setups that training has received; `None` before its first step.
    received: Option<u64>,
    worker: Option<Worker>,
}

/// The thread that renders ahead of training. It stops when this is dropped.
struct Worker {
    cancel: Cancel,
    /// `None` during the drop, so that a thread that waits to send ends.
    setups: Option<Receiver<Result<RerenderedSetup>>>,
    thread: Option<JoinHandle<()>>,
}

impl OnlineRendering {
    /// For the dataset in `folder`. Its soundfonts must be among `soundfonts`.
    /// One setup is replaced every `every` steps of `steps`, by `threads` rendering threads.
    ///
    /// # Errors
    /// If a file cannot be read, a soundfont is missing, or no setup has a recording chain.
    pub fn open(
        folder: &Path,
        soundfonts: &[PathBuf],
        every: u64,
        steps: u64,
        threads: usize,
    ) -> Result<Self> {
        let renderer = Renderer::open(folder, soundfonts, "online_rendering.soundfonts")?;
        let renderer = Arc::new(SetupRenderer::new(renderer, folder, threads)?);
        let last = steps.saturating_sub(1) / every;
        Ok(Self { renderer, every, last, received: None, worker: None })
    }

    /// Passes the setups that change between the step of the last call and `step` to `apply`.
    /// Steps ascend from call to call.
    ///
    /// # Errors
    /// If a piece cannot be rendered.
    pub fn advance_to(&mut self, step: u64, mut apply: impl FnMut(RerenderedSetup)) -> Result<()> {
        let wanted = step / self.every;
        let Some(received) = self.received.replace(wanted) else {
            self.renderer.rerender_before(wanted, apply)?;
            self.worker = Some(Worker::start(&self.renderer, wanted..self.last));
            return Ok(());
        };
        let worker = self.worker.as_ref().expect("started by the first call");
        (received..wanted).try_for_each(|_| worker.next().map(&mut apply))
    }
}

impl Worker {
    fn start(renderer: &Arc<SetupRenderer>, numbers: std::ops::Range<u64>) -> Self {
        // One finished setup waits in the channel while the next one is rendered.
        let (sender, setups) = bounded(1);
        let (renderer, cancel) = (Arc::clone(renderer), Cancel::default());
        let own = cancel.clone();
        let thread = std::thread::spawn(move || {
            for number in numbers {
                let setup = renderer.threads.install(|| renderer.rerender(number, &own));
                if sender.send(setup).is_err() {
                    break;
                }
            }
        });
        Self { cancel, setups: Some(setups), thread: Some(thread) }
    }

    fn next(&self) -> Result<RerenderedSetup> {
        let received = self.setups.as_ref().and_then(|setups| setups.recv().ok());
        received.unwrap_or_else(|| {
            Err(Error::invalid("online_rendering", "another setup", "a thread that ended"))
        })
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.cancel.cancel();
        self.setups = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has printed its own message.
            let _ = thread.join();
        }
    }
}

/// Indices of the training pieces with a setup.
fn training_pieces(description: &Description, setup: usize) -> Vec<usize> {
    let pieces = description.pieces.iter().enumerate();
    let training =
        pieces.filter(|(_, piece)| piece.split == Split::Train && piece.setups.contains(&setup));
    training.map(|(index, _)| index).collect()
}

/// Draws and renders new setups.
struct SetupRenderer {
    renderer: Renderer,
    folder: PathBuf,
    instruments: Vec<Instrument>,
    /// Setups of training pieces that have a recording chain.
    replaceable: Vec<usize>,
    threads: ThreadPool,
}

impl SetupRenderer {
    fn new(renderer: Renderer, folder: &Path, threads: usize) -> Result<Self> {
        let Description { setups, instruments, .. } = &renderer.description;
        let recorded = (0..setups.len()).filter(|index| setups[*index].chain != Chain::default());
        let replaceable: Vec<usize> = recorded
            .filter(|index| !training_pieces(&renderer.description, *index).is_empty())
            .collect();
        if replaceable.is_empty() {
            let expected = "a dataset whose training pieces have setups with a recording chain";
            return Err(Error::invalid(
                "online_rendering.every",
                expected,
                format!("{} setups", setups.len()),
            ));
        }
        let instruments: Vec<Instrument> =
            instruments.iter().map(|name| instruments::by_name(name)).collect::<Result<_>>()?;
        // Checked now, because a missing program would otherwise stop the run hours later.
        for index in &replaceable {
            let bank = renderer.bank(&setups[*index]);
            let mut programs = instruments.iter().flat_map(|i| i.programs);
            programs.try_for_each(|program| bank.check_program(*program))?;
        }
        let threads = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .map_err(|e| Error::invalid("online_rendering.threads", "threads that start", e))?;
        Ok(Self { instruments, replaceable, threads, folder: folder.to_path_buf(), renderer })
    }

    /// Renders setup number `number` of the endless sequence that the dataset's seed draws, on
    /// the thread pool of the caller.
    fn rerender(&self, number: u64, cancel: &Cancel) -> Result<RerenderedSetup> {
        let description = &self.renderer.description;
        let index = self.replaceable[(number % self.replaceable.len() as u64) as usize];
        let (seed, soundfont) = (description.seed, description.setups[index].soundfont);
        let setup = Setup::draw(
            &mut random::stream(seed, "renewed setup", number),
            soundfont,
            &self.instruments,
        );
        let render = |piece: &usize| -> Result<(usize, Vec<Vec<u8>>)> {
            cancel.check()?;
            let entry = &description.pieces[*piece];
            let notes = self.renderer.piece(*piece, &self.folder)?;
            let noise = |i: usize| {
                random::stream(seed, &format!("renewed noise {number}"), entry.id * 1000 + i as u64)
            };
            let imager = &mut Imager::new(&description.mel, &description.window);
            Ok((*piece, self.renderer.images(imager, entry, &notes, &setup, noise)?))
        };
        let pieces = training_pieces(description, index);
        let pieces = pieces.par_iter().map(render).collect::<Result<_>>()?;
        Ok(RerenderedSetup { index, setup, pieces })
    }

    /// Renders every setup as it was before number `next`, for a resumed run. It uses all cores,
    /// because training waits for it.
    fn rerender_before(&self, next: u64, mut apply: impl FnMut(RerenderedSetup)) -> Result<()> {
        let first = next.saturating_sub(self.replaceable.len() as u64);
        if first < next {
            eprintln!(
                "online_rendering: rendering the {} setups of the resumed run again",
                next - first
            );
        }
        (first..next)
            .try_for_each(|number| self.rerender(number, &Cancel::default()).map(&mut apply))
    }
}
