//! Where two descriptions of one kind differ.

use serde::Serialize;
use serde_json::Value;

/// The first field in which two differ, by name, with both values.
pub fn first<T: Serialize>(one: &T, other: &T) -> Option<(String, Value, Value)> {
    let fields = |of: &T| match serde_json::to_value(of) {
        Ok(Value::Object(fields)) => fields,
        _ => unreachable!("a struct of plain values"),
    };
    let mut others = fields(other);
    fields(one).into_iter().find_map(|(name, value)| {
        let other = others.remove(&name)?;
        (value != other).then_some((name, value, other))
    })
}
