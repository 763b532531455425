//! The kernel for AMX-BF16. A tile has 16 rows of 64 bytes. One instruction adds 32 products to
//! each of 16 x 16 sums (Intel's Architecture Instruction Set Extensions reference, chapter 3).
//! Rust has no stable intrinsics for the instructions, so they are written in assembly.
//!
//! Two tiles of rows are multiplied by two tiles of columns, so every loaded tile is used twice.
//! Rows at equal distances are loaded in place. Other rows are first copied, once for all blocks.

use std::arch::asm;
use std::cell::Cell;

use crate::blocks::{Block, Product, RowBlocks, Run, Start, WIDTH};
use crate::memory::Aligned;

/// Rows of a tile, and columns of its sums.
const TILE: usize = 16;
/// Rows that are multiplied together.
const HEIGHT: usize = 2 * TILE;
/// Pairs of values in a row of a tile.
const PAIRS: usize = 16;
/// Bytes of a pair, and of a sum.
const BYTES: usize = 4;
/// Bytes of a row of a tile.
const ROW: usize = PAIRS * BYTES;

thread_local! {
    /// Copied rows. The memory is reused.
    static COPIED_ROWS: Cell<Aligned> = const { Cell::new(Aligned::new()) };
}

/// Whether the CPU has the instructions, and the system permits this process to use their
/// registers.
pub fn is_available() -> bool {
    use std::arch::x86_64::__cpuid_count;
    const BF16: u32 = 1 << 22;
    const TILES: u32 = 1 << 24;
    // The function that copies rows uses AVX-512. Every CPU with AMX has it.
    let has_avx512 = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw");
    let features = if __cpuid_count(0, 0).eax >= 7 { __cpuid_count(7, 0).edx } else { 0 };
    has_avx512 && features & BF16 != 0 && features & TILES != 0 && request_permission()
}

/// Requests the tile registers for all threads of the process. Returns whether this is permitted.
fn request_permission() -> bool {
    const REQUEST: libc::c_long = 0x1023;
    const TILE_DATA: libc::c_long = 18;
    // SAFETY: the call changes only the permissions of this process.
    unsafe { libc::syscall(libc::SYS_arch_prctl, REQUEST, TILE_DATA) == 0 }
}

/// The sizes of all tiles, in the format of `ldtilecfg`.
#[repr(C, align(64))]
struct Sizes {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    row_bytes: [u16; 16],
    rows: [u8; 16],
}

impl Sizes {
    /// Tiles 0 to 3 contain sums, 4 and 5 rows, 6 and 7 columns. One instruction multiplies `pairs`
    /// pairs.
    fn for_pairs(pairs: usize) -> Self {
        let (mut row_bytes, mut rows) = ([0; 16], [0; 16]);
        row_bytes[..8].fill(ROW as u16);
        row_bytes[4..6].fill((pairs * BYTES) as u16);
        rows[..8].fill(TILE as u8);
        rows[6..8].fill(pairs as u8);
        Self { palette: 1, start_row: 0, reserved: [0; 14], row_bytes, rows }
    }
}

/// Operands of one instruction: offsets from the start of a row and from the first column of a
/// block, in bytes.
#[repr(C)]
#[derive(Clone, Copy)]
struct Step {
    left: usize,
    right: usize,
}

/// All steps with the same number of pairs.
struct Pass {
    pairs: usize,
    /// Steps for rows in place.
    in_place: Vec<Step>,
    /// Steps for copied rows.
    copied: Vec<Step>,
}

/// Divides the summed dimension: first whole tiles, then the remainder of each run.
fn passes(product: &Product<'_>) -> Vec<Pass> {
    let at = |run: &Run, pair: usize| Step {
        left: 2 * run.left + pair * BYTES,
        right: (run.right + pair * product.step) * BYTES,
    };
    let whole = product.pairs / PAIRS;
    let tiles = product.runs.iter().flat_map(|run| (0..whole).map(move |i| at(run, i * PAIRS)));
    let rests = product.runs.iter().map(|run| at(run, whole * PAIRS));
    let mut before = 0;
    let pass = |(pairs, in_place): (usize, Vec<Step>)| {
        let copied = in_place.iter().enumerate();
        let copied = copied.map(|(i, step)| Step { left: (before + i) * 2 * TILE * ROW, ..*step });
        let pass = Pass { pairs, copied: copied.collect(), in_place };
        before += pass.in_place.len();
        pass
    };
    let all = [(PAIRS, tiles.collect()), (product.pairs % PAIRS, rests.collect::<Vec<_>>())];
    all.into_iter().filter(|(pairs, steps)| *pairs > 0 && !steps.is_empty()).map(pass).collect()
}

/// Two tiles of rows: their starts, and the distance between rows in bytes.
#[derive(Clone, Copy)]
struct Left {
    tiles: [*const u8; 2],
    stride: usize,
}

impl Left {
    /// Rows in place. `None` if the rows of a tile are not at equal distances.
    fn in_place(product: &Product<'_>, starts: &[usize]) -> Option<Self> {
        let (tiles, stride) = (starts.chunks_exact(TILE), starts.get(1)?.checked_sub(starts[0])?);
        let even = |tile: &[usize]| {
            tile.windows(2).all(|pair| pair[1].checked_sub(pair[0]) == Some(stride))
        };
        (starts.len() == HEIGHT && tiles.clone().all(even)).then(|| {
            let at = |start: usize| product.left.as_ptr().wrapping_add(start).cast();
            Self { tiles: [at(starts[0]), at(starts[TILE])], stride: 2 * stride }
        })
    }

    /// Copies rows into `memory`, two tiles per step.
    ///
    /// # Safety
    /// The CPU must have the instructions, and all steps must be inside the left operand.
    #[target_feature(enable = "avx512f,avx512bw")]
    unsafe fn copied(
        product: &Product<'_>,
        passes: &[Pass],
        starts: &[usize],
        memory: &mut Aligned,
    ) -> Self {
        let tiles: usize = passes.iter().map(|pass| 2 * pass.in_place.len()).sum();
        let base = memory.slice::<u16>(tiles * TILE * ROW / 2).as_mut_ptr().cast::<u8>();
        let last = starts.len() - 1;
        let rows: [*const u8; HEIGHT] = std::array::from_fn(|row| {
            product.left.as_ptr().wrapping_add(starts[row.min(last)]).cast()
        });
        for pass in passes {
            let bytes = pass.pairs * BYTES;
            for (from, to) in pass.in_place.iter().zip(&pass.copied) {
                for (i, row) in rows.iter().enumerate() {
                    // SAFETY: the caller ensures it. The memory has two tiles for each step of all
                    // passes.
                    unsafe {
                        let (from, to) = (row.add(from.left), base.add(to.left + i * ROW));
                        match bytes {
                            ROW => std::ptr::copy_nonoverlapping(from, to, ROW),
                            rest => std::ptr::copy_nonoverlapping(from, to, rest),
                        }
                    }
                }
            }
        }
        Self { tiles: [base, base.wrapping_add(TILE * ROW)], stride: ROW }
    }
}

/// 32 x 32 sums, in rows.
#[repr(C, align(64))]
struct Sums([[f32; WIDTH]; HEIGHT]);

impl Sums {
    /// Sets the initial values of a block's sums.
    fn begin(&mut self, places: &[usize], block: &Block, start: Start<'_>, out: &[f32]) {
        match start {
            Start::Zero => self.0.fill([0.0; WIDTH]),
            Start::Row(row) => {
                let mut sums = [0.0; WIDTH];
                copy(&row[block.offset..][..block.columns], &mut sums);
                self.0.fill(sums);
            }
            Start::Result => {
                for (sums, place) in self.0.iter_mut().zip(places) {
                    copy(&out[place + block.offset..][..block.columns], sums);
                }
            }
        }
    }

    /// Writes a block's sums to the output.
    fn write(&self, places: &[usize], block: &Block, out: &mut [f32]) {
        for (sums, place) in self.0.iter().zip(places) {
            copy(&sums[..block.columns], &mut out[place + block.offset..][..block.columns]);
        }
    }

    /// Adds the products of all steps.
    ///
    /// # Safety
    /// The process must be permitted to use the tile registers, and all steps must be inside their
    /// slices.
    unsafe fn add(
        &mut self,
        sizes: &Sizes,
        left: Left,
        (right, stride): (*const u8, usize),
        steps: &[Step],
    ) {
        // SAFETY: the caller ensures it. All changed registers are declared.
        unsafe {
            asm!("ldtilecfg [{sizes}]", sizes = in(reg) sizes, options(nostack, readonly));
            asm!(
                "tileloadd tmm0, [{sums} + {sums_stride}]",
                "tileloadd tmm1, [{sums} + {sums_stride} + 64]",
                "tileloadd tmm2, [{sums} + {sums_stride} + 2048]",
                "tileloadd tmm3, [{sums} + {sums_stride} + 2112]",
                "2:",
                "mov {a}, [{steps}]",
                "mov {b}, [{steps} + 8]",
                "add {b}, {right}",
                "lea {c}, [{first} + {a}]",
                "add {a}, {second}",
                "tileloadd tmm4, [{c} + {left_stride}]",
                "tileloadd tmm6, [{b} + {right_stride}]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tileloadd tmm7, [{b} + {right_stride} + 64]",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tileloadd tmm5, [{a} + {left_stride}]",
                "tdpbf16ps tmm2, tmm5, tmm6",
                "tdpbf16ps tmm3, tmm5, tmm7",
                "add {steps}, 16",
                "dec {count}",
                "jnz 2b",
                "tilestored [{sums} + {sums_stride}], tmm0",
                "tilestored [{sums} + {sums_stride} + 64], tmm1",
                "tilestored [{sums} + {sums_stride} + 2048], tmm2",
                "tilestored [{sums} + {sums_stride} + 2112], tmm3",
                sums = in(reg) self.0.as_mut_ptr(),
                sums_stride = in(reg) WIDTH * BYTES,
                first = in(reg) left.tiles[0],
                second = in(reg) left.tiles[1],
                left_stride = in(reg) left.stride,
                right = in(reg) right,
                right_stride = in(reg) stride,
                steps = inout(reg) steps.as_ptr() => _,
                count = inout(reg) steps.len() => _,
                a = out(reg) _,
                b = out(reg) _,
                c = out(reg) _,
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(nostack),
            );
        }
    }
}

/// Copies `from` to the start of `to`. A whole row is copied without a function call.
#[inline(always)]
fn copy(from: &[f32], to: &mut [f32]) {
    match (<&[f32; WIDTH]>::try_from(from), <&mut [f32; WIDTH]>::try_from(&mut *to)) {
        (Ok(from), Ok(to)) => *to = *from,
        _ => to[..from.len()].copy_from_slice(from),
    }
}

/// See [`Bf16::multiply`](super::Bf16::multiply).
///
/// # Safety
/// [`is_available`] must be true, and all accesses of rows and blocks must be inside their slices.
pub unsafe fn multiply(
    product: &Product<'_>,
    rows: RowBlocks<'_>,
    blocks: &[Block],
    start: Start<'_>,
    out: &mut [f32],
) {
    let passes = passes(product);
    let mut memory = COPIED_ROWS.take();
    let mut sums = Sums([[0.0; WIDTH]; HEIGHT]);
    let sizes: Vec<Sizes> = passes.iter().map(|pass| Sizes::for_pairs(pass.pairs)).collect();
    for rows in rows.chunks(HEIGHT) {
        let in_place = Left::in_place(product, rows.starts);
        // SAFETY: the caller ensures it.
        let left = in_place
            .unwrap_or_else(|| unsafe { Left::copied(product, &passes, rows.starts, &mut memory) });
        for block in blocks {
            sums.begin(rows.places, block, start, out);
            let right = product.right.as_ptr().wrapping_add(block.column).cast();
            for (pass, sizes) in passes.iter().zip(&sizes) {
                let steps = if in_place.is_some() { &pass.in_place } else { &pass.copied };
                // SAFETY: the caller ensures it.
                unsafe { sums.add(sizes, left, (right, product.step * BYTES), steps) }
            }
            sums.write(rows.places, block, out);
        }
    }
    // SAFETY: the registers are no longer used. Their release saves the system from saving them.
    unsafe { asm!("tilerelease", options(nostack, nomem)) }
    COPIED_ROWS.set(memory);
}
