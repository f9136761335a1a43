//! Whose turn it is: the rule by which events of one id agree on the one that is stored. Nothing here asks anybody.
//!
//! It is Lamport's bakery. Everybody writes that they *want* the id, looks, and writes a *turn*; nobody waits before
//! that. Whoever wants the id later than somebody has written a turn sees that turn and takes a higher one. Whoever is
//! not yet seen wanting it when the others' turns are looked at is therefore behind all of them, however late they come,
//! and the lowest turn can be told without knowing who will come. Two that look at the same time may take the same turn;
//! then the lower place goes first. Who saw nobody at all has turn [`ALONE`], which no rival can have too, because one of
//! two always sees the other; that one needs no second look.

/// The turn of whoever saw nobody else.
pub const ALONE: u32 = 1;

/// A turn and whose it is: by turn, then by place. The lowest of an id's is stored.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Turn<P> {
    /// The number; at least [`ALONE`].
    pub number: u32,
    /// The event's place in its stream, which no other event has.
    pub place: P,
}

/// What an event sees of its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View<P> {
    /// The number of its own turn; 0: it has none yet.
    pub own: u32,
    /// The lowest turn of its rivals; `None` when none of them has one.
    pub first: Option<Turn<P>>,
    /// The highest number of its rivals' turns; 0 when none of them has one.
    pub highest: u32,
    /// Whether rivals want the id and have no turn yet.
    pub is_awaited: bool,
}

/// What becomes of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is stored.
    Stored,
    /// A rival is.
    Repeat,
    /// Rivals have not said yet.
    Unknown,
}

impl<P: Ord> View<P> {
    /// The number that the event takes; the one that it has, if it has one.
    pub fn number(&self) -> u32 {
        match self {
            Self { own: 1.., .. } => self.own,
            Self { highest: 0, is_awaited: false, .. } => ALONE,
            Self { highest, .. } => highest.saturating_add(1).max(ALONE + 1),
        }
    }

    /// What becomes of an event with this turn. A look from before the turn was written can only tell that it came too
    /// late: `own` is 0 then.
    pub fn verdict(&self, turn: &Turn<P>) -> Verdict {
        if turn.number == ALONE {
            Verdict::Stored
        } else if self.first.as_ref().is_some_and(|first| first < turn) {
            Verdict::Repeat
        } else if self.own == 0 || self.is_awaited {
            Verdict::Unknown
        } else {
            Verdict::Stored
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// Where an event's loader is. Every step is one request to the store.
    #[derive(Debug, Clone, PartialEq, Eq, Hash)]
    enum Step {
        Want,
        Look,
        Write { number: u32, is_late: bool },
        LookAgain { number: u32 },
        Over { is_stored: bool },
    }

    /// The table and everybody's step. A place is an index here.
    #[derive(Debug, Clone, PartialEq, Eq, Hash)]
    struct World {
        wants: Vec<bool>,
        numbers: Vec<u32>,
        steps: Vec<Step>,
        /// How often each loader may still die.
        deaths: Vec<u8>,
        /// What each has decided before it died; it may have stored the event.
        decided: Vec<Option<bool>>,
    }

    struct Model {
        /// Which events are within the window of each other.
        rivals: Vec<Vec<bool>>,
        seen: HashSet<World>,
        ends: usize,
    }

    impl Model {
        fn run(rivals: Vec<Vec<bool>>, deaths: u8) -> usize {
            let count = rivals.len();
            let world = World {
                wants: vec![false; count],
                numbers: vec![0; count],
                steps: vec![Step::Want; count],
                deaths: vec![deaths; count],
                decided: vec![None; count],
            };
            let mut model = Self { rivals, seen: HashSet::new(), ends: 0 };
            model.explore(&world);
            model.ends
        }

        fn view(&self, world: &World, me: usize) -> View<usize> {
            let rivals = || (0..world.steps.len()).filter(|it| self.rivals[me][*it] && world.wants[*it]);
            let turns = || rivals().filter(|it| world.numbers[*it] > 0);
            View {
                own: world.numbers[me],
                first: turns().map(|place| Turn { number: world.numbers[place], place }).min(),
                highest: turns().map(|it| world.numbers[it]).max().unwrap_or_default(),
                is_awaited: rivals().any(|it| world.numbers[it] == 0),
            }
        }

        /// The world after a step of one loader; `None` when it waits or is at its end.
        fn step(&self, world: &World, me: usize) -> Option<World> {
            let mut next = world.clone();
            let over = |verdict, number| match verdict {
                Verdict::Stored => Step::Over { is_stored: true },
                Verdict::Repeat => Step::Over { is_stored: false },
                Verdict::Unknown => Step::LookAgain { number },
            };
            next.steps[me] = match world.steps[me] {
                Step::Want => {
                    next.wants[me] = true;
                    Step::Look
                }
                Step::Look => {
                    let view = self.view(world, me);
                    let number = view.number();
                    let verdict = view.verdict(&Turn { number, place: me });
                    if view.own > 0 {
                        over(verdict, number)
                    } else {
                        Step::Write { number, is_late: verdict == Verdict::Repeat }
                    }
                }
                Step::Write { number, is_late } => {
                    next.numbers[me] = number;
                    match (number, is_late) {
                        (ALONE, _) => Step::Over { is_stored: true },
                        (_, true) => Step::Over { is_stored: false },
                        _ => Step::LookAgain { number },
                    }
                }
                Step::LookAgain { number } => {
                    over(self.view(world, me).verdict(&Turn { number, place: me }), number)
                }
                Step::Over { .. } => return None,
            };
            if let Step::Over { is_stored } = next.steps[me] {
                let before = next.decided[me].replace(is_stored);
                assert!(before.is_none_or(|before| before == is_stored), "{me} decides otherwise: {world:?}");
            }
            (next != *world).then_some(next)
        }

        fn explore(&mut self, world: &World) {
            if !self.seen.insert(world.clone()) {
                return;
            }
            let mut goes_on = false;
            for me in 0..world.steps.len() {
                if let Some(next) = self.step(world, me) {
                    goes_on = true;
                    self.explore(&next);
                }
                // It dies, also after it has decided, and its batch is made again: with the same end.
                if world.deaths[me] > 0 && world.steps[me] != Step::Want {
                    let mut next = world.clone();
                    next.deaths[me] -= 1;
                    next.steps[me] = Step::Want;
                    self.explore(&next);
                }
            }
            if !goes_on {
                self.ends += 1;
                let stored: Vec<bool> = world
                    .steps
                    .iter()
                    .map(|step| match step {
                        Step::Over { is_stored } => *is_stored,
                        waiting => panic!("{waiting:?} forever in {world:?}"),
                    })
                    .collect();
                assert!(stored.contains(&true), "nobody is stored: {world:?}");
                for (a, b) in (0..stored.len()).flat_map(|a| (0..a).map(move |b| (a, b))) {
                    assert!(!(stored[a] && stored[b] && self.rivals[a][b]), "both are stored: {world:?}");
                }
                for (me, is_stored) in stored.iter().enumerate() {
                    let first = (0..stored.len()).any(|it| self.rivals[me][it] && stored[it]);
                    let chained = self.rivals.iter().flatten().any(|rivals| !rivals) && stored.len() > 2;
                    assert!(*is_stored || first || chained, "{me} repeats nothing: {world:?}");
                }
            }
        }
    }

    fn all(count: usize) -> Vec<Vec<bool>> {
        (0..count).map(|a| (0..count).map(|b| a != b).collect()).collect()
    }

    #[test]
    fn one_of_two_or_three_is_stored_in_whichever_order_they_step() {
        assert!(Model::run(all(2), 0) > 1);
        assert!(Model::run(all(3), 0) > 5);
    }

    #[test]
    fn one_of_two_or_three_is_stored_when_everybody_may_die_anywhere() {
        assert!(Model::run(all(2), 2) > 1);
        assert!(Model::run(all(3), 1) > 5);
    }

    /// The first and the last are more than the window apart; the one in the middle is within it of both.
    #[test]
    fn of_a_chain_over_the_windows_end_no_two_neighbours_are_stored() {
        let chain = vec![vec![false, true, false], vec![true, false, true], vec![false, true, false]];
        assert!(Model::run(chain, 1) > 5);
    }

    #[test]
    fn events_that_are_not_within_the_window_know_nothing_of_each_other() {
        assert_eq!(Model::run(vec![vec![false; 2]; 2], 0), 1);
    }
}
