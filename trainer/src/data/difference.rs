//! Compares two descriptions of the same type field by field.

use serde::Serialize;
use serde_json::Value;

/// The first field that differs: its name and both values; `None` for equal descriptions.
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
