//! The two ends of a sorted file: the header that names it, the footer that says what is where.

use std::path::Path;

use super::{END_MAGIC, FILE_HEADER, FOOTER, MAGIC, VERSION};
use crate::error::{Error, Result};
use crate::io::File;

/// What the last bytes of a file say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Footer {
    /// Offset and bytes of the index block.
    pub index: (u64, u32),
    /// Offset and bytes of the filter block.
    pub filter: (u64, u32),
    pub blocks: u32,
    pub entries: u64,
    /// Of them deletions.
    pub tombstones: u64,
    /// The newest timestamp.
    pub newest: u64,
    /// See [`super`]; zero where there is none.
    pub range_tombstone: u64,
}

impl Footer {
    /// Of the last bytes of a file, which are at this offset.
    pub fn decode(path: &Path, offset: u64, bytes: &[u8]) -> Result<Footer> {
        let got = crc32c::crc32c(bytes.get(..FOOTER - 12).unwrap_or_default());
        let expected = u32_at(bytes, FOOTER - 12);
        if bytes.len() != FOOTER || bytes.get(FOOTER - 8..) != Some(END_MAGIC) || got != expected {
            let expected = format!("footer checksum {expected:08x}");
            return Err(Error::corrupt(path, offset, expected, format!("{got:08x}")));
        }
        let version = u32_at(bytes, FOOTER - 16);
        if version != VERSION {
            return Err(Error::UnknownFormat { file: path.to_path_buf(), version, known: VERSION });
        }
        let footer = Footer {
            index: (u64_at(bytes, 0), u32_at(bytes, 8)),
            blocks: u32_at(bytes, 12),
            filter: (u64_at(bytes, 16), u32_at(bytes, 24)),
            entries: u64_at(bytes, 32),
            tombstones: u64_at(bytes, 40),
            newest: u64_at(bytes, 48),
            range_tombstone: u64_at(bytes, 56),
        };
        let end = |(from, bytes): (u64, u32)| from.checked_add(u64::from(bytes));
        if end(footer.index) != Some(footer.filter.0) || end(footer.filter) != Some(offset) {
            return Err(Error::corrupt(path, offset, "index and filter before the footer", "other places"));
        }
        Ok(footer)
    }
}

/// The number that a file's first bytes give it.
pub(crate) fn decode_header(path: &Path, bytes: &[u8]) -> Result<u64> {
    if bytes.get(..8) != Some(MAGIC) || bytes.len() != FILE_HEADER {
        return Err(Error::corrupt(path, 0, "a sorted file", "something else"));
    }
    let (version, reserved) = (u32_at(bytes, 8), u32_at(bytes, 12));
    if version != VERSION {
        return Err(Error::UnknownFormat { file: path.to_path_buf(), version, known: VERSION });
    }
    if reserved != 0 {
        return Err(Error::corrupt(path, 12, "zeros", format!("{reserved:08x}")));
    }
    Ok(u64_at(bytes, 16))
}

/// Number and footer of a file of this length.
pub(crate) fn read_ends(path: &Path, file: &dyn File, length: u64) -> Result<(u64, Footer)> {
    let Some(at) = length.checked_sub(FOOTER as u64).filter(|at| *at >= FILE_HEADER as u64) else {
        return Err(Error::corrupt(path, length, "a sorted file", "the end of the file"));
    };
    let mut header = [0; FILE_HEADER];
    let mut footer = [0; FOOTER];
    let read = file.read_at(&mut header, 0).and_then(|()| file.read_at(&mut footer, at));
    read.map_err(|error| Error::io("read", path, error))?;
    Ok((decode_header(path, &header)?, Footer::decode(path, at, &footer)?))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes)
}
