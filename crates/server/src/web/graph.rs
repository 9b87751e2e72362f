//! The graph of a run's jobs as an image of links: layers by longest path, legs of a matrix in one node.

use super::{
    icons,
    jobs::{Group, groups},
    marks::Mark,
};
use maud::{Markup, html};
use shipway_api::Run;
use std::collections::BTreeMap;

/// Where the nodes stand.
#[derive(Debug, PartialEq, Eq)]
struct Layout {
    /// For each node its layer and its place in the layer.
    places: Vec<(usize, usize)>,
    /// Edges that say something new: none follows from two others.
    edges: Vec<(usize, usize)>,
    /// How many nodes each layer has.
    layers: Vec<usize>,
}

const WIDTH: usize = 176;
const HEIGHT: usize = 36;
const GAP_X: usize = 44;
const GAP_Y: usize = 14;
const MARGIN: usize = 6;
/// More nodes than this are no picture any more; the list of jobs says it better.
const MOST: usize = 150;

/// The image, or a word where it would be too large.
pub(super) fn draw(run: &Run) -> Markup {
    let groups = groups(run);
    if groups.len() > MOST {
        return html! { p class="dim" { "The graph has " (groups.len()) " nodes and is not drawn; the jobs stand below." } };
    }
    let index: BTreeMap<&str, usize> = groups.iter().enumerate().map(|(at, group)| (group.id, at)).collect();
    let needs: Vec<Vec<usize>> = groups
        .iter()
        .map(|group| group.needs.iter().filter_map(|id| index.get(id.as_str()).copied()).collect())
        .collect();
    let layout = Layout::new(&needs);
    let tallest = layout.layers.iter().copied().max().unwrap_or(1);
    let width = layout.layers.len() * (WIDTH + GAP_X) - GAP_X + 2 * MARGIN;
    let height = tallest * (HEIGHT + GAP_Y) - GAP_Y + 2 * MARGIN;
    let place = |node: usize| {
        let (layer, row) = layout.places[node];
        // A short layer stands in the middle.
        let missing = (tallest - layout.layers[layer]) * (HEIGHT + GAP_Y) / 2;
        (MARGIN + layer * (WIDTH + GAP_X), MARGIN + row * (HEIGHT + GAP_Y) + missing)
    };
    html! {
        // What does not fit is scrolled to, also by keys.
        div class="graph" tabindex="0" role="region" aria-label="Graph of the jobs" {
            svg width=(width) height=(height) viewBox={ "0 0 " (width) " " (height) } role="group" aria-label="Jobs and what they need" {
                g class="edges" {
                    @for &(from, to) in &layout.edges { path d=(curve(place(from), place(to))) {} }
                }
                @for (at, group) in groups.iter().enumerate() { (node(run, group, place(at))) }
            }
        }
    }
}

fn node(run: &Run, group: &Group<'_>, (x, y): (usize, usize)) -> Markup {
    let mark = group.mark();
    let (name, href) = match group.legs.as_slice() {
        [only] if only.attempt > 0 => (only.name.as_str(), super::job::path(run, &only.key)),
        [only] => (only.name.as_str(), format!("#{}", group.anchor())),
        _ => (group.id, format!("#{}", group.anchor())),
    };
    let legs = (group.legs.len() > 1).then(|| format!("{}/{}", group.finished(), group.legs.len()));
    let room = if legs.is_some() { 12 } else { 16 };
    html! {
        a href=(href) class={ "node " (mark.tone.class()) } aria-label=(label(name, mark, legs.as_deref())) {
            title { (name) }
            rect x=(x) y=(y) width=(WIDTH) height=(HEIGHT) rx="8" {}
            svg x=(x + 10) y=(y + HEIGHT / 2 - 8) width="16" height="16" viewBox="0 0 16 16" { (icons::paths(mark.shape)) }
            text x=(x + 34) y=(y + HEIGHT / 2 + 5) { (cut(name, room)) }
            @if let Some(legs) = legs {
                text class="legs" x=(x + WIDTH - 10) y=(y + HEIGHT / 2 + 5) text-anchor="end" { (legs) }
            }
        }
    }
}

fn label(name: &str, mark: Mark, legs: Option<&str>) -> String {
    match legs {
        Some(legs) => format!("{name}, {legs}: {}", mark.word),
        None => format!("{name}: {}", mark.word),
    }
}

fn cut(name: &str, room: usize) -> String {
    if name.chars().count() <= room {
        return name.to_owned();
    }
    let head: String = name.chars().take(room - 1).collect();
    format!("{head}…")
}

/// From the right side of one node to the left side of another.
fn curve((x1, y1): (usize, usize), (x2, y2): (usize, usize)) -> String {
    let (x1, y1, y2) = (x1 + WIDTH, y1 + HEIGHT / 2, y2 + HEIGHT / 2);
    let bend = GAP_X / 2;
    // A long edge stays level until the gap before its target, so that it bends once.
    format!("M{x1} {y1}H{}C{} {y1} {} {y2} {x2} {y2}", x2 - GAP_X, x2 - GAP_X + bend, x2 - bend)
}

impl Layout {
    /// Nodes by number with the nodes that each needs. Edges within a cycle, which a checked workflow has not, are
    /// left out rather than followed for ever.
    fn new(needs: &[Vec<usize>]) -> Layout {
        let depth = depths(needs);
        let edges: Vec<(usize, usize)> = needs
            .iter()
            .enumerate()
            .flat_map(|(to, from)| from.iter().map(move |&from| (from, to)))
            .filter(|&(from, to)| depth[from] < depth[to])
            .collect();
        let edges = reduced(&edges, &depth);
        let count = depth.iter().copied().max().map_or(0, |most| most + 1);
        let mut rows: Vec<Vec<usize>> = vec![Vec::new(); count];
        for (node, &layer) in depth.iter().enumerate() {
            rows[layer].push(node);
        }
        let mut places = vec![(0, 0); needs.len()];
        for (layer, row) in rows.iter().enumerate() {
            // A node stands near the middle of what it needs, so that edges cross little.
            let middle = |node: usize| {
                let before: Vec<usize> =
                    edges.iter().filter(|&&(_, to)| to == node).map(|&(from, _)| places[from].1).collect();
                // In thousandths, for a sort by whole numbers.
                before.iter().sum::<usize>() * 1_000 / before.len().max(1)
            };
            let mut order: Vec<(usize, usize)> = row.iter().map(|&node| (middle(node), node)).collect();
            order.sort_unstable();
            for (row, &(_, node)) in order.iter().enumerate() {
                places[node] = (layer, row);
            }
        }
        Layout { places, edges, layers: rows.iter().map(Vec::len).collect() }
    }
}

/// The length of the longest path to each node.
fn depths(needs: &[Vec<usize>]) -> Vec<usize> {
    let mut depth = vec![0; needs.len()];
    // Each round settles at least one more layer; a cycle stops after as many rounds as there are nodes.
    for _ in 0..needs.len() {
        let mut changed = false;
        for (node, before) in needs.iter().enumerate() {
            let wanted = before
                .iter()
                .filter(|&&other| other != node)
                .map(|&other| depth[other] + 1)
                .max()
                .unwrap_or(0);
            if wanted > depth[node] && wanted < needs.len() {
                depth[node] = wanted;
                changed = true;
            }
        }
        if !changed {
            break;
        }
    }
    depth
}

/// The edges without those that a longer way implies.
fn reduced(edges: &[(usize, usize)], depth: &[usize]) -> Vec<(usize, usize)> {
    let implied = |from: usize, to: usize| {
        let mut open: Vec<usize> =
            edges.iter().filter(|&&(start, end)| start == from && end != to).map(|&(_, end)| end).collect();
        let mut seen = vec![false; depth.len()];
        while let Some(node) = open.pop() {
            if node == to {
                return true;
            }
            if depth[node] < depth[to] && !std::mem::replace(&mut seen[node], true) {
                open.extend(edges.iter().filter(|&&(start, _)| start == node).map(|&(_, end)| end));
            }
        }
        false
    };
    let mut kept: Vec<(usize, usize)> =
        edges.iter().copied().filter(|&(from, to)| !implied(from, to)).collect();
    kept.sort_unstable();
    kept.dedup();
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn layers_follow_the_longest_path() {
        // test and build need nothing, pack needs build, deploy needs all three.
        let layout = Layout::new(&[vec![], vec![], vec![1], vec![0, 1, 2]]);
        assert_eq!(layout.places, [(0, 0), (0, 1), (1, 0), (2, 0)]);
        assert_eq!(layout.edges, [(0, 3), (1, 2), (2, 3)], "build to deploy follows from pack");
        assert_eq!(layout.layers, [2, 1, 1]);
    }

    #[test]
    fn a_cycle_does_not_hang() {
        let layout = Layout::new(&[vec![1], vec![0], vec![2]]);
        assert_eq!(layout.places.len(), 3);
    }

    proptest! {
        #[test]
        fn every_edge_points_forward_and_no_place_is_taken_twice(
            raw in proptest::collection::vec(proptest::collection::vec(0_usize..20, 0..5), 1..20),
        ) {
            let needs: Vec<Vec<usize>> = raw
                .iter()
                .enumerate()
                .map(|(node, before)| before.iter().copied().filter(|&other| other < node).collect())
                .collect();
            let layout = Layout::new(&needs);
            for &(from, to) in &layout.edges {
                prop_assert!(layout.places[from].0 < layout.places[to].0);
            }
            let mut places = layout.places.clone();
            places.sort_unstable();
            places.dedup();
            prop_assert_eq!(places.len(), needs.len());
            // What is reachable by all edges is reachable by those that are kept.
            let reach = |edges: &[(usize, usize)]| {
                let mut reach = vec![vec![false; needs.len()]; needs.len()];
                for _ in 0..needs.len() {
                    for &(from, to) in edges {
                        for (start, reached) in reach.iter_mut().enumerate() {
                            reached[to] |= start == from || reached[from];
                        }
                    }
                }
                reach
            };
            let all: Vec<(usize, usize)> =
                needs.iter().enumerate().flat_map(|(to, from)| from.iter().map(move |&from| (from, to))).collect();
            prop_assert_eq!(reach(&all), reach(&layout.edges));
        }
    }
}
