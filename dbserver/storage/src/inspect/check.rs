//! Whether a data directory is as the engine has left it.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use super::read_only::ReadOnly;
use super::report::{RESTORE, Report};
use super::sorted::{self, REPLACE, name};
use crate::error::{Error, Result};
use crate::io::{Io, OpenMode};
use crate::manifest::{MANIFEST, MANIFEST_NEW, Manifest};
use crate::recovery::{SST_DIR, WAL_DIR};
use crate::sst::{BlockCache, FileMeta, Table, file_name, file_number, read_ends};
use crate::wal::{Commit, Kind, Reader, Record, SegmentSize, Segments, ops, take_u64};

/// Memory for indexes and filters; blocks are read once.
const CACHE_BYTES: u64 = 64 << 20;
/// The lock file.
const LOCK: &str = "LOCK";

/// Verifies every file of a data directory: the manifest, the sorted files that it or the log names, entry by entry, and the log
/// from where it is replayed. Reads only.
///
/// # Errors
/// [`Error::DirectoryLocked`] where an engine has the directory open; [`Error::Io`] where there is none. Damage is no error but a
/// part of the report.
pub fn check(io: &Arc<dyn Io>, dir: &Path) -> Result<Report> {
    let io: Arc<dyn Io> = Arc::new(ReadOnly(Arc::clone(io)));
    let names = list(&*io, dir)?;
    // Without the file nobody has the directory open, and it must not be made.
    let _lock = if names.iter().any(|name| name == LOCK) {
        let lock = io.lock_dir(dir).map_err(|error| Error::io("lock", dir, error))?;
        Some(lock.ok_or_else(|| Error::DirectoryLocked { dir: dir.to_path_buf() })?)
    } else {
        None
    };
    let mut check = Check {
        cache: Arc::new(BlockCache::new(CACHE_BYTES)),
        io,
        dir,
        report: Report::default(),
        named: BTreeSet::new(),
    };
    check.strangers(dir, &names, |name| [LOCK, MANIFEST, SST_DIR, WAL_DIR].contains(&name));
    check.run()?;
    Ok(check.report)
}

fn list(io: &dyn Io, dir: &Path) -> Result<Vec<String>> {
    let mut names = io.list(dir).map_err(|error| Error::io("list", dir, error))?;
    names.sort();
    Ok(names)
}

struct Check<'a> {
    io: Arc<dyn Io>,
    dir: &'a Path,
    cache: Arc<BlockCache>,
    report: Report,
    /// Sorted files that count.
    named: BTreeSet<u64>,
}

impl Check<'_> {
    fn run(&mut self) -> Result<()> {
        // A directory that was never opened has neither of these.
        let files = list(&*self.io, &self.dir.join(SST_DIR)).unwrap_or_default();
        let log = list(&*self.io, &self.dir.join(WAL_DIR)).unwrap_or_default();
        match Manifest::load(&*self.io, self.dir) {
            Ok(Some(manifest)) => {
                self.levels(&manifest);
                let used = self.log(&manifest)?;
                let dir = self.dir.join(WAL_DIR);
                self.strangers(&dir, &log, |name| used.contains(name));
            }
            Ok(None) if files.is_empty() && log.is_empty() => {
                self.report.notes.push(format!("{} is an empty database", self.dir.display()));
            }
            Ok(None) => {
                let lost = format!("what the other files mean is lost: {RESTORE}");
                self.report.problem(&self.dir.join(MANIFEST), None, "there is none", lost);
                self.unnamed(&files);
            }
            Err(error) => {
                let lost = format!("what the other files mean is lost: {RESTORE}");
                self.report.error(&self.dir.join(MANIFEST), &error, lost);
                self.unnamed(&files);
            }
        }
        let named = std::mem::take(&mut self.named);
        let dir = self.dir.join(SST_DIR);
        self.strangers(&dir, &files, |name| file_number(name).is_some_and(|number| named.contains(&number)));
        Ok(())
    }

    /// Notes what does not belong to the database.
    fn strangers(&mut self, dir: &Path, names: &[String], known: impl Fn(&str) -> bool) {
        for name in names.iter().filter(|name| !known(name)) {
            let left_behind = name == MANIFEST_NEW || name.ends_with(".sst") || name.ends_with(".log");
            let fate = if left_behind { "removed or overwritten when it is opened" } else { "not looked at" };
            let path = dir.join(name);
            self.report.notes.push(format!("orphan: {} is no part of the database; {fate}", path.display()));
        }
    }

    fn levels(&mut self, manifest: &Manifest) {
        for (_, meta) in &manifest.files {
            self.file(meta);
        }
        let deepest = manifest.files.iter().map(|(level, _)| *level).max().unwrap_or(0);
        for level in 1..=deepest {
            let mut files: Vec<_> = manifest.files.iter().filter(|(of, _)| *of == level).collect();
            files.sort_by(|(_, a), (_, b)| a.min.cmp(&b.min));
            for pair in files.windows(2) {
                if let [(_, first), (_, second)] = pair
                    && second.min <= first.max
                {
                    let what = format!(
                        "files {} and {} of level {level} both have {}",
                        file_name(first.number),
                        file_name(second.number),
                        name(&second.min)
                    );
                    self.report.problem(&self.dir.join(MANIFEST), None, what, RESTORE);
                }
            }
        }
    }

    fn file(&mut self, meta: &FileMeta) {
        if !self.named.insert(meta.number) {
            let what = format!("{} is named twice", file_name(meta.number));
            self.report.problem(&self.dir.join(MANIFEST), None, what, RESTORE);
            return;
        }
        let path = self.dir.join(SST_DIR).join(file_name(meta.number));
        self.report.files += 1;
        match Table::open(&self.io, &path, &self.cache, meta.clone(), None) {
            Ok(table) => sorted::check(&Arc::new(table), &mut self.report),
            Err(error) => {
                let first = name(&meta.min);
                let lost = format!("rows from {first} to {} cannot be read: {REPLACE}", name(&meta.max));
                self.report.error(&path, &error, lost);
            }
        }
    }

    /// Without a manifest a file can still be asked whether its two ends are whole.
    fn unnamed(&mut self, names: &[String]) {
        for name in names.iter().filter(|name| file_number(name).is_some()) {
            let path = self.dir.join(SST_DIR).join(name);
            self.report.files += 1;
            let ends = || {
                let opened = self.io.open(&path, OpenMode::Read);
                let file = opened.map_err(|error| Error::io("open", &path, error))?;
                let length = file.len().map_err(|error| Error::io("read", &path, error))?;
                read_ends(&path, &*file, length)
            };
            if let Err(error) = ends() {
                self.report.error(&path, &error, REPLACE);
            }
        }
        self.named.extend(names.iter().filter_map(|name| file_number(name)));
    }

    /// Reads the log as a start does; answers the names of its files that are in use, or ready to be.
    fn log(&mut self, manifest: &Manifest) -> Result<BTreeSet<String>> {
        let size = SegmentSize::new(manifest.segment_size);
        let segments = Segments::new(Arc::clone(&self.io), self.dir.join(WAL_DIR), size);
        let from = manifest.replay_from;
        let first = segments.path(size.segment_of(from));
        let lost = format!("commits after timestamp {} may be lost: {RESTORE}", manifest.timestamp);
        match segments.is_present(size.segment_of(from)) {
            Ok(true) => {}
            Ok(false) => {
                self.report.problem(&first, 0, "it is not the log segment that the manifest names", &*lost)
            }
            Err(error) => self.report.error(&first, &error, &*lost),
        }
        let mut reader = Reader::new(&segments, from, manifest.replay_epoch);
        loop {
            match reader.next() {
                Ok(Some(record)) => self.record(&segments, manifest, &record, &lost),
                Ok(None) => break,
                Err(error) => {
                    self.report.error(&first, &error, &*lost);
                    break;
                }
            }
        }
        let end = reader.lsn;
        self.report.log_bytes = end - from;
        if let Err(error) = reader.check_end() {
            self.report.error(&first, &error, &*lost);
        } else if reader.is_torn().unwrap_or(false) {
            let path = segments.path(size.segment_of(end));
            self.report.notes.push(format!(
                "{} at byte {}: an unfinished record ends the log; of a commit that was never acknowledged, or \
                 of one that was and whose bytes are damaged",
                path.display(),
                size.offset_of(end)
            ));
        }
        let mut used = BTreeSet::new();
        for segment in segments.numbers()? {
            // Older ones wait to be used again.
            if segment < size.segment_of(from) || segments.is_present(segment).unwrap_or(true) {
                let path = segments.path(segment);
                used.extend(path.file_name().map(|name| name.to_string_lossy().into_owned()));
            }
        }
        Ok(used)
    }

    fn record(&mut self, segments: &Segments, manifest: &Manifest, record: &Record<'_>, lost: &str) {
        self.report.records += 1;
        let understood = match record.kind {
            Kind::Trees => take_u64(&mut { record.payload }).is_some(),
            Kind::Commit => match Commit::decode(record.payload) {
                Some((commit, writes)) => {
                    // What is in the files already may have been merged into others.
                    if commit.timestamp > manifest.timestamp {
                        commit.staged.iter().for_each(|meta| self.file(meta));
                    }
                    ops(writes).all(|op| op.is_some())
                }
                None => false,
            },
        };
        if !understood {
            let path = segments.path(segments.size.segment_of(record.lsn));
            let offset = segments.size.offset_of(record.lsn);
            self.report.problem(&path, offset, "a log record of an unknown form", lost);
        }
    }
}
