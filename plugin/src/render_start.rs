//! The start of an offline render's stream, so that every render has the same windows.

/// Finds the sample at which a render starts, from the transport of the host.
///
/// A host that compensates latencies can start before the timeline's first sample, at a position
/// that differs from render to render. This silence must not shift the windows. So the stream
/// starts at the first sound, or one latency before the timeline at the latest. See
/// `docs/decisions/021-offline-render-start.md`.
#[derive(Debug, Default)]
pub struct RenderStart {
    /// Whether the last block was rendered with a running transport.
    rolled: bool,
    /// Whether the render started before the timeline and found no sound yet.
    before: bool,
}

impl RenderStart {
    /// Returns the sample of this block before which a new stream starts, if any.
    ///
    /// - `rolls`: whether the host renders offline and its transport runs.
    /// - `position`: timeline position of the block's first sample, if the host provides it.
    /// - `latency`: the plugin's latency in samples.
    /// - `sound`: returns the block's first sample that is not 0.
    /// - `len`: samples of the block.
    pub fn find_start(
        &mut self,
        rolls: bool,
        position: Option<i64>,
        latency: u32,
        sound: impl FnOnce() -> Option<usize>,
        len: usize,
    ) -> Option<usize> {
        // A host can start the transport before or after it switches to offline rendering.
        let starts = rolls && !self.rolled;
        self.rolled = rolls;
        // A render starts with its first block, after any time of idle processing.
        let first = starts.then_some(0);
        let ahead = position.map_or(0, |position| -i64::from(latency) - position);
        if starts {
            self.before = ahead > 0;
        }
        if !(rolls && self.before) {
            return first;
        }
        let timeline = usize::try_from(ahead).unwrap_or(0);
        let start = sound().map_or(timeline, |sound| sound.min(timeline));
        if start >= len {
            return first;
        }
        self.before = false;
        Some(start)
    }
}

#[cfg(test)]
mod tests {
    use super::RenderStart;

    const LATENCY: u32 = 1000;

    /// Start of the last stream of a render. The render starts at `start` in blocks of 64 samples,
    /// and the input sounds from `sound` on.
    fn stream_start(start: i64, sound: i64) -> Option<i64> {
        let mut render = RenderStart::default();
        assert_eq!(
            render.find_start(false, Some(7), LATENCY, || Some(0), 64),
            None,
            "not a render"
        );
        (0..100)
            .map(|block| start + 64 * block)
            .filter_map(|position| {
                let first_sound =
                    usize::try_from((sound - position).max(0)).ok().filter(|&at| at < 64);
                let at = render.find_start(true, Some(position), LATENCY, || first_sound, 64)?;
                Some(position + at as i64)
            })
            .last()
    }

    #[test]
    fn a_render_that_starts_early_starts_its_stream_at_the_timeline() {
        for start in [-1000, -1001, -1063, -1064, -1065, -2311, -2295] {
            assert_eq!(stream_start(start, 500), Some(-1000), "from {start}");
            assert_eq!(stream_start(start, -1000), Some(-1000), "from {start}");
        }
    }

    #[test]
    fn samples_that_later_plugins_need_are_not_lost() {
        for start in [-2311, -2295] {
            assert_eq!(stream_start(start, -1900), Some(-1900), "from {start}");
        }
    }

    #[test]
    fn a_render_from_another_position_starts_at_once() {
        for start in [-999, 0, 88_200] {
            assert_eq!(stream_start(start, start + 500), Some(start));
        }
        let mut render = RenderStart::default();
        assert_eq!(render.find_start(true, None, LATENCY, || None, 64), Some(0));
        assert_eq!(render.find_start(true, None, LATENCY, || None, 64), None);
        assert_eq!(render.find_start(false, None, LATENCY, || None, 64), None);
        assert_eq!(render.find_start(true, None, LATENCY, || None, 64), Some(0), "a second render");
    }
}
