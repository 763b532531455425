use serde_json::json;

use super::*;

/// A valid model checkpoint with two small tensors.
fn small() -> Checkpoint {
    let config = ModelConfig::default();
    let mut checkpoint = Checkpoint::new(Kind::Model, &config).unwrap();
    checkpoint.latent = LatentStats {
        mean: (0..32).map(|c| c as f32 * 0.1 - 1.0).collect(),
        std: (0..32).map(|c| 0.3 + c as f32 / 7.0).collect(),
    };
    checkpoint.provenance = json!({ "seed": 7, "soundfonts": ["FluidR3"] });
    checkpoint.metrics = json!({ "mse": 0.00018 });
    let tensor = |shape: &[usize], scale: f32| StoredTensor {
        shape: shape.to_vec(),
        data: (0..shape.iter().product()).map(|i: usize| (i as f32 - 3.7) * scale).collect(),
    };
    checkpoint.tensors.insert("unet.conv.weight".into(), tensor(&[4, 2, 3, 3], 0.013));
    checkpoint.tensors.insert("unet.conv.bias".into(), tensor(&[4], 1e-3));
    checkpoint.tensors.insert("encoder.scale".into(), tensor(&[], 1.0));
    checkpoint
}

/// The bytes of [`small`] with an edited header.
fn with_header(edit: impl FnOnce(&mut Value)) -> Vec<u8> {
    let bytes = small().to_bytes(Precision::F32).unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let mut header = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    edit(&mut header);
    assemble(&header.to_string(), &bytes[8 + length..])
}

fn assemble(header: &str, data: &[u8]) -> Vec<u8> {
    let length = (header.len() as u64).to_le_bytes();
    [&length, header.as_bytes(), data].concat()
}

/// Changes the JSON inside one metadata string.
fn edit_metadata(header: &mut Value, key: &str, edit: impl FnOnce(&mut Value)) {
    let text = header["__metadata__"][key].as_str().unwrap();
    let mut value = serde_json::from_str(text).unwrap();
    edit(&mut value);
    header["__metadata__"][key] = value.to_string().into();
}

/// Asserts that the file is rejected with an error that names `field` and contains `part`.
fn assert_refused(bytes: &[u8], field: &str, part: &str) {
    let error = match Checkpoint::from_bytes(bytes) {
        Err(error) => error,
        Ok(_) => panic!("accepted; expected an error that names `{field}`"),
    };
    assert!(
        matches!(&error, Error::Checkpoint { field: named, .. } if named == field),
        "{field}: {error}"
    );
    let sentence = error.to_string();
    assert!(sentence.contains(part), "{sentence}");
    assert!(sentence.len() < 400, "{sentence}");
}

#[test]
fn f32_is_preserved_bit_for_bit() {
    let mut checkpoint = small();
    let odd = vec![f32::MIN_POSITIVE, -0.0, f32::MAX, 1e-45, -1.0 / 3.0];
    checkpoint.tensors.insert("odd".into(), StoredTensor { shape: vec![5], data: odd.clone() });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    checkpoint.write(&path, Precision::F32).unwrap();
    let read = Checkpoint::read(&path).unwrap();
    let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&read.tensors["odd"].data), bits(&odd));
    assert_eq!(read.sha256.len(), 64);
    assert_eq!(Checkpoint { sha256: String::new(), ..read.clone() }, checkpoint);
    assert_eq!(read.model_config().unwrap(), ModelConfig::default());
    // Equal checkpoints have equal bytes, and the folder has no other files.
    assert_eq!(read.to_bytes(Precision::F32).unwrap(), std::fs::read(&path).unwrap());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn f16_is_preserved_within_half_precision() {
    let checkpoint = small();
    let read = Checkpoint::from_bytes(&checkpoint.to_bytes(Precision::F16).unwrap()).unwrap();
    for (name, tensor) in &checkpoint.tensors {
        for (was, is) in tensor.data.iter().zip(&read.tensors[name].data) {
            // 11 significant bits: an error of half a unit in the last place.
            assert!((was - is).abs() <= was.abs() / 2048.0, "{name}: {was} {is}");
        }
    }
    // The statistics are stored as text, without loss.
    assert_eq!(read.latent, checkpoint.latent);
    assert!(
        checkpoint.to_bytes(Precision::F16).unwrap().len()
            < checkpoint.to_bytes(Precision::F32).unwrap().len()
    );
}

#[test]
fn the_safetensors_crate_reads_our_files() {
    let checkpoint = small();
    let bytes = checkpoint.to_bytes(Precision::F32).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(file.len(), 3);
    assert_eq!(file.tensor("unet.conv.weight").unwrap().shape(), [4, 2, 3, 3]);
    assert_eq!(u64::from_le_bytes(bytes[..8].try_into().unwrap()) % 8, 0);
}

#[test]
fn parts_count_parameters() {
    assert_eq!(small().parts(), [("encoder".to_string(), 1), ("unet".to_string(), 76)]);
}

#[test]
fn kinds_are_distinguished() {
    let config = json!({ "channels": [8, 16], "labels": ["piano"] });
    let classifier = Checkpoint::new(Kind::Classifier, &config).unwrap();
    let read = Checkpoint::from_bytes(&classifier.to_bytes(Precision::F32).unwrap()).unwrap();
    assert_eq!(read.classifier_config::<Value>().unwrap(), config);
    assert!(read.model_config().unwrap_err().to_string().contains("kind"));
    assert!(
        read.require(Kind::Model)
            .unwrap_err()
            .to_string()
            .contains("expected `model`, found `classifier`")
    );
    assert!(small().classifier_config::<Value>().is_err());
    let vggish = Checkpoint::new(Kind::Vggish, &()).unwrap();
    let read = Checkpoint::from_bytes(&vggish.to_bytes(Precision::F32).unwrap()).unwrap();
    assert_eq!(read, Checkpoint { sha256: read.sha256.clone(), ..vggish });
    assert!(read.model_config().unwrap_err().to_string().contains("`vggish`"));
}

#[test]
fn other_files_are_rejected() {
    let folder = tempfile::tempdir().unwrap();
    assert!(Checkpoint::read(folder.path()).unwrap_err().to_string().contains("folder"));
    let missing = folder.path().join("none.safetensors");
    assert!(Checkpoint::read(&missing).unwrap_err().to_string().contains("none.safetensors"));
    let huge = folder.path().join("huge.safetensors");
    // Sparse: no data is stored on the disk.
    std::fs::File::create(&huge).unwrap().set_len(MAX_FILE_BYTES + 1).unwrap();
    assert!(Checkpoint::read(&huge).unwrap_err().to_string().contains("1073741825 bytes"));

    assert_refused(&[], "file", "0 bytes");
    assert_refused(b"RIFF", "file", "4 bytes");
    assert_refused(b"RIFF....WAVEfmt ....", "file", "a Luthier model");
    assert_refused(&[0xff; 64], "file", "a Luthier model");
    assert_refused(&[&[0xff; 8][..], b"{"].concat(), "header", "18446744073709551615");
    assert_refused(&assemble("{\"a\": \u{0}}", &[]), "header", "JSON");
    assert_refused(&assemble("[]", &[]), "file", "a Luthier model");
    assert_refused(&assemble("{}", &[]), "format", "no metadata");
    assert_refused(&assemble("{\"__metadata__\":[]}", &[]), "__metadata__", "object");
    let mut not_text = assemble("{}      ", &[]);
    not_text[10] = 0xff;
    assert_refused(&not_text, "header", "UTF-8");
    // Nesting deep enough to overflow the stack of a parser that recurses without a limit.
    assert_refused(
        &assemble(&format!("{{\"a\":{}", "[".repeat(1 << 20)), &[]),
        "header",
        "recursion",
    );
    // A header above the bound, in a file that is long enough for it.
    assert_refused(
        &assemble(&format!("{{{}", " ".repeat(MAX_HEADER_BYTES as usize + 8)), &[]),
        "header",
        "length",
    );
}

#[test]
fn truncation_is_detected_at_every_length() {
    for precision in [Precision::F32, Precision::F16] {
        let bytes = small().to_bytes(precision).unwrap();
        for length in 0..bytes.len() {
            assert!(
                Checkpoint::from_bytes(&bytes[..length]).is_err(),
                "{length} of {} bytes",
                bytes.len()
            );
        }
    }
    let mut longer = small().to_bytes(Precision::F32).unwrap();
    longer.push(0);
    assert_refused(&longer, "header", "cover");
}

#[test]
fn invalid_metadata_are_named() {
    let refused = |field: &str, part: &str, edit: &dyn Fn(&mut Value)| {
        assert_refused(&with_header(edit), field, part)
    };
    refused("format", "nothing", &|h| {
        drop(h["__metadata__"].as_object_mut().unwrap().remove("format"))
    });
    refused("format", "`pt`", &|h| h["__metadata__"]["format"] = "pt".into());
    refused("format_version", "found 2", &|h| h["__metadata__"]["format_version"] = "2".into());
    refused("format_version", "found one", &|h| h["__metadata__"]["format_version"] = "one".into());
    refused("kind", "vocoder", &|h| h["__metadata__"]["kind"] = "vocoder".into());
    refused("config", "JSON", &|h| h["__metadata__"]["config"] = "{".into());
    refused("metrics", "a string", &|h| h["__metadata__"]["metrics"] = json!({}));
    for key in ["config", "latent", "provenance", "metrics", "kind", "format_version"] {
        refused(key, "nothing", &|h| drop(h["__metadata__"].as_object_mut().unwrap().remove(key)));
    }
}

#[test]
fn invalid_config_fields_are_named() {
    let refused = |field: &str, part: &str, edit: &dyn Fn(&mut Value)| {
        assert_refused(&with_header(|h| edit_metadata(h, "config", edit)), field, part);
    };
    refused("config.unet.head", "unknown field", &|c| c["unet"]["head"] = 4.into());
    refused("config.unet", "missing field `heads`", &|c| {
        drop(c["unet"].as_object_mut().unwrap().remove("heads"))
    });
    refused("config.unet.channels[1]", "string", &|c| c["unet"]["channels"][1] = "wide".into());
    refused("config.unet.heads", "-4", &|c| c["unet"]["heads"] = (-4).into());
    refused("config.diffusion.schedule", "sigmoid", &|c| {
        c["diffusion"]["schedule"] = "sigmoid".into()
    });
    refused("unet.channels[1]", "1099511627776", &|c| {
        c["unet"]["channels"][1] = (1u64 << 40).into()
    });
    refused("autoencoder.channels.len", "60", &|c| {
        c["autoencoder"]["channels"] = json!(vec![8; 60])
    });
}

#[test]
fn invalid_statistics_are_named() {
    let refused = |field: &str, part: &str, edit: &dyn Fn(&mut Value)| {
        assert_refused(&with_header(|h| edit_metadata(h, "latent", edit)), field, part);
    };
    refused("latent.mean", "32 values", &|l| drop(l["mean"].as_array_mut().unwrap().pop()));
    refused("latent.std[3]", "above 0", &|l| l["std"][3] = 0.0.into());
    refused("latent.std[31]", "-1", &|l| l["std"][31] = (-1.0).into());
    refused("latent.mean[2]", "null", &|l| l["mean"][2] = Value::Null);
    // Beyond f32: infinite after conversion.
    refused("latent.mean[2]", "inf", &|l| l["mean"][2] = 1e300.into());
}

#[test]
fn duplicate_keys_are_rejected() {
    let bytes = small().to_bytes(Precision::F32).unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let (header, data) =
        (std::str::from_utf8(&bytes[8..8 + length]).unwrap(), &bytes[8 + length..]);
    let twice = |from: &str, to: &str| assemble(&header.replacen(from, to, 1), data);
    assert_refused(&twice("\"kind\":", "\"kind\":\"model\",\"kind\":"), "header", "`kind` twice");
    let tensor = concat!(
        r#""encoder.scale":{"data_offsets":[0,4],"dtype":"F32","shape":[]},"#,
        r#""encoder.scale":"#
    );
    assert_refused(&twice("\"encoder.scale\":", tensor), "header", "`encoder.scale` twice");
    assert_refused(
        &twice("{\\\"autoencoder\\\"", "{\\\"mel\\\":1,\\\"mel\\\":1,\\\"autoencoder\\\""),
        "config",
        "`mel` twice",
    );
}

#[test]
fn invalid_tensors_are_named() {
    let refused = |field: &str, part: &str, edit: &dyn Fn(&mut Value)| {
        assert_refused(&with_header(edit), field, part)
    };
    refused("unet.conv.bias", "F32 or F16", &|h| {
        h["unet.conv.bias"]["dtype"] = "I32".into();
    });
    refused("header", "cover", &|h| h["unet.conv.bias"]["shape"] = json!([5]));
    refused("header", "cover", &|h| h["unet.conv.bias"]["shape"] = json!([u64::MAX, u64::MAX]));
    refused("unet.conv.bias", "data_offsets", &|h| {
        h["unet.conv.bias"]["data_offsets"] = json!([4, 1u64 << 60])
    });
    refused("unet.conv.bias", "data_offsets", &|h| {
        h["unet.conv.bias"]["data_offsets"] = json!([20, 4])
    });
    refused("unet.conv.bias", "data_offsets", &|h| h["unet.conv.bias"] = json!(3));
    // Eight tensors with a total size just under 2^64: the safetensors crate's sum would overflow.
    refused("t0", "data_offsets", &|h| {
        let entries = h.as_object_mut().unwrap();
        entries.retain(|name, _| name == "__metadata__");
        for i in 0..8u64 {
            let size = (1u64 << 61) - 8;
            let offsets = [i * size, (i + 1) * size];
            let entry = json!({ "dtype": "U8", "shape": [size], "data_offsets": offsets });
            entries.insert(format!("t{i}"), entry);
        }
    });
}

#[test]
fn non_finite_weights_are_named() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut bytes = small().to_bytes(Precision::F32).unwrap();
        let last = bytes.len() - 4;
        bytes[last..].copy_from_slice(&bad.to_le_bytes());
        assert_refused(&bytes, "unet.conv.weight", "position 71");
        let mut checkpoint = small();
        checkpoint.tensors.get_mut("unet.conv.bias").unwrap().data[2] = bad;
        assert!(
            checkpoint.to_bytes(Precision::F32).unwrap_err().to_string().contains("unet.conv.bias")
        );
    }
    let mut checkpoint = small();
    checkpoint.tensors.get_mut("unet.conv.bias").unwrap().data[2] = 70_000.0;
    assert!(checkpoint.to_bytes(Precision::F16).unwrap_err().to_string().contains("F16"));
    checkpoint.tensors.get_mut("unet.conv.bias").unwrap().shape = vec![3];
    assert!(
        checkpoint.to_bytes(Precision::F32).unwrap_err().to_string().contains("unet.conv.bias")
    );
}

#[test]
fn networks_get_exactly_their_tensors() {
    let checkpoint = small();
    let list: Vec<(String, Vec<usize>)> = checkpoint
        .tensors
        .iter()
        .map(|(name, tensor)| (name.clone(), tensor.shape.clone()))
        .collect();
    checkpoint.expect(&list).unwrap();
    let refused = |list: &[(String, Vec<usize>)], field: &str, part: &str| {
        let error = checkpoint.expect(list).unwrap_err();
        assert!(
            matches!(&error, Error::Checkpoint { field: named, .. } if named == field),
            "{error}"
        );
        assert!(error.to_string().contains(part), "{error}");
    };
    refused(&list[1..], "encoder.scale", "no tensor");
    refused(
        &[list.clone(), vec![("unet.out.weight".into(), vec![3])]].concat(),
        "unet.out.weight",
        "nothing",
    );
    let mut reshaped = list.clone();
    reshaped[2].1 = vec![4, 18];
    refused(&reshaped, "unet.conv.weight", "shape [4, 18], found [4, 2, 3, 3]");
}

#[test]
fn an_unwritable_path_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let occupied = folder.path().join("occupied");
    std::fs::create_dir(&occupied).unwrap();
    let error = small().write(&occupied, Precision::F32).unwrap_err();
    assert!(matches!(error, Error::File { .. }), "{error}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    assert!(
        small().write(folder.path().join("no/such/folder.safetensors"), Precision::F32).is_err()
    );
    assert!(small().write("/", Precision::F32).is_err());
}

/// Reads 30 000 damaged files, none of which may panic. A file may be accepted in spite of the
/// damage, such as a flipped bit of a weight. It must then be writable again.
#[test]
fn damage_never_panics() {
    let whole = small().to_bytes(Precision::F32).unwrap();
    let header = u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize + 8;
    let mut random = 0x1234_5678_9abc_def0u64;
    let mut below = |bound: usize| {
        // xorshift64 (Marsaglia 2003): a fixed sequence that is the same on every run.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random % bound as u64) as usize
    };
    let interesting =
        [b'"', b'{', b'}', b'[', b']', b',', b':', b'0', b'9', b'-', b'e', b'\\', 0, 0xff];
    for round in 0..30_000 {
        let mut bytes = whole.clone();
        // Most of the damage is in the header, which has most of the decisions.
        let reach = if round % 4 == 0 { bytes.len() } else { header };
        for _ in 0..=below(3) {
            if bytes.is_empty() {
                break;
            }
            let at = below(reach.min(bytes.len()));
            match below(6) {
                0 => bytes[at] ^= 1 << below(8),
                1 => bytes[at] = interesting[below(interesting.len())],
                2 => bytes.insert(at, interesting[below(interesting.len())]),
                3 => drop(bytes.remove(at)),
                4 => {
                    let end = (at + below(40)).min(bytes.len());
                    let to = below(bytes.len() - (end - at) + 1);
                    bytes.copy_within(at..end, to);
                }
                _ => bytes.truncate(at.max(1)),
            }
        }
        if round % 2 == 0 && bytes.len() > 8 {
            // Corrects the length, so that the damage reaches the later parsers.
            let length =
                (header + bytes.len()).saturating_sub(whole.len() + 8).min(bytes.len() - 8) as u64;
            bytes[..8].copy_from_slice(&length.to_le_bytes());
        }
        if let Ok(read) = Checkpoint::from_bytes(&bytes) {
            read.model_config().expect("a valid config, checked on reading");
            read.to_bytes(Precision::F32).expect("a checkpoint that can be written");
        }
    }
}
