//! What a host must hear when the user changes a parameter.

use nice_plug::prelude::{Param, ParamSetter};

/// Sets a parameter at once: a gesture with one value.
pub fn set<P: Param>(setter: &ParamSetter, param: &P, value: P::Plain) {
    setter.begin_set_parameter(param);
    setter.set_parameter(param, value);
    setter.end_set_parameter(param);
}
