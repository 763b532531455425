//! The last values of a signal as one slice.

/// A ring that stores every value twice, so that its last values are always one slice.
#[derive(Clone, Debug)]
pub(super) struct History {
    values: Vec<f32>,
    len: usize,
    next: usize,
}

impl History {
    /// Zeros, with space for the last `len` values, at least 1.
    pub fn new(len: usize) -> Self {
        Self { values: vec![0.0; 2 * len], len, next: 0 }
    }

    /// Restores the zeros.
    pub fn reset(&mut self) {
        self.values.fill(0.0);
    }

    /// Adds a value.
    pub fn push(&mut self, value: f32) {
        self.values[self.next] = value;
        self.values[self.next + self.len] = value;
        self.next = (self.next + 1) % self.len;
    }

    /// The last `count` values, at most the length of the history; the oldest one is the first.
    pub fn last(&self, count: usize) -> &[f32] {
        let end = if self.next == 0 { 2 * self.len } else { self.next + self.len };
        &self.values[end - count..end]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_returns_the_last_values_in_order() {
        let mut history = History::new(3);
        for n in 1..20u8 {
            history.push(f32::from(n));
            let expected = [n.saturating_sub(2), n.saturating_sub(1), n].map(f32::from);
            assert_eq!(history.last(3), expected);
            assert_eq!(history.last(1), &expected[2..]);
        }
        history.reset();
        assert_eq!(history.last(3), [0.0; 3]);
    }
}
