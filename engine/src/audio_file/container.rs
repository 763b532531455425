//! Finds a file's container by its content, because names lie, and opens the decoder for it.

use std::io::{Read, SeekFrom};

use symphonia::core::io::MediaSource;

use super::block_source::BlockSource;
use super::byte_range::ByteRange;
use super::caf::{self, Caf};
use super::mpeg::MpegSource;
use super::mpeg_frames::{has_frame, is_free_format};
use super::packets::PacketSource;
use super::pcm::PcmSource;
use super::tags::{read_at, without_tags};
use super::wave::{self, Wave};
use super::{FORMATS, aiff};

/// Bytes that decide about the container.
const HEAD_BYTES: usize = 16 << 10;

/// Opens a file with the decoder of its container. The error is the reason.
pub(super) fn open(mut source: Box<dyn MediaSource>) -> Result<Box<dyn BlockSource>, String> {
    let range = without_tags(&mut *source).map_err(|error| error.to_string())?;
    let mut head = vec![0; HEAD_BYTES];
    let read = read_at(&mut *source, range.start, &mut head).map_err(|error| error.to_string())?;
    head.truncate(read);
    let kind = Kind::of_file(&head);
    if let Kind::Other(name) = kind {
        return Err(format!("{FORMATS}, found {name}"));
    }
    // WAV and AIFF files may have tags inside, so their end is that of the file.
    let end = source.seek(SeekFrom::End(0)).map_err(|error| error.to_string())?;
    let bytes = match kind {
        Kind::Wave | Kind::Aiff | Kind::Caf => range.start..end,
        _ => range,
    };
    let mut bytes = ByteRange::new(source, bytes).map_err(|error| error.to_string())?;
    let len = bytes.len();
    match kind {
        Kind::Wave => {
            let mut marker = [0; 4];
            bytes.read_exact(&mut marker).map_err(|error| error.to_string())?;
            match wave::read(&mut bytes, marker, len)? {
                (Wave::Pcm(layout), warnings) => {
                    Ok(Box::new(PcmSource::open(Box::new(bytes), layout, warnings)?))
                }
                (Wave::Mpeg(frames), _) => {
                    let frames = ByteRange::new(Box::new(bytes), frames);
                    Ok(Box::new(MpegSource::open(frames.map_err(|error| error.to_string())?)?))
                }
            }
        }
        Kind::Aiff => {
            let (layout, warnings) = aiff::read(&mut bytes, len)?;
            Ok(Box::new(PcmSource::open(Box::new(bytes), layout, warnings)?))
        }
        Kind::Caf => match caf::read(&mut bytes, len)? {
            Caf::Pcm(layout, warnings) => {
                Ok(Box::new(PcmSource::open(Box::new(bytes), layout, warnings)?))
            }
            Caf::Packets(None) => Ok(Box::new(PacketSource::open(bytes, "caf")?)),
            Caf::Packets(Some(ranges)) => {
                let bytes = ByteRange::in_order(Box::new(bytes), ranges);
                Ok(Box::new(PacketSource::open(bytes.map_err(|error| error.to_string())?, "caf")?))
            }
        },
        Kind::Mpeg => Ok(Box::new(MpegSource::open(bytes)?)),
        Kind::Packets(extension) => Ok(Box::new(PacketSource::open(bytes, extension)?)),
        Kind::Other(name) => Err(format!("{FORMATS}, found {name}")),
    }
}

/// A container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Wave,
    Aiff,
    Caf,
    Mpeg,
    /// A container that symphonia demultiplexes, with its extension.
    Packets(&'static str),
    /// A file that is not read, with its name.
    Other(&'static str),
}

impl Kind {
    /// The container of a file that starts with `head`.
    fn of_file(head: &[u8]) -> Self {
        let at = |position: usize, bytes: &[u8]| {
            head.get(position..).is_some_and(|rest| rest.starts_with(bytes))
        };
        match head {
            [b'R', b'I', b'F', b'F' | b'X', ..]
            | [b'R', b'F', b'6', b'4', ..]
            | [b'B', b'W', b'6', b'4', ..]
                if at(8, b"WAVE") =>
            {
                Self::Wave
            }
            [b'r', b'i', b'f', b'f', ..] if at(24, b"wave") => Self::Wave,
            [b'F', b'O', b'R', b'M', ..] if at(8, b"AIFF") || at(8, b"AIFC") => Self::Aiff,
            _ if at(0, b"fLaC") => Self::Packets("flac"),
            _ if at(0, b"OggS") => Self::ogg(head),
            _ if at(0, b"caff") => Self::Caf,
            _ if at(4, b"ftyp") => Self::Packets("m4a"),
            // ADTS has the sync word of MPEG audio, and layer 0.
            [0xff, second, ..] if second & 0xf6 == 0xf0 => Self::Packets("aac"),
            _ => match OTHERS.iter().find(|(position, magic, _)| at(*position, magic)) {
                Some((_, _, name)) => Self::Other(name),
                None if is_free_format(head) => Self::Other(FREE_FORMAT),
                None if has_frame(head) => Self::Mpeg,
                None => Self::Other("another format"),
            },
        }
    }

    fn ogg(head: &[u8]) -> Self {
        let contains = |codec: &[u8]| head.windows(codec.len()).take(512).any(|w| w == codec);
        if contains(b"Speex   ") {
            Self::Other("an Ogg Speex file. Convert it to WAV first")
        } else {
            Self::Packets("ogg")
        }
    }
}

const FREE_FORMAT: &str = "an MPEG audio file with a bit rate of its own (free format). Convert it \
                           to WAV first";

/// Files that users try: position and bytes that identify them, and their name.
const OTHERS: &[(usize, &[u8], &str)] = &[
    (0, b"MThd", "a MIDI file"),
    (0, b"wvpk", "a WavPack file. Convert it to WAV or FLAC first"),
    (0, b"MAC ", "a Monkey's Audio file. Convert it to WAV or FLAC first"),
    (0, b"MPCK", "a Musepack file. Convert it to WAV first"),
    (0, b"MP+", "a Musepack file. Convert it to WAV first"),
    (0, b"TTA1", "a True Audio file. Convert it to WAV or FLAC first"),
    (0, b"DSD ", "a DSD file. Convert it to WAV or FLAC first"),
    (0, b"FRM8", "a DSD file. Convert it to WAV or FLAC first"),
    (0, b".snd", "an AU file. Convert it to WAV first"),
    (0, b"#!AMR", "an AMR file. Convert it to WAV first"),
    (0, b"\x30\x26\xb2\x75", "a Windows Media file. Convert it to WAV first"),
    (0, b"\x1a\x45\xdf\xa3", "a Matroska or WebM file. Convert it to WAV first"),
    (8, b"AVI ", "a video file. Convert its sound to WAV first"),
    (8, b"8SVX", "an 8SVX file. Convert it to WAV first"),
    (0, b"LUTHIER", "a saved style"),
    (0, b"PK\x03\x04", "a zip archive"),
    (0, b"\x1f\x8b", "a gzip archive"),
    (0, b"\x89PNG", "a picture"),
    (0, b"\xff\xd8\xff", "a picture"),
    (0, b"GIF8", "a picture"),
    (0, b"%PDF", "a PDF file"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_called_by_their_names() {
        let kind = |head: &[u8]| Kind::of_file(&[head, &[0; 64]].concat());
        assert_eq!(kind(b"RIFF\0\0\0\0WAVE"), Kind::Wave);
        assert_eq!(kind(b"RIFX\0\0\0\0WAVE"), Kind::Wave);
        assert_eq!(kind(b"BW64\xff\xff\xff\xffWAVE"), Kind::Wave);
        assert_eq!(kind(b"FORM\0\0\0\0AIFC"), Kind::Aiff);
        assert_eq!(kind(b"\0\0\0\x20ftypM4A "), Kind::Packets("m4a"));
        assert_eq!(kind(b"\xff\xf1"), Kind::Packets("aac"));
        assert_eq!(kind(b"MThd"), Kind::Other("a MIDI file"));
        assert_eq!(kind(b"RIFF\0\0\0\0AVI "), Kind::Other(OTHERS[12].2));
        assert_eq!(kind(b"words"), Kind::Other("another format"));
        assert_eq!(Kind::of_file(b"RIFF"), Kind::Other("another format"));
    }
}
