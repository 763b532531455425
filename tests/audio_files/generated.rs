//! Files whose header fields are drawn around the legal ones.

use tests::signal::Lcg;

use super::field::Size;
use super::judge::{Sound, kept, read};
use super::pcm_file::{Coding, Container, PcmFile};
use super::rounds;

/// From this size on, a size field states that the length is unknown.
const UNKNOWN_SIZE: u64 = 0x7fff_f000;

/// The frames that the header promises. `None` if its fields contradict each other or the length is
/// unknown.
fn promised(file: &PcmFile) -> Option<u64> {
    if !file.describes_its_samples() {
        return None;
    }
    let bytes = match file.container {
        Container::Aiff | Container::Aifc => {
            return Some(file.frames_size.of_32_bits(file.frames).into());
        }
        Container::Caf => file.data_size.of_64_bits(file.data_len() + 4).saturating_sub(4),
        Container::Wave64 => file.data_size.of_64_bits(file.data_len() + 24).saturating_sub(24),
        Container::Rf64 | Container::Bw64 => file.data_size.of_64_bits(file.data_len()),
        _ => file.data_size.of_32_bits(file.data_len()).into(),
    };
    (bytes < UNKNOWN_SIZE).then_some(bytes / file.frame_bytes() as u64)
}

/// Frames that are in the file as it was put together, before its end was cut off.
fn check_samples(file: &PcmFile, sound: &Sound, bytes: &[u8]) {
    assert_eq!(sound.sample_rate_hz, file.rate_hz);
    assert_eq!(sound.channels.len(), file.channels);
    let Some(expected) = file.expected() else { return };
    for (read, expected) in sound.channels.iter().zip(&expected) {
        let frames = read.len().min(expected.len());
        let equal = read[..frames].iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-7);
        assert!(equal, "other samples: {file:?} {}", kept(bytes));
    }
}

#[test]
fn legal_files_are_read_exactly() {
    let mut random = Lcg(11);
    for _ in 0..rounds(400) {
        let file = PcmFile::draw_legal(&mut random);
        assert!(file.is_legal());
        let bytes = file.bytes();
        let sound =
            read(&bytes, &file).unwrap_or_else(|e| panic!("{e}: {file:?} {}", kept(&bytes)));
        assert_eq!(sound.frames(), file.frames, "{file:?} {}", kept(&bytes));
        assert!(sound.warnings.is_empty(), "{:?}: {file:?} {}", sound.warnings, kept(&bytes));
        check_samples(&file, &sound, &bytes);
    }
}

#[test]
fn files_with_wrong_fields_lose_no_sample_without_a_warning() {
    let mut random = Lcg(12);
    let mut read_count = 0;
    let count = rounds(6000);
    for _ in 0..count {
        let file = PcmFile::draw(&mut random);
        let bytes = file.bytes();
        let Ok(sound) = read(&bytes, &file) else {
            assert!(!file.is_legal(), "refused: {file:?} {}", kept(&bytes));
            continue;
        };
        read_count += 1;
        let describes = file.describes_its_samples();
        let lost = promised(&file).is_some_and(|promised| promised > sound.frames() as u64);
        assert!(
            !lost || !sound.warnings.is_empty(),
            "{} frames: {file:?} {}",
            sound.frames(),
            kept(&bytes)
        );
        if describes && file.cut.is_none() && sound.warnings.is_empty() {
            let short = file.frames.saturating_sub(sound.frames());
            assert!(short <= short_without_notice(&file), "{short}: {file:?} {}", kept(&bytes));
        }
        if describes {
            check_samples(&file, &sound, &bytes);
        }
    }
    println!("{read_count} of {count} generated files were read");
    assert!(read_count > count / 4);
}

/// Frames that may be absent without a warning: less than the header of another chunk after a
/// declared end is taken for padding.
fn short_without_notice(file: &PcmFile) -> usize {
    let header_bytes = match file.container {
        Container::Wave64 => 24,
        _ => 8,
    };
    (header_bytes - 1) / file.frame_bytes() + 1
}

/// Every chunk needs a search for the next one.
#[test]
fn implausible_chunks_cost_no_more_than_their_bytes() {
    let chunks = b"LIST\xff\xff\xff\x7f".repeat(50_000);
    let bytes = [b"RIFF\0\0\0\0WAVE".to_vec(), chunks].concat();
    let refused = read(&bytes, &"implausible chunks").expect_err("no samples");
    assert!(refused.contains("`fmt ` chunk, found none"), "{refused}");
}

#[test]
fn the_coding_of_a_sample_is_that_of_the_specification() {
    let mut file = PcmFile::draw_legal(&mut Lcg(1));
    (file.container, file.coding, file.channels, file.frames) =
        (Container::Riff, Coding::Integer(1), 1, 3);
    (file.channels_field, file.bits_field, file.block_field) = (1, 8, 1);
    (file.rate_hz, file.fmt_len, file.outer_size) = (8_000, 16, Size::Right);
    (file.before, file.after) = (Vec::new(), Vec::new());
    let bytes = file.bytes();
    assert_eq!(&bytes[..12], b"RIFF\x28\0\0\0WAVE");
    assert_eq!(&bytes[12..36], b"fmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x40\x1f\0\0\x01\0\x08\0");
    assert_eq!(&bytes[36..44], b"data\x03\0\0\0");
    assert_eq!(bytes.len(), 48, "with the padding");
}
