//! Objects for tests, drawn from the table by a seed: any field of any message may be set.

use serde_json::{Map, Value, json};

use crate::base64;
use crate::table::{MessageRef, Type};

/// A small generator of numbers, the same for the same seed.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `limit`.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % limit
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len() as u64) as usize]
    }
}

/// An object of a message in which about one of `rarity` fields is set, besides the required ones.
pub(crate) fn object(message: MessageRef, dice: &mut Dice, rarity: u64) -> Value {
    let mut object = Map::new();
    for field in &message.fields {
        // What protobuf does not carry is said by the envelope.
        if matches!(field.name, "apiVersion" | "kind") && field.number == 0 {
            continue;
        }
        if field.required || dice.below(rarity) == 0 {
            let mut value = value(&field.value, dice, rarity + 1);
            if let (Some(key), Value::Array(list)) = (field.merge_key, &mut value) {
                tell_apart(key, list);
            }
            object.insert(field.name.to_owned(), value);
        }
    }
    Value::Object(object)
}

/// Gives each element of a list its own merge key.
fn tell_apart(key: &str, list: &mut [Value]) {
    for (index, element) in list.iter_mut().enumerate() {
        element[key] = if key == "containerPort" { json!(index + 1) } else { json!(format!("key-{index}")) };
    }
}

fn value(of: &Type, dice: &mut Dice, rarity: u64) -> Value {
    match of {
        Type::String => json!(dice.pick(&["", "a", "b", "ü", "a longer text with \"quotes\"\n"])),
        Type::Boolean => json!(dice.below(2) == 0),
        Type::Int32 => json!(i64::from(dice.below(1 << 32) as u32 as i32) * dice.below(2) as i64),
        Type::Int64 => json!(dice.below(1 << 50) as i64 - (1 << 49)),
        Type::Bytes => json!(base64::encode(&dice.below(1 << 40).to_le_bytes()[..dice.below(8) as usize])),
        Type::Quantity => json!(dice.pick(&["0", "1", "500m", "1Gi", "1500", "3k"])),
        Type::IntOrString => {
            [json!(dice.below(70_000)), json!("25%"), json!("http"), json!(0)][dice.below(4) as usize].clone()
        }
        Type::Time => {
            json!(dice.pick(&["2026-01-02T03:04:05Z", "1970-01-01T00:00:00Z", "1815-12-10T00:00:00Z"]))
        }
        Type::MicroTime => json!(dice.pick(&["2026-01-02T03:04:05.000000Z", "2026-01-02T03:04:05.000123Z"])),
        Type::Object => json!({ "f:a": { ".": {}, "k:{\"name\":\"x\"}": dice.below(3) } }),
        Type::Message(_) => of.message().map_or(Value::Null, |message| object(message, dice, rarity)),
        Type::List(element) => (0..1 + dice.below(3)).map(|_| value(element, dice, rarity)).collect(),
        Type::Map(inner) => {
            let keys = ["", "a", "b/c", "d"].iter().take(1 + dice.below(4) as usize);
            keys.map(|key| ((*key).to_owned(), value(inner, dice, rarity))).collect::<Map<_, _>>().into()
        }
    }
}
