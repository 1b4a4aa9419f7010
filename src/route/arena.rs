//! Values behind keys that are never reused: the upper half of a key counts generations, so an event, a timer or a
//! packet in flight that was meant for something gone finds nothing. The engine's and the workers' names are such keys.

use slab::Slab;

/// Bits of a key: 32 of place, 28 of generation. Four remain for the poller's tokens.
const GENERATION_MASK: u64 = 0x0fff_ffff;

/// A generational arena.
#[derive(Debug)]
pub(crate) struct Arena<T> {
    slots: Slab<(u64, T)>,
    generation: u64,
}

impl<T> Arena<T> {
    pub(crate) const fn new() -> Self {
        Self { slots: Slab::new(), generation: 0 }
    }

    pub(crate) fn insert(&mut self, value: T) -> u64 {
        self.generation = self.generation.wrapping_add(1) & GENERATION_MASK;
        if self.slots.len() == self.slots.capacity() {
            self.slots.reserve_exact(growth(self.slots.len()));
        }
        let place = self.slots.insert((self.generation, value));
        (self.generation << 32) | place as u64
    }

    pub(crate) fn get(&self, key: u64) -> Option<&T> {
        self.slots.get(place(key)).filter(|(generation, _)| *generation == key >> 32).map(|(_, value)| value)
    }

    pub(crate) fn get_mut(&mut self, key: u64) -> Option<&mut T> {
        self.slots
            .get_mut(place(key))
            .filter(|(generation, _)| *generation == key >> 32)
            .map(|(_, value)| value)
    }

    /// What is at the dense half of a key, whatever the other half.
    pub(crate) fn at(&self, place: usize) -> Option<(u64, &T)> {
        self.slots.get(place).map(|(generation, value)| ((generation << 32) | place as u64, value))
    }

    pub(crate) fn remove(&mut self, key: u64) -> Option<T> {
        self.get(key)?;
        self.slots.try_remove(place(key)).map(|(_, value)| value)
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &T)> {
        self.slots.iter().map(|(place, (generation, value))| ((generation << 32) | place as u64, value))
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = u64> {
        self.iter().map(|(key, _)| key)
    }
}

/// Makes a list long enough to have the place `at`.
pub(crate) fn grow<T>(list: &mut Vec<Option<T>>, at: usize) {
    if at >= list.len() {
        let more = (at + 1) - list.len();
        if at >= list.capacity() {
            list.reserve_exact(more.max(growth(list.len())));
        }
        list.resize_with(at + 1, || None);
    }
}

/// By how much a list of `len` grows. An eighth in place of as much again: long lists do not move when they grow but are
/// mapped anew, so that it costs little to do it often, and nobody pays for twice what there is.
pub(crate) const fn growth(len: usize) -> usize {
    let eighth = len / 8;
    if eighth < 16 { 16 } else { eighth }
}

/// The dense half of a key.
pub(crate) const fn place(key: u64) -> usize {
    (key & 0xffff_ffff) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_dies_with_its_value() {
        let mut arena = Arena::new();
        let first = arena.insert('a');
        assert_eq!(arena.remove(first), Some('a'));
        let second = arena.insert('b');
        assert_eq!(place(first), place(second));
        assert_eq!(arena.get(first), None);
        assert_eq!(arena.get_mut(second), Some(&mut 'b'));
        assert_eq!((arena.remove(first), arena.len()), (None, 1));
        assert_eq!(arena.keys().collect::<Vec<_>>(), [second]);
    }
}
