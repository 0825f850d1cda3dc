//! Reading JSON without building a tree: borrowed texts, and objects flattened into a few fields.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::text::cut;

/// Fields kept of one record; further ones are left out.
pub(crate) const FIELDS_MAX: usize = 64;
/// Bytes kept of one field's value.
pub(crate) const VALUE_BYTES_MAX: usize = 512;
/// Bytes kept of one field's name.
const KEY_BYTES_MAX: usize = 128;
/// Levels of objects and lists looked into; what lies deeper is left out.
const DEPTH_MAX: usize = 4;

/// A text, borrowed from the record where it holds no escape.
pub(crate) struct Text<'a>(pub(crate) Cow<'a, str>);

impl Text<'_> {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text of a field that may be absent.
pub(crate) fn as_text<'a>(field: &'a Option<Text<'_>>) -> Option<&'a str> {
    field.as_ref().map(Text::as_str)
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor).map(Self)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.into()))
    }
}

/// Fields by their original names, within the limits of this module.
#[derive(Debug, Default)]
pub(crate) struct Fields(pub(crate) BTreeMap<String, String>);

impl Fields {
    /// Adds a value; a second one of the same name is appended after a comma.
    pub(crate) fn put(&mut self, name: &str, value: &str) {
        let name = cut(name, KEY_BYTES_MAX);
        if let Some(held) = self.0.get_mut(name) {
            let room = VALUE_BYTES_MAX.saturating_sub(held.len()).saturating_sub(1);
            if room > 0 {
                held.push(',');
                held.push_str(cut(value, room));
            }
        } else if self.0.len() < FIELDS_MAX {
            self.0
                .insert(name.into(), cut(value, VALUE_BYTES_MAX).into());
        }
    }
}

/// The object in `bytes` as flat fields (`dns.rrname`); `None` if it is not a JSON object.
pub(crate) fn flatten(bytes: &[u8]) -> Option<Fields> {
    let mut fields = Fields::default();
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let nested = Nested {
        fields: &mut fields,
        path: &mut String::new(),
        depth: 0,
    };
    nested.deserialize(&mut deserializer).ok()?;
    deserializer.end().ok()?;
    Some(fields)
}

/// One value on its way into the fields.
struct Nested<'m> {
    fields: &'m mut Fields,
    path: &'m mut String,
    depth: usize,
}

impl Nested<'_> {
    fn put(self, value: &str) {
        self.fields.put(self.path, value);
    }

    const fn inner(&mut self) -> Nested<'_> {
        Nested {
            fields: self.fields,
            path: self.path,
            depth: self.depth.saturating_add(1),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Nested<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.depth > DEPTH_MAX {
            deserializer.deserialize_ignored_any(IgnoredAny).map(|_| ())
        } else if self.depth == 0 {
            deserializer.deserialize_map(self)
        } else {
            deserializer.deserialize_any(self)
        }
    }
}

impl<'de> Visitor<'de> for Nested<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<(), E> {
        self.put(if value { "true" } else { "false" });
        Ok(())
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<(), E> {
        self.put(&value.to_string());
        Ok(())
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<(), E> {
        self.put(&value.to_string());
        Ok(())
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<(), E> {
        self.put(&value.to_string());
        Ok(())
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<(), E> {
        self.put(value);
        Ok(())
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(self.inner())?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut entries: A) -> Result<(), A::Error> {
        let length = self.path.len();
        while let Some(key) = entries.next_key::<Text<'de>>()? {
            if length > 0 {
                self.path.push('.');
            }
            self.path.push_str(cut(key.as_str(), KEY_BYTES_MAX));
            entries.next_value_seed(self.inner())?;
            self.path.truncate(length);
        }
        Ok(())
    }
}
