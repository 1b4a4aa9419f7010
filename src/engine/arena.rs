//! Values behind keys that are never reused: the upper half of a key counts generations, so a key kept by a timer
//! or a packet in flight finds nothing once its value is gone.

use slab::Slab;

/// A generational arena. Keys are dense in their lower 32 bits.
#[derive(Debug)]
pub(super) struct Arena<T> {
    slots: Slab<(u32, T)>,
    generation: u32,
}

impl<T> Arena<T> {
    pub(super) const fn new() -> Self {
        Self { slots: Slab::new(), generation: 0 }
    }

    pub(super) fn insert(&mut self, value: T) -> u64 {
        self.generation = self.generation.wrapping_add(1);
        let index = self.slots.insert((self.generation, value));
        u64::from(self.generation) << 32 | index as u64
    }

    pub(super) fn get(&self, key: u64) -> Option<&T> {
        self.slots.get(index(key)).filter(|(generation, _)| *generation == upper(key)).map(|(_, value)| value)
    }

    pub(super) fn get_mut(&mut self, key: u64) -> Option<&mut T> {
        self.slots
            .get_mut(index(key))
            .filter(|(generation, _)| *generation == upper(key))
            .map(|(_, value)| value)
    }

    pub(super) fn remove(&mut self, key: u64) -> Option<T> {
        self.get(key)?;
        self.slots.try_remove(index(key)).map(|(_, value)| value)
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, &T)> {
        self.slots
            .iter()
            .map(|(index, (generation, value))| (u64::from(*generation) << 32 | index as u64, value))
    }
}

const fn index(key: u64) -> usize {
    (key & 0xffff_ffff) as usize
}

const fn upper(key: u64) -> u32 {
    (key >> 32) as u32
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
        assert_eq!(index(first), index(second));
        assert_eq!(arena.get(first), None);
        assert_eq!(arena.remove(first), None);
        assert_eq!(arena.get(second), Some(&'b'));
        assert_eq!(arena.len(), 1);
    }
}
