//! The interfaces of [`Guard`]: calls that need no check are forwarded unchanged.
// The interfaces define the names.
#![allow(non_snake_case)]

use std::ffi::c_char;

use nice_plug::prelude::Vst3Plugin;
use vst3::Steinberg::Vst::ChannelContext::IInfoListenerTrait;
use vst3::Steinberg::Vst::*;
use vst3::Steinberg::*;

use super::vst3::Guard;

/// Implements an interface: forwards the first methods to nice-plug's wrapper and adds the others.
macro_rules! forward {
    ($interface:ident {
        $(fn $method:ident($($argument:ident: $type:ty),*) $(-> $result:ty)?;)*
    } $($checked:item)*) => {
        impl<P: Vst3Plugin> $interface for Guard<P> {
            $(unsafe fn $method(&self, $($argument: $type),*) $(-> $result)? {
                // SAFETY: the host's own call, unchanged.
                unsafe { $interface::$method(&*self.inner, $($argument),*) }
            })*
            $($checked)*
        }
    };
}

forward!(IPluginBaseTrait {
    fn initialize(context: *mut FUnknown) -> tresult;
}
unsafe fn terminate(&self) -> tresult {
    self.forget_handler();
    // SAFETY: the host's own call, unchanged.
    unsafe { IPluginBaseTrait::terminate(&*self.inner) }
});

forward!(IComponentTrait {
    fn getControllerClassId(class_id: *mut TUID) -> tresult;
    fn setIoMode(mode: IoMode) -> tresult;
    fn getBusCount(kind: MediaType, direction: BusDirection) -> int32;
    fn getBusInfo(
        kind: MediaType,
        direction: BusDirection,
        index: int32,
        info: *mut BusInfo
    ) -> tresult;
    fn getRoutingInfo(input: *mut RoutingInfo, output: *mut RoutingInfo) -> tresult;
    fn activateBus(kind: MediaType, direction: BusDirection, index: int32, state: TBool) -> tresult;
}
unsafe fn getState(&self, state: *mut IBStream) -> tresult {
    // SAFETY: the host's own call, unchanged.
    unsafe { self.component_state(state) }
}
unsafe fn setActive(&self, state: TBool) -> tresult {
    // SAFETY: the host's own call, unchanged.
    unsafe { self.set_active(state) }
}
unsafe fn setState(&self, state: *mut IBStream) -> tresult {
    // SAFETY: the host's own call, unchanged.
    unsafe { self.set_component_state(state) }
});

forward!(IEditControllerTrait {
    fn setComponentState(state: *mut IBStream) -> tresult;
    fn setState(state: *mut IBStream) -> tresult;
    fn getState(state: *mut IBStream) -> tresult;
    fn getParameterCount() -> int32;
    fn getParamStringByValue(id: ParamID, value: ParamValue, string: *mut String128) -> tresult;
    fn getParamValueByString(id: ParamID, string: *mut TChar, value: *mut ParamValue) -> tresult;
    fn normalizedParamToPlain(id: ParamID, value: ParamValue) -> ParamValue;
    fn plainParamToNormalized(id: ParamID, value: ParamValue) -> ParamValue;
    fn createView(name: FIDString) -> *mut IPlugView;
}
unsafe fn setComponentHandler(&self, handler: *mut IComponentHandler) -> tresult {
    // SAFETY: the host's own call, unchanged.
    unsafe { self.set_handler(handler) }
}
unsafe fn getParameterInfo(&self, index: int32, info: *mut ParameterInfo) -> tresult {
    // SAFETY: the host's own call, unchanged.
    unsafe { self.parameter_info(index, info) }
}
unsafe fn getParamNormalized(&self, id: ParamID) -> ParamValue {
    // SAFETY: the host's own call, unchanged.
    unsafe { self.parameter(id) }
}
unsafe fn setParamNormalized(&self, id: ParamID, value: ParamValue) -> tresult {
    // SAFETY: the host's own call, unchanged.
    unsafe { self.set_parameter(id, value) }
});

forward!(IAudioProcessorTrait {
    fn canProcessSampleSize(size: int32) -> tresult;
    fn getLatencySamples() -> uint32;
    fn setProcessing(state: TBool) -> tresult;
    fn getTailSamples() -> uint32;
}
unsafe fn getBusArrangement(
    &self,
    direction: BusDirection,
    index: int32,
    arrangement: *mut SpeakerArrangement,
) -> tresult {
    // SAFETY: the host's own call, unchanged.
    unsafe { self.bus_arrangement(direction, index, arrangement) }
}
unsafe fn setBusArrangements(
    &self,
    inputs: *mut SpeakerArrangement,
    num_inputs: int32,
    outputs: *mut SpeakerArrangement,
    num_outputs: int32,
) -> tresult {
    // SAFETY: the host's own call, unchanged.
    unsafe { self.set_bus_arrangements(inputs, num_inputs, outputs, num_outputs) }
}
unsafe fn setupProcessing(&self, setup: *mut ProcessSetup) -> tresult {
    // SAFETY: the host's own call, unchanged.
    unsafe { self.set_up_processing(setup) }
}
unsafe fn process(&self, data: *mut ProcessData) -> tresult {
    // SAFETY: the host's own call, unchanged.
    unsafe { self.process_checked(data) }
});

forward!(IMidiMappingTrait {
    fn getMidiControllerAssignment(
        bus: int32,
        channel: int16,
        number: CtrlNumber,
        id: *mut ParamID
    ) -> tresult;
});

forward!(INoteExpressionControllerTrait {
    fn getNoteExpressionCount(bus: int32, channel: int16) -> int32;
    fn getNoteExpressionInfo(
        bus: int32,
        channel: int16,
        index: int32,
        info: *mut NoteExpressionTypeInfo
    ) -> tresult;
    fn getNoteExpressionStringByValue(
        bus: int32,
        channel: int16,
        id: NoteExpressionTypeID,
        value: NoteExpressionValue,
        string: *mut String128
    ) -> tresult;
    fn getNoteExpressionValueByString(
        bus: int32,
        channel: int16,
        id: NoteExpressionTypeID,
        string: *const TChar,
        value: *mut NoteExpressionValue
    ) -> tresult;
});

forward!(IProcessContextRequirementsTrait {
    fn getProcessContextRequirements() -> uint32;
});

forward!(IUnitInfoTrait {
    fn getUnitCount() -> int32;
    fn getUnitInfo(index: int32, info: *mut UnitInfo) -> tresult;
    fn getProgramListCount() -> int32;
    fn getProgramListInfo(index: int32, info: *mut ProgramListInfo) -> tresult;
    fn getProgramName(list: ProgramListID, index: int32, name: *mut String128) -> tresult;
    fn getProgramInfo(
        list: ProgramListID,
        index: int32,
        attribute: *const c_char,
        value: *mut String128
    ) -> tresult;
    fn hasProgramPitchNames(list: ProgramListID, index: int32) -> tresult;
    fn getProgramPitchName(
        list: ProgramListID,
        index: int32,
        pitch: int16,
        name: *mut String128
    ) -> tresult;
    fn getSelectedUnit() -> UnitID;
    fn selectUnit(unit: UnitID) -> tresult;
    fn getUnitByBus(
        kind: MediaType,
        direction: BusDirection,
        bus: int32,
        channel: int32,
        unit: *mut UnitID
    ) -> tresult;
    fn setUnitProgramData(list_or_unit: int32, index: int32, data: *mut IBStream) -> tresult;
});

forward!(IInfoListenerTrait {
    fn setChannelContextInfos(list: *mut IAttributeList) -> tresult;
});
