//! Files of other encoders with changed, removed and repeated bytes.

use std::path::PathBuf;

use tests::signal::Lcg;
use tests::workspace;

use super::judge::read;
use super::rounds;

/// The golden files of one set of extensions, in the order of their names.
pub fn golden() -> Vec<(PathBuf, Vec<u8>)> {
    let folder = std::fs::read_dir(workspace("tests/golden/audio_files")).expect("golden files");
    let mut paths: Vec<_> = folder.map(|file| file.expect("a file").path()).collect();
    paths.sort();
    assert!(paths.len() > 20);
    paths.into_iter().map(|path| (path.clone(), std::fs::read(path).expect("read"))).collect()
}

/// One random change.
#[derive(Clone, Debug)]
pub enum Damage {
    Cut(usize),
    Flip {
        position: usize,
        bit: u8,
    },
    Remove {
        position: usize,
        len: usize,
    },
    Repeat {
        position: usize,
        len: usize,
    },
    /// A number of four bytes is overwritten.
    Number {
        position: usize,
        value: u32,
    },
    Append(usize),
}

impl Damage {
    /// Most changes are in the header, which contains the sizes.
    pub fn draw(len: usize, random: &mut Lcg) -> Self {
        let near = if random.below(2) == 0 { len.min(600) } else { len };
        let position = random.below(near.max(1));
        let most = if random.below(4) == 0 { 2000 } else { 16 };
        let span = 1 + random.below(most);
        match random.below(8) {
            0 => Self::Cut(random.below(len + 1)),
            1 | 2 => Self::Flip { position, bit: random.below(8) as u8 },
            3 => Self::Remove { position, len: span },
            4 => Self::Repeat { position, len: span },
            5 | 6 => {
                let numbers = [0, 1, 0xff, 0xffff, 0x7fff_ffff, u32::MAX, random.bits()];
                Self::Number { position, value: numbers[random.below(numbers.len())] }
            }
            _ => Self::Append(random.below(200)),
        }
    }

    pub fn apply(&self, bytes: &mut Vec<u8>) {
        let end = bytes.len();
        let span = |position: usize, len: usize| position.min(end)..end.min(position + len);
        match *self {
            Self::Cut(len) => bytes.truncate(len),
            Self::Flip { position, bit } => {
                bytes[span(position, 1)].iter_mut().for_each(|byte| *byte ^= 1 << bit);
            }
            Self::Remove { position, len } => drop(bytes.drain(span(position, len))),
            Self::Repeat { position, len } => {
                let range = span(position, len);
                let copy = bytes[range.clone()].to_vec();
                drop(bytes.splice(range.start..range.start, copy));
            }
            Self::Number { position, value } => {
                let range = span(position, 4);
                let number = value.to_be_bytes();
                let target = &mut bytes[range];
                target.copy_from_slice(&number[..target.len()]);
            }
            Self::Append(len) => bytes.extend((0..len).map(|n| (n * 57 + 3) as u8)),
        }
    }
}

/// A file with up to three changes, and what they are.
pub fn draw<'a>(
    golden: &'a [(PathBuf, Vec<u8>)],
    random: &mut Lcg,
) -> (&'a PathBuf, Vec<Damage>, Vec<u8>) {
    let (path, whole) = &golden[random.below(golden.len())];
    let mut bytes = whole.clone();
    let changes = (0..1 + random.below(3)).map(|_| {
        let damage = Damage::draw(bytes.len(), random);
        damage.apply(&mut bytes);
        damage
    });
    let changes = changes.collect();
    (path, changes, bytes)
}

#[test]
fn damaged_files_are_read_or_refused() {
    let golden = golden();
    let mut random = Lcg(21);
    let (count, mut read_count) = (rounds(2500), 0);
    for _ in 0..count {
        let (path, changes, bytes) = draw(&golden, &mut random);
        read_count += usize::from(read(&bytes, &(path, changes)).is_ok());
    }
    println!("{read_count} of {count} damaged files were read");
    assert!(read_count > count / 5);
}
