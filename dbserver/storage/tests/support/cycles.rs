//! Transactions that depend on each other in a circle: no serial order explains them (Adya, "Weak consistency", 1999).

use std::collections::{BTreeMap, BTreeSet, HashMap};

/// How two transactions depend on each other, weakest last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Edge {
    Ww,
    Wr,
    Rw,
}

/// A circle of dependencies, by the weakest edges it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cycle {
    /// Writes.
    G0,
    /// Writes, and reads of what was written.
    G1c,
    /// Read skew: with one overwritten read.
    GSingle,
    /// Write skew: with more of them.
    G2,
}

/// Edges between transactions, by their numbers.
pub type Edges = BTreeMap<(usize, usize), BTreeSet<Edge>>;

/// The kinds of cycles between this many transactions, each with those of one example.
pub fn find(count: usize, edges: &Edges) -> BTreeMap<Cycle, Vec<usize>> {
    let mut found: BTreeMap<Cycle, Vec<usize>> = BTreeMap::new();
    let graph = |up_to: Edge| {
        let mut targets = vec![Vec::new(); count];
        for ((from, to), kinds) in edges {
            if kinds.iter().any(|kind| *kind <= up_to) {
                targets[*from].push(*to);
            }
        }
        targets
    };
    let written = graph(Edge::Ww);
    let read = graph(Edge::Wr);
    let all = graph(Edge::Rw);
    for (kind, graph) in [(Cycle::G0, &written), (Cycle::G1c, &read)] {
        if let Some(cycle) = components(graph).into_iter().next() {
            found.entry(kind).or_insert(cycle);
        }
    }
    let mut single = BTreeSet::new();
    for component in components(&all) {
        let members: BTreeSet<usize> = component.iter().copied().collect();
        for ((from, to), kinds) in edges {
            let inside = members.contains(from) && members.contains(to) && kinds.contains(&Edge::Rw);
            if inside && let Some(mut path) = path(&read, *to, *from) {
                path.insert(0, *from);
                single.extend(component.iter().copied());
                found.entry(Cycle::GSingle).or_insert(path);
            }
        }
        if component.iter().all(|member| !single.contains(member))
            && components_within(&read, &members).is_empty()
        {
            found.entry(Cycle::G2).or_insert(component);
        }
    }
    found
}

fn components_within(graph: &[Vec<usize>], members: &BTreeSet<usize>) -> Vec<Vec<usize>> {
    components(graph)
        .into_iter()
        .filter(|component| component.iter().any(|node| members.contains(node)))
        .collect()
}

/// The shortest path from one node to another.
fn path(graph: &[Vec<usize>], from: usize, to: usize) -> Option<Vec<usize>> {
    let mut before: HashMap<usize, usize> = HashMap::new();
    let mut queue = std::collections::VecDeque::from([from]);
    while let Some(node) = queue.pop_front() {
        if node == to {
            let mut path = vec![to];
            while let Some(previous) =
                path.last().filter(|node| **node != from).and_then(|node| before.get(node))
            {
                path.push(*previous);
            }
            path.reverse();
            return Some(path);
        }
        for next in &graph[node] {
            if *next != from && !before.contains_key(next) {
                before.insert(*next, node);
                queue.push_back(*next);
            }
        }
    }
    None
}

/// The strongly connected components with more than one node (Tarjan 1972, without recursion).
fn components(graph: &[Vec<usize>]) -> Vec<Vec<usize>> {
    const NEW: usize = usize::MAX;
    let mut index = vec![NEW; graph.len()];
    let mut low = vec![0; graph.len()];
    let mut on_stack = vec![false; graph.len()];
    let (mut stack, mut next, mut found) = (Vec::new(), 0, Vec::new());
    for root in 0..graph.len() {
        if index[root] != NEW {
            continue;
        }
        let mut calls = vec![(root, 0)];
        while let Some((node, edge)) = calls.last_mut() {
            let node = *node;
            if *edge == 0 {
                (index[node], low[node]) = (next, next);
                next += 1;
                stack.push(node);
                on_stack[node] = true;
            }
            if let Some(target) = graph[node].get(*edge).copied() {
                *edge += 1;
                if index[target] == NEW {
                    calls.push((target, 0));
                } else if on_stack[target] {
                    low[node] = low[node].min(index[target]);
                }
                continue;
            }
            calls.pop();
            if let Some((parent, _)) = calls.last() {
                low[*parent] = low[*parent].min(low[node]);
            }
            if low[node] == index[node] {
                let at = stack.iter().rposition(|other| *other == node).unwrap_or(0);
                let component = stack.split_off(at);
                component.iter().for_each(|member| on_stack[*member] = false);
                if component.len() > 1 {
                    found.push(component);
                }
            }
        }
    }
    found
}
