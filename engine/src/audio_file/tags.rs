//! Tags that players append or prepend to files: ID3v2 at the start; ID3v1, APEv2 and Lyrics3 at the
//! end.
//!
//! Sources: id3.org (ID3v2.4 section 3.1, ID3v1, Lyrics3 v2.00), wiki.hydrogenaud.io (APEv2).

use std::io::{self, SeekFrom};
use std::ops::Range;

use symphonia::core::io::MediaSource;

use super::byte_range::read_full;

const ID3V1: u64 = 128;
/// The extended ID3v1 tag, in front of the ID3v1 tag.
const ID3V1_PLUS: u64 = 227;
/// Header or footer of an APEv2 tag.
const APE: usize = 32;
/// Size and signature at the end of a Lyrics3 tag.
const LYRICS: usize = 15;

/// The range of the file without its tags.
pub(super) fn without_tags(source: &mut dyn MediaSource) -> io::Result<Range<u64>> {
    let end = source.seek(SeekFrom::End(0))?;
    let mut start = 0;
    loop {
        let mut head = [0; 10];
        let read = read_at(source, start, &mut head)?;
        let tag = id3v2_len(&head[..read]);
        if tag == 0 || start + tag > end {
            break;
        }
        start += tag;
    }
    Ok(start..without_trailing_tags(source, start, end)?)
}

/// Length of an ID3v2 tag whose first 10 bytes are given; 0 without one.
pub(super) fn id3v2_len(head: &[u8]) -> u64 {
    let Some((head, _)) = head.split_first_chunk::<10>() else { return 0 };
    let valid = head.starts_with(b"ID3") && head[6..].iter().all(|byte| byte & 0x80 == 0);
    if !valid {
        return 0;
    }
    // Four bytes of 7 bits. A footer repeats the header.
    let body = head[6..].iter().fold(0, |size, &byte| (size << 7) | u64::from(byte));
    body + if head[5] & 0x10 == 0 { 10 } else { 20 }
}

/// Length of a tag at the start of `bytes`, in the middle of joined files; 0 without one.
pub(super) fn tag_len(bytes: &[u8]) -> u64 {
    if bytes.starts_with(b"TAG+") {
        return ID3V1_PLUS;
    }
    if bytes.starts_with(b"TAG") {
        return ID3V1;
    }
    if let (true, Some(ape)) = (bytes.starts_with(b"APETAGEX"), bytes.first_chunk::<APE>()) {
        return ape_size(ape) + APE as u64;
    }
    id3v2_len(bytes)
}

/// The size field of an APEv2 header or footer: items and footer.
fn ape_size(ape: &[u8; APE]) -> u64 {
    u64::from(u32::from_le_bytes([ape[12], ape[13], ape[14], ape[15]]))
}

fn without_trailing_tags(
    source: &mut dyn MediaSource,
    start: u64,
    mut end: u64,
) -> io::Result<u64> {
    loop {
        let tag = trailing_tag(source, end)?;
        if tag == 0 || tag > end - start {
            return Ok(end);
        }
        end -= tag;
    }
}

/// Length of the tag that ends at `end`; 0 without one.
fn trailing_tag(source: &mut dyn MediaSource, end: u64) -> io::Result<u64> {
    let mut starts_with = |back: u64, signature: &[u8]| -> io::Result<bool> {
        let mut found = [0; 4];
        let found = &mut found[..signature.len()];
        let Some(position) = end.checked_sub(back) else { return Ok(false) };
        Ok(read_at(source, position, found)? == found.len() && found == signature)
    };
    if starts_with(ID3V1, b"TAG")? {
        let extended = starts_with(ID3V1 + ID3V1_PLUS, b"TAG+")?;
        return Ok(ID3V1 + if extended { ID3V1_PLUS } else { 0 });
    }
    let mut footer = [0; APE];
    let Some(position) = end.checked_sub(APE as u64) else { return Ok(0) };
    if read_at(source, position, &mut footer)? < APE {
        return Ok(0);
    }
    if footer.starts_with(b"APETAGEX") {
        let has_header = footer[23] & 0x80 != 0;
        return Ok(ape_size(&footer).max(APE as u64) + if has_header { APE as u64 } else { 0 });
    }
    let lyrics = &footer[APE - LYRICS..];
    if lyrics.ends_with(b"LYRICS200") {
        let size = std::str::from_utf8(&lyrics[..6]).ok().and_then(|digits| digits.parse().ok());
        return Ok(size.map_or(0, |size: u64| size + LYRICS as u64));
    }
    Ok(0)
}

/// Reads from a position of the source. Returns the number of bytes, which is smaller at the end.
pub(super) fn read_at(
    source: &mut (impl MediaSource + ?Sized),
    position: u64,
    buffer: &mut [u8],
) -> io::Result<usize> {
    source.seek(SeekFrom::Start(position))?;
    read_full(&mut &mut *source, buffer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ape(items: usize, has_header: bool) -> Vec<u8> {
        let mut block = [0; APE];
        block[..8].copy_from_slice(b"APETAGEX");
        block[12..16].copy_from_slice(&((items + APE) as u32).to_le_bytes());
        block[23] = if has_header { 0x80 } else { 0 };
        let header = if has_header { block.to_vec() } else { Vec::new() };
        [header, vec![1; items], block.to_vec()].concat()
    }

    fn id3v1(extended: bool) -> Vec<u8> {
        let plus = if extended { [b"TAG+".to_vec(), vec![b'x'; 223]].concat() } else { Vec::new() };
        [plus, b"TAG".to_vec(), vec![b'x'; 125]].concat()
    }

    #[test]
    fn any_tags_around_the_audio_are_left_out() {
        let audio = vec![0xaa; 500];
        let id3v2 = |flags, len: u8| {
            let footer = if flags == 0 { 0 } else { 10 };
            [vec![b'I', b'D', b'3', 4, 0, flags, 0, 0, 0, len], vec![7; usize::from(len) + footer]]
                .concat()
        };
        let lyrics = [b"LYRICSBEGIN".to_vec(), vec![b'a'; 9], b"000020LYRICS200".to_vec()].concat();
        let (none, tail) = (Vec::new(), id3v1(false));
        let cases = [
            (none.clone(), none.clone()),
            (id3v2(0, 100), none.clone()),
            ([id3v2(0x10, 3), id3v2(0, 9)].concat(), tail.clone()),
            (none.clone(), id3v1(true)),
            (none.clone(), ape(10, false)),
            (none.clone(), [ape(10, true), tail.clone()].concat()),
            (none, [lyrics, tail].concat()),
        ];
        for (head, tail) in cases {
            let bytes = [head.clone(), audio.clone(), tail.clone()].concat();
            let found = without_tags(&mut io::Cursor::new(bytes)).expect("read");
            assert_eq!(found, head.len() as u64..(head.len() + 500) as u64, "{tail:?}");
        }
    }

    #[test]
    fn sizes_that_lie_remove_nothing() {
        let mut lie = ape(10, false);
        let end = lie.len() - APE;
        lie[end + 12..end + 16].fill(0xff);
        for tail in [lie, b"999999LYRICS200".to_vec()] {
            let bytes = [vec![1; 100], tail].concat();
            let len = bytes.len() as u64;
            assert_eq!(without_tags(&mut io::Cursor::new(bytes)).expect("read"), 0..len);
        }
        let head = [b"ID3\x04\0\0\x7f\x7f\x7f\x7f".to_vec(), vec![1; 100]].concat();
        assert_eq!(without_tags(&mut io::Cursor::new(head)).expect("read").start, 0);
    }
}
