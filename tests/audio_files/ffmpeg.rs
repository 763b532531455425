//! The number of frames is the one that ffmpeg decodes, for files that both read.
//!
//! ffmpeg conceals most damage without a notice. So a file that the reader warns about may have any
//! other number of frames. Without a warning, these differences are permitted:
//!
//! | Files | Difference | Reason |
//! |---|---|---|
//! | AAC, MP3 | fewer, up to [`PADDING_FRAMES`] | ffmpeg 5 keeps the padding of AAC, and that of MP3 if bytes follow or the tag is damaged |
//! | MP3 | more | a frame that cannot be decoded is silent, so that the rest keeps its time; ffmpeg drops it. A damaged tag has no delay. |
//! | Ogg | more | ffmpeg drops the end of the last page if bytes follow |
//! | M4A, ADPCM | more | ffmpeg stops at a damaged table or block |

use std::path::Path;
use std::process::Command;

use tests::signal::Lcg;
use tests::skip;

use super::judge::{kept, read};
use super::pcm_file::PcmFile;
use super::{damaged, rounds};

/// The longest padding: a frame of MP3, and the delay of its decoder.
const PADDING_FRAMES: usize = 1152 + 529;

/// ffmpeg, or `None` with a printed reason.
fn installed(test: &str) -> Option<Ffmpeg> {
    if Command::new("ffmpeg").arg("-version").output().is_err() {
        skip(test, "ffmpeg is not installed");
        return None;
    }
    Some(Ffmpeg { folder: tempfile::tempdir().expect("a folder") })
}

struct Ffmpeg {
    folder: tempfile::TempDir,
}

impl Ffmpeg {
    /// Frames that ffmpeg decodes. `None` if it decodes none.
    fn frames(&self, bytes: &[u8]) -> Option<usize> {
        // Without an extension, so that the content alone decides, as in the reader.
        let path = self.folder.path().join("file");
        std::fs::write(&path, bytes).expect("written");
        frames(&path)
    }
}

fn frames(path: &Path) -> Option<usize> {
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-v", "quiet", "-nostdin", "-i"]).arg(path);
    ffmpeg.args(["-map", "0:a:0", "-ac", "1", "-f", "s16le", "-"]);
    let samples = ffmpeg.output().expect("ffmpeg").stdout;
    (!samples.is_empty()).then_some(samples.len() / 2)
}

#[test]
fn a_generated_file_has_the_frames_that_ffmpeg_finds() {
    let Some(ffmpeg) = installed("a_generated_file_has_the_frames_that_ffmpeg_finds") else {
        return;
    };
    let mut random = Lcg(31);
    let (count, mut compared) = (rounds(70), 0);
    for _ in 0..count {
        let file = PcmFile::draw(&mut random);
        let bytes = file.bytes();
        // Fields that contradict each other have no right number of frames.
        if !file.describes_its_samples() {
            continue;
        }
        let Ok(sound) = read(&bytes, &file) else { continue };
        let Some(frames) = ffmpeg.frames(&bytes) else { continue };
        compared += 1;
        assert!(
            frames == sound.frames() || !sound.warnings.is_empty(),
            "{} frames, ffmpeg {frames}: {file:?} {}",
            sound.frames(),
            kept(&bytes)
        );
    }
    println!("{compared} of {count} generated files were compared with ffmpeg");
    assert!(compared > count / 10);
}

#[test]
fn a_file_of_another_encoder_has_the_frames_that_ffmpeg_finds() {
    let Some(ffmpeg) = installed("a_file_of_another_encoder_has_the_frames_that_ffmpeg_finds")
    else {
        return;
    };
    let golden = damaged::golden();
    for (path, bytes) in &golden {
        check(&ffmpeg, path, bytes, &"whole");
    }
    let mut random = Lcg(32);
    let (count, mut compared) = (rounds(50), 0);
    for _ in 0..count {
        let (path, changes, bytes) = damaged::draw(&golden, &mut random);
        compared += usize::from(check(&ffmpeg, path, &bytes, &changes));
    }
    println!("{compared} of {count} damaged files were compared with ffmpeg");
    assert!(compared > count / 10);
}

/// Compares one file. Returns whether both read it.
fn check(ffmpeg: &Ffmpeg, path: &Path, bytes: &[u8], case: &dyn std::fmt::Debug) -> bool {
    let Ok(sound) = read(bytes, &(path, case)) else { return false };
    let Some(frames) = ffmpeg.frames(bytes) else { return false };
    let name = path.file_name().expect("a name").to_string_lossy();
    let ends_with = |extensions: &[&str]| extensions.iter().any(|end| name.ends_with(end));
    let fewer = if ends_with(&["mp3", "aac.m4a"]) { PADDING_FRAMES } else { 0 };
    let may_be_more = ends_with(&["mp3", "ogg", "opus", "m4a", "adpcm.wav"]);
    let permitted = sound.frames() + fewer >= frames && (may_be_more || sound.frames() <= frames);
    assert!(
        permitted || !sound.warnings.is_empty(),
        "{name}: {} frames, ffmpeg {frames}: {case:?} {}",
        sound.frames(),
        kept(bytes)
    );
    true
}
