//! Four bytes of every key of a node, side by side: where a key belongs is mostly decided without touching the keys.
//!
//! All keys of a node share their first `skip` bytes; a key's head is the next four, as a big-endian number, with zeros
//! where the key is shorter. Heads order as their keys do, up to ties, which the keys themselves decide.

use std::cmp::Ordering;

use crate::key::{Key, TreeId};

/// Something with a key.
pub(crate) trait Keyed {
    fn key(&self) -> &[u8];
}

impl Keyed for Key {
    fn key(&self) -> &[u8] {
        self
    }
}

impl Keyed for &Key {
    fn key(&self) -> &[u8] {
        self
    }
}

impl Keyed for &[u8] {
    fn key(&self) -> &[u8] {
        self
    }
}

impl Keyed for (TreeId, Key) {
    fn key(&self) -> &[u8] {
        &self.1
    }
}

/// The heads of a node's keys, which lie in a sorted slice beside it.
#[derive(Default)]
pub(crate) struct Heads {
    skip: usize,
    heads: Vec<u32>,
}

fn head(key: &[u8], skip: usize) -> u32 {
    let rest = key.get(skip..).unwrap_or_default();
    match rest.first_chunk::<4>() {
        Some(bytes) => u32::from_be_bytes(*bytes),
        None => rest.iter().zip([24, 16, 8]).map(|(byte, shift)| u32::from(*byte) << shift).sum(),
    }
}

fn common(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

impl Heads {
    /// Of these keys.
    pub fn of<T: Keyed>(items: &[T]) -> Heads {
        let skip = match items {
            [] => 0,
            // A neighbour will differ near the end.
            [only] => only.key().len().saturating_sub(4),
            [first, .., last] => common(first.key(), last.key()),
        };
        let mut heads = Vec::with_capacity(items.len());
        heads.extend(items.iter().map(|item| head(item.key(), skip)));
        Heads { skip, heads }
    }

    /// The keys now have one more, at the index.
    pub fn inserted<T: Keyed>(&mut self, items: &[T], index: usize) {
        let (Some(first), Some(last), Some(new)) = (items.first(), items.last(), items.get(index)) else {
            return;
        };
        if common(first.key(), last.key()) < self.skip {
            *self = Heads::of(items);
        } else {
            self.heads.insert(index, head(new.key(), self.skip));
        }
    }

    /// The keys have one less; what the others share can only have grown.
    pub fn removed(&mut self, index: usize) {
        self.heads.remove(index);
    }

    /// The indexes whose heads are that of the key.
    fn ties(&self, key: &[u8]) -> (usize, usize) {
        let wanted = head(key, self.skip);
        // A binary search without branches over four cache lines: a quarter of the instructions of counting all heads.
        let below = self.heads.partition_point(|head| *head < wanted);
        let rest = self.heads.get(below..).unwrap_or_default();
        let same = rest.iter().take_while(|head| **head == wanted).count();
        (below, below + same)
    }

    /// Index of the key, where it is one of the items.
    pub fn find<T: Keyed>(&self, items: &[T], key: &[u8]) -> Option<usize> {
        // If the key is there, it shares what all share; if not, it is found to be different in the end.
        let (below, upto) = self.ties(key);
        let ties = items.get(below..upto)?;
        ties.binary_search_by(|item| item.key().cmp(key)).ok().map(|index| below + index)
    }

    /// How many items have a smaller key.
    pub fn before<T: Keyed>(&self, items: &[T], key: &[u8]) -> usize {
        self.place(items, key, |item| item < key)
    }

    /// How many items have a smaller key, or this one.
    pub fn after<T: Keyed>(&self, items: &[T], key: &[u8]) -> usize {
        self.place(items, key, |item| item <= key)
    }

    fn place<T: Keyed>(&self, items: &[T], key: &[u8], is_before: impl Fn(&[u8]) -> bool) -> usize {
        let Some(first) = items.first() else { return 0 };
        if self.skip > 0 {
            let shared = first.key().get(..self.skip).unwrap_or_default();
            let start = key.get(..self.skip.min(key.len())).unwrap_or_default();
            match start.cmp(shared) {
                Ordering::Less => return 0,
                Ordering::Greater => return items.len(),
                Ordering::Equal => {}
            }
        }
        let (below, upto) = self.ties(key);
        let ties = items.get(below..upto).unwrap_or_default();
        below + ties.partition_point(|item| is_before(item.key()))
    }
}

#[cfg(test)]
mod tests {
    use rand::prelude::*;

    use super::*;

    #[test]
    fn places_are_those_of_a_plain_search() {
        let mut rng = StdRng::seed_from_u64(1);
        for round in 0..2_000 {
            // Few letters and lengths, so that prefixes, ties and keys that are prefixes of others are common.
            let mut key = || {
                let mut key = vec![b'p'; round % 7];
                key.extend((0..rng.random_range(0..9)).map(|_| rng.random_range(0..3u8)));
                Key::new(&key)
            };
            let mut items: Vec<Key> = Vec::new();
            let mut heads = Heads::default();
            for _ in 0..round % 30 {
                let key = key();
                let index = heads.before(&items, &key);
                assert_eq!(index, items.partition_point(|item| *item < key));
                if items.get(index) != Some(&key) {
                    items.insert(index, key);
                    heads.inserted(&items, index);
                }
            }
            if items.len() > 3 {
                items.remove(1);
                heads.removed(1);
            }
            for _ in 0..20 {
                let key = key();
                assert_eq!(heads.find(&items, &key), items.binary_search(&key).ok());
                assert_eq!(heads.after(&items, &key), items.partition_point(|item| *item <= key));
            }
            assert!(items.iter().enumerate().all(|(index, key)| heads.find(&items, key) == Some(index)));
        }
    }
}
