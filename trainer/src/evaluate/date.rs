//! The current date.

use std::time::{SystemTime, UNIX_EPOCH};

/// Days of 400 years in the Gregorian calendar.
const ERA_DAYS: u64 = 146_097;
/// Days from 1 March of year 0 to 1 January 1970.
const EPOCH_DAYS: u64 = 719_468;

/// The current date in UTC as `YYYY-MM-DD` (ISO 8601).
pub fn today() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    iso_date(now.as_secs() / 86_400)
}

/// The date of a day after 1970-01-01.
///
/// H. Hinnant, *chrono-compatible low-level date algorithms*: the year begins in March, so that the
/// leap day is its last day.
fn iso_date(day: u64) -> String {
    let day = day + EPOCH_DAYS;
    let (era, day_of_era) = (day / ERA_DAYS, day % ERA_DAYS);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, next_year) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    format!("{:04}-{month:02}-{day_of_month:02}", 400 * era + year_of_era + next_year)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        let dates = [(0, "1970-01-01"), (11_016, "2000-02-29"), (20_787, "2026-11-30")];
        for (day, date) in dates {
            assert_eq!(iso_date(day), date);
        }
        assert_eq!(iso_date(20_787 + 32), "2027-01-01");
    }
}
