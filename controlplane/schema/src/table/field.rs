//! Messages and their fields.

use super::table;

/// A message of the table, which lives as long as the program.
pub type MessageRef = &'static Message;

/// A message's place in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MessageId(pub(crate) u16);

/// What a value may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Type {
    /// Text.
    String,
    /// `true` or `false`.
    Boolean,
    /// A whole number of 32 bits.
    Int32,
    /// A whole number of 64 bits.
    Int64,
    /// Bytes, in JSON as standard base64.
    Bytes,
    /// An amount such as `500m` or `2Gi`; a number in JSON is taken for its digits.
    Quantity,
    /// A whole number of 32 bits or text.
    IntOrString,
    /// A time of whole seconds.
    Time,
    /// A time of microseconds.
    MicroTime,
    /// A JSON object that nothing is known of.
    Object,
    /// A message of the table.
    Message(MessageId),
    /// A list of one type.
    List(Box<Type>),
    /// A map from text to one type.
    Map(Box<Type>),
}

/// How elements of a list belong together (`x-kubernetes-list-type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListType {
    /// The list is one value.
    Atomic,
    /// Each element at most once.
    Set,
    /// At most one element for each value of the keys.
    Map,
}

/// How a strategic merge patch treats a field (`x-kubernetes-patch-strategy`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PatchStrategy {
    /// Elements are merged by the merge key (or, without one, added where they are missing).
    pub merge: bool,
    /// A patch may say with `$retainKeys` which keys stay.
    pub retain_keys: bool,
    /// What a patch says takes the place of the object, which is not merged.
    pub replace: bool,
}

/// A field of a message.
#[derive(Debug)]
pub struct Field {
    /// Its name in JSON.
    pub name: &'static str,
    /// Its number in protobuf; 0 if protobuf does not carry it.
    pub number: u32,
    /// What its value may be.
    pub value: Type,
    /// Whether an object without it is refused.
    pub required: bool,
    /// Whether "set to zero" differs from "not set" (a pointer in the types that Go programs use), so that a zero in
    /// protobuf is kept.
    pub optional_pointer: bool,
    /// The value that Kubernetes fills in, in JSON.
    pub default: Option<&'static str>,
    /// The form of text, such as `dns-label`.
    pub format: Option<&'static str>,
    /// The only values allowed; empty if any is.
    pub enumeration: &'static [&'static str],
    /// The smallest number allowed.
    pub minimum: Option<i64>,
    /// The largest number allowed.
    pub maximum: Option<i64>,
    /// How elements of the list belong together.
    pub list_type: Option<ListType>,
    /// With [`ListType::Map`], the fields that tell elements apart.
    pub list_keys: &'static [&'static str],
    /// The field by which a strategic merge patch finds the element to merge with.
    pub merge_key: Option<&'static str>,
    /// How a strategic merge patch treats it.
    pub patch_strategy: PatchStrategy,
    /// Every attribute that the table gives, as text.
    pub(crate) attributes: Vec<(&'static str, &'static str)>,
}

impl Field {
    /// An attribute of the table by its name, such as `format`; a flag has an empty value.
    pub fn attribute(&self, name: &str) -> Option<&'static str> {
        self.attributes.iter().find(|(attribute, _)| *attribute == name).map(|(_, value)| *value)
    }

    /// The message that the field, its elements or its values are of.
    pub fn message(&self) -> Option<MessageRef> {
        self.value.message()
    }
}

impl Type {
    /// The message that a value, its elements or its values are of.
    pub fn message(&self) -> Option<MessageRef> {
        match self {
            Type::Message(id) => Some(table().message(*id)),
            Type::List(inner) | Type::Map(inner) => inner.message(),
            _ => None,
        }
    }
}

/// What a protobuf number stands for in a message.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Numbered {
    /// The field at this place of [`Message::fields`].
    Field(u16),
    /// A message whose fields lie flat in JSON.
    Inline(MessageId),
}

/// A message: a JSON object with known fields.
#[derive(Debug)]
pub struct Message {
    /// The full name, such as `io.k8s.api.core.v1.PodSpec`.
    pub name: &'static str,
    /// Its place in the table.
    pub(crate) id: MessageId,
    /// Its fields as JSON has them, in the order of the table; those of members that lie flat are among them.
    pub fields: Vec<Field>,
    /// Whether its fields have one owner together (`x-kubernetes-map-type: atomic`).
    pub atomic: bool,
    /// Places in `fields`, ordered by length and then bytes of the name, which a lookup compares fast.
    pub(crate) by_name: Vec<u16>,
    /// Protobuf numbers in order.
    pub(crate) by_number: Vec<(u32, Numbered)>,
}

impl Message {
    /// The field of this JSON name.
    pub fn field(&'static self, name: &str) -> Option<&'static Field> {
        self.place(name).and_then(|place| self.fields.get(place))
    }

    /// The place of the field of this JSON name.
    pub(crate) fn place(&self, name: &str) -> Option<usize> {
        let found = self.by_name.binary_search_by(|place| {
            let other = self.fields[usize::from(*place)].name;
            other.len().cmp(&name.len()).then_with(|| other.as_bytes().cmp(name.as_bytes()))
        });
        found.ok().map(|at| usize::from(self.by_name[at]))
    }

    /// What a protobuf number stands for.
    pub(crate) fn numbered(&self, number: u32) -> Option<Numbered> {
        self.by_number
            .binary_search_by_key(&number, |(number, _)| *number)
            .ok()
            .map(|at| self.by_number[at].1)
    }

    /// The last part of the name, such as `PodSpec`.
    pub fn short_name(&self) -> &'static str {
        self.name.rsplit('.').next().unwrap_or(self.name)
    }
}

impl PartialEq for Message {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Message {}
