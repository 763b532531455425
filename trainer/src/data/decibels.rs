//! Decibels as linear factors.

/// The amplitude factor of a level: 20 dB is 10.
pub fn amplitude(db: f32) -> f32 {
    10.0f32.powf(db / 20.0)
}

/// The power factor of a level: 10 dB is 10.
pub fn power(db: f32) -> f32 {
    10.0f32.powf(0.1 * db)
}
