//! Stretches of a tree's keys, as half-open intervals between places, and sets of them.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::key::{Direction, Key, KeyRange};

/// A place between keys.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// Just before the key, or (true) just after it.
    At(Key, bool),
    /// After every key.
    End,
}

/// All keys between two places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Span {
    pub(super) from: Place,
    pub(super) to: Place,
}

impl Span {
    /// One key.
    pub fn key(key: &[u8]) -> Span {
        let key = Key::new(key);
        Span { from: Place::At(key.clone(), false), to: Place::At(key, true) }
    }

    /// The keys of a range.
    pub fn range(range: &KeyRange) -> Span {
        let from = match &range.lower {
            Bound::Included(key) => Place::At(key.clone(), false),
            Bound::Excluded(key) => Place::At(key.clone(), true),
            Bound::Unbounded => Place::At(Key::new(b""), false),
        };
        let to = match &range.upper {
            Bound::Included(key) => Place::At(key.clone(), true),
            Bound::Excluded(key) => Place::At(key.clone(), false),
            Bound::Unbounded => Place::End,
        };
        Span { from, to }
    }

    /// What a scan has passed that began with one range and has the other still before it.
    pub fn passed(mut self, rest: &KeyRange, direction: Direction) -> Span {
        let rest = Span::range(rest);
        match direction {
            Direction::Forward => self.to = rest.from,
            Direction::Backward => self.from = rest.to,
        }
        self
    }

    pub fn is_empty(&self) -> bool {
        self.from >= self.to
    }

    /// The only key, if it is made for one.
    pub fn as_key(&self) -> Option<&Key> {
        match (&self.from, &self.to) {
            (Place::At(from, false), Place::At(to, true)) if from == to => Some(from),
            _ => None,
        }
    }

    /// As bounds for a look-up in a map of keys.
    pub fn bounds(&self) -> (Bound<&Key>, Bound<&Key>) {
        let lower = match &self.from {
            Place::At(key, false) => Bound::Included(key),
            Place::At(key, true) => Bound::Excluded(key),
            Place::End => Bound::Unbounded,
        };
        let upper = match &self.to {
            Place::At(key, true) => Bound::Included(key),
            Place::At(key, false) => Bound::Excluded(key),
            Place::End => Bound::Unbounded,
        };
        (lower, upper)
    }
}

/// Spans that neither overlap nor touch: the end of each by its beginning.
#[derive(Debug, Default)]
pub(super) struct Spans(BTreeMap<Place, Place>);

impl Spans {
    /// Adds a span; those it touches become one with it.
    pub fn add(&mut self, span: Span) {
        let Span { mut from, mut to } = span;
        while let Some((begin, end)) = self.0.range(..=&to).next_back() {
            if *end < from {
                break;
            }
            let begin = begin.clone();
            if let Some(end) = self.0.remove(&begin) {
                from = from.min(begin);
                to = to.max(end);
            }
        }
        self.0.insert(from, to);
    }

    /// Whether all of the span is in it.
    pub fn cover(&self, span: &Span) -> bool {
        self.0.range(..=&span.from).next_back().is_some_and(|(_, end)| *end >= span.to)
    }

    /// Whether any of the span is in it.
    pub fn meet(&self, span: &Span) -> bool {
        self.0.range(..&span.to).next_back().is_some_and(|(_, end)| *end > span.from)
    }

    /// How many they are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Makes one of all of them, and answers it.
    pub fn join(&mut self) -> Span {
        let from = self.0.first_key_value().map_or(Place::End, |(from, _)| from.clone());
        let to = self.0.last_key_value().map_or(Place::End, |(_, to)| to.clone());
        self.0 = BTreeMap::from([(from.clone(), to.clone())]);
        Span { from, to }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(from: &str, to: &str) -> Span {
        Span::range(&KeyRange::half_open(from.as_bytes(), to.as_bytes()))
    }

    #[test]
    fn a_key_is_the_span_around_it() {
        let key = Span::key(b"b");
        assert_eq!(key.as_key(), Some(&Key::new(b"b")));
        assert_eq!(span("a", "c").as_key(), None);
        let mut spans = Spans::default();
        spans.add(span("a", "c"));
        assert!(spans.cover(&key) && spans.meet(&key));
        assert!(!spans.meet(&Span::key(b"c")), "the end is not in it");
        assert!(spans.meet(&Span::key(b"b\0")));
    }

    #[test]
    fn what_touches_becomes_one() {
        let mut spans = Spans::default();
        spans.add(span("a", "b"));
        spans.add(span("d", "e"));
        spans.add(span("g", "h"));
        assert_eq!(spans.len(), 3);
        spans.add(span("b", "d"));
        assert_eq!(spans.len(), 2);
        assert!(spans.cover(&span("a", "e")) && !spans.cover(&span("a", "f")));
        assert!(!spans.meet(&span("e", "g")) && spans.meet(&span("e", "g\0")));
        assert_eq!(spans.join(), span("a", "h"));
        assert!(spans.cover(&span("a", "h")));
    }

    #[test]
    fn a_scan_has_passed_what_is_no_longer_before_it() {
        let whole = KeyRange::half_open(b"a", b"z");
        let rest = KeyRange { lower: Bound::Excluded(Key::new(b"m")), upper: whole.upper.clone() };
        let passed = Span::range(&whole).passed(&rest, Direction::Forward);
        assert_eq!(
            passed,
            Span { from: Place::At(Key::new(b"a"), false), to: Place::At(Key::new(b"m"), true) }
        );
        let rest = KeyRange { lower: whole.lower.clone(), upper: Bound::Excluded(Key::new(b"m")) };
        let passed = Span::range(&whole).passed(&rest, Direction::Backward);
        assert_eq!(passed, span("m", "z"));
    }

    #[test]
    fn spans_are_sets_of_keys() {
        use rand::prelude::*;
        let mut rng = StdRng::seed_from_u64(7);
        for _ in 0..2_000 {
            let (mut spans, mut model) = (Spans::default(), [false; 12]);
            for _ in 0..rng.random_range(0..6) {
                let (from, to) = (rng.random_range(0..12u8), rng.random_range(0..=12u8));
                let added = Span::range(&KeyRange::half_open(&[from], &[to]));
                if !added.is_empty() {
                    spans.add(added);
                    model[usize::from(from)..usize::from(to)].fill(true);
                }
            }
            for from in 0..12u8 {
                for to in from + 1..=12 {
                    let asked = Span::range(&KeyRange::half_open(&[from], &[to]));
                    let keys = &model[usize::from(from)..usize::from(to)];
                    assert_eq!(spans.meet(&asked), keys.iter().any(|key| *key));
                    assert_eq!(spans.cover(&asked), keys.iter().all(|key| *key));
                }
            }
        }
    }
}
