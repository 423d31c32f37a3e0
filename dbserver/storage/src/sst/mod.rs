//! Sorted files: immutable, compressed, checksummed blocks of rows with an index at the end.
//!
//! ```text
//! 0        8  "PLIMSST\0"
//! 8       u32 format version
//! 12      u32 zero
//! 16      u64 file number
//! 24      blocks, one after the other, then the index block
//! end-48  u64 offset of the index block    u32 its bytes    u32 number of blocks
//!         u64 rows    u64 newest timestamp
//!         u32 format version    u32 CRC-32C of the footer up to here    8 "PLIMSSTE"
//! ```
//! A row's key in a file is its tree (u64 big-endian), its key in the tree, and the inverted timestamp of its commit (u64
//! big-endian), so that files sort by tree, then key, then newest first.

mod block;
mod reader;
mod writer;

pub(crate) use reader::SstReader;
pub(crate) use writer::SstWriter;

const MAGIC: &[u8; 8] = b"PLIMSST\0";
const END_MAGIC: &[u8; 8] = b"PLIMSSTE";
const VERSION: u32 = 1;
const FILE_HEADER: usize = 24;
const FOOTER: usize = 48;

/// Name of a file.
pub(crate) fn file_name(number: u64) -> String {
    format!("{number:016x}.sst")
}

/// The number in a name.
pub(crate) fn file_number(name: &str) -> Option<u64> {
    u64::from_str_radix(name.strip_suffix(".sst")?, 16).ok()
}
