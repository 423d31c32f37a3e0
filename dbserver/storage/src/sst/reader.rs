//! Reading a sorted file: every block is verified before its rows are believed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::block::{self, Entries};
use super::{END_MAGIC, FILE_HEADER, FOOTER, MAGIC, VERSION};
use crate::error::{Error, Result};
use crate::io::{File, Io, OpenMode};
use crate::key::TreeId;

/// An open file.
pub(crate) struct SstReader {
    file: Arc<dyn File>,
    path: PathBuf,
    /// Offset and bytes of each block.
    blocks: Vec<(u64, u32)>,
    /// Rows, as the footer has it.
    pub rows: u64,
}

impl SstReader {
    /// Opens a file and verifies header, footer and index. `bytes`: its length, as the manifest has it.
    pub fn open(io: &dyn Io, path: &Path, number: u64, bytes: u64) -> Result<SstReader> {
        let file = io.open(path, OpenMode::Existing).map_err(|error| Error::io("open", path, error))?;
        let length = file.len().map_err(|error| Error::io("read", path, error))?;
        if length != bytes || bytes < (FILE_HEADER + FOOTER) as u64 {
            return Err(Error::corrupt(path, length, format!("{bytes} bytes"), format!("{length} bytes")));
        }
        let mut reader = SstReader { file, path: path.to_path_buf(), blocks: Vec::new(), rows: 0 };
        let header = reader.read(0, FILE_HEADER)?;
        let version = u32_at(&header, 8);
        if header.get(..8) != Some(MAGIC) {
            return Err(Error::corrupt(path, 0, "a sorted file", "something else"));
        }
        if version != VERSION {
            return Err(Error::UnknownFormat { file: path.to_path_buf(), version, known: VERSION });
        }
        if u64_at(&header, 16) != number {
            return Err(Error::corrupt(path, 16, format!("file number {number}"), u64_at(&header, 16)));
        }
        let footer_at = bytes - FOOTER as u64;
        let footer = reader.read(footer_at, FOOTER)?;
        let got = crc32c::crc32c(footer.get(..36).unwrap_or_default());
        if footer.get(40..) != Some(END_MAGIC) || got != u32_at(&footer, 36) {
            let expected = format!("footer checksum {:08x}", u32_at(&footer, 36));
            return Err(Error::corrupt(path, footer_at, expected, format!("{got:08x}")));
        }
        reader.rows = u64_at(&footer, 16);
        let index_at = u64_at(&footer, 0);
        let stored = reader.read(index_at, u32_at(&footer, 8) as usize)?;
        let raw = block::open(path, index_at, &stored)?;
        let mut entries = Entries::new(&raw);
        while let Some(entry) = entries.next() {
            let place = entry.filter(|place| place.len() == 12);
            let place = place.ok_or_else(|| Error::corrupt(path, index_at, "an index entry", "nonsense"))?;
            reader.blocks.push((u64_at(place, 0), u32_at(place, 8)));
        }
        let count = u32_at(&footer, 12);
        if reader.blocks.len() != count as usize {
            return Err(Error::corrupt(path, index_at, format!("{count} blocks"), reader.blocks.len()));
        }
        Ok(reader)
    }

    fn read(&self, offset: u64, length: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.file.read_at(&mut bytes, offset).map_err(|error| {
            if error.kind() == std::io::ErrorKind::UnexpectedEof {
                return Error::corrupt(&self.path, offset, format!("{length} bytes"), "the end of the file");
            }
            Error::io("read", &self.path, error)
        })?;
        Ok(bytes)
    }

    /// Visits all rows in order: tree, key, timestamp, value.
    pub fn for_each(&self, mut each: impl FnMut(TreeId, &[u8], u64, &[u8]) -> Result<()>) -> Result<()> {
        for (offset, length) in &self.blocks {
            let stored = self.read(*offset, *length as usize)?;
            let raw = block::open(&self.path, *offset, &stored)?;
            let mut entries = Entries::new(&raw);
            while let Some(value) = entries.next() {
                let nonsense = || Error::corrupt(&self.path, *offset, "a row", "nonsense");
                let value = value.ok_or_else(nonsense)?;
                let (tree, rest) = entries.key.split_first_chunk::<8>().ok_or_else(nonsense)?;
                let (key, inverted) = rest.split_last_chunk::<8>().ok_or_else(nonsense)?;
                each(TreeId(u64::from_be_bytes(*tree)), key, !u64::from_be_bytes(*inverted), value)?;
            }
        }
        Ok(())
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::super::SstWriter;
    use super::*;
    use crate::io::RealIo;

    #[test]
    fn a_file_reads_back_in_order_and_damage_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f.sst");
        let mut writer = SstWriter::create(&RealIo, &path, 9).unwrap();
        for i in 0..5_000u64 {
            let tree = TreeId(1 + i / 1000);
            writer.add(tree, &i.to_be_bytes(), i + 1, &vec![i as u8; (i % 50) as usize]).unwrap();
        }
        let (bytes, rows) = writer.finish().unwrap();
        assert_eq!(rows, 5_000);
        let read = |path: &Path| {
            let reader = SstReader::open(&RealIo, path, 9, bytes)?;
            let mut i = 0;
            reader.for_each(|tree, key, timestamp, value| {
                let expected =
                    (TreeId(1 + i / 1000), i.to_be_bytes().to_vec(), i + 1, vec![i as u8; (i % 50) as usize]);
                assert_eq!((tree, key.to_vec(), timestamp, value.to_vec()), expected);
                i += 1;
                Ok(())
            })?;
            assert_eq!((i, reader.rows), (5_000, 5_000));
            Ok::<(), Error>(())
        };
        read(&path).unwrap();
        let good = std::fs::read(&path).unwrap();
        // Bytes 12..16 of the header are reserved and not looked at.
        for at in (0..good.len()).step_by(97).filter(|at| !(12..16).contains(at)) {
            let mut damaged = good.clone();
            damaged[at] ^= 4;
            std::fs::write(&path, &damaged).unwrap();
            assert!(
                matches!(read(&path), Err(Error::Corruption { .. } | Error::UnknownFormat { .. })),
                "byte {at}"
            );
        }
    }
}
