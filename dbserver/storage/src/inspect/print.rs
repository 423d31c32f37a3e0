//! A file's contents for a person.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use super::read_only::ReadOnly;
use super::sorted::name;
use crate::error::{Error, Result};
use crate::io::{Io, OpenMode};
use crate::manifest::{self, Manifest};
use crate::sst::{self, BlockCache, FileMeta, Table, file_name, read_ends};
use crate::wal::{
    self, Commit, Kind, Reader, Record, SEGMENT_HEADER, Segments, decode_header, ops, take_u64,
};

/// Memory for a file's index and filter.
const CACHE_BYTES: u64 = 16 << 20;
/// Bytes of a value that are shown.
const VALUE_SHOWN: usize = 64;

/// Writes what is in a manifest, a log segment or a sorted file. `entries`: of a sorted file every entry as well.
///
/// # Errors
/// [`Error::Corruption`] and [`Error::UnknownFormat`] where the file is none of these; [`Error::Io`]. What could be read has been
/// written before.
pub fn print(io: &Arc<dyn Io>, path: &Path, entries: bool, out: &mut dyn Write) -> Result<()> {
    let io: Arc<dyn Io> = Arc::new(ReadOnly(Arc::clone(io)));
    let file = io.open(path, OpenMode::Read).map_err(|error| Error::io("open", path, error))?;
    let length = file.len().map_err(|error| Error::io("read", path, error))?;
    let mut head = vec![0; length.min(SEGMENT_HEADER) as usize];
    file.read_at(&mut head, 0).map_err(|error| Error::io("read", path, error))?;
    let mut out = Out { out, path };
    match head.first_chunk::<8>() {
        Some(magic) if magic == manifest::MAGIC => out.manifest(&Manifest::read(&*io, path)?),
        Some(magic) if magic == wal::MAGIC => out.segment(&io, &head),
        Some(magic) if magic == sst::MAGIC => {
            let (number, footer) = read_ends(path, &*file, length)?;
            let meta = FileMeta {
                number,
                bytes: length,
                entries: footer.entries,
                tombstones: footer.tombstones,
                newest: footer.newest,
                ..FileMeta::default()
            };
            let cache = Arc::new(BlockCache::new(CACHE_BYTES));
            out.sorted(&Table::open(&io, path, &cache, meta, None)?, entries)
        }
        _ => Err(Error::corrupt(path, 0, "a manifest, a log segment or a sorted file", "something else")),
    }
}

struct Out<'a> {
    out: &'a mut dyn Write,
    path: &'a Path,
}

impl Out<'_> {
    fn line(&mut self, line: std::fmt::Arguments<'_>) -> Result<()> {
        writeln!(self.out, "{line}").map_err(|error| Error::io("print", self.path, error))
    }

    fn manifest(&mut self, manifest: &Manifest) -> Result<()> {
        let size = wal::SegmentSize::new(manifest.segment_size);
        let replayed = manifest.replay_from;
        self.line(format_args!("manifest"))?;
        self.line(format_args!("opened            {} times", manifest.epoch))?;
        self.line(format_args!("in files          commits up to timestamp {}", manifest.timestamp))?;
        self.line(format_args!(
            "log               from LSN {replayed} of opening {} on: {:016x}.log at byte {}; segments of {} bytes",
            manifest.replay_epoch,
            size.segment_of(replayed),
            size.offset_of(replayed),
            manifest.segment_size
        ))?;
        self.line(format_args!(
            "next              tree {}, file {}",
            manifest.next_tree, manifest.next_file
        ))?;
        for (tree, rows) in &manifest.live {
            self.line(format_args!("tree {:<12} {rows} rows", tree.0))?;
        }
        for tree in &manifest.dropped {
            self.line(format_args!("tree {:<12} dropped", tree.0))?;
        }
        for (level, meta) in &manifest.files {
            self.line(format_args!("level {level}           {}", describe(meta)))?;
        }
        Ok(())
    }

    /// A line for each record that begins in the segment.
    fn segment(&mut self, io: &Arc<dyn Io>, head: &[u8]) -> Result<()> {
        let (number, size) = decode_header(self.path, head)?;
        let dir = self.path.parent().unwrap_or(Path::new("")).to_path_buf();
        let segments = Segments::new(Arc::clone(io), dir, size);
        let (start, end) = (size.start_of(number), size.start_of(number + 1));
        self.line(format_args!(
            "log segment {number}, {} bytes, LSN {start} to {}",
            size.file_bytes(),
            end - 1
        ))?;
        if segments.path(number) != self.path {
            let expected = segments.path(number).display().to_string();
            return Err(Error::corrupt(self.path, 16, format!("the name {expected}"), "another one"));
        }
        let mut reader = Reader::new(&segments, start, 0);
        loop {
            let at = reader.lsn;
            if at < end
                && let Some(record) = reader.next()?
            {
                self.record(size.offset_of(at), &record)?;
                continue;
            }
            // The first bytes may belong to a record that began before; and damage ends the log, but not the curiosity.
            let next = if at < end { reader.find(number, at)? } else { None };
            match next {
                Some(header) => {
                    let (from, to) = (size.offset_of(at), size.offset_of(header.lsn));
                    self.line(format_args!("byte {from} to {to}: no valid record begins here"))?;
                    reader.lsn = header.lsn;
                }
                None if at < end => {
                    return self.line(format_args!("byte {}: no valid record follows", size.offset_of(at)));
                }
                None => return Ok(()),
            }
        }
    }

    fn record(&mut self, offset: u64, record: &Record<'_>) -> Result<()> {
        let what = match record.kind {
            Kind::Trees => take_u64(&mut { record.payload })
                .map(|below| format!("trees: numbers below {below} are taken")),
            Kind::Commit => Commit::decode(record.payload).and_then(|(commit, writes)| {
                let count =
                    ops(writes).map(|op| op.map(|op| u64::from(op.write.is_some()))).sum::<Option<u64>>()?;
                let Commit { timestamp, txn, drops, staged } = commit;
                let mut what = format!("commit: timestamp {timestamp}, transaction {txn}, {count} writes");
                drops.iter().for_each(|tree| what.push_str(&format!(", drops tree {}", tree.0)));
                staged.iter().for_each(|meta| what.push_str(&format!(", staged {}", describe(meta))));
                Some(what)
            }),
        };
        self.line(format_args!(
            "byte {offset}: LSN {}, epoch {}, {}, {}",
            record.lsn,
            record.epoch,
            time(record.wall_us),
            what.as_deref().unwrap_or("nonsense")
        ))
    }

    fn sorted(&mut self, table: &Table, entries: bool) -> Result<()> {
        let footer = &table.footer;
        self.line(format_args!(
            "sorted file {}, {} bytes, {} entries, {} of them deletions, newest {}",
            file_name(table.meta.number),
            table.meta.bytes,
            footer.entries,
            footer.tombstones,
            footer.newest
        ))?;
        self.line(format_args!(
            "index at byte {} ({} bytes), filter at byte {} ({} bytes), {} blocks",
            footer.index.0, footer.index.1, footer.filter.0, footer.filter.1, footer.blocks
        ))?;
        if let Some(timestamp) = table.range_tombstone() {
            self.line(format_args!(
                "range tombstone: for those who see its deletions, all between its keys that was committed up to {timestamp} is gone"
            ))?;
        }
        let guide = table.guide()?;
        for number in 0..guide.blocks() {
            let (Some((offset, bytes)), Some(last)) = (guide.extent(number), guide.last_place(number)) else {
                return Err(Error::corrupt(self.path, footer.index.0, "an index entry", "nonsense"));
            };
            self.line(format_args!(
                "block {number} at byte {offset}, {bytes} bytes, up to {}",
                name(last.user)
            ))?;
            if !entries {
                continue;
            }
            let block = match table.block(&guide, number, true) {
                Ok(block) => block,
                Err(error) => {
                    self.line(format_args!("  {error}"))?;
                    continue;
                }
            };
            for index in 0..block.len() {
                let (Some(place), Some(value)) = (block.place(index), block.value(index)) else { continue };
                let value = match value {
                    None => "deleted".to_owned(),
                    Some(value) => {
                        let shown = value.get(..VALUE_SHOWN).unwrap_or(value);
                        let more = if shown.len() < value.len() { "…" } else { "" };
                        format!("{} bytes \"{}\"{more}", value.len(), shown.escape_ascii())
                    }
                };
                self.line(format_args!("  {} @{}: {value}", name(place.user), !place.inverted))?;
            }
        }
        Ok(())
    }
}

fn describe(meta: &FileMeta) -> String {
    let mut text = format!(
        "{}: {} bytes, {} entries, {} of them deletions, newest {}, {} to {}",
        file_name(meta.number),
        meta.bytes,
        meta.entries,
        meta.tombstones,
        meta.newest,
        name(&meta.min),
        name(&meta.max)
    );
    if let Some(timestamp) = meta.committed {
        text.push_str(&format!(", committed as of {timestamp}"));
    }
    for (from, to) in &meta.discards {
        text.push_str(&format!(", without statements {from} to {to}"));
    }
    text
}

/// Microseconds since 1970 as date and time in UTC (days to date: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
fn time(us: u64) -> String {
    let (days, of_day) = (us / 86_400_000_000, us % 86_400_000_000);
    let shifted = days + 719_468;
    let (era, day) = (shifted / 146_097, shifted % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = era * 400 + year + u64::from(month <= 2);
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let (seconds, micros) = (of_day / 1_000_000, of_day % 1_000_000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{micros:06}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_utc() {
        assert_eq!(time(0), "1970-01-01 00:00:00.000000Z");
        assert_eq!(time(951_782_400_000_001), "2000-02-29 00:00:00.000001Z");
        assert_eq!(time(1_735_689_599_999_999), "2024-12-31 23:59:59.999999Z");
    }
}
