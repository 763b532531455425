//! Where an offline render's stream begins, so that it is the same every time.

/// Watches the transport for the sample with which a render begins.
///
/// A host that compensates latencies plays ahead: its transport sets out before the timeline's
/// first sample, by our latency, that of the plugins after us, and some samples more, which may be
/// others the next time. That silence must not decide where the windows lie, so the stream begins
/// with the first sound, at the latest where the timeline's first sample comes in if no plugin but
/// ours is late.
#[derive(Debug, Default)]
pub struct RenderStart {
    /// Whether the last block was rendered with the transport rolling.
    rolled: bool,
    /// The render is still on its way to the timeline.
    before: bool,
}

impl RenderStart {
    /// The sample of this block before which a stream begins. `rolls`: the host renders, and its
    /// transport rolls. `position`: the block's first sample on the timeline, where the host tells
    /// it. `sound`: the first sample that is not 0.
    pub fn within(
        &mut self,
        rolls: bool,
        position: Option<i64>,
        latency: u32,
        sound: impl FnOnce() -> Option<usize>,
        len: usize,
    ) -> Option<usize> {
        // A host may roll before it says that it renders, or say so before it rolls.
        let begins = rolls && !self.rolled;
        self.rolled = rolls;
        // However long the host idled before: a render begins with its first block.
        let first = begins.then_some(0);
        let ahead = position.map_or(0, |position| -i64::from(latency) - position);
        if begins {
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

    /// Where the last stream of a render begins that sets out at `start`, in blocks of 64, and
    /// hears something from `sound` on.
    fn begun(start: i64, sound: i64) -> Option<i64> {
        let mut render = RenderStart::default();
        assert_eq!(
            render.within(false, Some(7), LATENCY, || Some(0), 64),
            None,
            "nothing is rendered"
        );
        (0..100)
            .map(|block| start + 64 * block)
            .filter_map(|position| {
                let heard = usize::try_from((sound - position).max(0)).ok().filter(|&at| at < 64);
                let at = render.within(true, Some(position), LATENCY, || heard, 64)?;
                Some(position + at as i64)
            })
            .last()
    }

    #[test]
    fn a_render_that_sets_out_early_begins_where_the_timeline_does() {
        for start in [-1000, -1001, -1063, -1064, -1065, -2311, -2295] {
            assert_eq!(begun(start, 500), Some(-1000), "from {start}");
            assert_eq!(begun(start, -1000), Some(-1000), "from {start}");
        }
    }

    #[test]
    fn what_other_plugins_need_to_hear_earlier_is_not_lost() {
        for start in [-2311, -2295] {
            assert_eq!(begun(start, -1900), Some(-1900), "from {start}");
        }
    }

    #[test]
    fn a_render_from_elsewhere_begins_at_once() {
        for start in [-999, 0, 88_200] {
            assert_eq!(begun(start, start + 500), Some(start));
        }
        let mut render = RenderStart::default();
        assert_eq!(render.within(true, None, LATENCY, || None, 64), Some(0));
        assert_eq!(render.within(true, None, LATENCY, || None, 64), None);
        assert_eq!(render.within(false, None, LATENCY, || None, 64), None);
        assert_eq!(render.within(true, None, LATENCY, || None, 64), Some(0), "a render later");
    }
}
