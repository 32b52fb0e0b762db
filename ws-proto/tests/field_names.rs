//! The fields of a struct are found by their names, wherever they stand and however long they are.

use rmp::encode::{write_map_len, write_str, write_uint};
use serde::Deserialize;
use ws_proto::{Format, Raw};

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct Named {
    #[serde(rename = "")]
    none: u64,
    #[serde(rename = "1", alias = "one")]
    one: u64,
    #[serde(rename = "1234")]
    four: u64,
    #[serde(rename = "12345")]
    five: u64,
    #[serde(rename = "123456789")]
    nine: u64,
    #[serde(rename = "1234567890123456")]
    sixteen: u64,
    #[serde(rename = "12345678901234567")]
    seventeen: u64,
    #[serde(rename = "12345678901234567890123456789012")]
    thirty_two: u64,
    #[serde(rename = "a\\nb")]
    backslash: u64,
    #[serde(rename = "\u{e9}\"")]
    quote: u64,
}

const NAMES: [&str; 10] = [
    "",
    "1",
    "1234",
    "12345",
    "123456789",
    "1234567890123456",
    "12345678901234567",
    "12345678901234567890123456789012",
    "a\\nb",
    "\u{e9}\"",
];

/// A map of these names, the numbers that they have in the list as their values.
fn read(format: Format, names: &[&str]) -> Result<Named, String> {
    let number = |name: &str| NAMES.iter().position(|known| *known == name).map_or(99, |at| at + 1);
    let bytes = match format {
        Format::Json => {
            let entry =
                |name: &&str| format!("{}:{}", serde_json::Value::from(*name), number(name));
            format!("{{{}}}", names.iter().map(entry).collect::<Vec<_>>().join(",")).into_bytes()
        }
        Format::MessagePack => {
            let mut bytes = Vec::new();
            write_map_len(&mut bytes, names.len().try_into().expect("few")).expect("memory");
            for name in names {
                write_str(&mut bytes, name).expect("memory");
                write_uint(&mut bytes, number(name) as u64).expect("memory");
            }
            bytes
        }
    };
    Raw::new(format, bytes.into()).decode().map_err(|error| error.to_string())
}

fn numbers(named: &Named) -> [u64; 10] {
    [
        named.none,
        named.one,
        named.four,
        named.five,
        named.nine,
        named.sixteen,
        named.seventeen,
        named.thirty_two,
        named.backslash,
        named.quote,
    ]
}

#[test]
fn fields_are_found_in_any_order_and_among_unknown_ones() {
    let mut random = fastrand::Rng::with_seed(7);
    for format in Format::ALL {
        for _ in 0..2_000 {
            let mut names = NAMES.to_vec();
            names.extend(["2", "1235", "123456780", "2234567890123456", "1234567890123457"]);
            if random.bool() {
                random.shuffle(&mut names);
            }
            names.truncate(random.usize(0..=names.len()));
            let mut expected = [0; 10];
            for (number, name) in (1..).zip(NAMES) {
                expected[number - 1] = if names.contains(&name) { number as u64 } else { 0 };
            }
            let found = read(format, &names).expect("a struct");
            assert_eq!(numbers(&found), expected, "{format}: {names:?}");
        }
    }
}
