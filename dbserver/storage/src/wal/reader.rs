//! Reading the log back, and telling its end from damage.

use super::record::{self, ALIGN, HEADER, Header, Kind, PAYLOAD_MAX};
use super::segment::{SEGMENT_HEADER, Segments};
use crate::error::{Error, Result};

/// Bytes read at a time: a whole segment would be most of an idle server's memory.
const WINDOW: usize = 1 << 20;

/// Goes over the records from a position on.
pub(crate) struct Reader<'a> {
    segments: &'a Segments,
    /// The window read last: its segment, its number there, and its bytes.
    cached: Option<(u64, usize, Option<Vec<u8>>)>,
    /// Position of the next record.
    pub lsn: u64,
    /// Epoch of the last record, or of whoever wrote up to here: a record of an older one is what a crash left behind, not a part
    /// of the log.
    pub epoch: u32,
    /// Where the batch of the last record begins.
    pub batch: u64,
    payload: Vec<u8>,
    /// Reads segments whatever their headers say: to find out whether one without was in use.
    raw: bool,
}

/// A valid record.
pub(crate) struct Record<'a> {
    pub kind: Kind,
    /// Its position.
    pub lsn: u64,
    /// When it was written, microseconds since 1970.
    pub wall_us: u64,
    pub epoch: u32,
    pub payload: &'a [u8],
}

impl<'a> Reader<'a> {
    /// From a position on, behind which nothing was written before this epoch.
    pub fn new(segments: &'a Segments, lsn: u64, epoch: u32) -> Reader<'a> {
        Reader { segments, cached: None, lsn, epoch, batch: lsn, payload: Vec::new(), raw: false }
    }

    /// The next record. `None` at the end of the log, or where it is damaged: see
    /// [`Reader::check_end`].
    pub fn next(&mut self) -> Result<Option<Record<'_>>> {
        let lsn = self.lsn;
        let Some(header) = self.record_at(lsn)? else { return Ok(None) };
        let Some(kind) = Kind::from_byte(header.kind) else { return Ok(None) };
        self.epoch = header.epoch;
        self.batch = header.batch;
        self.lsn = lsn + record::record_bytes(header.length as usize) as u64;
        let Header { wall_us, epoch, .. } = header;
        Ok(Some(Record { kind, lsn, wall_us, epoch, payload: &self.payload }))
    }

    /// The record is valid in itself, and not older than the ones before it.
    fn record_at(&mut self, lsn: u64) -> Result<Option<Header>> {
        let mut bytes = [0; HEADER];
        if !self.read(lsn, &mut bytes)? {
            return Ok(None);
        }
        let header = Header::decode(&bytes);
        let length = header.length as usize;
        if header.lsn != lsn || header.epoch < self.epoch || length > PAYLOAD_MAX {
            return Ok(None);
        }
        let mut payload = std::mem::take(&mut self.payload);
        // A damaged length must not make us allocate what the log cannot hold: grow as the bytes are found.
        payload.clear();
        let mut complete = true;
        while complete && payload.len() < length {
            let from = payload.len();
            payload.resize(length.min(from + (1 << 20)), 0);
            complete =
                self.read(lsn + (HEADER + from) as u64, payload.get_mut(from..).unwrap_or_default())?;
        }
        self.payload = payload;
        let valid = complete && record::checksum(&bytes, &self.payload) == header.crc;
        Ok(valid.then_some(header))
    }

    /// Fills the buffer from the log; false where that is beyond the segments there are.
    fn read(&mut self, mut lsn: u64, mut buffer: &mut [u8]) -> Result<bool> {
        let size = self.segments.size;
        while !buffer.is_empty() {
            let segment = size.segment_of(lsn);
            let offset = (lsn - size.start_of(segment)) as usize;
            let window = offset / WINDOW;
            if self.cached.as_ref().is_none_or(|(s, w, _)| (*s, *w) != (segment, window)) {
                self.cached = Some((segment, window, self.window(segment, window)?));
            }
            let Some((_, _, Some(bytes))) = &self.cached else { return Ok(false) };
            let available = bytes.get(offset % WINDOW..).unwrap_or_default();
            let length = available.len().min(buffer.len());
            if length == 0 {
                return Ok(false);
            }
            let Some((to, rest)) = buffer.split_at_mut_checked(length) else { return Ok(false) };
            to.iter_mut().zip(available).for_each(|(to, from)| *to = *from);
            buffer = rest;
            lsn += length as u64;
        }
        Ok(true)
    }

    fn window(&self, segment: u64, window: usize) -> Result<Option<Vec<u8>>> {
        let from = window * WINDOW;
        if self.raw {
            return self.segments.read_raw(segment, from, WINDOW);
        }
        self.segments.read(segment, from, WINDOW)
    }

    /// Whether a record was begun here that is not valid: the torn tail of the log's last batch.
    pub fn is_torn(&mut self) -> Result<bool> {
        let mut bytes = [0; HEADER];
        if !self.read(self.lsn, &mut bytes)? {
            return Ok(false);
        }
        let header = Header::decode(&bytes);
        Ok(header.lsn == self.lsn && header.epoch >= self.epoch)
    }

    /// The first valid record of a segment that begins at or after a position, and the header of it.
    pub fn find(&mut self, segment: u64, from: u64) -> Result<Option<Header>> {
        let size = self.segments.size;
        let start = size.start_of(segment);
        let first = from.saturating_sub(start) as usize;
        let mut window: (usize, Option<Vec<u8>>) = (usize::MAX, None);
        for offset in (first..size.payload() as usize).step_by(ALIGN) {
            let (number, at) = (offset / WINDOW, offset % WINDOW);
            if window.0 != number {
                window = (number, self.window(segment, number)?);
            }
            let Some(bytes) = &window.1 else { return Ok(None) };
            // The position in the header first: it rules out nearly all places without any work.
            let lsn = start + offset as u64;
            let named = bytes.get(at + 8..at + 16).and_then(|bytes| bytes.try_into().ok());
            if named.is_some_and(|named| u64::from_le_bytes(named) != lsn) || at > bytes.len() {
                continue;
            }
            if let Some(header) = self.record_at(lsn)? {
                return Ok(Some(header));
            }
        }
        Ok(None)
    }

    fn set_raw(&mut self, raw: bool) {
        if self.raw != raw {
            self.raw = raw;
            self.cached = None;
        }
    }

    /// The log has no valid record here. Fine, if this is where writing stopped; but if a valid record follows that was
    /// written when this place was durable already, or in a file that is no segment (it was one when the record was written),
    /// the log is damaged and must not be cut short.
    pub fn check_end(&mut self) -> Result<()> {
        let (end, size) = (self.lsn, self.segments.size);
        let first = size.segment_of(end);
        let last = self.segments.numbers()?.last().copied().unwrap_or(first);
        for segment in first..=last {
            self.set_raw(!self.segments.is_present(segment)?);
            let mut from = end.max(size.start_of(segment));
            while let Some(header) = self.find(segment, from)? {
                let got = format!("damage, with valid records after it at position {}", header.lsn);
                if self.raw {
                    let expected = format!("the header of a log segment of {} bytes", size.file_bytes());
                    return Err(Error::corrupt(&self.segments.path(segment), 0, expected, got));
                }
                if header.batch > end {
                    let expected = format!("the log record at position {end}");
                    let offset = SEGMENT_HEADER + (end - size.start_of(first));
                    return Err(Error::corrupt(&self.segments.path(first), offset, expected, got));
                }
                from = header.lsn + ALIGN as u64;
            }
        }
        self.set_raw(false);
        Ok(())
    }
}
