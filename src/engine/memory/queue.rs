//! The queue of alerts: bounded, and stored as bytes so that it outlives the worker that fills it.

use std::collections::VecDeque;
use std::fmt;

/// Alerts that wait to be sent, oldest first.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Queue {
    /// Distinguishes this queue from all others.
    origin: u64,
    next: u64,
    dropped: u64,
    entries: VecDeque<(u64, Vec<u8>)>,
}

/// The id of an alert. It is unique and stays the same across retries.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Ticket {
    origin: u64,
    number: u64,
}

impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{}", self.origin, self.number)
    }
}

impl Queue {
    /// An empty queue. `origin` must be different for each queue.
    pub fn new(origin: u64) -> Self {
        Self { origin, next: 1, dropped: 0, entries: VecDeque::new() }
    }

    /// Reads a stored queue; `None` if the bytes are not a queue.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (&VERSION, mut rest) = bytes.split_first()? else { return None };
        let mut queue = Self::new(number(&mut rest)?);
        queue.next = number(&mut rest)?;
        queue.dropped = number(&mut rest)?;
        while queue.entries.len() < MAX
            && let Some(entry) = entry(&mut rest)
        {
            queue.entries.push_back(entry);
        }
        Some(queue)
    }

    /// The queue as bytes for storage.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        for number in [self.origin, self.next, self.dropped] {
            bytes.extend(number.to_le_bytes());
        }
        for (number, body) in &self.entries {
            bytes.extend(number.to_le_bytes());
            bytes.extend(u32::try_from(body.len()).unwrap_or(0).to_le_bytes());
            bytes.extend(body);
        }
        bytes
    }

    /// Adds an alert. `body` gets its ticket and the number of alerts dropped so far. If the queue is full, the
    /// oldest alert is dropped.
    pub(crate) fn push(&mut self, body: impl FnOnce(Ticket, u64) -> Vec<u8>) {
        if self.entries.len() >= MAX {
            self.entries.pop_front();
            self.dropped = self.dropped.saturating_add(1);
        }
        let ticket = self.ticket(self.next);
        let mut body = body(ticket, self.dropped);
        body.truncate(MAX_BODY);
        self.entries.push_back((self.next, body));
        self.next = self.next.saturating_add(1);
    }

    /// The oldest alert.
    pub fn first(&self) -> Option<(Ticket, &[u8])> {
        self.entries.front().map(|(number, body)| (self.ticket(*number), body.as_slice()))
    }

    /// Removes an alert that was sent; false if the queue does not have it.
    pub fn remove(&mut self, ticket: Ticket) -> bool {
        let before = self.entries.len();
        self.entries.retain(|(number, _)| self.origin != ticket.origin || *number != ticket.number);
        self.entries.len() < before
    }

    /// How many alerts were dropped since the queue was made.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Number of waiting alerts.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no alerts wait.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn ticket(&self, number: u64) -> Ticket {
        Ticket { origin: self.origin, number }
    }
}

fn number(bytes: &mut &[u8]) -> Option<u64> {
    let (number, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(u64::from_le_bytes(*number))
}

fn entry(bytes: &mut &[u8]) -> Option<(u64, Vec<u8>)> {
    let id = number(bytes)?;
    let (size, rest) = bytes.split_first_chunk()?;
    let size = usize::try_from(u32::from_le_bytes(*size)).ok().filter(|size| *size <= MAX_BODY)?;
    let (body, rest) = rest.split_at_checked(size)?;
    *bytes = rest;
    Some((id, body.to_vec()))
}

/// Maximum number of waiting alerts.
pub(super) const MAX: usize = 256;
/// Maximum size of an alert in bytes. Events are far shorter.
const MAX_BODY: usize = 16_384;
/// First byte of a queue.
const VERSION: u8 = 1;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pushed(queue: &mut Queue, body: &str) {
        queue.push(|_, _| body.as_bytes().to_vec());
    }

    #[test]
    fn alerts_keep_order_and_full_queue_drops_oldest() {
        let mut queue = Queue::new(7);
        (0..300).for_each(|number| pushed(&mut queue, &number.to_string()));
        assert_eq!((queue.len(), queue.dropped()), (256, 44));
        let mut queue = Queue::from_bytes(&queue.to_bytes()).unwrap();
        for number in 44..300 {
            let (ticket, body) = queue.first().unwrap();
            assert_eq!(ticket.to_string(), format!("0000000000000007-{}", number + 1));
            assert_eq!(body, number.to_string().as_bytes());
            assert!(queue.remove(ticket) && !queue.remove(ticket));
        }
        assert!(queue.is_empty());
    }

    #[test]
    fn ticket_of_another_queue_removes_nothing() {
        let (mut one, mut other) = (Queue::new(1), Queue::new(2));
        pushed(&mut one, "one");
        pushed(&mut other, "other");
        let (ticket, _) = one.first().unwrap();
        assert!(!other.remove(ticket));
    }

    proptest! {
        #[test]
        fn garbage_gives_a_valid_queue_or_none(mut bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            if let Some(first) = bytes.first_mut() {
                *first = VERSION;
            }
            if let Some(mut queue) = Queue::from_bytes(&bytes) {
                prop_assert_eq!(Queue::from_bytes(&queue.to_bytes()), Some(queue.clone()));
                pushed(&mut queue, "more");
                prop_assert!(queue.len() <= MAX);
            }
        }
    }
}
