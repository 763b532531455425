//! A gain that moves linearly to its target.

/// Duration of a change.
const RAMP_MS: f32 = 20.0;

/// A value that reaches its target exactly, [`RAMP_MS`] after the target was set.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ramp {
    value: f32,
    target: f32,
    /// Change per sample.
    step: f32,
    /// Change per sample for a target at a distance of 1.
    unit_step: f32,
}

impl Ramp {
    /// A ramp at rest at `value`.
    pub fn new(value: f32, sample_rate_hz: f32) -> Self {
        Self { value, target: value, step: 0.0, unit_step: 1000.0 / (RAMP_MS * sample_rate_hz) }
    }

    /// Jumps to the target.
    pub fn settle(&mut self) {
        self.value = self.target;
    }

    /// Moves to `target` from the present value.
    pub fn set(&mut self, target: f32) {
        if target != self.target {
            self.target = target;
            self.step = (target - self.value).abs() * self.unit_step;
        }
    }

    /// The value, if it has reached its target.
    pub fn settled(&self) -> Option<f32> {
        (self.value == self.target).then_some(self.value)
    }

    /// The value for the next sample.
    pub fn next(&mut self) -> f32 {
        let value = self.value;
        let rest = self.target - value;
        self.value =
            if rest.abs() <= self.step { self.target } else { value + self.step.copysign(rest) };
        value
    }

    /// Multiplies all channels, which have equal length. A gain of 1 leaves the samples unchanged.
    pub fn apply(&mut self, channels: &mut [Vec<f32>]) {
        match self.settled() {
            Some(1.0) => {}
            Some(gain) => channels.iter_mut().flatten().for_each(|sample| *sample *= gain),
            None => {
                let len = channels.first().map_or(0, Vec::len);
                for n in 0..len {
                    let gain = self.next();
                    channels.iter_mut().for_each(|channel| channel[n] *= gain);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reaches_the_target_exactly_and_in_time() {
        let mut ramp = Ramp::new(1.0, 48_000.0);
        assert_eq!(ramp.settled(), Some(1.0));
        ramp.set(0.1);
        let values: Vec<f32> = (0..1000).map(|_| ramp.next()).collect();
        assert!(values.windows(2).all(|pair| pair[1] <= pair[0] && pair[0] - pair[1] < 0.001));
        assert_eq!((values[0], ramp.settled()), (1.0, Some(0.1)));
    }
}
