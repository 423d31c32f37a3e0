//! The manifest: the one small file that says which other files count.
//!
//! ```text
//! 0   8   "PLIMMAN\0"
//! 8   u32 format version
//! 12  u32 CRC-32C of everything after it
//! 16  u64 log segment size          24  u64 checkpoint timestamp     32  u64 replay from this LSN
//! 40  u64 next tree number          48  u64 next file number         56  u32 epoch
//! 60  u32 epoch of the log from the LSN on: what is older there does not count
//! 64  trees with rows (varint count), for each: u64 tree, i64 rows by the log before the LSN
//!     dropped trees (varint count) of which files may still have rows, u64 each
//!     sorted files (varint count), for each: u8 level, then u64 number, u64 bytes, u64 entries, u64 of them deletions,
//!     u64 newest timestamp, u64 when its transaction committed (0: not a staged file), discarded statements (varint count, u64
//!     first and last each), first and last user key (varint length, bytes). L0 comes first, newest first.
//! ```
//! It is replaced as a whole: written under another name, synced, renamed over the old one, and the directory synced. At
//! every instant one complete manifest is there, and nothing it names is removed before a manifest that does not name it
//! is durable.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::io::{Io, OpenMode};
use crate::key::TreeId;
use crate::sst::FileMeta;
use crate::wal::{put_varint, take_u32, take_u64, take_varint};

pub(crate) const MAGIC: &[u8; 8] = b"PLIMMAN\0";
const VERSION: u32 = 2;
/// Its name.
pub(crate) const MANIFEST: &str = "MANIFEST";
/// That of the next one while it is written.
pub(crate) const MANIFEST_NEW: &str = "MANIFEST.new";

/// What a data directory consists of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Manifest {
    pub segment_size: u64,
    /// The files hold all commits up to this one.
    pub timestamp: u64,
    /// All later commits are in the log from here on.
    pub replay_from: u64,
    pub next_tree: u64,
    pub next_file: u64,
    /// How many times the directory was opened.
    pub epoch: u32,
    /// The epoch in which `replay_from` was the log's end: a record from there on of an older one is what a crash left behind.
    pub replay_epoch: u32,
    /// Rows of each tree by the commits in the log before `replay_from`.
    pub live: Vec<(TreeId, i64)>,
    /// Trees that are gone, of which files may still have rows, ascending.
    pub dropped: Vec<TreeId>,
    /// Level and file; L0 newest first.
    pub files: Vec<(u8, FileMeta)>,
}

impl Manifest {
    /// The file's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut body = Vec::new();
        for field in [self.segment_size, self.timestamp, self.replay_from, self.next_tree, self.next_file] {
            body.extend_from_slice(&field.to_le_bytes());
        }
        body.extend_from_slice(&self.epoch.to_le_bytes());
        body.extend_from_slice(&self.replay_epoch.to_le_bytes());
        put_varint(&mut body, self.live.len() as u64);
        for (tree, rows) in &self.live {
            body.extend_from_slice(&tree.0.to_le_bytes());
            body.extend_from_slice(&rows.to_le_bytes());
        }
        put_varint(&mut body, self.dropped.len() as u64);
        for tree in &self.dropped {
            body.extend_from_slice(&tree.0.to_le_bytes());
        }
        put_varint(&mut body, self.files.len() as u64);
        for (level, file) in &self.files {
            body.push(*level);
            file.encode(&mut body);
        }
        let mut bytes = Vec::with_capacity(16 + body.len());
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&crc32c::crc32c(&body).to_le_bytes());
        bytes.extend_from_slice(&body);
        bytes
    }

    /// Of a file's bytes.
    pub fn decode(path: &Path, bytes: &[u8]) -> Result<Manifest> {
        let Some((magic, rest)) = bytes.split_first_chunk::<8>().filter(|(magic, _)| *magic == MAGIC) else {
            return Err(Error::corrupt(path, 0, "a manifest", "something else"));
        };
        let _ = magic;
        let mut rest = rest;
        let words =
            take_u64(&mut rest).ok_or_else(|| Error::corrupt(path, 8, "a header", "the end of the file"))?;
        let (version, crc) = ((words & 0xffff_ffff) as u32, (words >> 32) as u32);
        if version != VERSION {
            return Err(Error::UnknownFormat { file: path.to_path_buf(), version, known: VERSION });
        }
        let got = crc32c::crc32c(rest);
        if got != crc {
            return Err(Error::corrupt(path, 12, format!("checksum {crc:08x}"), format!("{got:08x}")));
        }
        let mut read = || {
            let mut manifest = Manifest {
                segment_size: take_u64(&mut rest)?,
                timestamp: take_u64(&mut rest)?,
                replay_from: take_u64(&mut rest)?,
                next_tree: take_u64(&mut rest)?,
                next_file: take_u64(&mut rest)?,
                epoch: take_u32(&mut rest)?,
                replay_epoch: take_u32(&mut rest)?,
                ..Manifest::default()
            };
            for _ in 0..take_varint(&mut rest)? {
                manifest.live.push((TreeId(take_u64(&mut rest)?), take_u64(&mut rest)?.cast_signed()));
            }
            for _ in 0..take_varint(&mut rest)? {
                manifest.dropped.push(TreeId(take_u64(&mut rest)?));
            }
            for _ in 0..take_varint(&mut rest)? {
                let (level, after) = rest.split_first()?;
                rest = after;
                manifest.files.push((*level, FileMeta::decode(&mut rest)?));
            }
            rest.is_empty().then_some(manifest)
        };
        let decoded = read();
        decoded.ok_or_else(|| {
            let at = bytes.len().saturating_sub(rest.len()) as u64;
            Error::corrupt(path, at, "a manifest", "nonsense")
        })
    }

    /// The manifest of a directory, if it has one.
    pub fn load(io: &dyn Io, dir: &Path) -> Result<Option<Manifest>> {
        match Manifest::read(io, &dir.join(MANIFEST)) {
            Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => Ok(None),
            read => read.map(Some),
        }
    }

    /// The manifest in a file.
    pub fn read(io: &dyn Io, path: &Path) -> Result<Manifest> {
        let file = io.open(path, OpenMode::Read).map_err(|error| Error::io("open", path, error))?;
        let read = || {
            let mut bytes = vec![0; usize::try_from(file.len()?).unwrap_or(0)];
            file.read_at(&mut bytes, 0)?;
            Ok(bytes)
        };
        let bytes: Vec<u8> = read().map_err(|error| Error::io("read", path, error))?;
        Manifest::decode(path, &bytes)
    }

    /// Makes this the manifest of the directory, durably.
    pub fn store(&self, io: &dyn Io, dir: &Path) -> Result<()> {
        self.write(io, dir)?.put_in_force(io, dir)
    }

    /// Writes it beside the one in force.
    pub fn write(&self, io: &dyn Io, dir: &Path) -> Result<Written> {
        let new = dir.join(MANIFEST_NEW);
        let file = io.open(&new, OpenMode::Create).map_err(|error| Error::io("create", &new, error))?;
        let written = file.write_at(&self.encode(), 0).and_then(|()| file.sync());
        written.map_err(|error| Error::io("write", &new, error))?;
        Ok(Written(()))
    }
}

/// A manifest that is durable, but not yet in force.
#[must_use = "it is not in force"]
pub(crate) struct Written(());

impl Written {
    /// Replaces the manifest in force. Where that fails, either may be.
    pub fn put_in_force(self, io: &dyn Io, dir: &Path) -> Result<()> {
        let (path, new): (PathBuf, PathBuf) = (dir.join(MANIFEST), dir.join(MANIFEST_NEW));
        io.rename(&new, &path).map_err(|error| Error::io("rename", &new, error))?;
        io.sync_dir(dir).map_err(|error| Error::io("sync", dir, error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_reads_back_and_damage_is_found() {
        let manifest = Manifest {
            segment_size: 1,
            timestamp: 2,
            replay_from: 3,
            next_tree: 4,
            next_file: 5,
            epoch: 6,
            replay_epoch: 5,
            live: vec![(TreeId(1), -2), (TreeId(3), 4)],
            dropped: vec![TreeId(9)],
            files: vec![(0, FileMeta { number: 7, ..FileMeta::default() }), (2, FileMeta::default())],
        };
        let path = Path::new("MANIFEST");
        let bytes = manifest.encode();
        assert_eq!(Manifest::decode(path, &bytes).unwrap(), manifest);
        for cut in 0..bytes.len() {
            assert!(Manifest::decode(path, &bytes[..cut]).is_err());
        }
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert!(Manifest::decode(path, &damaged).is_err(), "byte {at}");
        }
    }
}
