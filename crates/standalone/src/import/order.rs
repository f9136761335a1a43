//! Puts lines in the order of their times. A server writes a line when a request ends, and several workers share a
//! log, so neighbours are often swapped; sessions are made from events in time order.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::source::Event;

/// How many lines are held to find the earliest one: enough for minutes of a busy site, tens of megabytes at most.
const WINDOW: usize = 50_000;

/// A window over the file that gives its earliest line.
#[derive(Default)]
pub struct Window {
    held: BinaryHeap<Reverse<Entry>>,
    latest: i64,
}

struct Entry {
    time: i64,
    event: Event,
}

impl Window {
    /// Takes a line in; gives one out when the window is full.
    pub fn push(&mut self, event: Event) -> Option<Event> {
        // A line without a time stays behind the ones before it.
        let time = event.time.unwrap_or(self.latest);
        self.latest = self.latest.max(time);
        self.held.push(Reverse(Entry { time, event }));
        if self.held.len() > WINDOW { self.pop() } else { None }
    }

    /// The earliest line of the window.
    pub fn pop(&mut self) -> Option<Event> {
        self.held.pop().map(|Reverse(entry)| entry.event)
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.time, self.event.line).cmp(&(other.time, other.event.line))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Entry {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn swapped_lines_come_out_in_order_and_ties_as_they_stood() {
        let mut window = Window::default();
        for (line, time) in [(1, Some(5)), (2, Some(3)), (3, None), (4, Some(5)), (5, Some(1))] {
            assert!(window.push(Event { time, line, body: Vec::new() }).is_none());
        }
        let lines: Vec<_> = std::iter::from_fn(|| window.pop()).map(|event| event.line).collect();
        assert_eq!(lines, [5, 2, 1, 3, 4]);
    }
}
