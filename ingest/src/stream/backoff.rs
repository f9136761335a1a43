//! Pauses between attempts: each about twice as long as the one before, and never the same for everybody.

use std::time::Duration;

pub(super) struct Backoff {
    next: Duration,
    most: Duration,
}

impl Backoff {
    /// The first pause is about the least of these, the later ones up to the most.
    pub(super) fn new((least, most): (Duration, Duration)) -> Self {
        Self { next: least, most }
    }

    /// The next pause: between a half and all of what is due, so that many processes do not come back at once.
    pub(super) fn next(&mut self) -> Duration {
        let due = self.next;
        self.next = (due * 2).min(self.most);
        // Without a random number the pause is merely not spread.
        let spread = getrandom::u32().map_or(1.0, |random| f64::from(random) / f64::from(u32::MAX));
        due.mul_f64(0.5 + spread / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_the_most() {
        let (least, most) = (Duration::from_millis(100), Duration::from_millis(350));
        let mut backoff = Backoff::new((least, most));
        for due in [100, 200, 350, 350] {
            let wait = backoff.next().as_millis();
            assert!((due / 2..=due).contains(&wait), "{wait} for {due}");
        }
    }
}
