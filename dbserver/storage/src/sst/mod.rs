//! Sorted files: immutable, compressed, checksummed blocks of row versions with an index and a Bloom filter at the end.
//!
//! ```text
//! 0        8  "PLIMSST\0"
//! 8       u32 format version
//! 12      u32 zero
//! 16      u64 file number
//! 24      blocks, one after the other, then the index block, then the filter block
//! end-80  u64 offset of the index block     u32 its bytes    u32 number of blocks
//!         u64 offset of the filter block    u32 its bytes    u32 zero
//!         u64 entries    u64 of them deletions    u64 newest timestamp    u64 range tombstone, or zero
//!         u32 format version    u32 CRC-32C of the footer up to here    8 "PLIMSSTE"
//! ```
//! An entry's key is its tree (u64 big-endian), its key in the tree, and the inverted timestamp of its commit (u64 big-endian).
//! Files sort by tree, then key, then newest first; a key that begins another one comes before it, whatever the timestamps.
//!
//! A file with a *range tombstone* holds deletions only, and says more than they do: for those who see them, whatever was committed up to
//! that timestamp between its first and its last key is deleted, by one of them or by another version elsewhere. So who goes over the range
//! can pass it by; who looks for one key goes by its versions.
//!
//! A *staged* file holds writes of one transaction from before its commit: where others have the timestamp it has the number of
//! the statement that wrote, and all its versions count as committed when the transaction did ([`Staged`]).

pub(crate) mod block;
mod cache;
mod cursor;
mod filter;
mod footer;
mod meta;
mod table;
mod writer;
mod zstd_contexts;

pub(crate) use block::{Codec, Place};
pub(crate) use cache::BlockCache;
pub(crate) use cursor::Cursor;
#[cfg(test)]
pub(crate) use filter::build as build_filter;
pub(crate) use filter::hash;
pub(crate) use footer::read_ends;
pub(crate) use meta::FileMeta;
pub(crate) use table::{Entry, Staged, Table};
pub(crate) use writer::{RangeTombstone, SstWriter};
#[cfg(test)]
pub(crate) use {footer::Footer, table::Guide};

use crate::key::TreeId;

pub(crate) const MAGIC: &[u8; 8] = b"PLIMSST\0";
const END_MAGIC: &[u8; 8] = b"PLIMSSTE";
const VERSION: u32 = 2;
pub(crate) const FILE_HEADER: usize = 24;
const FOOTER: usize = 80;

/// Name of a file.
pub(crate) fn file_name(number: u64) -> String {
    format!("{number:016x}.sst")
}

/// The number in a name.
pub(crate) fn file_number(name: &str) -> Option<u64> {
    u64::from_str_radix(name.strip_suffix(".sst")?, 16).ok()
}

/// Tree and key as one, as files order them.
pub(crate) fn user_key(tree: TreeId, key: &[u8]) -> Vec<u8> {
    let mut user = Vec::with_capacity(8 + key.len());
    write_user_key(tree, key, &mut user);
    user
}

/// The same in place of what is in the buffer.
pub(crate) fn write_user_key(tree: TreeId, key: &[u8], user: &mut Vec<u8>) {
    user.clear();
    user.extend_from_slice(&tree.0.to_be_bytes());
    user.extend_from_slice(key);
}

/// The tree of a user key.
pub(crate) fn tree_of(user: &[u8]) -> TreeId {
    TreeId(user.first_chunk().map_or(0, |tree| u64::from_be_bytes(*tree)))
}
