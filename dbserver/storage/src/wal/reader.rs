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
    /// Epoch of the last record: a record of an older one is what a crash left behind, not a part of the log.
    pub epoch: u32,
    payload: Vec<u8>,
}

/// A valid record.
pub(crate) struct Record<'a> {
    pub kind: Kind,
    /// Its position.
    pub lsn: u64,
    pub payload: &'a [u8],
}

impl<'a> Reader<'a> {
    pub fn new(segments: &'a Segments, lsn: u64) -> Reader<'a> {
        Reader { segments, cached: None, lsn, epoch: 0, payload: Vec::new() }
    }

    /// The next record. `None` at the end of the log, or where it is damaged: see
    /// [`Reader::check_end`].
    pub fn next(&mut self) -> Result<Option<Record<'_>>> {
        let lsn = self.lsn;
        let Some(header) = self.record_at(lsn)? else { return Ok(None) };
        let Some(kind) = Kind::from_byte(header.kind) else { return Ok(None) };
        self.epoch = header.epoch;
        self.lsn = lsn + record::record_bytes(header.length as usize) as u64;
        Ok(Some(Record { kind, lsn, payload: &self.payload }))
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
                self.cached = Some((segment, window, self.segments.read(segment, window * WINDOW, WINDOW)?));
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

    /// The log has no valid record here. Fine, if this is where writing stopped; but if a valid record follows that was
    /// written when this place was durable already, the log is damaged and must not be cut short.
    pub fn check_end(&mut self) -> Result<()> {
        let end = self.lsn;
        let size = self.segments.size;
        let first = size.segment_of(end);
        let last = self.segments.numbers()?.last().copied().unwrap_or(first);
        for segment in first..=last {
            let start = size.start_of(segment);
            let mut window: (usize, Vec<u8>) = (usize::MAX, Vec::new());
            for offset in (0..size.payload() as usize).step_by(ALIGN) {
                if window.0 != offset / WINDOW {
                    let from = offset / WINDOW * WINDOW;
                    let Some(bytes) = self.segments.read(segment, from, WINDOW)? else { break };
                    window = (offset / WINDOW, bytes);
                }
                let lsn = start + offset as u64;
                // The position in the header first: it rules out nearly all places without any work.
                let at = offset % WINDOW;
                let named = window.1.get(at + 8..at + 16).and_then(|bytes| bytes.try_into().ok());
                let near_end = named.is_none();
                if lsn <= end || (!near_end && named.map(u64::from_le_bytes) != Some(lsn)) {
                    continue;
                }
                let Some(header) = self.record_at(lsn)? else { continue };
                if header.batch > end {
                    let path = self.segments.path(first);
                    let got = format!("damage, with valid records after it at position {lsn}");
                    let offset = SEGMENT_HEADER + (end - size.start_of(first));
                    return Err(Error::corrupt(
                        &path,
                        offset,
                        format!("the log record at position {end}"),
                        got,
                    ));
                }
            }
        }
        Ok(())
    }
}
