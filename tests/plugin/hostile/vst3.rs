//! VST3 hosts that violate the specification.

use std::ptr::null_mut;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use vst3::ComPtr;
use vst3::Steinberg::Vst::*;
use vst3::Steinberg::*;

use super::vst3_com::{Stream, changes};
use super::vst3_raw::{BLOCK, CAPACITY, Module, Plug, RawBus};
use super::{Case, run_all};
use tests::signal::{Lcg, delayed};

/// Process mode of a block.
const OFFLINE: i32 = 2;

#[test]
fn no_vst3_host_crashes() {
    run_all("hostile::vst3::no_vst3_host_crashes", &CASES);
}

const NO_CHANNELS: RawBus = RawBus { count: 0, channels: None };

/// Creates the buses of a case's blocks.
type Buses = fn(&mut Plug) -> (Vec<RawBus>, Vec<RawBus>);

/// Processes the same unusual block several times, then some normal ones.
fn blocks(len: i32, buses: Buses) {
    let module = Module::open();
    let mut plug = Plug::started(&module);
    for _ in 0..50 {
        let (inputs, outputs) = buses(&mut plug);
        plug.process(len, inputs, outputs, null_mut());
    }
    plug.play();
    plug.end();
}

fn nulls() -> RawBus {
    RawBus { count: 2, channels: Some(vec![null_mut(); 2]) }
}

const CASES: [Case; 45] = [
    Case { name: "normal", run: || blocks(BLOCK, |p| (vec![p.bus(0), p.bus(2)], vec![p.bus(4)])) },
    Case { name: "no sidechain bus", run: || blocks(BLOCK, |p| (vec![p.bus(0)], vec![p.bus(4)])) },
    Case {
        name: "sidechain without channels",
        run: || blocks(BLOCK, |p| (vec![p.bus(0), NO_CHANNELS], vec![p.bus(4)])),
    },
    Case {
        name: "sidechain of null pointers",
        run: || blocks(BLOCK, |p| (vec![p.bus(0), nulls()], vec![p.bus(4)])),
    },
    Case {
        name: "sidechain without an array",
        run: || {
            blocks(BLOCK, |p| (vec![p.bus(0), RawBus { count: 2, channels: None }], vec![p.bus(4)]))
        },
    },
    Case {
        name: "mono sidechain",
        run: || {
            blocks(BLOCK, |p| (vec![p.bus(0), RawBus { count: 1, ..p.bus(2) }], vec![p.bus(4)]))
        },
    },
    Case { name: "no inputs", run: || blocks(BLOCK, |p| (vec![], vec![p.bus(4)])) },
    Case { name: "no outputs", run: || blocks(BLOCK, |p| (vec![p.bus(0), p.bus(2)], vec![])) },
    Case { name: "no buffers", run: || blocks(BLOCK, |_| (vec![], vec![])) },
    Case {
        name: "input of null pointers",
        run: || blocks(BLOCK, |p| (vec![nulls(), p.bus(2)], vec![p.bus(4)])),
    },
    Case {
        name: "output of null pointers",
        run: || blocks(BLOCK, |p| (vec![p.bus(0), p.bus(2)], vec![nulls()])),
    },
    Case {
        name: "mono input in a stereo layout",
        run: || {
            blocks(BLOCK, |p| (vec![RawBus { count: 1, ..p.bus(0) }, p.bus(2)], vec![p.bus(4)]))
        },
    },
    Case {
        name: "negative channel count",
        run: || {
            blocks(BLOCK, |p| (vec![RawBus { count: -7, ..p.bus(0) }, p.bus(2)], vec![p.bus(4)]))
        },
    },
    Case {
        name: "in place",
        run: || blocks(BLOCK, |p| (vec![p.bus(4), p.bus(2)], vec![p.bus(4)])),
    },
    Case {
        name: "sidechain in place",
        run: || blocks(BLOCK, |p| (vec![p.bus(0), p.bus(4)], vec![p.bus(4)])),
    },
    Case {
        name: "larger blocks than announced",
        run: || blocks(2048, |p| (vec![p.bus(0), p.bus(2)], vec![p.bus(4)])),
    },
    Case {
        name: "huge blocks",
        run: || blocks(CAPACITY as i32, |p| (vec![p.bus(0), p.bus(2)], vec![p.bus(4)])),
    },
    Case {
        name: "blocks of one sample",
        run: || blocks(1, |p| (vec![p.bus(0), p.bus(2)], vec![p.bus(4)])),
    },
    Case {
        name: "blocks of no samples",
        run: || blocks(0, |p| (vec![p.bus(0), p.bus(2)], vec![p.bus(4)])),
    },
    Case { name: "blocks of no samples and buses", run: || blocks(0, |_| (vec![], vec![])) },
    Case {
        name: "negative blocks",
        run: || blocks(-5, |p| (vec![p.bus(0), p.bus(2)], vec![p.bus(4)])),
    },
    Case { name: "null block", run: null_arguments },
    Case { name: "processing that was not announced", run: not_announced },
    Case { name: "processing before setup", run: before_setup },
    Case { name: "processing while inactive", run: while_inactive },
    Case { name: "active twice", run: active_twice },
    Case { name: "six activations", run: six_activations },
    Case { name: "every process mode", run: every_mode },
    Case { name: "invalid rates", run: odd_rates },
    Case { name: "arrangements", run: arrangements },
    Case { name: "mono", run: mono },
    Case { name: "mono with a stereo sidechain", run: mono_with_stereo_sidechain },
    Case { name: "parameters out of range", run: odd_parameters },
    Case { name: "state", run: states },
    Case { name: "state of another latency", run: state_of_another_latency },
    Case { name: "state without a handler", run: state_without_handler },
    Case { name: "wrong byte counts of streams", run: wrong_byte_counts },
    Case { name: "latency", run: latency },
    Case { name: "destroyed while active", run: destroyed_while_active },
    Case { name: "destroyed while the worker runs", run: destroyed_while_working },
    Case { name: "not initialised", run: not_initialised },
    Case { name: "300 instances", run: three_hundred_instances },
    Case { name: "values that are not finite", run: values_not_finite },
    Case { name: "offline only by the block", run: offline_by_the_block },
    Case { name: "saved without a block", run: saved_without_a_block },
];

/// Ardour exports this way: the setup is real-time, but every block is offline.
fn offline_by_the_block() {
    let module = Module::open();
    let mut plug = Plug::started(&module);
    let latency = unsafe { plug.processor.getLatencySamples() } as usize;
    let mut random = Lcg(1);
    let (mut input, mut output) = (Vec::new(), Vec::new());
    while input.len() < 6 * latency {
        let noise = random.noise(BLOCK as usize);
        for channel in 0..4 {
            plug.buffers[channel][..BLOCK as usize].copy_from_slice(&noise);
        }
        let (main, side, out) = (plug.bus(0), plug.bus(2), plug.bus(4));
        let result = plug.process_in(OFFLINE, BLOCK, vec![main, side], vec![out], null_mut());
        assert_eq!(result, kResultOk);
        input.extend(noise);
        output.extend_from_slice(&plug.buffers[4][..BLOCK as usize]);
    }
    let dry = delayed(&input, latency);
    let wet =
        output.iter().zip(&dry).skip(3 * latency).filter(|(output, dry)| output != dry).count();
    assert!(wet > 2 * latency, "a render is wet: {wet} samples of {}", 3 * latency);
    plug.end();
}

/// pluginval and Steinberg's validator set a parameter and save without a block between.
fn saved_without_a_block() {
    let module = Module::open();
    let mut plug = Plug::started(&module);
    plug.play();
    let ids = unsafe {
        (0..plug.controller.getParameterCount()).map(|index| plug.param(index)).collect::<Vec<_>>()
    };
    for id in ids {
        unsafe {
            assert_eq!(plug.controller.setParamNormalized(id, 1.0), kResultOk);
            assert_eq!(plug.controller.getParamNormalized(id), 1.0);
        }
        let with = saved(&plug);
        unsafe { plug.controller.setParamNormalized(id, 0.0) };
        assert_ne!(saved(&plug), with, "parameter {id}");
        assert_eq!(load(&plug, with.clone(), None), kResultOk);
        plug.play();
        assert_eq!(saved(&plug), with, "the state replaces the earlier edit");
        // The host's value, after the next block.
        assert_eq!(unsafe { plug.controller.getParamNormalized(id) }, 1.0);
    }
    plug.end();
}

fn null_arguments() {
    let module = Module::open();
    let mut plug = Plug::started(&module);
    unsafe {
        plug.processor.process(null_mut());
        plug.processor.setupProcessing(null_mut());
        plug.processor.setBusArrangements(null_mut(), 2, null_mut(), 1);
        plug.processor.getBusArrangement(0, 0, null_mut());
        plug.controller.getParameterInfo(0, null_mut());
        plug.controller.getParamStringByValue(plug.param(0), 0.5, null_mut());
        plug.component.getBusInfo(0, 0, 0, null_mut());
        plug.component.setState(null_mut());
        plug.component.getState(null_mut());
        let mut object = null_mut();
        module.factory.createInstance(std::ptr::null(), std::ptr::null(), &mut object);
        module.factory.getClassInfo(0, null_mut());
        module.factory.getFactoryInfo(null_mut());
    }
    plug.play();
    plug.end();
}

fn not_announced() {
    let module = Module::open();
    let mut plug = Plug::new(&module);
    plug.set_up(0, 48_000.0, BLOCK);
    unsafe { plug.component.setActive(1) };
    plug.play();
    plug.end();
}

fn before_setup() {
    let module = Module::open();
    let mut plug = Plug::new(&module);
    let (main, side, out) = (plug.bus(0), plug.bus(2), plug.bus(4));
    plug.process(BLOCK, vec![main.clone(), side.clone()], vec![out.clone()], null_mut());
    plug.activate();
    plug.process(BLOCK, vec![main, side], vec![out], null_mut());
    plug.end();
}

fn while_inactive() {
    let module = Module::open();
    let mut plug = Plug::started(&module);
    plug.deactivate();
    let (main, side, out) = (plug.bus(0), plug.bus(2), plug.bus(4));
    plug.process(BLOCK, vec![main, side], vec![out], null_mut());
    plug.activate();
    plug.play();
    plug.end();
}

fn active_twice() {
    let module = Module::open();
    let mut plug = Plug::started(&module);
    plug.activate();
    plug.play();
    plug.deactivate();
    plug.deactivate();
    plug.end();
}

fn six_activations() {
    let module = Module::open();
    let mut plug = Plug::started(&module);
    for round in 0..6 {
        plug.deactivate();
        plug.set_up(0, [44_100.0, 48_000.0, 96_000.0][round % 3], 64 << round);
        plug.activate();
    }
    plug.play();
    plug.end();
}

fn every_mode() {
    let module = Module::open();
    let mut plug = Plug::new(&module);
    for mode in [2, 2, 0, 1, 0, 77, -1, 0] {
        plug.set_up(mode, 48_000.0, BLOCK);
        plug.activate();
        plug.deactivate();
    }
    plug.set_up(0, 48_000.0, BLOCK);
    plug.activate();
    plug.play();
    plug.end();
}

fn odd_rates() {
    let module = Module::open();
    let mut plug = Plug::new(&module);
    for rate_hz in [0.0, -1.0, f64::NAN, f64::INFINITY, 1.0, 7_999.0, 768_000.0, 44_100.5] {
        for block in [0, -1, i32::MAX, BLOCK] {
            plug.set_up(0, rate_hz, block);
            plug.activate();
            let (main, side, out) = (plug.bus(0), plug.bus(2), plug.bus(4));
            plug.process(BLOCK, vec![main, side], vec![out], null_mut());
            plug.deactivate();
        }
    }
    plug.end();
}

fn arrangements() {
    let module = Module::open();
    let mut plug = Plug::new(&module);
    let (stereo, mono, surround) = (3u64, 1u64 << 19, 0x3f);
    for (inputs, outputs, fits) in [
        (vec![stereo, stereo], vec![stereo], true),
        (vec![mono, mono], vec![mono], true),
        (vec![1, 1], vec![1], true),
        (vec![stereo, mono], vec![stereo], true),
        (vec![mono, stereo], vec![mono], true),
        (vec![stereo, surround], vec![stereo], false),
        (vec![mono, mono], vec![stereo], false),
        (vec![stereo, 0], vec![stereo], true),
        (vec![stereo], vec![stereo], false),
        (vec![0, 0], vec![0], false),
        (vec![surround, surround], vec![surround], false),
        (vec![stereo, stereo, stereo], vec![stereo], false),
        (vec![u64::MAX; 2], vec![u64::MAX], false),
    ] {
        let (mut ins, mut outs) = (inputs.clone(), outputs.clone());
        let (num_ins, num_outs) = (ins.len() as i32, outs.len() as i32);
        let result = unsafe {
            plug.processor.setBusArrangements(
                ins.as_mut_ptr(),
                num_ins,
                outs.as_mut_ptr(),
                num_outs,
            )
        };
        assert_eq!(result == kResultOk, fits, "{inputs:x?} {outputs:x?}");
        if fits {
            let mut sidechain = 77;
            unsafe { plug.processor.getBusArrangement(0, 1, &mut sidechain) };
            assert_eq!(sidechain, inputs[1], "the accepted arrangement is set");
        }
    }
    let mut two = [stereo; 2];
    unsafe { plug.processor.setBusArrangements(two.as_mut_ptr(), 2, [stereo].as_mut_ptr(), 1) };
    plug.set_up(0, 48_000.0, BLOCK);
    plug.activate();
    plug.play();
    plug.end();
}

fn mono_with_stereo_sidechain() {
    let module = Module::open();
    let mut plug = Plug::new(&module);
    let (mono, stereo) = (1u64 << 19, 3u64);
    let result = unsafe {
        plug.processor.setBusArrangements([mono, stereo].as_mut_ptr(), 2, [mono].as_mut_ptr(), 1)
    };
    assert_eq!(result, kResultOk);
    plug.set_up(0, 48_000.0, BLOCK);
    plug.activate();
    for _ in 0..200 {
        let one = |bus: RawBus| RawBus { count: 1, ..bus };
        let (main, side, out) = (one(plug.bus(0)), plug.bus(2), one(plug.bus(4)));
        assert_eq!(plug.process(BLOCK, vec![main, side], vec![out], null_mut()), kResultOk);
    }
    plug.end();
}

fn mono() {
    let module = Module::open();
    let mut plug = Plug::new(&module);
    let mut two = [1u64 << 19; 2];
    unsafe { plug.processor.setBusArrangements(two.as_mut_ptr(), 2, [1u64 << 19].as_mut_ptr(), 1) };
    plug.set_up(0, 48_000.0, BLOCK);
    plug.activate();
    for _ in 0..200 {
        let one = |bus: RawBus| RawBus { count: 1, ..bus };
        let (main, side, out) = (one(plug.bus(0)), one(plug.bus(2)), one(plug.bus(4)));
        assert_eq!(plug.process(BLOCK, vec![main, side], vec![out], null_mut()), kResultOk);
    }
    plug.play();
    plug.end();
}

fn odd_parameters() {
    let module = Module::open();
    let mut plug = Plug::started(&module);
    let count = unsafe { plug.controller.getParameterCount() };
    let ids: Vec<ParamID> = (0..count).map(|index| plug.param(index)).collect();
    for id in ids.into_iter().chain([0, 0x12_3456, u32::MAX]) {
        for value in [0.0, 1.0, -1.0, 2.0, 1e30, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            unsafe {
                let mut text: String128 = std::mem::zeroed();
                plug.controller.getParamStringByValue(id, value, &mut text);
                plug.controller.setParamNormalized(id, value);
                plug.controller.normalizedParamToPlain(id, value);
                plug.controller.plainParamToNormalized(id, value);
                assert!(plug.controller.getParamNormalized(id).is_finite());
                let mut typed = [b'N' as TChar, b'a' as TChar, b'N' as TChar, 0];
                let mut parsed = 0.0;
                plug.controller.getParamValueByString(id, typed.as_mut_ptr(), &mut parsed);
            }
            let points = changes(id, vec![(0, value), (-5, value), (i32::MAX, value)]);
            let (main, side, out) = (plug.bus(0), plug.bus(2), plug.bus(4));
            plug.process(BLOCK, vec![main, side], vec![out], points.as_ptr());
        }
    }
    for index in [-1, count, i32::MAX, i32::MIN] {
        let mut info: ParameterInfo = unsafe { std::mem::zeroed() };
        assert_ne!(unsafe { plug.controller.getParameterInfo(index, &mut info) }, kResultOk);
    }
    plug.play();
    plug.end();
}

fn saved(plug: &Plug) -> Vec<u8> {
    let stream = Stream::new(Vec::new(), None);
    let pointer = stream.to_com_ptr::<IBStream>().expect("a stream");
    assert_eq!(unsafe { plug.component.getState(pointer.as_ptr()) }, kResultOk);
    stream.bytes.take()
}

fn load(plug: &Plug, bytes: Vec<u8>, claims: Option<i32>) -> tresult {
    let pointer = Stream::new(bytes, claims).to_com_ptr::<IBStream>().expect("a stream");
    unsafe { plug.component.setState(pointer.as_ptr()) }
}

fn states() {
    let module = Module::open();
    let mut plug = Plug::started(&module);
    let good = saved(&plug);
    assert_eq!(load(&plug, good.clone(), None), kResultOk);
    for len in (0..good.len()).step_by(7) {
        assert_ne!(load(&plug, good[..len].to_vec(), None), kResultOk, "{len} bytes");
    }
    assert_ne!(load(&plug, vec![b'7'; 100 << 20], None), kResultOk);
    let text = String::from_utf8(good.clone()).expect("JSON");
    let newer = text.replace(r#"\"version\":1"#, r#"\"version\":2"#);
    assert_ne!(newer, text);
    assert_ne!(load(&plug, newer.into_bytes(), None), kResultOk);
    plug.play();
    assert_eq!(load(&plug, good, None), kResultOk);
    plug.end();
}

/// A preset with another latency is loaded during processing. The latency changes only at the next
/// activation.
fn state_of_another_latency() {
    let module = Module::open();
    let mut plug = Plug::started(&module);
    let restarts = Arc::clone(&plug.restarts);
    let before = (restarts.load(SeqCst), unsafe { plug.processor.getLatencySamples() });
    let text = String::from_utf8(saved(&plug)).expect("JSON");
    let live = text.replace(r#""latency":{"string":"quality"}"#, r#""latency":{"string":"live"}"#);
    assert_ne!(live, text);
    assert_eq!(load(&plug, text.clone().into_bytes(), None), kResultOk);
    assert_eq!(restarts.load(SeqCst), before.0, "the latency is unchanged");
    assert_eq!(load(&plug, live.into_bytes(), None), kResultOk);
    assert_eq!(restarts.load(SeqCst), before.0 + 1);
    plug.play();
    assert_eq!(unsafe { plug.processor.getLatencySamples() }, before.1);
    plug.deactivate();
    plug.activate();
    assert_ne!(unsafe { plug.processor.getLatencySamples() }, before.1);
    let before_load = restarts.load(SeqCst);
    assert_eq!(load(&plug, text.into_bytes(), None), kResultOk);
    assert_eq!(restarts.load(SeqCst), before_load + 1, "the latency changes back");
    plug.end();
}

fn state_without_handler() {
    let module = Module::open();
    let plug = Plug::raw(&module);
    unsafe { plug.component.initialize(null_mut()) };
    let state = saved(&plug);
    assert_eq!(load(&plug, state, None), kResultOk);
    plug.end();
}

fn wrong_byte_counts() {
    let module = Module::open();
    let mut plug = Plug::started(&module);
    let good = saved(&plug);
    for claims in [-1, i32::MIN, i32::MAX, 1 << 17] {
        assert_ne!(load(&plug, good.clone(), Some(claims)), kResultOk);
    }
    plug.play();
    plug.end();
}

fn latency() {
    let module = Module::open();
    let plug = Plug::new(&module);
    unsafe { assert_eq!(plug.processor.getLatencySamples(), 0) };
    plug.set_up(0, 48_000.0, BLOCK);
    plug.activate();
    let first = unsafe { plug.processor.getLatencySamples() };
    assert!(first > 0);
    plug.deactivate();
    plug.activate();
    assert_eq!(unsafe { plug.processor.getLatencySamples() }, first);
    plug.end();
}

fn destroyed_while_active() {
    let module = Module::open();
    let mut plug = Plug::started(&module);
    plug.play();
    drop(plug);
    Plug::started(&module).end();
}

fn destroyed_while_working() {
    let module = Module::open();
    for round in 0..20 {
        let mut plug = Plug::started(&module);
        for _ in 0..round * 10 {
            let (main, side, out) = (plug.bus(0), plug.bus(2), plug.bus(4));
            plug.process(BLOCK, vec![main, side], vec![out], null_mut());
        }
        plug.end();
    }
}

fn not_initialised() {
    let module = Module::open();
    drop(Plug::raw(&module));
    let plug = Plug::raw(&module);
    plug.set_up(0, 48_000.0, BLOCK);
    plug.activate();
    plug.end();
}

/// Each instance is automated on one thread and destroyed immediately on another.
fn three_hundred_instances() {
    struct SendPlug(Plug);
    unsafe impl Send for SendPlug {}
    let module = Module::open();
    // Keeps the model in memory, so that the test measures only creation and destruction.
    let resident = Plug::started(&module);
    for round in 0..300 {
        let plug = Plug::started(&module);
        let id = plug.param(round % 5);
        let plug_owner = SendPlug(plug);
        let audio = std::thread::spawn(move || {
            let mut plug_owner = plug_owner;
            let plug = &mut { &mut plug_owner }.0;
            for k in 0..20 {
                let points: ComPtr<IParameterChanges> = changes(id, vec![(0, f64::from(k % 2))]);
                let (main, side, out) = (plug.bus(0), plug.bus(2), plug.bus(4));
                plug.process(BLOCK, vec![main, side], vec![out], points.as_ptr());
            }
            plug_owner
        });
        let plug = audio.join().expect("the audio thread").0;
        if round % 3 == 0 { drop(plug) } else { plug.end() }
    }
    resident.end();
}

fn values_not_finite() {
    let module = Module::open();
    let mut plug = Plug::started(&module);
    for unusual_blocks in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e-42, 1e38, 1.0] {
        for buffer in &mut plug.buffers[..4] {
            buffer.fill(unusual_blocks);
        }
        for _ in 0..300 {
            let (main, side, out) = (plug.bus(0), plug.bus(2), plug.bus(4));
            plug.process(BLOCK, vec![main, side], vec![out], null_mut());
            assert!(
                plug.buffers[4][..BLOCK as usize].iter().all(|x| x.is_normal() || *x == 0.0),
                "{unusual_blocks}"
            );
        }
    }
    plug.end();
}
