//! Keys, values and batches of rows: plain bytes, kept small because there are millions of them.

use std::borrow::Borrow;
use std::ops::Deref;
use std::sync::Arc;

/// Bytes that fit inside a [`Key`] or [`Value`] without an allocation.
const INLINE_MAX: usize = 22;

/// The name of one ordered map of rows: a table's primary storage or one of its indexes. Never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TreeId(pub u64);

/// A row's key inside its tree: up to 22 bytes in place, longer ones on the heap; 24 bytes in all.
#[derive(Clone)]
pub struct Key(KeyRepr);

#[derive(Clone)]
enum KeyRepr {
    Inline { len: u8, bytes: [u8; INLINE_MAX] },
    Heap(Box<[u8]>),
}

/// A row's value: up to 22 bytes in place, longer ones shared, so that a clone never copies them; 24 bytes in all.
#[derive(Clone)]
pub struct Value(ValueRepr);

#[derive(Clone)]
enum ValueRepr {
    Inline { len: u8, bytes: [u8; INLINE_MAX] },
    Heap(Arc<[u8]>),
}

/// The bytes as an inline array, where they fit.
fn inline(bytes: &[u8]) -> Option<(u8, [u8; INLINE_MAX])> {
    let mut array = [0; INLINE_MAX];
    array.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some((u8::try_from(bytes.len()).ok()?, array))
}

impl Key {
    /// Copies the bytes.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Key {
        match inline(bytes) {
            Some((len, bytes)) => Key(KeyRepr::Inline { len, bytes }),
            None => Key(KeyRepr::Heap(bytes.into())),
        }
    }

    /// Heap bytes beside the 24 of the key itself.
    pub(crate) fn heap_bytes(&self) -> usize {
        match &self.0 {
            KeyRepr::Inline { .. } => 0,
            KeyRepr::Heap(bytes) => bytes.len(),
        }
    }
}

impl Value {
    /// Copies the bytes.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Value {
        match inline(bytes) {
            Some((len, bytes)) => Value(ValueRepr::Inline { len, bytes }),
            None => Value(ValueRepr::Heap(bytes.into())),
        }
    }

    /// Heap bytes beside the 24 of the value itself: the counts of the shared allocation, then the bytes.
    pub(crate) fn heap_bytes(&self) -> usize {
        match &self.0 {
            ValueRepr::Inline { .. } => 0,
            ValueRepr::Heap(bytes) => bytes.len() + 16,
        }
    }
}

impl Deref for Key {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        match &self.0 {
            KeyRepr::Inline { len, bytes } => bytes.get(..usize::from(*len)).unwrap_or_default(),
            KeyRepr::Heap(bytes) => bytes,
        }
    }
}

impl Deref for Value {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        match &self.0 {
            ValueRepr::Inline { len, bytes } => bytes.get(..usize::from(*len)).unwrap_or_default(),
            ValueRepr::Heap(bytes) => bytes,
        }
    }
}

macro_rules! bytes_like {
    ($type:ident) => {
        impl AsRef<[u8]> for $type {
            fn as_ref(&self) -> &[u8] {
                self
            }
        }
        impl Borrow<[u8]> for $type {
            fn borrow(&self) -> &[u8] {
                self
            }
        }
        impl From<&[u8]> for $type {
            fn from(bytes: &[u8]) -> $type {
                $type::new(bytes)
            }
        }
        impl PartialEq for $type {
            fn eq(&self, other: &$type) -> bool {
                **self == **other
            }
        }
        impl Eq for $type {}
        impl PartialOrd for $type {
            fn partial_cmp(&self, other: &$type) -> Option<std::cmp::Ordering> {
                Some(self.cmp(other))
            }
        }
        impl Ord for $type {
            fn cmp(&self, other: &$type) -> std::cmp::Ordering {
                (**self).cmp(&**other)
            }
        }
        impl std::hash::Hash for $type {
            fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
                (**self).hash(state);
            }
        }
        impl std::fmt::Debug for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}", self.escape_ascii())
            }
        }
    };
}
bytes_like!(Key);
bytes_like!(Value);

/// Rows side by side in one buffer: what a scan fills and a bulk load takes, without an allocation per row.
#[derive(Debug, Clone, Default)]
pub struct RowBuffer {
    bytes: Vec<u8>,
    /// End of each row's key and of its value in `bytes`; a row begins where the one before it ends.
    ends: Vec<(u32, u32)>,
}

impl RowBuffer {
    /// Most bytes that a buffer holds; [`RowBuffer::push`] answers false beyond.
    pub const BYTES_MAX: usize = u32::MAX as usize;

    /// An empty buffer.
    #[must_use]
    pub fn new() -> RowBuffer {
        RowBuffer::default()
    }

    /// Forgets the rows and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    /// Appends a row; false, and nothing done, where it would pass [`RowBuffer::BYTES_MAX`].
    pub fn push(&mut self, key: &[u8], value: &[u8]) -> bool {
        let key_end = self.bytes.len() + key.len();
        let value_end = key_end + value.len();
        let (Ok(key_end), Ok(value_end)) = (u32::try_from(key_end), u32::try_from(value_end)) else {
            return false;
        };
        self.bytes.extend_from_slice(key);
        self.bytes.extend_from_slice(value);
        self.ends.push((key_end, value_end));
        true
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Bytes of all keys and values.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The row at `index`: key and value.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<(&[u8], &[u8])> {
        let (key_end, value_end) = *self.ends.get(index)?;
        let start = match index.checked_sub(1) {
            Some(before) => self.ends.get(before)?.1,
            None => 0,
        };
        let key = self.bytes.get(start as usize..key_end as usize)?;
        let value = self.bytes.get(key_end as usize..value_end as usize)?;
        Some((key, value))
    }

    /// The same rows in the order of their keys.
    #[must_use]
    pub fn sorted(&self) -> RowBuffer {
        let mut order: Vec<usize> = (0..self.len()).collect();
        order.sort_unstable_by_key(|index| self.get(*index));
        let mut sorted = RowBuffer {
            bytes: Vec::with_capacity(self.bytes.len()),
            ends: Vec::with_capacity(self.ends.len()),
        };
        for (key, value) in order.into_iter().filter_map(|index| self.get(index)) {
            sorted.push(key, value);
        }
        sorted
    }

    /// The rows in order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        (0..self.len()).filter_map(|index| self.get(index))
    }
}

/// Bounds on keys, as bytes.
#[derive(Debug, Clone)]
pub struct KeyRange {
    /// Where the range begins.
    pub lower: std::ops::Bound<Key>,
    /// Where it ends.
    pub upper: std::ops::Bound<Key>,
}

impl KeyRange {
    /// Every key.
    #[must_use]
    pub fn all() -> KeyRange {
        KeyRange { lower: std::ops::Bound::Unbounded, upper: std::ops::Bound::Unbounded }
    }

    /// Every key that starts with the prefix.
    #[must_use]
    pub fn prefix(prefix: &[u8]) -> KeyRange {
        let mut end = prefix.to_vec();
        let upper = loop {
            match end.pop() {
                None => break std::ops::Bound::Unbounded,
                Some(255) => {}
                Some(byte) => {
                    end.push(byte + 1);
                    break std::ops::Bound::Excluded(Key::new(&end));
                }
            }
        };
        KeyRange { lower: std::ops::Bound::Included(Key::new(prefix)), upper }
    }

    /// From `lower` (inclusive) to `upper` (exclusive).
    #[must_use]
    pub fn half_open(lower: &[u8], upper: &[u8]) -> KeyRange {
        KeyRange {
            lower: std::ops::Bound::Included(Key::new(lower)),
            upper: std::ops::Bound::Excluded(Key::new(upper)),
        }
    }
}

/// Which way a scan goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Ascending keys.
    Forward,
    /// Descending keys.
    Backward,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_values_are_24_bytes_and_keep_any_length() {
        assert_eq!(std::mem::size_of::<Key>(), 24);
        assert_eq!(std::mem::size_of::<Value>(), 24);
        for len in [0, 1, 21, 22, 23, 24, 1000] {
            let bytes: Vec<u8> = (0..len).map(|i| i as u8).collect();
            assert_eq!(&*Key::new(&bytes), &bytes[..]);
            assert_eq!(&*Value::new(&bytes), &bytes[..]);
        }
    }

    #[test]
    fn keys_order_as_their_bytes() {
        let mut keys =
            [&b"b"[..], b"", b"aa", b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", b"a\xff", b"a\0"].map(Key::new);
        keys.sort();
        assert!(keys.windows(2).all(|pair| pair[0][..] < pair[1][..]));
    }

    #[test]
    fn prefix_range_ends_after_the_last_key_with_it() {
        use std::ops::Bound;
        assert_eq!(KeyRange::prefix(b"ab").upper, Bound::Excluded(Key::new(b"ac")));
        assert_eq!(KeyRange::prefix(b"a\xff").upper, Bound::Excluded(Key::new(b"b")));
        assert_eq!(KeyRange::prefix(b"\xff\xff").upper, Bound::Unbounded);
        assert_eq!(KeyRange::prefix(b"").upper, Bound::Unbounded);
    }

    #[test]
    fn row_buffer_returns_rows_in_order() {
        let mut buffer = RowBuffer::new();
        assert!(buffer.push(b"a", b"1") && buffer.push(b"", b"") && buffer.push(b"ccc", b"333"));
        let rows: Vec<_> = buffer.iter().collect();
        assert_eq!(rows, [(&b"a"[..], &b"1"[..]), (b"", b""), (b"ccc", b"333")]);
        assert_eq!(buffer.get(3), None);
    }
}
