//! A dataset rendered with a toy soundfont: images, pairs and their properties.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

use trainer::data::dataset::description::Description;
use trainer::data::dataset::manifest;
use trainer::data::dataset::pairs::SpectrogramPairDataset;
use trainer::data::dataset::piece_entry::ScoreSource;
use trainer::data::dataset::render::{self, Args};
use trainer::data::dataset::{ImageRef, SpectrogramDataset, Split};
use trainer::data::random;
use trainer::data::score::piece::PieceKind;
use trainer::data::score::{Note, Score, instruments, midi};
use trainer::data::soundfont::synth::{SoundBank, SynthVoice};
use trainer::data::soundfont::toy as toy_soundfont;

fn soundfont(folder: &Path) -> PathBuf {
    let path = folder.join("toy.sf2");
    toy_soundfont::write(&path).unwrap();
    path
}

fn args(out: PathBuf, soundfont: &Path, pieces: u64) -> Args {
    Args {
        out,
        soundfonts: vec![soundfont.to_path_buf()],
        instruments: instruments::DEFAULT_INSTRUMENTS.map(String::from).to_vec(),
        extra_instruments: Vec::new(),
        pieces,
        max_chunks: 3,
        midi: None,
        midi_excerpts: 2,
        expressive: 0.0,
        setups_per_font: 3,
        split: None,
        seed: 5,
    }
}

/// A dataset of `pieces` pieces in one split.
fn dataset(folder: &Path, pieces: u64, split: Split) -> SpectrogramDataset {
    let args = Args { split: Some(split), ..args(folder.join("data"), &soundfont(folder), pieces) };
    render::run(&args).unwrap();
    SpectrogramDataset::open(&args.out).unwrap()
}

fn player(folder: &Path) -> SynthVoice {
    SoundBank::open(&soundfont(folder)).unwrap().voice().unwrap()
}

fn note(onset_s: f32, key: u8) -> Note {
    Note { onset_s, duration_s: 0.4, key, velocity: 90 }
}

#[test]
fn a_dataset_depends_on_its_seed_alone() {
    let folder = tempfile::tempdir().unwrap();
    let font = soundfont(folder.path());
    let files = |out: &str, threads: usize| {
        let args = args(folder.path().join(out), &font, 4);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| render::run(&args).unwrap());
        let read =
            |id: u64| std::fs::read(args.out.join(format!("pieces/{id:05}.safetensors"))).unwrap();
        (
            (0..4).map(read).collect::<Vec<_>>(),
            std::fs::read(args.out.join("dataset.json")).unwrap(),
        )
    };
    assert_eq!(files("a", 1), files("b", 3));
}

#[test]
fn a_stopped_run_goes_on_and_another_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let args = args(folder.path().join("data"), &soundfont(folder.path()), 3);
    assert_eq!(render::run(&args).unwrap().rendered, 3);
    let lost = args.out.join("pieces/00001.safetensors");
    let before = std::fs::read(&lost).unwrap();
    std::fs::remove_file(&lost).unwrap();
    assert!(
        SpectrogramDataset::open(&args.out).err().unwrap().to_string().contains("trainer render")
    );
    let summary = render::run(&args).unwrap();
    assert_eq!((summary.rendered, summary.kept), (1, 2));
    assert_eq!(std::fs::read(&lost).unwrap(), before);
    let other = render::run(&Args { seed: 6, ..args }).unwrap_err().to_string();
    assert!(other.contains("another --out"), "{other}");
}

#[test]
fn the_same_notes_start_together_on_every_instrument() {
    let folder = tempfile::tempdir().unwrap();
    let mut player = player(folder.path());
    let score = Score::new(vec![note(0.5, 60), note(1.2, 72), note(2.0, 67)], 3.0);
    for name in instruments::DEFAULT_INSTRUMENTS {
        let program = instruments::by_name(name).unwrap().programs[0];
        let left = player.play(&score, program, 0.0, 3 * 44_100).left;
        let peak = left.iter().fold(0.0f32, |p, v| p.max(v.abs()));
        let first = left.iter().position(|v| v.abs() > 0.01 * peak).unwrap() as f32 / 44_100.0;
        // One model frame is 23 ms; the attack of the toy violin is 40 ms.
        assert!((first - 0.5).abs() < 0.0232, "{name} starts at {first} s");
    }
}

#[test]
fn nothing_of_one_window_sounds_in_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let mut player = player(folder.path());
    let (first, second) =
        (Score::new(vec![note(0.1, 60)], 3.0), Score::new(vec![note(1.0, 64)], 3.0));
    let alone = player.play(&second, 46, 0.0, 60_000);
    player.play(&first, 46, 30.0, 10_000); // ends during a sustained, detuned harp note
    let after = player.play(&second, 46, 0.0, 60_000);
    assert_eq!(alone.left, after.left);
    assert!(after.left[..44_000].iter().all(|v| *v == 0.0), "silence before the first note");
}

#[test]
fn tuning_is_in_cents() {
    let folder = tempfile::tempdir().unwrap();
    let mut player = player(folder.path());
    let held = Score::new(vec![Note { duration_s: 4.0, ..note(0.0, 69) }], 4.0);
    let mut hertz = |cents: f32| {
        let left = player.play(&held, 40, cents, 4 * 44_100).left[44_100..].to_vec();
        // Zero crossings are unreliable with harmonics, so this uses the best lag over 20 periods.
        // With more periods, a lag that is wrong by a period would be in the search range.
        let energy = |lag: f64| -> f64 {
            let at = |n: usize| {
                let x = n as f64 + 20.0 * lag;
                let (i, f) = (x as usize, x.fract() as f32);
                left[i] * (1.0 - f) + left[i + 1] * f
            };
            (0..4000).map(|n| f64::from(left[n] * at(n))).sum()
        };
        let lags = (0..2000).map(|i| 98.0 + f64::from(i) * 0.002);
        44_100.0 / lags.max_by(|a, b| energy(*a).total_cmp(&energy(*b))).unwrap()
    };
    let cents = 1200.0 * (hertz(12.0) / hertz(0.0)).log2();
    assert!((cents - 12.0).abs() < 0.5, "{cents} cents");
    assert!((hertz(0.0) - 440.0).abs() < 0.2, "{} Hz", hertz(0.0));
}

#[test]
fn windows_of_a_continuous_piece_overlap_by_the_prefix() {
    let folder = tempfile::tempdir().unwrap();
    let data = dataset(folder.path(), 10, Split::Train);
    let window = &data.description.window;
    let piece = data
        .description
        .pieces
        .iter()
        .position(|p| p.kind == PieceKind::Continuous && p.chunks > 2)
        .expect("a continuous piece");
    let setup = data.description.pieces[piece].setups[0];
    let at = |chunk| ImageRef { piece, setup, chunk, ..ImageRef::default() };
    let (first, second) = (data.image(at(1)), data.image(at(2)));
    let (mut compared, mut apart) = (0.0, Vec::new());
    for mel in 0..data.description.mel.n_mels {
        for frame in 0..window.overlap_frames {
            let a = first[mel * window.frames + window.hop_frames + frame];
            let b = second[mel * window.frames + frame];
            if a > 20 && b > 20 {
                apart.push(f32::from(a) - f32::from(b));
                compared += 1.0;
            }
        }
    }
    // The same audio at another gain has a constant difference in dB.
    let mean = apart.iter().sum::<f32>() / compared;
    assert!(
        compared > 50.0 && apart.iter().all(|d| (d - mean).abs() <= 1.5),
        "{compared} pixels, mean {mean}"
    );
}

#[test]
fn pairs_are_true_balanced_and_inside_their_split() {
    let folder = tempfile::tempdir().unwrap();
    let data = dataset(folder.path(), 12, Split::Validation);
    let pairs = SpectrogramPairDataset::new(&data, Split::Validation, 1).unwrap();
    assert!(SpectrogramPairDataset::new(&data, Split::Train, 1).is_err());
    let mut counts: HashMap<(usize, usize), u32> = HashMap::new();
    let mut continuing = 0;
    const DRAWN: u32 = 8000;
    for index in 0..u64::from(DRAWN) {
        let pair = pairs.pair(index);
        assert_eq!(pair, pairs.pair(index));
        let (content, style, target) = (pair.content, pair.style, pair.target);
        assert_eq!((content.piece, content.chunk), (target.piece, target.chunk), "the same notes");
        assert_eq!(
            (style.setup, style.instrument),
            (target.setup, target.instrument),
            "the same sound"
        );
        assert_ne!(style.piece, content.piece);
        assert!(data.sounds(style));
        let more = pairs.style_of(target, &mut random::stream(1, "test", index));
        assert_eq!(
            (more.setup, more.instrument),
            (target.setup, target.instrument),
            "the same sound"
        );
        assert!(more.piece != content.piece && data.sounds(more));
        *counts.entry((content.instrument, target.instrument)).or_default() += 1;
        let continuous = data.description.pieces[target.piece].kind == PieceKind::Continuous;
        continuing += u32::from(continuous && target.chunk > 0);
    }
    let same: u32 = (0..4).map(|i| counts[&(i, i)]).sum();
    assert!(
        (f64::from(same) / f64::from(DRAWN) - 0.15).abs() < 0.02,
        "{same} of {DRAWN} with one instrument"
    );
    for from in 0..4 {
        for to in (0..4).filter(|to| *to != from) {
            let share = f64::from(counts[&(from, to)]) / f64::from(DRAWN);
            assert!((share - 0.85 / 12.0).abs() < 0.015, "{from} to {to}: {share}");
        }
    }
    assert!(continuing > DRAWN / 10 && continuing < DRAWN, "{continuing} windows continue another");
}

#[test]
fn guests_play_some_pieces_each_with_pairs_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    let args = Args {
        instruments: names(&["piano", "harp"]),
        extra_instruments: names(&["guitar", "violin"]),
        split: Some(Split::Test),
        ..args(folder.path().join("data"), &soundfont(folder.path()), 16)
    };
    render::run(&args).unwrap();
    let data = SpectrogramDataset::open(&args.out).unwrap();
    assert_eq!(data.description.instruments, ["piano", "harp", "guitar", "violin"]);
    let played = |image: &ImageRef| {
        data.description.pieces[image.piece].instruments.contains(&image.instrument)
    };
    assert!(data.description.pieces.iter().all(|p| p.instruments.len() == 2));
    assert!(data.images(Split::Test).iter().all(played));
    let pairs = SpectrogramPairDataset::new(&data, Split::Test, 1).unwrap();
    let mut targets = HashSet::new();
    for index in 0..1000 {
        let pair = pairs.pair(index);
        assert!([pair.content, pair.style, pair.target].iter().all(played), "{pair:?}");
        assert_eq!(
            (pair.style.setup, pair.style.instrument),
            (pair.target.setup, pair.target.instrument)
        );
        assert_ne!(pair.style.piece, pair.target.piece);
        targets.insert(pair.target.instrument);
    }
    assert_eq!(targets.len(), 4, "every instrument is a target");
    let written = SpectrogramPairDataset::new(&data, Split::Test, args.seed).unwrap();
    let rows = manifest::read(&data, &manifest::path(&args.out, Split::Test)).unwrap();
    assert!(rows.iter().enumerate().all(|(i, row)| *row == written.pair(i as u64)));
    for piece in 0..16 {
        let keys = data.score(piece, 0).unwrap().notes.into_iter().map(|n| n.key);
        assert!(keys.into_iter().all(|key| (40..=103).contains(&key)), "piece {piece}");
    }
}

#[test]
fn no_piece_is_on_two_sides() {
    let folder = tempfile::tempdir().unwrap();
    let args = args(folder.path().join("data"), &soundfont(folder.path()), 40);
    render::run(&args).unwrap();
    let data = SpectrogramDataset::open(&args.out).unwrap();
    let splits = [Split::Train, Split::Validation, Split::Test].map(|s| {
        data.images(s).iter().map(|i| data.description.pieces[i.piece].id).collect::<HashSet<_>>()
    });
    assert!(
        splits[0].is_disjoint(&splits[1])
            && splits[0].is_disjoint(&splits[2])
            && splits[1].is_disjoint(&splits[2])
    );
    assert_eq!(splits.iter().map(HashSet::len).sum::<usize>(), 40);
    let mut sides: HashMap<String, Split> = HashMap::new();
    for (index, piece) in data.description.pieces.iter().enumerate() {
        let notes =
            serde_json::to_string(&data.description.scores(index, &args.out).unwrap()).unwrap();
        let other = sides.insert(notes, piece.split);
        assert!(
            other.is_none_or(|side| side == piece.split),
            "piece {index} has the notes of another side's"
        );
    }
    for index in 0..200 {
        let pair = SpectrogramPairDataset::new(&data, Split::Train, 0).unwrap().pair(index);
        for image in [pair.content, pair.style, pair.target] {
            assert_eq!(data.description.pieces[image.piece].split, Split::Train);
        }
    }
}

#[test]
fn a_manifest_comes_back_as_the_pairs_it_was_made_of() {
    let folder = tempfile::tempdir().unwrap();
    let data = dataset(folder.path(), 8, Split::Test);
    let path = manifest::path(&folder.path().join("data"), Split::Test);
    let pairs = SpectrogramPairDataset::new(&data, Split::Test, 5).unwrap();
    let rows = manifest::read(&data, &path).unwrap();
    assert!(
        rows.len() > 100 && rows.iter().enumerate().all(|(i, row)| *row == pairs.pair(i as u64))
    );
    std::fs::write(&path, "content,style,target\n00000/0/kazoo/1,a,b\n").unwrap();
    assert!(manifest::read(&data, &path).unwrap_err().to_string().contains("line 2"));
}

#[test]
fn midi_files_become_pieces_with_their_notes() {
    let folder = tempfile::tempdir().unwrap();
    let songs = folder.path().join("songs");
    std::fs::create_dir(&songs).unwrap();
    let notes = (0..80).map(|i| note(i as f32 * 0.5, 30 + (i * 7 % 60) as u8)).collect();
    midi::write(&songs.join("a.mid"), &Score::new(notes, 40.0)).unwrap();
    let args = Args {
        midi: Some(songs),
        expressive: 1.0,
        split: Some(Split::Test),
        ..args(folder.path().join("data"), &soundfont(folder.path()), 1)
    };
    render::run(&args).unwrap();
    let data = SpectrogramDataset::open(&args.out).unwrap();
    assert_eq!(data.description.pieces.len(), 3, "one composed, two excerpts of the file");
    let score = data.score(1, 2).unwrap();
    assert!(!score.notes.is_empty() && score.notes.iter().all(|n| (55..=88).contains(&n.key)));
    assert!(
        (1..3).any(|piece| !data.score(piece, 0).unwrap().gestures.is_empty()),
        "excerpts are expressive too"
    );
}

#[test]
fn all_excerpts_of_a_midi_file_are_on_one_side_of_every_dataset() {
    let folder = tempfile::tempdir().unwrap();
    let (songs, font) = (folder.path().join("songs"), soundfont(folder.path()));
    std::fs::create_dir(&songs).unwrap();
    for song in 0..40 {
        let notes =
            (0..80).map(|i| note(i as f32 * 0.5, 50 + ((i * 7 + song) % 40) as u8)).collect();
        midi::write(&songs.join(format!("{song:02}.mid")), &Score::new(notes, 40.0)).unwrap();
    }
    let sides = |out: &str, pieces: u64, seed: u64| {
        let midi = Some(songs.clone());
        let args =
            Args { midi, seed, setups_per_font: 1, ..args(folder.path().join(out), &font, pieces) };
        render::run(&args).unwrap();
        let mut sides: BTreeMap<String, Vec<Split>> = BTreeMap::new();
        for piece in Description::read(&args.out).unwrap().pieces {
            if let ScoreSource::Midi(name) = piece.source {
                sides.entry(name).or_default().push(piece.split);
            }
        }
        sides
    };
    let one = sides("one", 0, 5);
    assert_eq!(one.len(), 40);
    assert!(one.values().all(|sides| sides.len() == 2 && sides[0] == sides[1]), "{one:?}");
    let held_out = one.values().filter(|sides| sides[0] != Split::Train).count();
    assert!((1..20).contains(&held_out), "{held_out} of 40 files");
    assert_eq!(one, sides("another", 3, 6), "neither seed nor pieces move a file");
}

#[test]
fn a_midi_file_that_has_changed_is_refused_where_its_images_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let songs = folder.path().join("songs");
    std::fs::create_dir(&songs).unwrap();
    let write = |first: u8| {
        let notes = (0..80).map(|i| note(i as f32 * 0.5, first + (i * 7 % 30) as u8)).collect();
        midi::write(&songs.join("a.mid"), &Score::new(notes, 40.0)).unwrap();
    };
    write(56);
    let (midi, split) = (Some(songs.clone()), Some(Split::Test));
    let args =
        Args { midi, split, ..args(folder.path().join("data"), &soundfont(folder.path()), 0) };
    assert_eq!(render::run(&args).unwrap().rendered, 2);
    assert_eq!(render::run(&args).unwrap().kept, 2);
    let notes = SpectrogramDataset::open(&args.out).unwrap().score(0, 0).unwrap();
    write(57);
    let sentence = render::run(&args).unwrap_err().to_string();
    assert!(sentence.contains("00000.json") && sentence.contains("a.mid"), "{sentence}");
    assert_eq!(
        SpectrogramDataset::open(&args.out).unwrap().score(0, 0).unwrap(),
        notes,
        "nothing is lost"
    );
}

#[test]
fn a_program_that_a_soundfont_lacks_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let args = args(folder.path().join("data"), &soundfont(folder.path()), 1);
    let sentence =
        render::run(&Args { instruments: vec!["flute".into()], ..args }).unwrap_err().to_string();
    assert!(sentence.contains("toy.sf2") && sentence.contains("program 73"), "{sentence}");
}

#[test]
fn a_dataset_from_before_there_were_gestures_reads_and_writes_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let args = args(folder.path().join("data"), &soundfont(folder.path()), 3);
    render::run(&args).unwrap();
    let text = std::fs::read_to_string(args.out.join("dataset.json")).unwrap();
    assert!(!text.contains("expressive"), "{text}");
    let again = folder.path().join("again");
    SpectrogramDataset::open(&args.out).unwrap().description.write(&again).unwrap();
    assert_eq!(std::fs::read_to_string(again.join("dataset.json")).unwrap(), text);
}

#[test]
fn expressive_pieces_have_the_same_notes_in_other_images() {
    let folder = tempfile::tempdir().unwrap();
    let font = soundfont(folder.path());
    let render = |out: &str, expressive: f32| {
        let args = Args {
            expressive,
            split: Some(Split::Test),
            ..args(folder.path().join(out), &font, 4)
        };
        render::run(&args).unwrap();
        SpectrogramDataset::open(&args.out).unwrap()
    };
    let (plain, played) = (render("plain", 0.0), render("played", 1.0));
    assert_eq!(plain.description.pieces, played.description.pieces);
    let (mut expressive, mut differ) = (0, 0);
    for at in plain.images(Split::Test) {
        let [notes, gestures] =
            [&plain, &played].map(|data| data.score(at.piece, at.chunk).unwrap());
        let onsets =
            |score: &Score| score.notes.iter().map(|n| (n.onset_s, n.key)).collect::<Vec<_>>();
        // A window may lack a note that was damped before it.
        assert!(onsets(&gestures).iter().all(|onset| onsets(&notes).contains(onset)));
        assert!(notes.gestures.is_empty());
        if !gestures.gestures.is_empty() && plain.sounds(at) {
            expressive += 1;
            differ += usize::from(plain.image(at) != played.image(at));
        }
    }
    assert!(
        expressive > 40 && differ == expressive,
        "{differ} of {expressive} expressive images differ"
    );
}

#[test]
fn a_share_that_is_none_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let args = args(folder.path().join("data"), &soundfont(folder.path()), 1);
    for expressive in [-0.1, 1.1, f32::NAN] {
        let sentence = render::run(&Args { expressive, ..args.clone() }).unwrap_err().to_string();
        assert!(sentence.contains("--expressive: expected a share from 0 to 1"), "{sentence}");
    }
    assert!(!args.out.exists());
}
