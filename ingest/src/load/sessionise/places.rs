//! Sessions side by side, in pieces that stay where they are: a list in one piece is copied whenever it grows, and what it
//! leaves behind stays with the process for a while.

use super::held::Live;

/// Sessions of a piece: some kilobytes, so that a website with a few sessions a day has no room for thousands.
const PIECE: usize = 256;

// A piece is 20 KB, one of the allocator's sizes: of a larger one a part would be of use to nobody.
const _: () = assert!(PIECE * size_of::<Live>() == 20 * 1024);

/// Sessions by their places, which count from 0.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// All full but the last.
    pieces: Vec<Vec<Live>>,
}

impl Places {
    pub(super) fn len(&self) -> usize {
        self.pieces.last().map_or(0, |last| (self.pieces.len() - 1) * PIECE + last.len())
    }

    pub(super) fn get(&self, at: u32) -> Option<&Live> {
        self.pieces.get(at as usize / PIECE)?.get(at as usize % PIECE)
    }

    pub(super) fn get_mut(&mut self, at: u32) -> Option<&mut Live> {
        self.pieces.get_mut(at as usize / PIECE)?.get_mut(at as usize % PIECE)
    }

    pub(super) fn push(&mut self, live: Live) {
        match self.pieces.last_mut() {
            Some(last) if last.len() < PIECE => {
                if last.len() == last.capacity() {
                    // Only the first one grows.
                    last.reserve_exact(last.len().clamp(1, PIECE - last.len()));
                }
                last.push(live);
            }
            Some(_) => {
                let mut piece = Vec::with_capacity(PIECE);
                piece.push(live);
                self.pieces.push(piece);
            }
            None => self.pieces.push(vec![live]),
        }
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Live> {
        self.pieces.iter_mut().flatten()
    }
}

#[cfg(test)]
mod tests {
    use schema::Event;

    use super::super::names::Names;
    use super::*;

    #[test]
    fn everybody_stays_where_they_were_put() {
        let (mut places, mut names) = (Places::default(), Names::default());
        let many = 3 * PIECE as u64 + 7;
        for id in 0..many {
            assert_eq!(places.len() as u64, id);
            assert!(places.get(id as u32).is_none());
            places.push(Live::begin(&Event::default(), id, &mut names));
        }
        assert_eq!(places.len() as u64, many);
        for id in 0..many {
            assert_eq!(places.get(id as u32).map(Live::id), Some(id));
            assert_eq!(places.get_mut(id as u32).map(|live| live.id()), Some(id));
        }
        assert!(places.get(many as u32).is_none() && places.get_mut(many as u32).is_none());
        assert_eq!(places.iter_mut().count() as u64, many);
    }
}
