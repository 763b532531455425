//! Parameter changes as hosts expect them: a begin, the value and an end.

use nice_plug::prelude::{Param, ParamSetter};

/// Sets a parameter at once: a gesture with one value.
pub fn set<P: Param>(setter: &ParamSetter, param: &P, value: P::Plain) {
    setter.begin_set_parameter(param);
    setter.set_parameter(param, value);
    setter.end_set_parameter(param);
}
