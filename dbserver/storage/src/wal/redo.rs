//! What a transaction's records carry: its writes, one after the other.
//!
//! Writes (after the first two fields of a chunk, or the fields of a commit):
//! ```text
//! 1  tree (u64 big-endian)                       the writes after it are in this tree
//! 2  key length (varint), key, value length (varint), value      put
//! 3  key length (varint), key                                    delete
//! ```
//! A chunk's payload: transaction (u64), index of its first write (u64), writes.
//! A commit's payload: timestamp (u64), transaction (u64), first write's index (u64), dropped trees (varint count, u64
//! each), discarded writes (varint count, from and to as u64 each: rolled back to a savepoint after they were logged),
//! writes.

use crate::key::TreeId;

/// Redo that a transaction gathers before it logs a chunk.
pub(crate) const CHUNK_BYTES: usize = 256 << 10;

const TREE: u8 = 1;
const PUT: u8 = 2;
const DELETE: u8 = 3;

/// Writes not yet logged.
#[derive(Default)]
pub(crate) struct Redo {
    pub bytes: Vec<u8>,
    tree: Option<TreeId>,
    /// Writes so far, logged or not.
    count: u64,
    /// Index of the first write in `bytes`.
    pub first: u64,
    /// Logged writes that were rolled back.
    pub discards: Vec<(u64, u64)>,
}

/// A point to go back to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RedoMark {
    bytes: usize,
    count: u64,
    first: u64,
}

impl Redo {
    pub fn put(&mut self, tree: TreeId, key: &[u8], value: &[u8]) {
        self.switch(tree);
        self.bytes.push(PUT);
        put_bytes(&mut self.bytes, key);
        put_bytes(&mut self.bytes, value);
        self.count += 1;
    }

    pub fn delete(&mut self, tree: TreeId, key: &[u8]) {
        self.switch(tree);
        self.bytes.push(DELETE);
        put_bytes(&mut self.bytes, key);
        self.count += 1;
    }

    fn switch(&mut self, tree: TreeId) {
        if self.tree != Some(tree) {
            self.tree = Some(tree);
            self.bytes.push(TREE);
            self.bytes.extend_from_slice(&tree.0.to_be_bytes());
        }
    }

    /// Whether there is anything to log.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether a part has been logged already.
    pub fn is_streamed(&self) -> bool {
        self.first > 0
    }

    /// Whether a chunk should be logged.
    pub fn is_full(&self) -> bool {
        self.bytes.len() >= CHUNK_BYTES
    }

    /// What was gathered has been logged.
    pub fn logged(&mut self) {
        self.bytes.clear();
        self.tree = None;
        self.first = self.count;
    }

    pub fn mark(&self) -> RedoMark {
        RedoMark { bytes: self.bytes.len(), count: self.count, first: self.first }
    }

    /// Forgets the writes since the mark; those already logged are remembered as discarded.
    pub fn rollback_to(&mut self, mark: RedoMark) {
        if mark.first == self.first {
            self.bytes.truncate(mark.bytes);
            self.count = mark.count;
        } else {
            self.bytes.clear();
            self.count = self.first;
            self.discards.retain(|(from, _)| *from < mark.count);
            self.discards.push((mark.count, self.first));
        }
        self.tree = None;
    }
}

/// The fields of a commit record.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Commit {
    pub timestamp: u64,
    pub txn: u64,
    pub first: u64,
    pub drops: Vec<TreeId>,
    pub discards: Vec<(u64, u64)>,
}

impl Commit {
    pub fn encode(&self, out: &mut Vec<u8>) {
        for field in [self.timestamp, self.txn, self.first] {
            out.extend_from_slice(&field.to_le_bytes());
        }
        put_varint(out, self.drops.len() as u64);
        for tree in &self.drops {
            out.extend_from_slice(&tree.0.to_le_bytes());
        }
        put_varint(out, self.discards.len() as u64);
        for (from, to) in &self.discards {
            out.extend_from_slice(&from.to_le_bytes());
            out.extend_from_slice(&to.to_le_bytes());
        }
    }

    /// Upper bound of the encoded length.
    pub fn encoded_max(&self) -> usize {
        24 + 20 + 8 * self.drops.len() + 16 * self.discards.len()
    }

    /// The fields, and the writes after them.
    pub fn decode(mut bytes: &[u8]) -> Option<(Commit, &[u8])> {
        let timestamp = take_u64(&mut bytes)?;
        let txn = take_u64(&mut bytes)?;
        let first = take_u64(&mut bytes)?;
        let mut drops = Vec::new();
        for _ in 0..take_varint(&mut bytes)? {
            drops.push(TreeId(take_u64(&mut bytes)?));
        }
        let mut discards = Vec::new();
        for _ in 0..take_varint(&mut bytes)? {
            discards.push((take_u64(&mut bytes)?, take_u64(&mut bytes)?));
        }
        Some((Commit { timestamp, txn, first, drops, discards }, bytes))
    }
}

/// One write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Op<'a> {
    pub tree: TreeId,
    pub key: &'a [u8],
    /// `None`: a delete.
    pub value: Option<&'a [u8]>,
}

/// The writes in order; an item is `None` where the bytes make no sense, and the last then.
pub(crate) fn ops(mut bytes: &[u8]) -> impl Iterator<Item = Option<Op<'_>>> {
    let mut tree = None;
    std::iter::from_fn(move || {
        if bytes.is_empty() {
            return None;
        }
        let op = next_op(&mut bytes, &mut tree);
        if op.is_none() {
            bytes = &[];
        }
        Some(op)
    })
}

fn next_op<'a>(bytes: &mut &'a [u8], tree: &mut Option<TreeId>) -> Option<Op<'a>> {
    loop {
        let (tag, rest) = bytes.split_first()?;
        *bytes = rest;
        match *tag {
            TREE => {
                let (number, rest) = bytes.split_first_chunk::<8>()?;
                *tree = Some(TreeId(u64::from_be_bytes(*number)));
                *bytes = rest;
            }
            PUT => {
                let key = take_bytes(bytes)?;
                let value = take_bytes(bytes)?;
                return Some(Op { tree: (*tree)?, key, value: Some(value) });
            }
            DELETE => return Some(Op { tree: (*tree)?, key: take_bytes(bytes)?, value: None }),
            _ => return None,
        }
    }
}

pub(crate) fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number as u8 & 0x7f) | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

pub(crate) fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn take_bytes<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(take_varint(bytes)?).ok()?;
    let (taken, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(taken)
}

pub(crate) fn take_u64(bytes: &mut &[u8]) -> Option<u64> {
    let (number, rest) = bytes.split_first_chunk::<8>()?;
    *bytes = rest;
    Some(u64::from_le_bytes(*number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_read_back_in_order() {
        let mut redo = Redo::default();
        redo.put(TreeId(7), b"a", b"1");
        redo.put(TreeId(7), &[b'k'; 300], &[b'v'; 70_000]);
        redo.delete(TreeId(8), b"");
        let read: Vec<_> = ops(&redo.bytes).collect();
        assert_eq!(read.len(), 3);
        assert_eq!(read[0], Some(Op { tree: TreeId(7), key: b"a", value: Some(b"1") }));
        assert_eq!(read[1].unwrap().value.unwrap().len(), 70_000);
        assert_eq!(read[2], Some(Op { tree: TreeId(8), key: b"", value: None }));
        for cut in 1..20 {
            assert!(ops(&redo.bytes[..cut]).count() <= 2, "a cut is noticed, not a panic");
        }
    }

    #[test]
    fn rolling_back_discards_what_was_logged_and_forgets_the_rest() {
        let mut redo = Redo::default();
        redo.put(TreeId(1), b"a", b"");
        let mark = redo.mark();
        redo.put(TreeId(1), b"b", b"");
        redo.rollback_to(mark);
        assert_eq!(ops(&redo.bytes).count(), 1);
        redo.logged();
        let mark = redo.mark();
        redo.put(TreeId(1), b"c", b"");
        redo.logged();
        redo.put(TreeId(1), b"d", b"");
        redo.rollback_to(mark);
        assert!(redo.bytes.is_empty());
        assert_eq!(redo.discards, [(1, 2)]);
        redo.put(TreeId(1), b"e", b"");
        assert_eq!(redo.first, 2);
    }

    #[test]
    fn a_commit_reads_back() {
        let commit = Commit {
            timestamp: 5,
            txn: 6,
            first: 7,
            drops: vec![TreeId(8), TreeId(9)],
            discards: vec![(1, 2), (4, 6)],
        };
        let mut bytes = Vec::new();
        commit.encode(&mut bytes);
        assert!(bytes.len() <= commit.encoded_max());
        bytes.extend_from_slice(b"rest");
        assert_eq!(Commit::decode(&bytes), Some((commit, &b"rest"[..])));
        assert_eq!(Commit::decode(&bytes[..30]), None);
    }
}
