//! A value that moves to its target in a straight line, and is exactly there then.

/// How long a change takes.
const RAMP_MS: f32 = 20.0;

/// A gain for the audio thread.
#[derive(Clone, Copy, Debug)]
pub struct Ramp {
    value: f32,
    target: f32,
    /// Change a sample.
    step: f32,
    /// Change a sample over the whole of the range `0..=1`.
    unit_step: f32,
}

impl Ramp {
    /// Stands at `value`.
    pub fn new(value: f32, sample_rate_hz: f32) -> Self {
        Self { value, target: value, step: 0.0, unit_step: 1000.0 / (RAMP_MS * sample_rate_hz) }
    }

    /// Stands at its target at once.
    pub fn settle(&mut self) {
        self.value = self.target;
    }

    /// Goes to `target` from here.
    pub fn set(&mut self, target: f32) {
        if target != self.target {
            self.target = target;
            self.step = (target - self.value).abs() * self.unit_step;
        }
    }

    /// Where it stands if it does not move.
    pub fn settled(&self) -> Option<f32> {
        (self.value == self.target).then_some(self.value)
    }

    /// The value of the next sample.
    pub fn next(&mut self) -> f32 {
        let value = self.value;
        let rest = self.target - value;
        self.value =
            if rest.abs() <= self.step { self.target } else { value + self.step.copysign(rest) };
        value
    }

    /// Multiplies every sample of all channels, which are equally long; leaves them as they are at
    /// 1.
    pub fn apply(&mut self, channels: &mut [&mut [f32]]) {
        match self.settled() {
            Some(1.0) => {}
            Some(gain) => {
                channels.iter_mut().flat_map(|channel| channel.iter_mut()).for_each(|x| *x *= gain)
            }
            None => {
                let len = channels.first().map_or(0, |channel| channel.len());
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
    fn it_arrives_exactly_and_in_time() {
        let mut ramp = Ramp::new(1.0, 48_000.0);
        assert_eq!(ramp.settled(), Some(1.0));
        ramp.set(0.1);
        let values: Vec<f32> = (0..1000).map(|_| ramp.next()).collect();
        assert!(values.windows(2).all(|pair| pair[1] <= pair[0] && pair[0] - pair[1] < 0.001));
        assert_eq!((values[0], ramp.settled()), (1.0, Some(0.1)));
    }
}
