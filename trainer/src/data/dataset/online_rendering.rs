//! Sounds that are made while training (on-the-fly rendering).
//!
//! A dataset has a score of setups, and a model learns them by heart before it learns to read
//! sounds. Here one setup after the other is replaced by a new one, of another recording chain and
//! other programs, in which all training pieces that have it are played anew, beside the training
//! and before they are asked for. Notes, players and sides of the pieces stay, so whatever was
//! paired stays paired; the plain setups stay too, and what validation and tests look at.
//!
//! Which sounds training has depends on the step alone: it waits where rendering is late, and a
//! resumed run makes those that it had again.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use crossbeam::channel::{Receiver, bounded};
use engine::cancel::Cancel;
use engine::{Error, Result};
use rayon::ThreadPool;
use rayon::prelude::*;

use super::chain::Chain;
use super::description::{Description, Setup, Split};
use super::imager::Imager;
use super::instruments::{self, Instrument};
use super::random;
use super::renderer::Renderer;

/// A setup of the pool as it is from now on.
pub struct RerenderedSetup {
    /// Its index.
    pub index: usize,
    /// What it is now.
    pub setup: Setup,
    /// The training pieces that have it, by index, each with its images by instrument.
    pub pieces: Vec<(usize, Vec<Vec<u8>>)>,
}

/// New setups, one every so many steps.
pub struct OnlineRendering {
    renderer: Arc<SetupRenderer>,
    every: u64,
    /// How many setups are made in all.
    last: u64,
    /// How many training has had; none before its first step.
    taken: Option<u64>,
    background: Option<Background>,
}

/// The thread that renders ahead: it is called off when nobody asks any more.
struct Background {
    cancel: Cancel,
    /// None once nobody listens, so that a thread that waits to be heard ends.
    renewed: Option<Receiver<Result<RerenderedSetup>>>,
    thread: Option<JoinHandle<()>>,
}

impl OnlineRendering {
    /// For the dataset in a folder, with its soundfonts among `soundfonts`: one setup every `every`
    /// steps of `steps`, rendered by so many threads beside the training.
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
        Ok(Self {
            renderer,
            every,
            last: steps.saturating_sub(1) / every,
            taken: None,
            background: None,
        })
    }

    /// Gives `take` the setups that have changed since the step that was asked for before; steps
    /// are asked for in order.
    ///
    /// # Errors
    /// If a piece cannot be rendered.
    pub fn due(&mut self, step: u64, mut take: impl FnMut(RerenderedSetup)) -> Result<()> {
        let wanted = step / self.every;
        let Some(taken) = self.taken.replace(wanted) else {
            self.renderer.renew_before(wanted, take)?;
            self.background = Some(Background::start(&self.renderer, wanted..self.last));
            return Ok(());
        };
        let background =
            self.background.as_ref().expect("started when the first step was asked for");
        (taken..wanted).try_for_each(|_| background.next().map(&mut take))
    }
}

impl Background {
    fn start(renderer: &Arc<SetupRenderer>, numbers: std::ops::Range<u64>) -> Self {
        // One waits to be taken while the next one is made.
        let (sender, renewed) = bounded(1);
        let (renderer, cancel) = (Arc::clone(renderer), Cancel::default());
        let own = cancel.clone();
        let thread = std::thread::spawn(move || {
            for number in numbers {
                let renewed = renderer.threads.install(|| renderer.renewed(number, &own));
                if sender.send(renewed).is_err() {
                    break;
                }
            }
        });
        Self { cancel, renewed: Some(renewed), thread: Some(thread) }
    }

    fn next(&self) -> Result<RerenderedSetup> {
        let received = self.renewed.as_ref().and_then(|renewed| renewed.recv().ok());
        received.unwrap_or_else(|| {
            Err(Error::invalid("online_rendering", "another setup", "a thread that ended"))
        })
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.cancel.cancel();
        self.renewed = None;
        if let Some(thread) = self.thread.take() {
            // A panic there was reported there.
            let _ = thread.join();
        }
    }
}

/// The training pieces that have a setup.
fn trained_in(description: &Description, setup: usize) -> Vec<usize> {
    let pieces = description.pieces.iter().enumerate();
    let trained =
        pieces.filter(|(_, piece)| piece.split == Split::Train && piece.setups.contains(&setup));
    trained.map(|(index, _)| index).collect()
}

/// What a new setup is made with.
struct SetupRenderer {
    renderer: Renderer,
    folder: PathBuf,
    instruments: Vec<Instrument>,
    /// Setups of training pieces that have a recording chain.
    renewable: Vec<usize>,
    threads: ThreadPool,
}

impl SetupRenderer {
    fn new(renderer: Renderer, folder: &Path, threads: usize) -> Result<Self> {
        let Description { setups, instruments, .. } = &renderer.description;
        let recorded = (0..setups.len()).filter(|index| setups[*index].chain != Chain::default());
        let renewable: Vec<usize> = recorded
            .filter(|index| !trained_in(&renderer.description, *index).is_empty())
            .collect();
        if renewable.is_empty() {
            let expected = "a dataset whose training pieces have setups with a recording chain";
            return Err(Error::invalid(
                "online_rendering.every",
                expected,
                format!("{} setups", setups.len()),
            ));
        }
        let instruments: Vec<Instrument> =
            instruments.iter().map(|name| instruments::by_name(name)).collect::<Result<_>>()?;
        // Any program of an instrument may be drawn, hours from now.
        for index in &renewable {
            let bank = renderer.bank(&setups[*index]);
            let mut programs = instruments.iter().flat_map(|i| i.programs);
            programs.try_for_each(|program| bank.check_program(*program))?;
        }
        let threads = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .map_err(|e| Error::invalid("online_rendering.threads", "threads that start", e))?;
        Ok(Self { instruments, renewable, threads, folder: folder.to_path_buf(), renderer })
    }

    /// Setup number `number` of the endless sequence that the dataset's seed draws, with its
    /// pieces; on the threads of the caller's pool.
    fn renewed(&self, number: u64, cancel: &Cancel) -> Result<RerenderedSetup> {
        let description = &self.renderer.description;
        let index = self.renewable[(number % self.renewable.len() as u64) as usize];
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
        let pieces = trained_in(description, index);
        let pieces = pieces.par_iter().map(render).collect::<Result<_>>()?;
        Ok(RerenderedSetup { index, setup, pieces })
    }

    /// Every setup as a resumed run had it last, before number `next`; on all cores, for nothing is
    /// trained meanwhile.
    fn renew_before(&self, next: u64, mut take: impl FnMut(RerenderedSetup)) -> Result<()> {
        let first = next.saturating_sub(self.renewable.len() as u64);
        if first < next {
            eprintln!(
                "online_rendering: making the {} setups again that the run had",
                next - first
            );
        }
        (first..next).try_for_each(|number| self.renewed(number, &Cancel::default()).map(&mut take))
    }
}
