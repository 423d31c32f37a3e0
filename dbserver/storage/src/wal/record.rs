//! A log record: 40 bytes of header, the payload, zeros up to a multiple of 8.
//!
//! ```text
//!  0  u32  CRC-32C of everything after it, header and payload
//!  4  u32  length of the payload
//!  8  u64  LSN: this record's own position
//! 16  u64  LSN where its batch begins: everything before was durable when this was written
//! 24  u64  wall clock, microseconds since 1970
//! 32  u32  epoch: how many times the directory was opened before
//! 36  u8   kind
//! 37  3    zero
//! ```
//! All numbers are little-endian.

/// Bytes of the header.
pub(crate) const HEADER: usize = 40;
/// Records begin at multiples of this.
pub(crate) const ALIGN: usize = 8;
/// Longest payload: the longest value, what a transaction may write before it, and the names of its staged files.
pub(crate) const PAYLOAD_MAX: usize = crate::engine::VALUE_MAX + (256 << 20);

/// What a record says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A transaction committed; carries its writes, and names the files with those that had become too many.
    Commit = 1,
    /// Tree numbers below this are spoken for.
    Trees = 3,
}

impl Kind {
    pub fn from_byte(byte: u8) -> Option<Kind> {
        [Kind::Commit, Kind::Trees].into_iter().find(|kind| *kind as u8 == byte)
    }
}

/// A header's fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub crc: u32,
    pub length: u32,
    pub lsn: u64,
    pub batch: u64,
    pub wall_us: u64,
    pub epoch: u32,
    pub kind: u8,
}

impl Header {
    /// Reads the fields; whether they make sense is for the caller to say.
    pub fn decode(bytes: &[u8; HEADER]) -> Header {
        let [c0, c1, c2, c3, l0, l1, l2, l3, rest @ ..] = *bytes;
        let (words, _) = rest.as_chunks::<8>();
        let word = |index: usize| words.get(index).map_or(0, |word| u64::from_le_bytes(*word));
        let tail = word(3);
        Header {
            crc: u32::from_le_bytes([c0, c1, c2, c3]),
            length: u32::from_le_bytes([l0, l1, l2, l3]),
            lsn: word(0),
            batch: word(1),
            wall_us: word(2),
            epoch: (tail & 0xffff_ffff) as u32,
            kind: ((tail >> 32) & 0xff) as u8,
        }
    }
}

/// Bytes that a record with this payload takes in the log.
pub(crate) fn record_bytes(payload: usize) -> usize {
    (HEADER + payload).next_multiple_of(ALIGN)
}

/// Appends a record whose payload `fill` appends.
pub(crate) fn append(
    log: &mut Vec<u8>,
    kind: Kind,
    position: (u64, u64),
    wall_us: u64,
    epoch: u32,
    fill: impl FnOnce(&mut Vec<u8>),
) {
    let start = log.len();
    let (lsn, batch) = position;
    log.extend_from_slice(&[0; 8]);
    log.extend_from_slice(&lsn.to_le_bytes());
    log.extend_from_slice(&batch.to_le_bytes());
    log.extend_from_slice(&wall_us.to_le_bytes());
    log.extend_from_slice(&epoch.to_le_bytes());
    log.extend_from_slice(&[kind as u8, 0, 0, 0]);
    fill(log);
    let length = (log.len() - start - HEADER) as u32;
    if let Some(place) = log.get_mut(start + 4..start + 8) {
        place.copy_from_slice(&length.to_le_bytes());
    }
    let crc = crc32c::crc32c(log.get(start + 4..).unwrap_or_default());
    if let Some(place) = log.get_mut(start..start + 4) {
        place.copy_from_slice(&crc.to_le_bytes());
    }
    log.resize(start + record_bytes(length as usize), 0);
}

/// The checksum of a header and its payload.
pub(crate) fn checksum(header: &[u8; HEADER], payload: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(header.get(4..).unwrap_or_default()), payload)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_back_and_any_flipped_bit_shows() {
        let mut log = Vec::new();
        append(&mut log, Kind::Trees, (4096, 4000), 123_456, 7, |log| log.extend_from_slice(b"hello"));
        assert_eq!(log.len(), record_bytes(5));
        let read = |log: &[u8]| {
            let header: [u8; HEADER] = log[..HEADER].try_into().unwrap();
            let fields = Header::decode(&header);
            (fields, checksum(&header, &log[HEADER..HEADER + 5]) == fields.crc)
        };
        let (header, valid) = read(&log);
        assert!(valid);
        let expected = Header {
            crc: header.crc,
            length: 5,
            lsn: 4096,
            batch: 4000,
            wall_us: 123_456,
            epoch: 7,
            kind: Kind::Trees as u8,
        };
        assert_eq!(header, expected);
        for bit in 0..(HEADER + 5) * 8 {
            log[bit / 8] ^= 1 << (bit % 8);
            assert!(!read(&log).1, "bit {bit}");
            log[bit / 8] ^= 1 << (bit % 8);
        }
    }
}
