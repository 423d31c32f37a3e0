//! A B+-tree of rows: keys and row heads side by side in leaves of 64, no parent or sibling links, all safe code.
//!
//! What a lookup costs is the cache lines it touches. A binary search over 64 rows touches six; instead each node keeps
//! four bytes of every key, after the prefix that all its keys share, in an array of its own ([`Heads`]): two or three
//! lines tell where the key must be, and one row is looked at.
//!
//! Rows that arrive in order leave full leaves behind (a split at the right edge opens an empty leaf instead of halving
//! the full one), so that a bulk load takes no more memory than its rows.

use std::ops::Bound;

use super::chain::Version;
use super::heads::{Heads, Keyed};
use crate::key::{Direction, Key};
use crate::sync::atomic::AtomicBool;

/// Rows of a leaf.
const LEAF_MAX: usize = 64;
/// Children of an inner node.
const INNER_MAX: usize = 64;

/// A key and its newest version: 72 bytes.
pub(crate) struct Row {
    /// The key.
    pub key: Key,
    /// The newest version, with the older ones behind it. The newest committed one is always among them, or
    /// [`super::Cell::InFiles`] in its place; older ones may be in files only.
    pub head: Version,
    /// Whether any file may have a version of the row: then its deletion has to reach a file as well.
    pub in_files: AtomicBool,
}

impl Row {
    /// A row with one version.
    pub fn new(key: &[u8], head: Version, in_files: bool) -> Row {
        Row { key: Key::new(key), head, in_files: AtomicBool::new(in_files) }
    }
}

/// The map.
pub(crate) struct BTree {
    root: Node,
}

enum Node {
    Leaf(Leaf),
    Inner(Inner),
}

#[derive(Default)]
struct Leaf {
    heads: Heads,
    rows: Vec<Row>,
}

struct Inner {
    /// Of the separators.
    heads: Heads,
    /// `keys[i]` is not above any key below `children[i + 1]`, and above all below `children[i]`.
    keys: Vec<Key>,
    children: Vec<Node>,
}

/// A node's new right sibling and the key that parts them.
type Split = Option<(Key, Node)>;

/// What to do at a key: with the row that is there, or to get one to be added.
type InsertOr<'a> = dyn FnMut(Option<&mut Row>) -> Option<Row> + 'a;

impl Keyed for Row {
    fn key(&self) -> &[u8] {
        &self.key
    }
}

impl Default for BTree {
    fn default() -> BTree {
        BTree { root: Node::Leaf(Leaf::default()) }
    }
}

impl BTree {
    /// The row of a key.
    pub fn get(&self, key: &[u8]) -> Option<&Row> {
        let mut node = &self.root;
        loop {
            match node {
                Node::Inner(inner) => node = inner.children.get(inner.child_of(key))?,
                Node::Leaf(leaf) => {
                    let index = leaf.heads.find(&leaf.rows, key)?;
                    return leaf.rows.get(index);
                }
            }
        }
    }

    /// The row of a key, to change its versions.
    pub fn get_mut(&mut self, key: &[u8]) -> Option<&mut Row> {
        let mut node = &mut self.root;
        loop {
            match node {
                Node::Inner(inner) => {
                    let child = inner.child_of(key);
                    node = inner.children.get_mut(child)?;
                }
                Node::Leaf(leaf) => {
                    let index = leaf.heads.find(&leaf.rows, key)?;
                    return leaf.rows.get_mut(index);
                }
            }
        }
    }

    /// Calls `each` with every row of these keys, which ascend, and the index of its key.
    pub fn get_all<K: Keyed>(&self, keys: &[K], each: &mut impl FnMut(usize, &Row)) {
        self.root.get_all(keys, 0, each);
    }

    /// Adds a row, or replaces the one of the same key.
    pub fn insert(&mut self, row: Row) {
        let key = row.key.clone();
        let mut row = Some(row);
        self.insert_or(&key, &mut |place| match place {
            None => row.take(),
            Some(place) => {
                if let Some(row) = row.take() {
                    *place = row;
                }
                None
            }
        });
    }

    /// Adds the row that `make` gives, where the key has none. Answers whether it had none.
    pub fn insert_missing(&mut self, key: &[u8], make: impl FnOnce() -> Row) -> bool {
        let mut make = Some(make);
        self.insert_or(key, &mut |place| if place.is_none() { make.take().map(|make| make()) } else { None });
        make.is_none()
    }

    /// Calls `row` with the row of the key, or with none to get one to be added.
    pub fn insert_or(&mut self, key: &[u8], row: &mut InsertOr<'_>) {
        if let Some((key, right)) = self.root.insert(key, row, true) {
            let left = std::mem::replace(&mut self.root, Node::Leaf(Leaf::default()));
            self.root = Node::Inner(Inner::new(vec![key], vec![left, right]));
        }
    }

    /// Removes a row.
    pub fn remove(&mut self, key: &[u8]) -> Option<Row> {
        let removed = self.root.remove(key);
        self.lower();
        removed
    }

    /// Removes the rows of these keys, which ascend; calls `each` with each of them.
    pub fn remove_all<K: Keyed>(&mut self, keys: &[K], each: &mut impl FnMut(&Row)) {
        self.root.remove_all(keys, each);
        self.lower();
    }

    fn lower(&mut self) {
        // A root with a single child gives way to it.
        while let Node::Inner(inner) = &mut self.root {
            match inner.children.len() {
                0 => self.root = Node::Leaf(Leaf::default()),
                1 => {
                    let Some(child) = inner.children.pop() else { break };
                    self.root = child;
                }
                _ => break,
            }
        }
    }

    /// Visits the rows of a range in order until `visit` answers false.
    pub fn visit(
        &self,
        lower: Bound<&[u8]>,
        upper: Bound<&[u8]>,
        direction: Direction,
        visit: &mut impl FnMut(&Row) -> bool,
    ) {
        self.root.visit(lower, upper, direction, visit);
    }
}

impl Inner {
    fn new(keys: Vec<Key>, children: Vec<Node>) -> Inner {
        Inner { heads: Heads::of(&keys), keys, children }
    }

    /// Index of the child where the key belongs.
    fn child_of(&self, key: &[u8]) -> usize {
        self.heads.after(&self.keys, key)
    }

    /// Index of the child where the first of these keys belongs, and how many of them do.
    fn child_of_first<K: Keyed>(&self, keys: &[K]) -> (usize, usize) {
        let index = keys.first().map_or(0, |first| self.child_of(first.key()));
        let count = match self.keys.get(index) {
            Some(next) => keys.partition_point(|key| *key.key() < **next),
            None => keys.len(),
        };
        (index, count)
    }

    /// Does away with a child that is empty, or joins it with a neighbour where it is sparse.
    fn tidy(&mut self, index: usize) {
        let Some(child) = self.children.get(index) else { return };
        if child.is_empty() {
            self.children.remove(index);
            if !self.keys.is_empty() {
                self.keys.remove(index.saturating_sub(1));
                self.heads.removed(index.saturating_sub(1));
            }
        } else if child.is_sparse() {
            self.merge(index);
        }
    }
}

impl Node {
    /// `rightmost`: whether this node is on the right edge of the tree.
    fn insert(&mut self, key: &[u8], row: &mut InsertOr<'_>, rightmost: bool) -> Split {
        match self {
            Node::Leaf(leaf) => leaf.insert(key, row, rightmost),
            Node::Inner(inner) => {
                let index = inner.child_of(key);
                let edge = rightmost && index + 1 == inner.children.len();
                let (key, right) = inner.children.get_mut(index)?.insert(key, row, edge)?;
                inner.keys.insert(index, key);
                inner.heads.inserted(&inner.keys, index);
                inner.children.insert(index + 1, right);
                if inner.children.len() <= INNER_MAX {
                    return None;
                }
                // At the right edge the left part stays full but for the last child.
                let at = if edge { inner.children.len() - 2 } else { inner.children.len() / 2 };
                let children = inner.children.split_off(at);
                let keys = inner.keys.split_off(at);
                let separator = inner.keys.pop()?;
                inner.heads = Heads::of(&inner.keys);
                Some((separator, Node::Inner(Inner::new(keys, children))))
            }
        }
    }

    fn remove(&mut self, key: &[u8]) -> Option<Row> {
        match self {
            Node::Leaf(Leaf { heads, rows }) => {
                let index = heads.find(rows, key)?;
                let row = rows.remove(index);
                heads.removed(index);
                if rows.len() < rows.capacity() / 4 {
                    rows.shrink_to(rows.len() * 2);
                }
                Some(row)
            }
            Node::Inner(inner) => {
                let index = inner.child_of(key);
                let child = inner.children.get_mut(index)?;
                let removed = child.remove(key);
                inner.tidy(index);
                removed
            }
        }
    }

    /// `from`: index of the first key.
    fn get_all<K: Keyed>(&self, keys: &[K], mut from: usize, each: &mut impl FnMut(usize, &Row)) {
        match self {
            Node::Leaf(Leaf { heads, rows }) => {
                let Some(first) = keys.first() else { return };
                let mut rest = rows.get(heads.before(rows, first.key())..).unwrap_or_default();
                for (index, key) in (from..).zip(keys) {
                    let at = rest.iter().take_while(|row| *row.key < *key.key()).count();
                    rest = rest.get(at..).unwrap_or_default();
                    match rest.first() {
                        Some(row) if *row.key == *key.key() => each(index, row),
                        Some(_) => {}
                        None => return,
                    }
                }
            }
            Node::Inner(inner) => {
                let mut rest = keys;
                while !rest.is_empty() {
                    let (child, count) = inner.child_of_first(rest);
                    let (Some(child), Some((keys, after))) =
                        (inner.children.get(child), rest.split_at_checked(count.max(1)))
                    else {
                        return;
                    };
                    child.get_all(keys, from, each);
                    from += keys.len();
                    rest = after;
                }
            }
        }
    }

    fn remove_all<K: Keyed>(&mut self, keys: &[K], each: &mut impl FnMut(&Row)) {
        match self {
            Node::Leaf(Leaf { heads, rows }) => {
                let mut keys = keys.iter().peekable();
                rows.retain(|row| {
                    while keys.next_if(|key| *key.key() < *row.key).is_some() {}
                    let gone = keys.next_if(|key| *key.key() == *row.key).is_some();
                    if gone {
                        each(row);
                    }
                    !gone
                });
                *heads = Heads::of(rows);
                if rows.len() < rows.capacity() / 4 {
                    rows.shrink_to(rows.len() * 2);
                }
            }
            Node::Inner(inner) => {
                let mut rest = keys;
                while !rest.is_empty() {
                    let (index, count) = inner.child_of_first(rest);
                    let (Some(child), Some((keys, after))) =
                        (inner.children.get_mut(index), rest.split_at_checked(count.max(1)))
                    else {
                        return;
                    };
                    child.remove_all(keys, each);
                    inner.tidy(index);
                    rest = after;
                }
            }
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Node::Leaf(leaf) => leaf.rows.is_empty(),
            Node::Inner(inner) => inner.children.is_empty(),
        }
    }

    fn is_sparse(&self) -> bool {
        matches!(self, Node::Leaf(leaf) if leaf.rows.len() < LEAF_MAX / 8)
    }

    /// Answers whether to go on.
    fn visit(
        &self,
        lower: Bound<&[u8]>,
        upper: Bound<&[u8]>,
        direction: Direction,
        visit: &mut impl FnMut(&Row) -> bool,
    ) -> bool {
        match self {
            Node::Leaf(Leaf { heads, rows }) => {
                let start = match lower {
                    Bound::Unbounded => 0,
                    Bound::Included(key) => heads.before(rows, key),
                    Bound::Excluded(key) => heads.after(rows, key),
                };
                let end = match upper {
                    Bound::Unbounded => rows.len(),
                    Bound::Included(key) => heads.after(rows, key),
                    Bound::Excluded(key) => heads.before(rows, key),
                };
                let rows = rows.get(start..end).unwrap_or_default();
                match direction {
                    Direction::Forward => rows.iter().all(visit),
                    Direction::Backward => rows.iter().rev().all(visit),
                }
            }
            Node::Inner(inner) => {
                let first = match lower {
                    Bound::Unbounded => 0,
                    Bound::Included(key) | Bound::Excluded(key) => inner.child_of(key),
                };
                let last = match upper {
                    Bound::Unbounded => inner.children.len().saturating_sub(1),
                    Bound::Included(key) | Bound::Excluded(key) => inner.child_of(key),
                };
                let children = inner.children.get(first..=last).unwrap_or_default();
                let count = children.len();
                // Only the outermost children can hold keys outside the bounds.
                let mut one = |(index, child): (usize, &Node)| {
                    let lower = if index == 0 { lower } else { Bound::Unbounded };
                    let upper = if index + 1 == count { upper } else { Bound::Unbounded };
                    child.visit(lower, upper, direction, visit)
                };
                match direction {
                    Direction::Forward => children.iter().enumerate().all(&mut one),
                    Direction::Backward => children.iter().enumerate().rev().all(&mut one),
                }
            }
        }
    }
}

impl Inner {
    /// Joins a sparse leaf with a neighbour, where both fit half a leaf.
    fn merge(&mut self, index: usize) {
        let leaf_len = |node: Option<&Node>| match node {
            Some(Node::Leaf(leaf)) => Some(leaf.rows.len()),
            _ => None,
        };
        let left = index.saturating_sub(1);
        for (left, right) in [(left, left + 1), (index, index + 1)] {
            let (Some(a), Some(b)) = (leaf_len(self.children.get(left)), leaf_len(self.children.get(right)))
            else {
                continue;
            };
            if a + b > LEAF_MAX / 2 {
                continue;
            }
            let Node::Leaf(mut moved) = self.children.remove(right) else { return };
            self.keys.remove(left);
            self.heads.removed(left);
            if let Some(Node::Leaf(leaf)) = self.children.get_mut(left) {
                leaf.rows.append(&mut moved.rows);
                leaf.heads = Heads::of(&leaf.rows);
            }
            return;
        }
    }
}

impl Leaf {
    fn new(rows: Vec<Row>) -> Leaf {
        Leaf { heads: Heads::of(&rows), rows }
    }

    fn insert(&mut self, key: &[u8], row: &mut InsertOr<'_>, rightmost: bool) -> Split {
        let index = self.heads.before(&self.rows, key);
        if let Some(place) = self.rows.get_mut(index).filter(|place| *place.key == *key) {
            row(Some(place));
            return None;
        }
        let row = row(None)?;
        if self.rows.len() < LEAF_MAX {
            self.rows.insert(index, row);
            self.heads.inserted(&self.rows, index);
            return None;
        }
        if rightmost && index == self.rows.len() {
            let separator = row.key.clone();
            return Some((separator, Node::Leaf(Leaf::new(vec![row]))));
        }
        let middle = self.rows.len() / 2;
        // The halves will grow again; room for three quarters saves a copy for most and costs less than a full one.
        let mut right = Vec::with_capacity(LEAF_MAX * 3 / 4);
        right.extend(self.rows.drain(middle..));
        self.rows.shrink_to(LEAF_MAX * 3 / 4);
        match index.checked_sub(middle) {
            Some(index) if index > 0 => right.insert(index, row),
            _ => self.rows.insert(index, row),
        }
        self.heads = Heads::of(&self.rows);
        let separator = right.first()?.key.clone();
        Some((separator, Node::Leaf(Leaf::new(right))))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rand::prelude::*;

    use super::*;
    use crate::memtable::chain::Cell;

    fn row(key: &[u8], stamp: u64) -> Row {
        Row::new(key, Version::committed(stamp, Cell::Tombstone), false)
    }

    fn collect(
        tree: &BTree,
        lower: Bound<&[u8]>,
        upper: Bound<&[u8]>,
        direction: Direction,
    ) -> Vec<(Vec<u8>, u64)> {
        let mut rows = Vec::new();
        tree.visit(lower, upper, direction, &mut |row| {
            rows.push((row.key.to_vec(), row.head.stamp.0));
            true
        });
        rows
    }

    #[test]
    fn a_row_is_72_bytes() {
        assert_eq!(std::mem::size_of::<Row>(), 72);
    }

    #[test]
    fn behaves_as_a_sorted_map_under_random_operations() {
        for seed in 0..20 {
            let mut rng = StdRng::seed_from_u64(seed);
            let mut tree = BTree::default();
            let mut model: BTreeMap<Vec<u8>, u64> = BTreeMap::new();
            let space = if seed % 2 == 0 { 300 } else { 20_000 };
            for step in 0..6_000u64 {
                // Phases of growth and of shrinking, so that leaves fill, merge and vanish.
                let growing = (step / 1500) % 2 == 0;
                let key = rng.random_range(0..space as u32).to_be_bytes().to_vec();
                if rng.random_bool(if growing { 0.9 } else { 0.1 }) {
                    tree.insert(row(&key, step));
                    model.insert(key, step);
                } else {
                    let key = model.range(key.clone()..).next().map_or(key, |(key, _)| key.clone());
                    assert_eq!(tree.remove(&key).map(|row| row.head.stamp.0), model.remove(&key));
                }
            }
            let expected: Vec<_> = model.iter().map(|(key, stamp)| (key.clone(), *stamp)).collect();
            assert_eq!(collect(&tree, Bound::Unbounded, Bound::Unbounded, Direction::Forward), expected);
            for _ in 0..200 {
                let mut bound = || {
                    let key = rng.random_range(0..space as u32).to_be_bytes().to_vec();
                    match rng.random_range(0..3) {
                        0 => Bound::Unbounded,
                        1 => Bound::Included(key),
                        _ => Bound::Excluded(key),
                    }
                };
                let (lower, upper) = (bound(), bound());
                let inside = |key: &Vec<u8>| {
                    (match &lower {
                        Bound::Unbounded => true,
                        Bound::Included(bound) => key >= bound,
                        Bound::Excluded(bound) => key > bound,
                    }) && (match &upper {
                        Bound::Unbounded => true,
                        Bound::Included(bound) => key <= bound,
                        Bound::Excluded(bound) => key < bound,
                    })
                };
                let mut wanted: Vec<_> = expected.iter().filter(|(key, _)| inside(key)).cloned().collect();
                let (low, high) = (lower.as_ref().map(|k| &k[..]), upper.as_ref().map(|k| &k[..]));
                assert_eq!(collect(&tree, low, high, Direction::Forward), wanted);
                wanted.reverse();
                assert_eq!(collect(&tree, low, high, Direction::Backward), wanted);
            }
            for (key, stamp) in &model {
                assert_eq!(tree.get(key).map(|row| row.head.stamp.0), Some(*stamp));
            }
            for _ in 0..20 {
                // A few, or a stretch of neighbours, there or not.
                let first = rng.random_range(0..space as u32);
                let step = rng.random_range(1..if seed % 3 == 0 { 500 } else { 3 });
                let keys: Vec<Key> =
                    (0..200).map(|index| Key::new(&(first + index * step).to_be_bytes())).collect();
                let known: Vec<_> = keys
                    .iter()
                    .enumerate()
                    .filter_map(|(index, key)| Some((index, *model.get(&key[..])?)))
                    .collect();
                let mut found = Vec::new();
                tree.get_all(&keys, &mut |index, row| found.push((index, row.head.stamp.0)));
                assert_eq!(found, known);
                let mut removed = Vec::new();
                tree.remove_all(&keys, &mut |row| removed.push(row.head.stamp.0));
                assert_eq!(removed, known.iter().map(|(_, stamp)| *stamp).collect::<Vec<_>>());
                for key in &keys {
                    model.remove(&key[..]);
                }
                let left: Vec<_> = model.iter().map(|(key, stamp)| (key.clone(), *stamp)).collect();
                assert_eq!(collect(&tree, Bound::Unbounded, Bound::Unbounded, Direction::Forward), left);
            }
        }
    }

    #[test]
    fn rows_in_order_fill_their_leaves() {
        let mut tree = BTree::default();
        for i in 0..10_000u32 {
            tree.insert(row(&i.to_be_bytes(), 0));
        }
        fn leaves(node: &Node) -> usize {
            match node {
                Node::Leaf(_) => 1,
                Node::Inner(inner) => inner.children.iter().map(leaves).sum(),
            }
        }
        assert_eq!(leaves(&tree.root), 10_000_usize.div_ceil(LEAF_MAX));
    }
}
