//! The maximum of the last values.

use std::collections::VecDeque;

/// The maximum of the last `len` values. [`HeldMax::push`] allocates no memory.
#[derive(Clone, Debug)]
pub(super) struct HeldMax {
    len: u64,
    pushed: u64,
    /// Falling values with their numbers: those that can still become the maximum.
    candidates: VecDeque<(u64, f32)>,
}

impl HeldMax {
    /// For `len` values, at least 1.
    pub fn new(len: usize) -> Self {
        Self { len: len as u64, pushed: 0, candidates: VecDeque::with_capacity(len + 1) }
    }

    /// Forgets all values.
    pub fn reset(&mut self) {
        self.pushed = 0;
        self.candidates.clear();
    }

    /// Adds a value. Returns the maximum.
    pub fn push(&mut self, value: f32) -> f32 {
        while self.candidates.back().is_some_and(|&(_, last)| last <= value) {
            self.candidates.pop_back();
        }
        self.candidates.push_back((self.pushed, value));
        self.pushed += 1;
        while self.candidates.front().is_some_and(|&(number, _)| number + self.len < self.pushed) {
            self.candidates.pop_front();
        }
        self.candidates.front().map_or(value, |&(_, max)| max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_maximum_of_a_slice() {
        let values: Vec<f32> = (0..500u32).map(|n| (n * n * 7919 % 101) as f32).collect();
        for len in [1, 2, 7, 90] {
            let mut held = HeldMax::new(len);
            let capacity = held.candidates.capacity();
            for n in 0..values.len() {
                let from = (n + 1).saturating_sub(len);
                let expected = values[from..=n].iter().copied().fold(0.0, f32::max);
                assert_eq!(held.push(values[n]), expected, "value {n} of {len}");
            }
            assert_eq!(held.candidates.capacity(), capacity, "no allocation");
            held.reset();
            assert_eq!(held.push(1.0), 1.0);
        }
    }
}
