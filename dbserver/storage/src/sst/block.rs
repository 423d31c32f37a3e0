//! A block: about 8 KiB of entries with shared key prefixes, compressed, with a checksum.
//!
//! ```text
//! 0   u32 CRC-32C of everything after it
//! 4   u32 bytes stored after the header
//! 8   u32 bytes when uncompressed
//! 12  u8  codec: 0 none, 1 lz4, 2 zstd          13  3  zero
//! 16  ..  entries
//! ```
//! An entry: how many bytes its key shares with the one before (varint), how many follow (varint), twice the length of the
//! value, plus one where the entry says that the row was deleted (varint), the rest of the key, the value.
//!
//! In memory a block is its keys in full and its values, one after the other, with their ends: what is read again and again is
//! found by a binary search, in both directions, without decoding anything.

use std::cmp::Ordering;
use std::io::Read as _;
use std::path::Path;

use super::zstd_contexts;
use crate::error::{Error, Result};
use crate::wal::{put_varint, take_varint};

/// Bytes of the header.
pub(crate) const BLOCK_HEADER: usize = 16;
/// Uncompressed bytes at which a block is full.
const BLOCK_BYTES: usize = 8 << 10;
/// Bytes of keys in full at which a block is full, whatever they share.
const KEYS_BYTES_MAX: usize = 64 << 10;
/// A larger block is not kept as it is written: it would take a whole value's memory once more.
const KEPT_MAX: usize = 256 << 10;
/// The largest block that can be: one row of the largest key and value.
const RAW_MAX: usize = crate::engine::VALUE_MAX + (1 << 20);
/// Bytes of keys in full that a block of rows can have: one key came when it was not full yet.
const KEYS_BYTES_LIMIT: usize = KEYS_BYTES_MAX + crate::engine::KEY_MAX + 16;
/// What lz4 can make of a byte at most, and what is expected of zstd.
const LZ4_RATIO_MAX: usize = 255;
const ZSTD_RATIO: usize = 64;
/// Marks a deletion in an entry's end.
const TOMBSTONE: u32 = 1 << 31;

/// How a block is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Codec {
    /// As it is.
    None = 0,
    /// Quick: for what will soon be merged into the next level.
    Lz4 = 1,
    /// Small: for what stays.
    Zstd = 2,
}

/// Where an entry belongs: user key (tree and key), then newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place<'a> {
    /// Tree (big-endian) and key.
    pub user: &'a [u8],
    /// Inverted timestamp.
    pub inverted: u64,
}

impl Place<'_> {
    /// Before every version of the key.
    pub fn before(user: &[u8]) -> Place<'_> {
        Place { user, inverted: 0 }
    }

    /// After every version of the key.
    pub fn after(user: &[u8]) -> Place<'_> {
        Place { user, inverted: u64::MAX }
    }

    /// How they lie in a file.
    pub fn order(&self, other: &Place<'_>) -> Ordering {
        self.user.cmp(other.user).then(self.inverted.cmp(&other.inverted))
    }
}

/// An entry's full key in two parts.
fn place(key: &[u8]) -> Place<'_> {
    match key.split_last_chunk::<8>() {
        Some((user, inverted)) => Place { user, inverted: u64::from_be_bytes(*inverted) },
        None => Place::before(key),
    }
}

/// A block being filled.
#[derive(Default)]
pub(crate) struct BlockBuilder {
    raw: Vec<u8>,
    last_key: Vec<u8>,
    keys_bytes: usize,
    /// The block as it will be in memory, where that is wanted.
    decoded: Decoding,
    is_kept: bool,
}

impl BlockBuilder {
    /// Adds an entry; its value is `None` for a deletion.
    pub fn add(&mut self, key: &[u8], value: Option<&[u8]>) {
        let shared = self.last_key.iter().zip(key).take_while(|(a, b)| a == b).count();
        let rest = key.get(shared..).unwrap_or_default();
        put_varint(&mut self.raw, shared as u64);
        put_varint(&mut self.raw, rest.len() as u64);
        let bytes = value.unwrap_or_default();
        put_varint(&mut self.raw, (bytes.len() as u64) << 1 | u64::from(value.is_none()));
        self.raw.extend_from_slice(rest);
        self.raw.extend_from_slice(bytes);
        self.last_key.truncate(shared);
        self.last_key.extend_from_slice(rest);
        self.keys_bytes += key.len();
        self.is_kept &= self.decoded.bytes.len() + key.len() + bytes.len() <= KEPT_MAX;
        if self.is_kept {
            self.is_kept = self.decoded.add(key, value).is_some();
        }
    }

    /// The block that begins will be wanted in memory.
    pub fn keep(&mut self) {
        self.is_kept = true;
    }

    pub fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }

    pub fn is_full(&self) -> bool {
        self.raw.len() >= BLOCK_BYTES || self.keys_bytes >= KEYS_BYTES_MAX
    }

    pub fn last_key(&self) -> &[u8] {
        &self.last_key
    }

    /// An index as it will be in memory.
    pub fn decoded_index(&self, path: &Path, offset: u64) -> Result<Block> {
        Block::decode_index(path, offset, &self.raw)
    }

    /// Appends the finished block to `out`, and begins a new one. Answers it as it will be in memory, where that is wanted.
    pub fn finish(&mut self, codec: Codec, out: &mut Vec<u8>) -> Option<Block> {
        store(&self.raw, codec, out);
        self.raw.clear();
        self.last_key.clear();
        self.keys_bytes = 0;
        let kept = std::mem::take(&mut self.is_kept).then(|| self.decoded.block());
        self.decoded.clear();
        kept
    }
}

/// Appends bytes as a block: header, compressed where that makes them fewer.
pub(crate) fn store(raw: &[u8], codec: Codec, out: &mut Vec<u8>) {
    let compressed = match codec {
        Codec::None => None,
        Codec::Lz4 => Some(lz4_flex::block::compress(raw)),
        Codec::Zstd => zstd_contexts::compress(raw).ok(),
    };
    let (codec, stored) = match &compressed {
        Some(compressed) if compressed.len() < raw.len() => (codec, compressed.as_slice()),
        _ => (Codec::None, raw),
    };
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&(stored.len() as u32).to_le_bytes());
    out.extend_from_slice(&(raw.len() as u32).to_le_bytes());
    out.extend_from_slice(&[codec as u8, 0, 0, 0]);
    out.extend_from_slice(stored);
    let crc = crc32c::crc32c(out.get(start + 4..).unwrap_or_default());
    if let Some(place) = out.get_mut(start..start + 4) {
        place.copy_from_slice(&crc.to_le_bytes());
    }
}

/// The uncompressed bytes of a stored block, verified.
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
    let raw_length = raw_length as usize;
    let raw = match stored.get(12) {
        Some(0) => body.to_vec(),
        Some(1) if raw_length / LZ4_RATIO_MAX > body.len() => Vec::new(),
        Some(1) => lz4_flex::block::decompress(body, raw_length)
            .map_err(|error| Error::corrupt(path, offset, "an lz4 block", error))?,
        Some(2) => decompress(body, raw_length)
            .map_err(|error| Error::corrupt(path, offset, "a zstd block", error))?,
        codec => return Err(Error::corrupt(path, offset, "a known codec", format!("{codec:?}"))),
    };
    if raw.len() != raw_length {
        let expected = format!("a block of {raw_length} bytes when uncompressed");
        return Err(Error::corrupt(path, offset, expected, raw.len()));
    }
    Ok(raw)
}

/// Memory is taken at once only for as much as the stored bytes make likely; for more, as it turns up.
fn decompress(body: &[u8], raw_length: usize) -> std::io::Result<Vec<u8>> {
    if raw_length <= (body.len().saturating_mul(ZSTD_RATIO)).max(2 * BLOCK_BYTES) {
        return zstd_contexts::decompress(body, raw_length);
    }
    let mut raw = Vec::new();
    zstd::stream::read::Decoder::new(body)?.take(raw_length as u64 + 1).read_to_end(&mut raw)?;
    Ok(raw)
}

/// A block in memory.
#[derive(Debug, Default)]
pub(crate) struct Block {
    bytes: Box<[u8]>,
    /// End of each entry's key and of its value in `bytes`; the value's with [`TOMBSTONE`] where it is a deletion.
    ends: Box<[(u32, u32)]>,
}

/// A block being decoded.
#[derive(Default)]
struct Decoding {
    bytes: Vec<u8>,
    ends: Vec<(u32, u32)>,
}

impl Decoding {
    fn add(&mut self, key: &[u8], value: Option<&[u8]>) -> Option<()> {
        self.bytes.extend_from_slice(key);
        let key_end = u32::try_from(self.bytes.len()).ok()?;
        self.bytes.extend_from_slice(value.unwrap_or_default());
        let value_end = u32::try_from(self.bytes.len()).ok().filter(|end| end & TOMBSTONE == 0)?;
        let mark = if value.is_none() { TOMBSTONE } else { 0 };
        self.ends.push((key_end, value_end | mark));
        Some(())
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    /// Copies of the right size: an allocator may leave what shrinks where it is, at up to twice its size.
    fn block(&self) -> Block {
        Block { bytes: Box::from(&*self.bytes), ends: Box::from(&*self.ends) }
    }

    fn decode_entry(&mut self, bytes: &mut &[u8], key: &mut Vec<u8>) -> Option<()> {
        let mut length = || usize::try_from(take_varint(bytes)?).ok();
        let (shared, rest, value) = (length()?, length()?, length()?);
        let (rest, after) = bytes.split_at_checked(rest)?;
        let (bytes_of_value, after) = after.split_at_checked(value >> 1)?;
        *bytes = after;
        if shared > key.len() {
            return None;
        }
        key.truncate(shared);
        key.extend_from_slice(rest);
        self.add(key, (value & 1 == 0).then_some(bytes_of_value))
    }
}

impl Block {
    /// Of the uncompressed bytes of a stored block.
    pub fn decode(path: &Path, offset: u64, raw: &[u8]) -> Result<Block> {
        Block::decode_entries(path, offset, raw, KEYS_BYTES_LIMIT)
    }

    /// The same for an index: it has the last key of every block.
    pub fn decode_index(path: &Path, offset: u64, raw: &[u8]) -> Result<Block> {
        Block::decode_entries(path, offset, raw, TOMBSTONE as usize)
    }

    fn decode_entries(path: &Path, offset: u64, raw: &[u8], keys_bytes_max: usize) -> Result<Block> {
        let mut block = Decoding { bytes: Vec::with_capacity(raw.len() * 2), ends: Vec::new() };
        let bytes_max = keys_bytes_max.saturating_add(raw.len());
        let (mut rest, mut key) = (raw, Vec::new());
        while !rest.is_empty() {
            let entry = block.decode_entry(&mut rest, &mut key).filter(|()| block.bytes.len() <= bytes_max);
            entry.ok_or_else(|| {
                let got = format!("nonsense {} bytes before the end of the uncompressed block", rest.len());
                Error::corrupt(path, offset, "an entry", got)
            })?;
        }
        Ok(block.block())
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Bytes in memory. Allocators round up to a few sizes for each power of two: an eighth more covers that.
    pub fn memory_bytes(&self) -> usize {
        let bytes = self.bytes.len() + self.ends.len() * 8;
        bytes + bytes / 8 + 64
    }

    fn start(&self, index: usize) -> usize {
        let before = index.checked_sub(1).and_then(|before| self.ends.get(before));
        before.map_or(0, |(_, end)| (end & !TOMBSTONE) as usize)
    }

    /// An entry's place.
    pub fn place(&self, index: usize) -> Option<Place<'_>> {
        let (key_end, _) = *self.ends.get(index)?;
        Some(place(self.bytes.get(self.start(index)..key_end as usize)?))
    }

    /// An entry's value; `None` inside for a deletion.
    pub fn value(&self, index: usize) -> Option<Option<&[u8]>> {
        let (key_end, value_end) = *self.ends.get(index)?;
        if value_end & TOMBSTONE != 0 {
            return Some(None);
        }
        Some(Some(self.bytes.get(key_end as usize..value_end as usize)?))
    }

    /// Index of the first entry at or after the place.
    pub fn lower_bound(&self, wanted: Place<'_>) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.place(middle).is_some_and(|place| place.order(&wanted) == Ordering::Less) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(user: &str, timestamp: u64) -> Vec<u8> {
        let mut key = user.as_bytes().to_vec();
        key.extend_from_slice(&(!timestamp).to_be_bytes());
        key
    }

    #[test]
    fn a_block_reads_back_and_any_damage_is_found() {
        for codec in [Codec::None, Codec::Lz4, Codec::Zstd] {
            let mut builder = BlockBuilder::default();
            let rows: Vec<(Vec<u8>, Option<Vec<u8>>)> = (0..100u32)
                .map(|i| (key(&format!("key{i:05}"), 9), (i % 7 > 0).then(|| vec![i as u8; i as usize])))
                .collect();
            for (key, value) in &rows {
                builder.add(key, value.as_deref());
            }
            let mut stored = Vec::new();
            builder.finish(codec, &mut stored);
            let path = Path::new("x.sst");
            let block = Block::decode(path, 0, &open(path, 0, &stored).unwrap()).unwrap();
            assert_eq!(block.len(), rows.len());
            for (index, (key, value)) in rows.iter().enumerate() {
                assert_eq!(block.place(index).unwrap(), place(key));
                assert_eq!(block.value(index).unwrap(), value.as_deref());
            }
            for at in 0..stored.len() {
                let mut damaged = stored.clone();
                damaged[at] ^= 0x10;
                assert!(open(path, 0, &damaged).is_err(), "byte {at}");
            }
        }
    }

    #[test]
    fn what_is_kept_is_what_is_read_and_no_large_value() {
        let path = Path::new("x.sst");
        let mut builder = BlockBuilder::default();
        let mut stored = Vec::new();
        builder.keep();
        for (user, value) in [("a", Some(&b"v"[..])), ("ab", None), ("b", Some(b""))] {
            builder.add(&key(user, 5), value);
        }
        let kept = builder.finish(Codec::Lz4, &mut stored).unwrap();
        let read = Block::decode(path, 0, &open(path, 0, &stored).unwrap()).unwrap();
        assert_eq!((kept.bytes, kept.ends), (read.bytes, read.ends));
        builder.keep();
        builder.add(&key("a", 5), Some(b"v"));
        builder.add(&key("b", 5), Some(&vec![0; KEPT_MAX]));
        assert!(builder.finish(Codec::Lz4, &mut stored).is_none());
        builder.add(&key("a", 5), Some(b"v"));
        assert!(builder.finish(Codec::Lz4, &mut stored).is_none(), "nobody wants this one");
    }

    #[test]
    fn a_key_that_begins_another_comes_first_whatever_the_timestamps() {
        let mut builder = BlockBuilder::default();
        for (user, timestamp) in [("a", 5), ("a", 3), ("ab", 9), ("b", 1)] {
            builder.add(&key(user, timestamp), Some(b"v"));
        }
        let mut stored = Vec::new();
        builder.finish(Codec::None, &mut stored);
        let path = Path::new("x.sst");
        let block = Block::decode(path, 0, &open(path, 0, &stored).unwrap()).unwrap();
        let at = |user: &'static str, timestamp: u64| Place { user: user.as_bytes(), inverted: !timestamp };
        assert_eq!(block.lower_bound(at("a", 9)), 0);
        assert_eq!(block.lower_bound(at("a", 4)), 1);
        assert_eq!(block.lower_bound(at("a", 1)), 2);
        assert_eq!(block.lower_bound(at("ab", 9)), 2);
        assert_eq!(block.lower_bound(Place::after(b"b")), 4);
    }
}
