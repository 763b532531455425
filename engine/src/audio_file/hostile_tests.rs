//! Files as other programs leave them: wrong sizes, foreign tags, joined and cut files.

use std::path::PathBuf;

use super::*;

const RATE_HZ: u32 = 22_050;
const FRAMES: usize = 600;

/// Stereo samples with 16 bits.
fn pcm() -> Vec<u8> {
    (0..FRAMES as i32).flat_map(|n| [n * 50 - 9000, 7000 - n * 20]).flat_map(le16).collect()
}

fn le16(sample: i32) -> [u8; 2] {
    (sample as i16).to_le_bytes()
}

fn expected() -> Vec<Vec<f32>> {
    let channel = |f: fn(i32) -> i32| {
        (0..FRAMES as i32).map(|n| f(n) as f32 / 32_768.0).collect::<Vec<f32>>()
    };
    vec![channel(|n| n * 50 - 9000), channel(|n| 7000 - n * 20)]
}

fn fmt(tag: u16, bits: u16, block: u16) -> Vec<u8> {
    let rate = RATE_HZ.to_le_bytes();
    let bytes_per_s = (RATE_HZ * u32::from(block)).to_le_bytes();
    let fields = [tag.to_le_bytes(), [2, 0]].concat();
    [fields, rate.into(), bytes_per_s.into(), block.to_le_bytes().into(), bits.to_le_bytes().into()]
        .concat()
}

fn chunk(id: &[u8; 4], size: u32, body: &[u8]) -> Vec<u8> {
    [id.as_slice(), &size.to_le_bytes(), body].concat()
}

/// A chunk with its right size and padding.
fn whole(id: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let padding = if body.len().is_multiple_of(2) { &[][..] } else { &[0] };
    [chunk(id, body.len() as u32, body), padding.to_vec()].concat()
}

fn riff(size: u32, chunks: &[Vec<u8>]) -> Vec<u8> {
    [b"RIFF".as_slice(), &size.to_le_bytes(), b"WAVE", &chunks.concat()].concat()
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, bytes).expect("written");
        path
    }

    /// Channels and warnings of a file.
    fn read(&self, name: &str, bytes: &[u8]) -> (Vec<Vec<f32>>, Vec<String>) {
        let mut reader = Reader::open(self.write(name, bytes)).unwrap_or_else(|e| panic!("{e}"));
        let mut channels = vec![Vec::new(); reader.channels()];
        while let Some(block) = reader.read().unwrap_or_else(|e| panic!("{e}")) {
            channels.iter_mut().zip(block).for_each(|(all, block)| all.extend_from_slice(block));
        }
        (channels, reader.warnings())
    }

    fn refusal(&self, name: &str, bytes: &[u8]) -> String {
        decode(self.write(name, bytes)).expect_err("refused").to_string()
    }
}

fn golden(name: &str) -> Vec<u8> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/audio_files");
    std::fs::read(folder.join(name)).expect("a golden file")
}

fn id3v1() -> Vec<u8> {
    [b"TAG".to_vec(), vec![b'x'; 125]].concat()
}

fn id3v2(bytes: usize) -> Vec<u8> {
    let size = [21, 14, 7, 0].map(|shift| (bytes >> shift & 0x7f) as u8);
    // Bytes that look like MPEG frames.
    let body = [0xff, 0xfb, 0x90, 0x64].into_iter().cycle().take(bytes).collect();
    [b"ID3\x03\0\0".to_vec(), size.to_vec(), body].concat()
}

#[test]
fn wrong_sizes_of_wav_files_lose_no_sample() {
    let folder = Folder::new();
    let (data, format) = (pcm(), whole(b"fmt ", &fmt(1, 16, 4)));
    let len = data.len() as u32;
    let unknown = "the header does not contain the length";
    for (outer, size, warns) in [
        (len + 36, len, false),
        (len + 28, len, false),
        (3, len, false),
        (0, 0, true),
        (0x7fff_f024, 0x7fff_f000, true),
        (u32::MAX, u32::MAX, true),
        (len + 36, u32::MAX, true),
    ] {
        let bytes = riff(outer, &[format.clone(), chunk(b"data", size, &data)]);
        let (channels, warnings) = folder.read("a.wav", &bytes);
        assert!(channels == expected(), "{size:#x}");
        assert_eq!(warnings.iter().any(|w| w.contains(unknown)), warns, "{size:#x}: {warnings:?}");
    }
    // A recorder that crashed after it reserved space for other chunks.
    let junk = whole(b"JUNK", &[0; 4036]);
    let bytes = riff(4088, &[junk, format.clone(), chunk(b"data", 0, &data)]);
    assert!(folder.read("a.wav", &bytes).0 == expected());
    // A file without sound stays one.
    let empty = riff(0, &[format, chunk(b"data", 0, &[]), whole(b"LIST", b"INFO")]);
    assert!(folder.refusal("a.wav", &empty).contains("without samples"));
}

#[test]
fn a_cut_file_is_read_to_its_end_with_one_warning() {
    let folder = Folder::new();
    let whole_wav =
        riff(0, &[whole(b"fmt ", &fmt(1, 16, 4)), chunk(b"data", 2400, &pcm()[..2300])]);
    let (channels, warnings) = folder.read("a.wav", &whole_wav);
    assert!(channels[0] == expected()[0][..575]);
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].contains("575 of 600 samples"), "{warnings:?}");
    // A page of Ogg is lost as a whole, so the second of two joined files is cut.
    let one = golden("stereo.ogg");
    let (audio, warnings) = folder.read("a.ogg", &[&one[..], &one[..one.len() - 100]].concat());
    assert!(audio[0] == folder.read("a.ogg", &one).0[0], "the first file");
    assert!(warnings.len() == 1 && warnings[0].contains("cut off"), "{warnings:?}");
    for name in ["i24.flac", "stereo.mp3", "alac.m4a", "i16.aiff", "i16.caf"] {
        let complete = golden(name);
        let (all, none) = folder.read(name, &complete);
        assert!(none.is_empty(), "{name}: {none:?}");
        // The index of an M4A file is at its end, so a cut one has no sound.
        if name == "alac.m4a" {
            let refused = folder.refusal(name, &complete[..complete.len() * 9 / 10]);
            assert!(refused.contains("index (`moov`), found 4319 bytes without"), "{refused}");
            continue;
        }
        let (part, warnings) = folder.read(name, &complete[..complete.len() * 9 / 10]);
        assert!(part[0].len() < all[0].len(), "{name}");
        assert_eq!(warnings.len(), 1, "{name}: {warnings:?}");
    }
}

#[test]
fn unknown_and_damaged_chunks_do_not_stop_the_reader() {
    let folder = Folder::new();
    let (data, plain) = (whole(b"data", &pcm()), fmt(1, 16, 4));
    let format = || whole(b"fmt ", &plain);
    let unpadded = chunk(b"LIST", 15, b"INFOIART\x03\0\0\0Me\0");
    let after = whole(b"LIST", b"INFO");
    let lost = chunk(b"LIST", 80_000_000, &[0; 30]);
    for chunks in [
        vec![format(), unpadded, data.clone()],
        vec![whole(b"fmt ", &[plain.clone(), vec![0; 4]].concat()), data.clone()],
        vec![whole(b"LIST", b"INFOINAM\xff\xff\xff\xff"), format(), data.clone()],
        vec![chunk(b"bext", 90_000_000, &[0; 602]), format(), data.clone()],
        vec![chunk(b"bext", 90_000_000, &[0; 602]), lost, format(), data.clone()],
        vec![data.clone(), format()],
        vec![format(), data.clone(), id3v1()],
        vec![format(), data.clone(), after, vec![0; 3]],
        vec![format(), whole(b"PEAK", &[1; 7]), whole(b"LGWV", &[2; 99]), data],
    ] {
        let (channels, warnings) = folder.read("a.wav", &riff(36, &chunks));
        assert!(channels == expected(), "{} chunks", chunks.len());
        assert!(warnings.is_empty(), "{warnings:?}");
    }
}

#[test]
fn sample_formats_follow_the_bytes_of_a_block() {
    let folder = Folder::new();
    let wide: Vec<u8> = pcm().chunks_exact(2).flat_map(|two| [0, two[0], two[1]]).collect();
    let floats: Vec<u8> = (0..FRAMES)
        .flat_map(|n| [expected()[0][n], expected()[1][n]])
        .flat_map(f32::to_le_bytes)
        .collect();
    let extensible = |valid: u16, tag: u16| {
        let tail = [&22_u16.to_le_bytes(), &valid.to_le_bytes(), &[3, 0, 0, 0][..]].concat();
        let guid = b"\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71";
        [fmt(0xfffe, 32, 8), tail, tag.to_le_bytes().to_vec(), guid.to_vec()].concat()
    };
    for (format, data) in [
        (fmt(1, 20, 6), &wide),
        (fmt(1, 24, 0), &wide),
        (fmt(3, 32, 8), &floats),
        (extensible(0, 3), &floats),
    ] {
        let bytes = riff(0, &[whole(b"fmt ", &format), whole(b"data", data)]);
        assert!(folder.read("a.wav", &bytes).0 == expected(), "{format:?}");
    }
    let unknown = riff(0, &[whole(b"fmt ", &fmt(0x161, 16, 4)), whole(b"data", &pcm())]);
    assert!(folder.refusal("a.wav", &unknown).contains("0x0161"));
}

#[test]
fn tags_around_a_file_are_not_audio() {
    let folder = Folder::new();
    for name in ["i16.flac", "stereo.mp3", "stereo.ogg", "mono.opus", "i16.wav", "i16.aiff"] {
        let plain = golden(name);
        let (audio, _) = folder.read(name, &plain);
        for (head, tail) in [(0, id3v1()), (1_200_000, Vec::new()), (9, id3v1())] {
            let head = if head > 0 { id3v2(head) } else { Vec::new() };
            let (tagged, warnings) = folder.read(name, &[head, plain.clone(), tail].concat());
            assert!(tagged == audio && warnings.is_empty(), "{name}: {warnings:?}");
        }
    }
}

#[test]
fn joined_files_are_read_to_the_end() {
    let folder = Folder::new();
    for name in ["stereo.mp3", "stereo.ogg", "mono.opus"] {
        let one = golden(name);
        let (audio, _) = folder.read(name, &one);
        let mut parts = vec![one.clone(), one.clone()];
        if name.ends_with("mp3") {
            parts.insert(1, [id3v1(), id3v2(200_000)].concat());
        }
        let (joined, warnings) = folder.read(name, &parts.concat());
        for (joined, audio) in joined.iter().zip(&audio) {
            assert!(*joined == [audio.clone(), audio.clone()].concat(), "{name}");
        }
        assert!(warnings.is_empty(), "{name}: {warnings:?}");
    }
    // Another number of channels: MP3 has a common one, Ogg is refused.
    let (mono, stereo) = (golden("mono.mp3"), golden("stereo.mp3"));
    let (channels, _) = folder.read("a.mp3", &[mono, stereo].concat());
    assert_eq!(channels.iter().map(Vec::len).collect::<Vec<_>>(), [10_006; 2]);
    assert_eq!(channels[0][..5003], channels[1][..5003]);
    let chained = [golden("mono.ogg"), golden("stereo.ogg")].concat();
    assert!(folder.refusal("a.ogg", &chained).contains("one format throughout"));
}

#[test]
fn the_frames_of_an_mp3_count_not_its_header() {
    let folder = Folder::new();
    let original = golden("stereo.mp3");
    let (audio, _) = folder.read("a.mp3", &original);
    let tag = original.windows(4).position(|bytes| bytes == b"Info" || bytes == b"Xing");
    let frames = tag.expect("a tag") + 8;
    for (lie, warns) in [(0_u32, false), (2, true), (4000, true)] {
        let mut bytes = original.clone();
        bytes[frames..frames + 4].copy_from_slice(&lie.to_be_bytes());
        let (channels, warnings) = folder.read("a.mp3", &bytes);
        let count = audio[0].len();
        assert!(channels[0].len() >= count && channels[0][..count] == audio[0], "{lie} frames");
        assert_eq!(!warnings.is_empty(), warns, "{lie} frames: {warnings:?}");
    }
    // Damage in the middle is skipped with its place.
    let mut bytes = original.clone();
    let middle = bytes.len() / 2;
    bytes.splice(middle..middle, [0; 3000]);
    let (channels, warnings) = folder.read("a.mp3", &bytes);
    assert!(channels[0].len() > audio[0].len() / 2 && warnings.len() == 1, "{warnings:?}");
    assert!(warnings[0].contains("damaged bytes at about 0.08 s"), "{warnings:?}");
}

#[test]
fn joint_stereo_with_different_windows_is_decoded() {
    let folder = Folder::new();
    let (channels, warnings) = folder.read("a.mp3", &golden("mixed_windows.mp3"));
    assert!(warnings.is_empty());
    // Mid is the tone, with the level that ffmpeg 5.1 decodes. The clicks have opposite signs.
    let tone = |channel: &[f32]| {
        let sum: f32 = channel[2000..3000].iter().map(|x| x * x).sum();
        (sum / 1000.0).sqrt()
    };
    for channel in &channels {
        assert!((tone(channel) - 0.1342).abs() < 0.001, "{}", tone(channel));
    }
    let difference =
        channels[0].iter().zip(&channels[1]).map(|(l, r)| (l - r).abs()).fold(0.0, f32::max);
    assert!(difference > 0.2, "{difference}");
}

#[test]
fn other_files_are_called_by_their_names() {
    let folder = Folder::new();
    for (head, name) in [(b"MThd", "MIDI"), (b"wvpk", "WavPack"), (b"\x1a\x45\xdf\xa3", "Matroska")]
    {
        let refused = folder.refusal("a.wav", &[head.as_slice(), &[0; 99]].concat());
        assert!(refused.contains(name), "{refused}");
    }
}

/// A CAF file with ALAC from the M4A file, with its packet table in front of the samples or after
/// them.
fn alac_caf(table_first: bool) -> Vec<u8> {
    let (m4a, at) = (golden("alac.m4a"), |bytes: &[u8], id: &[u8; 4]| {
        bytes.windows(4).position(|window| window == id).expect("a box") + 4
    });
    let four = |bytes: &[u8]| u32::from_be_bytes(bytes[..4].try_into().expect("4 bytes"));
    let big = |value: u32| value.to_be_bytes();
    let chunk = |id: &[u8; 4], body: &[u8]| {
        [id.as_slice(), &(body.len() as u64).to_be_bytes(), body].concat()
    };
    // The second `alac` is the codec's description, with version and flags in front.
    let entry = at(&m4a, b"alac");
    let cookie = entry + at(&m4a[entry..], b"alac") + 4;
    let sizes = at(&m4a, b"stsz") + 8;
    let count = four(&m4a[sizes..]);
    let sizes: Vec<u32> = (1..=count).map(|n| four(&m4a[sizes + 4 * n as usize..])).collect();
    let sound = at(&m4a, b"mdat");
    let sound = &m4a[sound..sound + sizes.iter().sum::<u32>() as usize];
    let description =
        [&22_050.0_f64.to_be_bytes()[..], b"alac", &big(0), &big(0), &big(4096), &big(1), &big(0)];
    let description = chunk(b"desc", &description.concat());
    let cookie = chunk(b"kuki", &m4a[cookie..cookie + 24]);
    let padding = 4096 * count - 5003;
    let head = [0, count, 0, 5003, 0, padding].map(big).concat();
    let sizes = sizes.iter().flat_map(|size| [(size >> 7) as u8 | 0x80, (size & 0x7f) as u8]);
    let table = chunk(b"pakt", &[head, sizes.collect()].concat());
    let data = chunk(b"data", &[&[0; 4], sound].concat());
    let order = if table_first { [table, data] } else { [data, table] };
    [&b"caff\0\x01\0\0"[..], &description, &cookie, &order.concat()].concat()
}

#[test]
fn the_packet_table_of_a_caf_file_may_be_at_its_end() {
    let folder = Folder::new();
    let (expected, _) = folder.read("a.m4a", &golden("alac.m4a"));
    for table_first in [true, false] {
        let (channels, warnings) = folder.read("a.caf", &alac_caf(table_first));
        assert!(channels == expected, "{table_first}: {}", channels[0].len());
        assert!(warnings.is_empty(), "{warnings:?}");
    }
}

#[test]
fn mpeg_audio_of_free_format_is_refused_by_name() {
    let folder = Folder::new();
    for len in [300, 301, 1045] {
        let frame = |padding: usize| {
            [vec![0xff, 0xfb, (padding as u8) << 1, 0xc0], vec![1; len - 4 + padding]].concat()
        };
        let frames = [frame(0), frame(1), frame(0), frame(1)].concat();
        let refused = folder.refusal("a.mp3", &[id3v2(40), frames].concat());
        assert!(refused.contains("free format"), "{refused}");
    }
}

#[test]
fn unusual_channels_need_no_memory() {
    let folder = Folder::new();
    let mut format = fmt(1, 16, 4);
    format[2..4].fill(0xff);
    let bytes = riff(0, &[whole(b"fmt ", &format), whole(b"data", &pcm())]);
    assert!(folder.refusal("a.wav", &bytes).contains("found 65535 channels"));
}

#[test]
fn lengths_that_contradict_each_other_cause_a_warning() {
    let folder = Folder::new();
    let position = |bytes: &[u8], id: &[u8; 4]| {
        bytes.windows(4).position(|window| window == id).expect("a chunk")
    };
    let aiff = golden("i16.aiff");
    // The frame count of `COMM`, and the size of `SSND`.
    for (id, offset, change, frames) in [
        (b"COMM", 10, 1, 5003),
        (b"COMM", 10, -100, 4903),
        (b"SSND", 4, -1000, 5003),
        (b"SSND", 4, 1000, 5003),
    ] {
        let mut bytes = aiff.clone();
        let start = position(&bytes, id) + offset;
        let field: [u8; 4] = bytes[start..start + 4].try_into().expect("4 bytes");
        let field = u32::from_be_bytes(field).wrapping_add_signed(change);
        bytes[start..start + 4].copy_from_slice(&field.to_be_bytes());
        let (channels, warnings) = folder.read("a.aiff", &bytes);
        assert_eq!(channels[0].len(), frames, "{change}");
        assert_eq!(warnings.is_empty(), change == 1000, "{change}: {warnings:?}");
    }
    let mut caf = golden("i16.caf");
    let start = position(&caf, b"data") + 4;
    caf[start..start + 8].copy_from_slice(&4004_u64.to_be_bytes());
    let (channels, warnings) = folder.read("a.caf", &caf);
    assert_eq!(channels[0].len(), 2000);
    assert!(warnings[0].contains("6006 bytes after it are not used"), "{warnings:?}");
}

#[test]
fn a_damaged_start_of_mpeg_audio_causes_a_warning() {
    let folder = Folder::new();
    let mut bytes = golden("mixed_windows.mp3");
    bytes.insert(100, 0);
    let (_, warnings) = folder.read("a.mp3", &bytes);
    assert!(warnings.len() == 1 && warnings[0].contains("damaged bytes at about 0.00 s"));
}
