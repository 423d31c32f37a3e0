//! A block: up to about 16 KiB of rows with shared key prefixes, compressed, with a checksum.
//!
//! ```text
//! 0   u32 CRC-32C of everything after it
//! 4   u32 bytes stored after the header
//! 8   u32 bytes when uncompressed
//! 12  u8  0 stored as it is, 1 lz4          13  3  zero
//! 16  ..  entries
//! ```
//! An entry: how many bytes its key shares with the one before (varint), how many follow (varint), length of the value
//! (varint), the rest of the key, the value.

use std::path::Path;

use crate::error::{Error, Result};
use crate::wal::{put_varint, take_varint};

/// Bytes of the header.
pub(crate) const BLOCK_HEADER: usize = 16;
/// Uncompressed bytes at which a block is full.
pub(crate) const BLOCK_BYTES: usize = 16 << 10;
/// The largest block that can be: one row of the largest key and value.
const RAW_MAX: usize = crate::engine::VALUE_MAX + (1 << 20);

/// A block being filled.
#[derive(Default)]
pub(crate) struct BlockBuilder {
    raw: Vec<u8>,
    last_key: Vec<u8>,
}

impl BlockBuilder {
    pub fn add(&mut self, key: &[u8], value: &[u8]) {
        let shared = self.last_key.iter().zip(key).take_while(|(a, b)| a == b).count();
        let rest = key.get(shared..).unwrap_or_default();
        put_varint(&mut self.raw, shared as u64);
        put_varint(&mut self.raw, rest.len() as u64);
        put_varint(&mut self.raw, value.len() as u64);
        self.raw.extend_from_slice(rest);
        self.raw.extend_from_slice(value);
        self.last_key.truncate(shared);
        self.last_key.extend_from_slice(rest);
    }

    pub fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }

    pub fn is_full(&self) -> bool {
        self.raw.len() >= BLOCK_BYTES
    }

    pub fn last_key(&self) -> &[u8] {
        &self.last_key
    }

    /// Appends the finished block to `out`, and begins a new one.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        let compressed = lz4_flex::block::compress(&self.raw);
        let (codec, stored) = if compressed.len() < self.raw.len() {
            (1, compressed.as_slice())
        } else {
            (0, self.raw.as_slice())
        };
        let start = out.len();
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&(stored.len() as u32).to_le_bytes());
        out.extend_from_slice(&(self.raw.len() as u32).to_le_bytes());
        out.extend_from_slice(&[codec, 0, 0, 0]);
        out.extend_from_slice(stored);
        let crc = crc32c::crc32c(out.get(start + 4..).unwrap_or_default());
        if let Some(place) = out.get_mut(start..start + 4) {
            place.copy_from_slice(&crc.to_le_bytes());
        }
        self.raw.clear();
        self.last_key.clear();
    }
}

/// The entries' bytes of a stored block, verified.
pub(crate) fn open(path: &Path, offset: u64, stored: &[u8]) -> Result<Vec<u8>> {
    let field = |at: usize| {
        let bytes = stored.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
        bytes.map(u32::from_le_bytes)
    };
    let (Some(crc), Some(length), Some(raw_length)) = (field(0), field(4), field(8)) else {
        return Err(Error::corrupt(path, offset, "a block", "the end of the file"));
    };
    let got = crc32c::crc32c(stored.get(4..).unwrap_or_default());
    if got != crc {
        return Err(Error::corrupt(path, offset, format!("block checksum {crc:08x}"), format!("{got:08x}")));
    }
    let body = stored.get(BLOCK_HEADER..).unwrap_or_default();
    if body.len() != length as usize || raw_length as usize > RAW_MAX {
        return Err(Error::corrupt(path, offset, format!("a block of {length} bytes"), body.len()));
    }
    match stored.get(12) {
        Some(0) => Ok(body.to_vec()),
        Some(1) => lz4_flex::block::decompress(body, raw_length as usize)
            .map_err(|error| Error::corrupt(path, offset, "an lz4 block", error)),
        codec => Err(Error::corrupt(path, offset, "a known codec", format!("{codec:?}"))),
    }
}

/// Goes over a block's entries. `key` holds the current one's.
pub(crate) struct Entries<'a> {
    bytes: &'a [u8],
    pub key: Vec<u8>,
}

impl<'a> Entries<'a> {
    pub fn new(bytes: &'a [u8]) -> Entries<'a> {
        Entries { bytes, key: Vec::new() }
    }

    /// The next entry's value; its key is in `key`. `Some(None)`: the bytes make no sense.
    pub fn next(&mut self) -> Option<Option<&'a [u8]>> {
        if self.bytes.is_empty() {
            return None;
        }
        let entry = self.entry();
        if entry.is_none() {
            self.bytes = &[];
        }
        Some(entry)
    }

    fn entry(&mut self) -> Option<&'a [u8]> {
        let mut bytes = self.bytes;
        let mut length = || usize::try_from(take_varint(&mut bytes)?).ok();
        let (shared, rest, value) = (length()?, length()?, length()?);
        let (rest, after) = bytes.split_at_checked(rest)?;
        let (value, after) = after.split_at_checked(value)?;
        if shared > self.key.len() {
            return None;
        }
        self.key.truncate(shared);
        self.key.extend_from_slice(rest);
        self.bytes = after;
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_reads_back_and_any_damage_is_found() {
        let mut builder = BlockBuilder::default();
        let rows: Vec<(Vec<u8>, Vec<u8>)> =
            (0..100u32).map(|i| (format!("key{i:05}").into_bytes(), vec![i as u8; i as usize])).collect();
        for (key, value) in &rows {
            builder.add(key, value);
        }
        let mut stored = Vec::new();
        builder.finish(&mut stored);
        let path = Path::new("x.sst");
        let raw = open(path, 0, &stored).unwrap();
        let mut entries = Entries::new(&raw);
        for (key, value) in &rows {
            let read = entries.next().unwrap().unwrap();
            assert_eq!((&entries.key, read), (key, &value[..]));
        }
        assert!(entries.next().is_none());
        for at in 0..stored.len() {
            let mut damaged = stored.clone();
            damaged[at] ^= 0x10;
            assert!(open(path, 0, &damaged).is_err(), "byte {at}");
        }
    }
}
