//! Converts Envoy's configuration to one form: names in snake case, enums by name, real booleans.
//!
//! In: a tree as written. Out: the same tree in protobuf's JSON with the names of the .proto files, or the parts that
//! Envoy would reject. The messages are those of the Envoy version in [`VERSION`]; `make descriptors` writes them.

use std::io::Read;

use flate2::read::ZlibDecoder;
use prost_reflect::{
    DescriptorPool, DeserializeOptions, DynamicMessage, MessageDescriptor, SerializeOptions,
};
use serde_json::{Map, Value};
use serde_path_to_error::{Path, Segment, Track};

use crate::cli::failure::Failure;
use crate::cli::lint::envoy::legacy::{self, AnyMessage};
use crate::cli::lint::envoy::tree::TYPE;
use crate::engine::config::problem::{Place, Step};

/// The messages of Envoy's configuration.
pub(super) struct Schema {
    pool: DescriptorPool,
}

/// A part that Envoy rejects.
#[derive(Debug)]
pub(super) struct Rejection {
    pub(super) place: Place,
    pub(super) message: String,
}

impl Schema {
    /// Unpacks the messages.
    ///
    /// # Errors
    /// Never fails with the file in the repository.
    pub(super) fn load() -> Result<Self, Failure> {
        let mut bytes = Vec::new();
        let unpacked =
            ZlibDecoder::new(DESCRIPTORS).read_to_end(&mut bytes).map_err(|error| error.to_string());
        let pool = unpacked
            .and_then(|_| DescriptorPool::decode(bytes.as_slice()).map_err(|error| error.to_string()));
        let pool = pool.map_err(|error| Failure::new(format!("cannot read Envoy's descriptors: {error}")))?;
        Ok(Self { pool })
    }

    /// Converts the tree. A message of an unknown type is unchanged.
    ///
    /// # Errors
    /// Everything that Envoy rejects.
    pub(super) fn read(&self, tree: &Value) -> Result<Value, Vec<Rejection>> {
        let mut reader =
            Reader { pool: &self.pool, is_dump: is_dump(tree), nested: vec![], rejections: vec![] };
        let mut value = reader.file(tree, &Place::default());
        // Map fields of a message have no order.
        value.sort_all_objects();
        if reader.rejections.is_empty() { Ok(value) } else { Err(reader.rejections) }
    }
}

/// The state of the conversion.
struct Reader<'s> {
    pool: &'s DescriptorPool,
    /// Whether an Envoy has loaded it: another version may have more fields.
    is_dump: bool,
    /// The messages in those fields of the current message that may hold any message.
    nested: Vec<Value>,
    rejections: Vec<Rejection>,
}

impl Reader<'_> {
    /// Reads a file that is a message or contains messages, such as the output of `istioctl proxy-config`.
    fn file(&mut self, tree: &Value, place: &Place) -> Value {
        let Value::Object(entries) = tree else { return self.below(tree, place, Self::file) };
        if entries.contains_key("apiVersion") {
            return self.foreign(tree, place);
        }
        match root(entries).and_then(|name| self.pool.get_message_by_name(name)) {
            Some(message) => self.message(&message, entries, place),
            None => self.below(tree, place, Self::file),
        }
    }

    /// Reads a value that is not an Envoy message but may contain messages, such as a Kubernetes manifest.
    fn foreign(&mut self, tree: &Value, place: &Place) -> Value {
        self.below(tree, place, Self::foreign)
    }

    fn below(&mut self, tree: &Value, place: &Place, with: fn(&mut Self, &Value, &Place) -> Value) -> Value {
        match tree {
            Value::Object(entries) if entries.contains_key(TYPE) => self.any(entries, place),
            Value::Object(entries) => {
                let below =
                    |(key, value): (&String, &Value)| (key.clone(), with(self, value, &place.key(key)));
                Value::Object(entries.iter().map(below).collect())
            }
            Value::Array(items) => {
                let items = items.iter().enumerate();
                items.map(|(number, item)| with(self, item, &place.index(number))).collect()
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => tree.clone(),
        }
    }

    /// Reads a message with its type beside its fields.
    fn any(&mut self, entries: &Map<String, Value>, place: &Place) -> Value {
        let mut fields = entries.clone();
        let mut url = fields.shift_remove(TYPE).unwrap_or_default();
        if url.as_str().is_some_and(|url| url.ends_with(".TypedStruct")) {
            url =
                ["type_url", "typeUrl"].iter().find_map(|key| entries.get(*key)).cloned().unwrap_or_default();
            fields = entries.get("value").and_then(Value::as_object).cloned().unwrap_or_default();
        }
        let name = url.as_str().and_then(|url| url.rsplit('/').next()).unwrap_or_default();
        let read = match self.pool.get_message_by_name(name) {
            _ if name.starts_with(WELL_KNOWN) => Value::Object(fields),
            Some(message) => self.message(&message, &fields, place),
            None => self.foreign(&Value::Object(fields), place),
        };
        let mut typed = Map::from_iter([(TYPE.to_owned(), url)]);
        if let Value::Object(fields) = read {
            typed.extend(fields);
        }
        Value::Object(typed)
    }

    fn message(&mut self, message: &MessageDescriptor, fields: &Map<String, Value>, place: &Place) -> Value {
        let around = std::mem::take(&mut self.nested);
        let plain = legacy::message(self, message, fields, place);
        let nested = std::mem::replace(&mut self.nested, around);
        let mut track = Track::new();
        let options = DeserializeOptions::new().deny_unknown_fields(!self.is_dump);
        let deserializer = serde_path_to_error::Deserializer::new(&plain, &mut track);
        match DynamicMessage::deserialize_with_options(message.clone(), deserializer, &options) {
            Ok(read) => {
                let options =
                    SerializeOptions::new().use_proto_field_name(true).stringify_64_bit_integers(false);
                let value = read.serialize_with_options(serde_json::value::Serializer, &options);
                put_back(value.unwrap_or_default(), &nested)
            }
            Err(error) => {
                let place = below(place, &track.path());
                self.rejections.push(Rejection { place, message: error.to_string().replace('\'', "`") });
                Value::Null
            }
        }
    }
}

impl AnyMessage for Reader<'_> {
    fn stand_in(&mut self, entries: &Map<String, Value>, place: &Place) -> Value {
        if !entries.contains_key(TYPE) {
            self.rejections
                .push(Rejection { place: place.clone(), message: "`@type` is missing".to_owned() });
        }
        let read = self.any(entries, place);
        let number = self.nested.len();
        self.nested.push(read);
        serde_json::json!({ TYPE: STAND_IN, "value": format!("{MARK}{number}") })
    }
}

/// Puts messages back in place of their placeholders.
fn put_back(value: Value, nested: &[Value]) -> Value {
    match value {
        Value::Object(entries) => {
            let mark = entries.get("value").and_then(Value::as_str).and_then(|text| text.strip_prefix(MARK));
            let number = mark.and_then(|number| number.parse::<usize>().ok());
            if let Some(read) = number.and_then(|number| nested.get(number)) {
                return read.clone();
            }
            let entries = entries.into_iter().map(|(key, value)| (key, put_back(value, nested)));
            Value::Object(entries.collect())
        }
        Value::Array(items) => items.into_iter().map(|item| put_back(item, nested)).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}

/// The message type of a file without `@type`, judged by its keys.
fn root(entries: &Map<String, Value>) -> Option<&'static str> {
    let is_it = |value: &Value| value.is_array() || value.is_object();
    let has = |keys: &[&str]| keys.iter().any(|key| entries.get(*key).is_some_and(is_it));
    ROOTS.iter().find(|(_, keys)| has(keys)).map(|(name, _)| *name)
}

fn is_dump(tree: &Value) -> bool {
    match tree {
        Value::Object(entries) if root(entries) == Some(DUMP) => true,
        Value::Object(entries) => entries.values().any(is_dump),
        Value::Array(items) => items.iter().any(is_dump),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

fn below(place: &Place, path: &Path) -> Place {
    let step = |segment: &Segment| match segment {
        Segment::Seq { index } => Some(Step::Index(*index)),
        Segment::Map { key } => Some(Step::Key(key.clone())),
        Segment::Enum { .. } | Segment::Unknown => None,
    };
    place.steps().iter().cloned().chain(path.iter().filter_map(step)).collect()
}

/// The Envoy version of these messages.
pub(super) const VERSION: &str = "1.40.0";
static DESCRIPTORS: &[u8] = include_bytes!("descriptors/envoy-1.40.0.binpb.zlib");
const WELL_KNOWN: &str = "google.protobuf.";
const DUMP: &str = "envoy.admin.v3.ConfigDump";
/// Messages that a whole file may be, with their distinctive keys.
const ROOTS: [(&str, &[&str]); 5] = [
    (DUMP, &["configs"]),
    ("envoy.service.discovery.v3.DiscoveryResponse", &["resources"]),
    (
        "envoy.config.bootstrap.v3.Bootstrap",
        &["static_resources", "staticResources", "dynamic_resources", "dynamicResources"],
    ),
    ("envoy.config.listener.v3.Listener", &["filter_chains", "filterChains"]),
    ("envoy.config.route.v3.RouteConfiguration", &["virtual_hosts", "virtualHosts"]),
];
const STAND_IN: &str = "type.googleapis.com/google.protobuf.StringValue";
const MARK: &str = "\0message ";
