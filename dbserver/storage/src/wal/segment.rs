//! Segment files: pieces of one size that hold the log's bytes one after the other.
//!
//! ```text
//! 0   8   "PLIMWAL\0"
//! 8   u32 format version
//! 12  u32 CRC-32C of the header, with this field zero
//! 16  u64 segment number: the first is 1
//! 24  u64 size of the file
//! 32  32  zero
//! 64  ..  the log's bytes from LSN number * (size - 64) on
//! ```
//! A new segment is filled with zeros (a used one is renamed), gets its header last, and is synced, as is the
//! directory, before the log relies on it. A file whose header does not name its own number is not yet a segment.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::io::{File, Io, OpenMode};
use crate::sync::Mutex;

pub(crate) const MAGIC: &[u8; 8] = b"PLIMWAL\0";
const VERSION: u32 = 2;
/// Bytes of the header.
pub(crate) const SEGMENT_HEADER: u64 = 64;
/// Used segments kept to be used again.
const RECYCLED_MAX: usize = 4;

/// Size of a segment file, and with it what an LSN means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentSize(u64);

impl SegmentSize {
    /// The nearest size that can be used.
    pub fn new(bytes: u64) -> SegmentSize {
        SegmentSize(bytes.clamp(4096, 1 << 30) / 4096 * 4096)
    }

    pub fn file_bytes(self) -> u64 {
        self.0
    }

    /// Log bytes in one segment.
    pub fn payload(self) -> u64 {
        self.0 - SEGMENT_HEADER
    }

    /// The segment of a position.
    pub fn segment_of(self, lsn: u64) -> u64 {
        lsn / self.payload()
    }

    /// Where a segment begins.
    pub fn start_of(self, segment: u64) -> u64 {
        segment * self.payload()
    }

    /// Offset of a position in its segment's file.
    pub fn offset_of(self, lsn: u64) -> u64 {
        SEGMENT_HEADER + lsn % self.payload()
    }
}

/// The segment files of a directory.
pub(crate) struct Segments {
    io: Arc<dyn Io>,
    pub dir: PathBuf,
    pub size: SegmentSize,
    open: Mutex<HashMap<u64, Arc<dyn File>>>,
    recycled: Mutex<Vec<u64>>,
}

impl Segments {
    pub fn new(io: Arc<dyn Io>, dir: PathBuf, size: SegmentSize) -> Segments {
        Segments { io, dir, size, open: Mutex::default(), recycled: Mutex::default() }
    }

    /// A segment's file.
    pub fn path(&self, segment: u64) -> PathBuf {
        self.dir.join(format!("{segment:016x}.log"))
    }

    /// Numbers of the files that are named as segments, ascending.
    pub fn numbers(&self) -> Result<Vec<u64>> {
        let names = self.io.list(&self.dir).map_err(|error| Error::io("list", &self.dir, error))?;
        let number = |name: &String| u64::from_str_radix(name.strip_suffix(".log")?, 16).ok();
        let mut numbers: Vec<u64> = names.iter().filter_map(number).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    fn file(&self, segment: u64) -> Result<Arc<dyn File>> {
        let mut open = self.open.lock();
        if let Some(file) = open.get(&segment) {
            return Ok(Arc::clone(file));
        }
        let path = self.path(segment);
        let file =
            self.io.open(&path, OpenMode::Existing).map_err(|error| Error::io("open", &path, error))?;
        open.insert(segment, Arc::clone(&file));
        Ok(file)
    }

    /// Makes a segment ready to be written. [`Error::DiskFull`] where there is no room.
    pub fn prepare(&self, segment: u64) -> Result<()> {
        let path = self.path(segment);
        let recycled = self.recycled.lock().pop();
        let file = match recycled {
            Some(old) => {
                self.open.lock().remove(&old);
                let from = self.path(old);
                self.io.rename(&from, &path).map_err(|error| Error::io("rename", &from, error))?;
                self.io.open(&path, OpenMode::Existing).map_err(|error| Error::io("open", &path, error))?
            }
            None => self.fill_new(&path)?,
        };
        self.seal(segment, &*file)?;
        self.open.lock().insert(segment, file);
        Ok(())
    }

    /// Prepares a segment that is there for the second time: whoever was about to may not have come to the end of it.
    pub fn prepare_again(&self, segment: u64) -> Result<()> {
        self.seal(segment, &*self.file(segment)?)
    }

    /// The last steps of preparing a segment.
    fn seal(&self, segment: u64, file: &dyn File) -> Result<()> {
        let header = encode_header(segment, self.size);
        let synced = file.write_at(&header, 0).and_then(|()| file.sync());
        synced.map_err(|error| Error::io("write", &self.path(segment), error))?;
        self.io.sync_dir(&self.dir).map_err(|error| Error::io("sync", &self.dir, error))
    }

    /// A new file of zeros: its blocks are allocated now, not by a commit.
    fn fill_new(&self, path: &Path) -> Result<Arc<dyn File>> {
        let file = self.io.open(path, OpenMode::Create).map_err(|error| Error::io("create", path, error))?;
        let zeros = vec![0; (1 << 20).min(self.size.file_bytes() as usize)];
        let mut offset = 0;
        while offset < self.size.file_bytes() {
            let length = (self.size.file_bytes() - offset).min(zeros.len() as u64);
            let piece = zeros.get(..length as usize).unwrap_or_default();
            // Piece by piece: a commit's sync waits for what the disk has been given before it.
            if let Err(error) = file.write_at(piece, offset).and_then(|()| file.sync()) {
                // What was allocated in vain is given back; the name must not be taken for a segment.
                if let Err(error) = self.io.remove(path) {
                    tracing::warn!(%error, path = %path.display(), "could not remove an unfinished log segment");
                }
                return Err(Error::io("write", path, error));
            }
            offset += length;
        }
        Ok(file)
    }

    /// Whether the segment is there, under its own number.
    pub fn is_present(&self, segment: u64) -> Result<bool> {
        Ok(self.read(segment, 0, 0)?.is_some())
    }

    /// A segment's file and its length in bytes, where it exists.
    fn existing(&self, segment: u64) -> Result<Option<(Arc<dyn File>, u64)>> {
        let file = match self.file(segment) {
            Ok(file) => file,
            Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let bytes = file.len().map_err(|error| Error::io("read", &self.path(segment), error))?;
        Ok(Some((file, bytes)))
    }

    /// Up to `length` of a segment's log bytes, from an offset among them. `None` where the file is missing or not (yet)
    /// this segment.
    pub fn read(&self, segment: u64, from: usize, length: usize) -> Result<Option<Vec<u8>>> {
        let Some((file, file_bytes)) = self.existing(segment)? else { return Ok(None) };
        if file_bytes < self.size.file_bytes() {
            return Ok(None);
        }
        let path = self.path(segment);
        let mut header = [0; SEGMENT_HEADER as usize];
        file.read_at(&mut header, 0).map_err(|error| Error::io("read", &path, error))?;
        if header != encode_header(segment, self.size) {
            check_version(&path, &header)?;
            return Ok(None);
        }
        self.read_raw(segment, from, length)
    }

    /// The same of a file that need not be a segment, nor as long as one.
    pub fn read_raw(&self, segment: u64, from: usize, length: usize) -> Result<Option<Vec<u8>>> {
        let Some((file, file_bytes)) = self.existing(segment)? else { return Ok(None) };
        let there = file_bytes.min(self.size.file_bytes()).saturating_sub(SEGMENT_HEADER) as usize;
        let mut bytes = vec![0; there.saturating_sub(from).min(length)];
        if bytes.is_empty() {
            return Ok(Some(bytes));
        }
        file.read_at(&mut bytes, SEGMENT_HEADER + from as u64)
            .map_err(|error| Error::io("read", &self.path(segment), error))?;
        Ok(Some(bytes))
    }

    /// Writes log bytes at a position, over as many segments as it takes. All must be prepared.
    pub fn write(&self, lsn: u64, bytes: &[u8]) -> Result<u64> {
        let mut writes = 0;
        self.pieces(lsn, bytes, |path, file, piece, offset| {
            writes += 1;
            file.write_at(piece, offset).map_err(|error| Error::io("write", path, error))
        })?;
        Ok(writes)
    }

    /// Writes what can be read of a range once more.
    pub fn write_again(&self, from: u64, to: u64) -> Result<()> {
        let mut lsn = from;
        while lsn < to {
            let segment = self.size.segment_of(lsn);
            let offset = lsn - self.size.start_of(segment);
            let length = (to - lsn).min(self.size.payload() - offset);
            let bytes = self.read(segment, offset as usize, length as usize)?.unwrap_or_default();
            self.write(lsn, &bytes)?;
            lsn += length;
        }
        Ok(())
    }

    /// Makes the segments of a range durable.
    pub fn sync(&self, from: u64, to: u64) -> Result<u64> {
        let segments = self.size.segment_of(from)..=self.size.segment_of(to.saturating_sub(1).max(from));
        let mut syncs = 0;
        for segment in segments {
            let path = self.path(segment);
            self.file(segment)?.sync().map_err(|error| Error::io("sync", &path, error))?;
            syncs += 1;
        }
        Ok(syncs)
    }

    fn pieces(
        &self,
        mut lsn: u64,
        mut bytes: &[u8],
        mut each: impl FnMut(&Path, &dyn File, &[u8], u64) -> Result<()>,
    ) -> Result<()> {
        while !bytes.is_empty() {
            let segment = self.size.segment_of(lsn);
            let room = (self.size.start_of(segment + 1) - lsn) as usize;
            let (piece, rest) = bytes.split_at_checked(room).unwrap_or((bytes, &[]));
            each(&self.path(segment), &*self.file(segment)?, piece, self.size.offset_of(lsn))?;
            lsn += piece.len() as u64;
            bytes = rest;
        }
        Ok(())
    }

    /// The segments before this one are no longer needed: some are kept to be used again, the others removed.
    pub fn release_before(&self, segment: u64) -> Result<()> {
        for number in self.numbers()?.into_iter().filter(|number| *number < segment) {
            let mut recycled = self.recycled.lock();
            if recycled.contains(&number) {
                continue;
            }
            if recycled.len() < RECYCLED_MAX {
                recycled.push(number);
                continue;
            }
            drop(recycled);
            self.remove(number)?;
        }
        Ok(())
    }

    /// Removes a segment's file.
    pub fn remove(&self, segment: u64) -> Result<()> {
        self.open.lock().remove(&segment);
        let path = self.path(segment);
        self.io.remove(&path).map_err(|error| Error::io("remove", &path, error))
    }
}

fn encode_header(segment: u64, size: SegmentSize) -> [u8; SEGMENT_HEADER as usize] {
    let mut bytes = Vec::with_capacity(SEGMENT_HEADER as usize);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&segment.to_le_bytes());
    bytes.extend_from_slice(&size.file_bytes().to_le_bytes());
    let mut header = [0; SEGMENT_HEADER as usize];
    header.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
    seal(&mut header);
    header
}

fn seal(header: &mut [u8; SEGMENT_HEADER as usize]) {
    header.iter_mut().skip(12).take(4).for_each(|byte| *byte = 0);
    let crc = crc32c::crc32c(header).to_le_bytes();
    header.iter_mut().skip(12).zip(crc).for_each(|(to, from)| *to = from);
}

/// What the header of a segment file says: its number, and the size of the log's segments.
pub(crate) fn decode_header(path: &Path, bytes: &[u8]) -> Result<(u64, SegmentSize)> {
    let header = bytes.first_chunk::<{ SEGMENT_HEADER as usize }>();
    let header = header.ok_or_else(|| Error::corrupt(path, 0, "the header of a log segment", "its end"))?;
    check_version(path, header)?;
    let word = |at: usize| {
        let bytes = header.get(at..at + 8).and_then(|bytes| bytes.try_into().ok());
        bytes.map_or(0, u64::from_le_bytes)
    };
    let (segment, size) = (word(16), SegmentSize(word(24)));
    if SegmentSize::new(size.0) != size || *header != encode_header(segment, size) {
        return Err(Error::corrupt(path, 0, "the header of a log segment", "something else"));
    }
    Ok((segment, size))
}

/// Refuses a header of another version. Its checksum lies in the same place in all versions: without it, a number that a crash has
/// torn would be taken for one.
fn check_version(path: &Path, header: &[u8; SEGMENT_HEADER as usize]) -> Result<()> {
    let mut sealed = *header;
    seal(&mut sealed);
    if sealed != *header {
        return Ok(());
    }
    let [magic @ .., _, _, _, _] = header.first_chunk::<12>().copied().unwrap_or_default();
    let version = header.get(8..12).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_le_bytes);
    if magic == *MAGIC && version != VERSION {
        return Err(Error::UnknownFormat { file: path.to_path_buf(), version, known: VERSION });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A crash in the middle of writing a header leaves any part of it.
    #[test]
    fn a_torn_header_is_no_other_version() {
        let path = Path::new("1.log");
        let mut header = encode_header(1, SegmentSize::new(4096));
        check_version(path, &header).unwrap();
        let torn = |length| {
            let mut torn = [0; SEGMENT_HEADER as usize];
            torn[..length].copy_from_slice(&header[..length]);
            torn
        };
        assert!((0..header.len()).all(|length| check_version(path, &torn(length)).is_ok()));
        header[8] = 99;
        seal(&mut header);
        assert!(matches!(check_version(path, &header), Err(Error::UnknownFormat { version: 99, .. })));
    }
}
