//! CLAP hosts that violate the specification.

use std::ptr::{null, null_mut};

use clap_sys::events::clap_input_events;

use super::clap_raw::{BLOCK, CAPACITY, Events, Plug, RawPort, call, entry, factory, host};
use super::{Case, run_all};

#[test]
fn no_clap_host_crashes() {
    run_all("hostile::clap::no_clap_host_crashes", &CASES);
}

const NO_CHANNELS: RawPort = RawPort { count: 0, channels: None };

/// Creates the ports of a case's blocks.
type Ports = fn(&mut Plug) -> (Vec<RawPort>, Vec<RawPort>);

/// Processes the same unusual block several times, then some normal ones.
fn blocks(len: u32, ports: Ports) {
    let mut plug = Plug::started();
    for _ in 0..50 {
        let (inputs, outputs) = ports(&mut plug);
        plug.process(len, inputs, outputs, null());
    }
    plug.play();
    plug.end();
}

fn nulls() -> RawPort {
    RawPort { count: 2, channels: Some(vec![null_mut(); 2]) }
}

const CASES: [Case; 33] = [
    Case {
        name: "normal",
        run: || blocks(BLOCK, |p| (vec![p.port(0), p.port(2)], vec![p.port(4)])),
    },
    Case {
        name: "no sidechain port",
        run: || blocks(BLOCK, |p| (vec![p.port(0)], vec![p.port(4)])),
    },
    Case {
        name: "sidechain without channels",
        run: || blocks(BLOCK, |p| (vec![p.port(0), NO_CHANNELS], vec![p.port(4)])),
    },
    Case {
        name: "sidechain of null pointers",
        run: || blocks(BLOCK, |p| (vec![p.port(0), nulls()], vec![p.port(4)])),
    },
    Case {
        name: "sidechain without an array",
        run: || {
            blocks(BLOCK, |p| {
                (vec![p.port(0), RawPort { count: 2, channels: None }], vec![p.port(4)])
            })
        },
    },
    Case {
        name: "mono sidechain",
        run: || {
            blocks(BLOCK, |p| (vec![p.port(0), RawPort { count: 1, ..p.port(2) }], vec![p.port(4)]))
        },
    },
    Case { name: "no inputs", run: || blocks(BLOCK, |p| (vec![], vec![p.port(4)])) },
    Case { name: "no outputs", run: || blocks(BLOCK, |p| (vec![p.port(0), p.port(2)], vec![])) },
    Case { name: "no buffers", run: || blocks(BLOCK, |_| (vec![], vec![])) },
    Case {
        name: "input of null pointers",
        run: || blocks(BLOCK, |p| (vec![nulls(), p.port(2)], vec![p.port(4)])),
    },
    Case {
        name: "output of null pointers",
        run: || blocks(BLOCK, |p| (vec![p.port(0), p.port(2)], vec![nulls()])),
    },
    Case {
        name: "in place",
        run: || blocks(BLOCK, |p| (vec![p.port(4), p.port(2)], vec![p.port(4)])),
    },
    Case {
        name: "larger blocks than announced",
        run: || blocks(2048, |p| (vec![p.port(0), p.port(2)], vec![p.port(4)])),
    },
    Case {
        name: "huge blocks",
        run: || blocks(CAPACITY as u32, |p| (vec![p.port(0), p.port(2)], vec![p.port(4)])),
    },
    Case {
        name: "blocks of one sample",
        run: || blocks(1, |p| (vec![p.port(0), p.port(2)], vec![p.port(4)])),
    },
    Case { name: "blocks of no samples", run: || blocks(0, |_| (vec![], vec![])) },
    Case { name: "null arguments", run: null_arguments },
    Case { name: "no host", run: no_host },
    Case { name: "event lists without functions", run: events_without_functions },
    Case { name: "transport changes beyond the block", run: late_transport },
    Case { name: "processing while inactive", run: while_inactive },
    Case { name: "not started", run: not_started },
    Case { name: "six activations", run: six_activations },
    Case { name: "active twice", run: active_twice },
    Case { name: "invalid rates", run: odd_rates },
    Case { name: "parameters out of range", run: odd_parameters },
    Case { name: "states", run: states },
    Case { name: "wrong byte counts of streams", run: wrong_byte_counts },
    Case { name: "destroyed while active", run: destroyed_while_active },
    Case { name: "destroyed while the worker runs", run: destroyed_while_working },
    Case { name: "not initialised", run: not_initialised },
    Case { name: "300 instances", run: three_hundred_instances },
    Case { name: "undefined names", run: undefined_names },
];

fn null_arguments() {
    let mut plug = Plug::started();
    unsafe {
        call!(plug, process, null());
        call!(plug, get_extension, null());
        let no_plugin = null();
        let plugin = &*plug.plugin;
        plugin.process.expect("process")(no_plugin, null());
        plugin.activate.expect("activate")(no_plugin, 48_000.0, 1, 512);
        plugin.deactivate.expect("deactivate")(no_plugin);
        plugin.get_extension.expect("get_extension")(no_plugin, c"clap.params".as_ptr());
        plugin.destroy.expect("destroy")(no_plugin);
        let params = plug.params();
        params.get_info.expect("info")(plug.plugin, 0, null_mut());
        params.get_value.expect("value")(plug.plugin, plug.ids()[0], null_mut());
        params.value_to_text.expect("text")(plug.plugin, plug.ids()[0], 0.5, null_mut(), 10);
        params.text_to_value.expect("text")(plug.plugin, plug.ids()[0], null(), null_mut());
        params.flush.expect("flush")(plug.plugin, null(), null());
        plug.state().save.expect("save")(plug.plugin, null());
        plug.state().load.expect("load")(plug.plugin, null());
    }
    plug.play();
    plug.end();
}

fn no_host() {
    unsafe {
        let factory = factory();
        let create = factory.create_plugin.expect("create");
        let id = (*factory.get_plugin_descriptor.expect("descriptors")(factory, 0)).id;
        assert!(create(factory, null(), id).is_null());
        let without_functions = clap_sys::host::clap_host { get_extension: None, ..host() };
        assert!(create(factory, &without_functions, id).is_null());
        assert!(create(factory, &host(), null()).is_null());
    }
}

fn events_without_functions() {
    let mut plug = Plug::started();
    let without_functions = clap_input_events { ctx: null_mut(), size: None, get: None };
    let (main, side, out) = (plug.port(0), plug.port(2), plug.port(4));
    plug.process(BLOCK, vec![main, side], vec![out], &without_functions);
    plug.process(0, vec![], vec![], &without_functions);
    unsafe { plug.params().flush.expect("flush")(plug.plugin, &without_functions, null()) };
    plug.play();
    plug.end();
}

fn while_inactive() {
    let mut plug = Plug::new();
    let (main, side, out) = (plug.port(0), plug.port(2), plug.port(4));
    plug.process(BLOCK, vec![main.clone(), side.clone()], vec![out.clone()], null());
    plug.activate(48_000.0, BLOCK);
    plug.deactivate();
    plug.process(BLOCK, vec![main, side], vec![out], null());
    plug.deactivate();
    plug.activate(48_000.0, BLOCK);
    plug.play();
    plug.end();
}

fn not_started() {
    let mut plug = Plug::new();
    unsafe { call!(plug, activate, 48_000.0, 1, BLOCK) };
    plug.play();
    unsafe {
        call!(plug, reset);
        call!(plug, on_main_thread);
    }
    plug.end();
}

fn six_activations() {
    let mut plug = Plug::started();
    for round in 0..6 {
        plug.deactivate();
        assert!(plug.activate([44_100.0, 48_000.0, 96_000.0][round % 3], 64 << round));
    }
    plug.play();
    plug.end();
}

fn active_twice() {
    let mut plug = Plug::started();
    plug.activate(96_000.0, 64);
    plug.play();
    plug.end();
}

fn odd_rates() {
    let mut plug = Plug::new();
    for rate_hz in [0.0, -1.0, f64::NAN, f64::INFINITY, 1.0, 7_999.0, 768_000.0, 44_100.5] {
        for block in [0, u32::MAX, BLOCK] {
            plug.activate(rate_hz, block);
            let (main, side, out) = (plug.port(0), plug.port(2), plug.port(4));
            plug.process(BLOCK, vec![main, side], vec![out], null());
            plug.deactivate();
        }
    }
    plug.end();
}

fn late_transport() {
    let mut plug = Plug::started();
    for time in [BLOCK - 1, BLOCK, BLOCK + 1, 100_000, u32::MAX] {
        let events = Events::transport(time);
        let (main, side, out) = (plug.port(0), plug.port(2), plug.port(4));
        plug.process(BLOCK, vec![main, side], vec![out], events.list());
        let (main, side, out) = (plug.port(0), plug.port(2), plug.port(4));
        plug.process(1, vec![main, side], vec![out], events.list());
    }
    plug.play();
    plug.end();
}

fn odd_parameters() {
    let mut plug = Plug::started();
    let ids = plug.ids();
    for &id in ids.iter().chain(&[0, 0x12_3456, u32::MAX]) {
        for value in [0.0, 1.0, -1.0, 200.0, 1e300, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let events = Events::new(id, value, if value > 1.0 { u32::MAX } else { 0 });
            let (main, side, out) = (plug.port(0), plug.port(2), plug.port(4));
            plug.process(BLOCK, vec![main, side], vec![out], events.list());
            plug.process(0, vec![], vec![], events.list());
            unsafe {
                let params = plug.params();
                let mut text = [0; 4];
                for capacity in 0..4 {
                    params.value_to_text.expect("text")(
                        plug.plugin,
                        id,
                        value,
                        text.as_mut_ptr(),
                        capacity,
                    );
                }
                let mut parsed = 0.0;
                for typed in [c"NaN", c"", c"1e999", c"\xff\xfe", c"-", c"999999999999"] {
                    params.text_to_value.expect("value")(
                        plug.plugin,
                        id,
                        typed.as_ptr(),
                        &mut parsed,
                    );
                }
            }
        }
    }
    for index in [ids.len() as u32, u32::MAX] {
        let mut info = unsafe { std::mem::zeroed() };
        assert!(!unsafe { plug.params().get_info.expect("info")(plug.plugin, index, &mut info) });
    }
    plug.play();
    plug.end();
}

fn states() {
    let mut plug = Plug::started();
    let good = plug.save();
    assert!(plug.load(&good, None));
    assert!((0..good.len()).step_by(7).all(|len| !plug.load(&good[..len], None)));
    let mut hundred = ((100u64 << 20) - 8).to_le_bytes().to_vec();
    hundred.resize(100 << 20, b' ');
    assert!(!plug.load(&hundred, None));
    let mut seed = 1u64;
    for len in [0, 1, 7, 8, 9, 100, 10_000] {
        let mut next = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 56) as u8
        };
        let random: Vec<u8> = (0..len).map(|_| next()).collect();
        assert!(!plug.load(&random, None));
    }
    let newer = String::from_utf8(good[8..].to_vec())
        .expect("JSON")
        .replace(r#"\"version\":1"#, r#"\"version\":2"#);
    let mut bytes = (newer.len() as u64).to_le_bytes().to_vec();
    bytes.extend(newer.as_bytes());
    assert!(bytes.len() == good.len() && bytes != good && !plug.load(&bytes, None));
    plug.play();
    assert!(plug.load(&good, None));
    plug.end();
}

fn wrong_byte_counts() {
    let mut plug = Plug::started();
    let good = plug.save();
    for claims in [-1, i64::MIN, i64::MAX, 1 << 17] {
        assert!(!plug.load(&good, Some(claims)));
    }
    plug.play();
    plug.end();
}

fn destroyed_while_active() {
    let mut plug = Plug::started();
    plug.play();
    unsafe { call!(plug, destroy) };
    Plug::started().end();
}

fn destroyed_while_working() {
    for round in 0..20 {
        let mut plug = Plug::started();
        for _ in 0..round * 10 {
            let (main, side, out) = (plug.port(0), plug.port(2), plug.port(4));
            plug.process(BLOCK, vec![main, side], vec![out], null());
        }
        plug.end();
    }
}

fn not_initialised() {
    let plug = Plug::raw();
    unsafe { call!(plug, destroy) };
    let plug = Plug::raw();
    plug.activate(48_000.0, BLOCK);
    plug.end();
}

/// Each instance is automated on one thread and destroyed immediately on another.
fn three_hundred_instances() {
    struct SendPlug(Plug);
    unsafe impl Send for SendPlug {}
    // Keeps the model in memory, so that the test measures only creation and destruction.
    let resident = Plug::started();
    for round in 0..300 {
        let plug_owner = SendPlug(Plug::started());
        let audio = std::thread::spawn(move || {
            let mut plug_owner = plug_owner;
            let plug = &mut { &mut plug_owner }.0;
            let id = plug.ids()[round % 5];
            for k in 0..20 {
                let events = Events::new(id, f64::from(k % 2), 0);
                let (main, side, out) = (plug.port(0), plug.port(2), plug.port(4));
                plug.process(BLOCK, vec![main, side], vec![out], events.list());
            }
            plug_owner
        });
        let plug = audio.join().expect("the audio thread").0;
        if round % 3 == 0 {
            unsafe { call!(plug, destroy) }
        } else {
            plug.end();
        }
    }
    resident.end();
}

fn undefined_names() {
    unsafe {
        assert!(entry().get_factory.expect("get_factory")(c"nonsense".as_ptr()).is_null());
        assert!(entry().get_factory.expect("get_factory")(null()).is_null());
        let factory = factory();
        assert!(factory.get_plugin_descriptor.expect("descriptors")(factory, 7).is_null());
        assert!(
            factory.create_plugin.expect("create")(factory, &host(), c"nonsense".as_ptr())
                .is_null()
        );
    }
    let plug = Plug::new();
    assert!(unsafe { call!(plug, get_extension, c"nonsense".as_ptr()) }.is_null());
    plug.end();
}
