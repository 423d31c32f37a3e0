//! What concurrent transactions did, and which anomalies that shows: after Elle (Kingsbury and Alvaro, "Elle: inferring
//! isolation anomalies from experimental observations", 2020).
//!
//! Transactions append numbers, each of them once, to lists, and read whole lists. A list that someone has read says in which order
//! its numbers were written, so that all dependencies can be seen: who overwrote whom (ww), who read whose value (wr), and who
//! read a value that another overwrote (rw). A cycle of them is an anomaly, named by its weakest kind (Adya, "Weak
//! consistency", 1999): only ww is G0, with wr G1c, with one rw G-single, with more of them G2.

mod cycles;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use cycles::{Cycle, Edge, Edges};

/// One transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Txn {
    /// What it did, in order.
    pub ops: Vec<Op>,
    /// How it ended.
    pub outcome: Outcome,
}

/// One operation on the list of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    Append(u32, u64),
    Read(u32, Vec<u64>),
}

/// How a transaction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Committed,
    Aborted,
    /// Nobody was told: it counts as committed if someone has seen what it wrote.
    Unknown,
}

/// What must not be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Anomaly {
    /// A write cycle.
    G0,
    /// A value of a transaction that was rolled back was read.
    G1a,
    /// A value that its transaction overwrote was read.
    G1b,
    /// A cycle of writes and reads of what was written.
    G1c,
    /// Read skew: a cycle with one overwritten read.
    GSingle,
    /// Write skew: a cycle with more of them.
    G2,
    /// A transaction does not see its own writes.
    Internal,
    /// Two reads of a list that cannot both be its beginning: an update was lost, or a list was forked.
    Order,
    /// A value that was acknowledged is not in what was read last.
    Lost,
}

impl From<Cycle> for Anomaly {
    fn from(cycle: Cycle) -> Anomaly {
        match cycle {
            Cycle::G0 => Anomaly::G0,
            Cycle::G1c => Anomaly::G1c,
            Cycle::GSingle => Anomaly::GSingle,
            Cycle::G2 => Anomaly::G2,
        }
    }
}

/// A committed transaction's reads of others' values, without those that follow a write of its own.
fn external_reads(txn: &Txn) -> impl Iterator<Item = (u32, &[u64])> {
    txn.ops.iter().filter_map(|op| match op {
        Op::Read(key, list) => {
            let own = own_suffix(txn, *key, list);
            Some((*key, &list[..list.len() - own]))
        }
        Op::Append(..) => None,
    })
}

/// How many values at the end of the list are the transaction's own.
fn own_suffix(txn: &Txn, key: u32, list: &[u64]) -> usize {
    let own: BTreeSet<u64> = appends(txn).filter(|(of, _)| *of == key).map(|(_, value)| value).collect();
    list.iter().rev().take_while(|value| own.contains(value)).count()
}

fn appends(txn: &Txn) -> impl Iterator<Item = (u32, u64)> {
    txn.ops.iter().filter_map(|op| match op {
        Op::Append(key, value) => Some((*key, *value)),
        Op::Read(..) => None,
    })
}

/// The anomalies that a history shows, each kind once, with the transactions of one example. `last`: the lists at the end, if
/// they were read when all was over.
pub fn check(history: &[Txn], last: Option<&BTreeMap<u32, Vec<u64>>>) -> BTreeMap<Anomaly, Vec<usize>> {
    let mut found: BTreeMap<Anomaly, Vec<usize>> = BTreeMap::new();
    let writers: HashMap<u64, usize> = history
        .iter()
        .enumerate()
        .flat_map(|(index, txn)| appends(txn).map(move |(_, value)| (value, index)))
        .collect();
    // Which transactions count.
    let read: BTreeSet<u64> = history
        .iter()
        .filter(|txn| txn.outcome == Outcome::Committed)
        .flat_map(external_reads)
        .flat_map(|(_, list)| list.iter().copied())
        .chain(last.into_iter().flat_map(|lists| lists.values().flatten().copied()))
        .collect();
    let counts: Vec<bool> = history
        .iter()
        .map(|txn| match txn.outcome {
            Outcome::Committed => true,
            Outcome::Aborted => false,
            Outcome::Unknown => appends(txn).any(|(_, value)| read.contains(&value)),
        })
        .collect();
    let committed = || history.iter().enumerate().filter(|(index, _)| counts[*index]);

    // The order of each list: the longest that was read, of which all others are the beginning.
    let mut orders: BTreeMap<u32, Vec<u64>> = last.cloned().unwrap_or_default();
    for (_, txn) in committed() {
        for (key, list) in external_reads(txn) {
            let order = orders.entry(key).or_default();
            if list.len() > order.len() {
                *order = list.to_vec();
            }
        }
    }
    for (index, txn) in committed() {
        for (key, list) in external_reads(txn) {
            if !orders[&key].starts_with(list) {
                found.entry(Anomaly::Order).or_insert(vec![index]);
            }
        }
        if !sees_itself(txn) {
            found.entry(Anomaly::Internal).or_insert(vec![index]);
        }
        let Some(last) = last else { continue };
        if appends(txn).any(|(key, value)| !last.get(&key).is_some_and(|list| list.contains(&value))) {
            found.entry(Anomaly::Lost).or_insert(vec![index]);
        }
    }
    for order in orders.values() {
        for value in order {
            if writers.get(value).is_none_or(|writer| !counts[*writer]) {
                found.entry(Anomaly::G1a).or_insert(writers.get(value).copied().into_iter().collect());
            }
        }
    }

    let mut edges = Edges::new();
    let mut add = |from: usize, to: usize, edge: Edge| {
        if from != to {
            edges.entry((from, to)).or_default().insert(edge);
        }
    };
    for order in orders.values() {
        for pair in order.windows(2) {
            if let (Some(from), Some(to)) = (writers.get(&pair[0]), writers.get(&pair[1])) {
                add(*from, *to, Edge::Ww);
            }
        }
    }
    for (index, txn) in committed() {
        for (key, list) in external_reads(txn) {
            if let Some(writer) = list.last().and_then(|value| writers.get(value)) {
                add(*writer, index, Edge::Wr);
                // A later value of the same writer follows directly: this one was only on its way.
                let next = orders[&key].get(list.len()).and_then(|value| writers.get(value));
                if next == Some(writer) && *writer != index {
                    found.entry(Anomaly::G1b).or_insert(vec![index, *writer]);
                }
            }
            if let Some(writer) = orders[&key].get(list.len()).and_then(|value| writers.get(value)) {
                add(index, *writer, Edge::Rw);
            }
        }
    }
    let cycles = cycles::find(history.len(), &edges);
    found.extend(cycles.into_iter().map(|(cycle, example)| (cycle.into(), example)));
    found
}

/// Whether each read ends in what the transaction appended before.
fn sees_itself(txn: &Txn) -> bool {
    let mut own: BTreeMap<u32, Vec<u64>> = BTreeMap::new();
    txn.ops.iter().all(|op| match op {
        Op::Append(key, value) => {
            own.entry(*key).or_default().push(*value);
            true
        }
        Op::Read(key, list) => own.get(key).is_none_or(|own| list.ends_with(own)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn committed(ops: &[Op]) -> Txn {
        Txn { ops: ops.to_vec(), outcome: Outcome::Committed }
    }
    fn append(key: u32, value: u64) -> Op {
        Op::Append(key, value)
    }
    fn read(key: u32, list: &[u64]) -> Op {
        Op::Read(key, list.to_vec())
    }
    fn anomalies(history: &[Txn]) -> Vec<Anomaly> {
        check(history, None).into_keys().collect()
    }

    #[test]
    fn a_serial_history_shows_nothing() {
        let history = [
            committed(&[append(1, 1), append(1, 2), read(1, &[1, 2])]),
            committed(&[read(1, &[1, 2]), append(2, 3), read(2, &[3])]),
            committed(&[append(1, 4), read(1, &[1, 2, 4]), read(2, &[3])]),
            Txn { ops: vec![append(1, 5), read(1, &[1, 2, 4, 5])], outcome: Outcome::Aborted },
            Txn { ops: vec![append(1, 6)], outcome: Outcome::Unknown },
            committed(&[read(1, &[1, 2, 4]), read(3, &[])]),
        ];
        assert_eq!(anomalies(&history), []);
        let last = BTreeMap::from([(1, vec![1, 2, 4, 6]), (2, vec![3])]);
        assert!(check(&history, Some(&last)).is_empty());
    }

    #[test]
    fn a_write_cycle_is_g0() {
        let history = [
            committed(&[append(1, 1), append(2, 2)]),
            committed(&[append(1, 3), append(2, 4)]),
            committed(&[read(1, &[1, 3]), read(2, &[4, 2])]),
        ];
        assert!(anomalies(&history).contains(&Anomaly::G0));
    }

    #[test]
    fn an_aborted_read_is_g1a() {
        let history =
            [Txn { ops: vec![append(1, 1)], outcome: Outcome::Aborted }, committed(&[read(1, &[1])])];
        assert_eq!(anomalies(&history), [Anomaly::G1a]);
    }

    #[test]
    fn a_value_from_nowhere_is_g1a() {
        assert_eq!(anomalies(&[committed(&[read(1, &[7])])]), [Anomaly::G1a]);
    }

    #[test]
    fn an_intermediate_read_is_g1b() {
        let history = [
            committed(&[append(1, 1), append(1, 2)]),
            committed(&[read(1, &[1])]),
            committed(&[read(1, &[1, 2])]),
        ];
        assert!(anomalies(&history).contains(&Anomaly::G1b));
    }

    #[test]
    fn circular_information_is_g1c() {
        let history = [committed(&[append(1, 1), read(2, &[2])]), committed(&[append(2, 2), read(1, &[1])])];
        assert_eq!(anomalies(&history), [Anomaly::G1c]);
    }

    #[test]
    fn read_skew_is_g_single() {
        let history = [
            committed(&[append(1, 1), append(2, 2)]),
            committed(&[read(1, &[]), read(2, &[2])]),
            committed(&[read(1, &[1])]),
        ];
        assert_eq!(anomalies(&history), [Anomaly::GSingle]);
    }

    #[test]
    fn write_skew_is_g2() {
        let history = [
            committed(&[read(1, &[]), append(2, 2)]),
            committed(&[read(2, &[]), append(1, 1)]),
            committed(&[read(1, &[1]), read(2, &[2])]),
        ];
        assert_eq!(anomalies(&history), [Anomaly::G2]);
    }

    #[test]
    fn the_read_only_anomaly_is_g2() {
        // 0 reads before 1 and writes what 2 has not seen, while 2 has seen 1.
        let history = [
            committed(&[read(1, &[]), append(2, 2)]),
            committed(&[append(1, 1)]),
            committed(&[read(1, &[1]), read(2, &[])]),
            committed(&[read(2, &[2])]),
        ];
        assert_eq!(anomalies(&history), [Anomaly::G2]);
    }

    #[test]
    fn a_lost_update_shows() {
        let history = [
            committed(&[read(1, &[]), append(1, 1)]),
            committed(&[read(1, &[]), append(1, 2)]),
            committed(&[read(1, &[2])]),
        ];
        let last = BTreeMap::from([(1, vec![2])]);
        assert!(check(&history, Some(&last)).contains_key(&Anomaly::Lost));
        // Both are there, but neither saw the other.
        let both = [history[0].clone(), history[1].clone(), committed(&[read(1, &[1, 2])])];
        assert!(anomalies(&both).contains(&Anomaly::GSingle));
        // The list was forked.
        let forked =
            [history[0].clone(), history[2].clone(), committed(&[read(1, &[1])]), history[1].clone()];
        assert!(anomalies(&forked).contains(&Anomaly::Order));
    }

    #[test]
    fn not_seeing_ones_own_write_is_internal() {
        assert!(anomalies(&[committed(&[append(1, 1), read(1, &[])])]).contains(&Anomaly::Internal));
    }

    #[test]
    fn what_nobody_was_told_of_may_be_there_or_not_but_not_half() {
        let unknown = Txn { ops: vec![append(1, 1), append(2, 2)], outcome: Outcome::Unknown };
        let history = [unknown, committed(&[append(1, 3)])];
        let lists = |one: &[u64], two: &[u64]| BTreeMap::from([(1, one.to_vec()), (2, two.to_vec())]);
        assert!(check(&history, Some(&lists(&[1, 3], &[2]))).is_empty());
        assert!(check(&history, Some(&lists(&[3], &[]))).is_empty());
        assert!(check(&history, Some(&lists(&[1, 3], &[]))).contains_key(&Anomaly::Lost));
    }
}
